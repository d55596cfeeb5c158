-- Writes a chunk of live updates: the newest report of a target wins, and the sets of its kind stay in step.
--
-- KEYS  1 active: target -> ts of its document       2 geo: target -> position, below the limit of GEOADD
--       3 polar: target -> latitude, from it on      4 fields: target -> the dynamic fields of its document
-- ARGV  1 prefix of the documents' keys   2 TTL, seconds   3 how far ahead a report may be, seconds
--       4 updates, MessagePack: array of {key, ts, latitude | nil, longitude | nil, fields, ages, document, static}
-- Returns {written, stale, refused}.
--
-- `fields` lists names, first those as fresh as ts, then after ";" those that are older: "course,position;heading".
-- It is "" for a target that only static reports have told of: the score in `active` is then no dynamic value's time,
-- so a position may be older than it. Kept beside the document, the list spares reading it: an update with the fields of
-- the one before, the ordinary case, needs no look at ages.
--
-- Documents are never decoded here: cjson shortens numbers and turns [] into {}. Patches come as text, and all that is
-- added to them is ages.

-- GEOADD takes 85.05112878 and 180 themselves, but the last cell ends before them and GEOSEARCH loses such members.
local GEO_LIMIT, LAST_LONGITUDE = 85.05112878, 179.999999

local active, geo, polar, fields = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, ttl, lead = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local updates = cmsgpack.unpack(ARGV[4])
if #updates == 0 then return {0, 0, 0} end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

-- Lua has no rollback: whatever GEOADD would refuse is refused before the first write.
local keys = {}
for i, update in ipairs(updates) do
  local latitude, longitude = update[3], update[4]
  if latitude and not (latitude >= -90 and latitude <= 90 and longitude >= -180 and longitude <= 180) then
    return redis.error_reply('ERR position out of range: ' .. update[1])
  end
  keys[i] = update[1]
end

-- What is known of each target; a score past the TTL is a ghost whose document is gone, so the target is new.
local scores, known = {}, {}
local old_scores = redis.call('ZMSCORE', active, unpack(keys))
local old_fields = redis.call('HMGET', fields, unpack(keys))
for i, key in ipairs(keys) do
  local score = tonumber(old_scores[i] or nil)
  if score and score + ttl > now then
    scores[key], known[key] = score, old_fields[i] or ''
  end
end

-- The fewest digits that say the number: RedisJSON's parser can miss the last bit of one with more than 15.
local function digits(number)
  for precision = 15, 17 do
    local text = string.format('%.' .. precision .. 'g', number)
    if tonumber(text) == number then return text end
  end
end

-- What becomes of the fields when a document that had `before` takes `given`: those that outlive the update and get an
-- age, as names; those that lose theirs, as changes to `ages`; and the fields after it. The pairs of a chunk are few.
local plans = {}

local function plan_for(before, given)
  local pair = before .. '|' .. given
  local plan = plans[pair]
  if plan then return plan end
  local fresh, older = given:match('^([^;]*);?(.*)$')
  local fresh_before, older_before = before:match('^([^;]*);?(.*)$')
  local is = {}
  for name in fresh:gmatch('[^,]+') do is[name] = 'fresh' end
  for name in older:gmatch('[^,]+') do is[name] = 'older' end
  local outliving, renewed = {}, {}
  for name in fresh_before:gmatch('[^,]+') do
    if not is[name] then
      outliving[#outliving + 1] = name
      older = older .. ',' .. name
    end
  end
  for name in older_before:gmatch('[^,]+') do
    if not is[name] then
      older = older .. ',' .. name
    elseif is[name] == 'fresh' then
      renewed[#renewed + 1] = '"' .. name .. '":null'
    end
  end
  if older ~= '' then fresh = fresh .. ';' .. older:gsub('^,', '') end
  plan = {outliving, table.concat(renewed, ','), fresh}
  plans[pair] = plan
  return plan
end

-- The changes to `ages` and the fields of a document that had the fields `before`, as of `previous`, and takes `given`.
local function outlived(before, given, previous)
  if before == given then return '', given end
  local outliving, changes, after = unpack(plan_for(before, given))
  if #outliving > 0 then
    local aged = '":' .. digits(previous)
    local text = '"' .. table.concat(outliving, aged .. ',"') .. aged
    changes = changes == '' and text or text .. ',' .. changes
  end
  return changes, after
end

local function with_ages(document, ages, changes)
  if ages == '' and changes == '' then return document end
  local comma = (ages ~= '' and changes ~= '') and ',' or ''
  return document:sub(1, -2) .. ',"ages":{' .. ages .. comma .. changes .. '}}'
end

-- Gathered for one command a set. A target that comes twice in a chunk is written twice, the later one last.
local zadd, hset, geoadd, placed, unplaced = {}, {}, {}, {}, {}

local function place(key, latitude, longitude)
  if latitude and math.abs(latitude) < GEO_LIMIT then
    local n = #geoadd
    geoadd[n + 1], geoadd[n + 2], geoadd[n + 3] = math.min(longitude, LAST_LONGITUDE), latitude, key
    placed[#placed + 1] = key
    if unplaced[key] ~= nil then unplaced[key] = nil end
  else
    unplaced[key] = latitude or false
  end
end

local function store(key, ts, given, ages, document)
  local name, score, before = prefix .. key, scores[key], known[key]
  local changes, after = '', given
  if score then
    changes, after = outlived(before, given, score)
    redis.call('JSON.MERGE', name, '$', with_ages(document, ages, changes))
  else
    redis.call('JSON.SET', name, '$', with_ages(document, ages, changes))
  end
  redis.call('PEXPIREAT', name, string.format('%.0f', math.ceil((ts + ttl) * 1000)))
  if after ~= before then
    hset[#hset + 1] = key
    hset[#hset + 1] = after
  end
  zadd[#zadd + 1] = ts
  zadd[#zadd + 1] = key
  scores[key], known[key] = ts, after
end

-- Whether the update sets the document's time: static values do so only while there are no others.
local function is_newest(ts, dynamic, score, before)
  if not score then return true end
  if before == '' then return dynamic or ts > score end
  return dynamic and ts > score
end

local written, stale, refused = 0, 0, 0
for _, update in ipairs(updates) do
  local key, ts, latitude, longitude, given, ages, document, static = unpack(update, 1, 8)
  local dynamic, score = given ~= '', scores[key]
  if ts + ttl <= now or ts > now + lead then
    refused = refused + 1
  else
    local newest = is_newest(ts, dynamic, score, known[key])
    if newest then
      store(key, ts, given, ages, document)
      if latitude or not score then place(key, latitude, longitude) end
    end
    -- A merge into a key that has gone would make a document without an expiry.
    if static ~= '' and (newest or redis.call('EXISTS', prefix .. key) == 1) then
      redis.call('JSON.MERGE', prefix .. key, '$', static)
    end
    if newest or not dynamic then written = written + 1 else stale = stale + 1 end
  end
end

local function call(command, key, arguments)
  if #arguments > 0 then redis.call(command, key, unpack(arguments)) end
end

local off_geo, polar_add = {}, {}
for key, latitude in pairs(unplaced) do
  off_geo[#off_geo + 1] = key
  if latitude then
    polar_add[#polar_add + 1] = latitude
    polar_add[#polar_add + 1] = key
  else
    placed[#placed + 1] = key
  end
end
call('ZADD', active, zadd)
call('HSET', fields, hset)
call('GEOADD', geo, geoadd)
call('ZREM', geo, off_geo)
if redis.call('EXISTS', polar) == 1 then call('ZREM', polar, placed) end
call('ZADD', polar, polar_add)
return {written, stale, refused}
