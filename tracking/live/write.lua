-- Writes a chunk of live updates: the newest report of a target wins, and the sets of its kind stay in step.
--
-- KEYS  1 active: target -> ts of its document       2 geo: target -> position, below the limit of GEOADD
--       3 polar: target -> latitude, from it on      4 fields: target -> the dynamic fields of its document
--       5 changes: the log of the keys that were written, one entry a chunk, for whoever follows them
-- ARGV  1 prefix of the documents' keys   2 TTL, seconds   3 how far ahead a report may be, seconds
--       4 updates, MessagePack: array of {key, ts, latitude | nil, longitude | nil, fields, ages, document, static}
--       5... names of the kind's dynamic fields
-- Returns {written, stale, refused}.
--
-- `fields` is a number of bits, one for each of the names: from bit 0 on those as fresh as ts, from bit 15 on those that
-- are older. It is 0 for a target that only static reports have told of: the score in `active` is then no dynamic
-- value's time, so a position may be older than it. In the hash bit 30 says that the document has static values. Kept
-- beside the document, the bits spare reading it: an update with the fields of the one before, the ordinary case, needs
-- no look at ages, and one that leaves nothing of a document replaces it, at two thirds of the cost of a merge.
--
-- A document ahead of this server's clock, as one that was written before the clock was set back, would stay the newest
-- until its time has come. It loses to a report that is not ahead and nearer to the clock than itself: to every one of
-- now, and not to one that a slow feed brings late while the document is ahead by the difference of two hosts' clocks.
--
-- Documents are never decoded here: cjson shortens numbers and turns [] into {}. Patches come as text, and all that is
-- added to them is ages.

-- GEOADD takes 85.05112878 and 180 themselves, but the last cell ends before them and GEOSEARCH loses such members.
local GEO_LIMIT, LAST_LONGITUDE = 85.05112878, 179.999999
local OLDER, STATIC = 2 ^ 15, 2 ^ 30

local active, geo, polar, fields, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local prefix, ttl, lead = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local updates, names = cmsgpack.unpack(ARGV[4]), {unpack(ARGV, 5)}
local band, bor, bnot = bit.band, bit.bor, bit.bnot
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
local scores, known, has_static = {}, {}, {}
local old_scores = redis.call('ZMSCORE', active, unpack(keys))
local old_fields = redis.call('HMGET', fields, unpack(keys))
for i, key in ipairs(keys) do
  local score = tonumber(old_scores[i] or nil)
  if score and score + ttl > now then
    local bits = tonumber(old_fields[i] or nil) or 0
    scores[key], known[key], has_static[key] = score, bits % STATIC, bits >= STATIC
  end
end

-- The fewest digits that say the number: RedisJSON's parser can miss the last bit of one with more than 15.
local function digits(number)
  for precision = 15, 17 do
    local text = string.format('%.' .. precision .. 'g', number)
    if tonumber(text) == number then return text end
  end
end

local function joined(members, more)
  return members .. ((members ~= '' and more ~= '') and ',' or '') .. more
end

-- The names of bits; there are few combinations in a chunk.
local named = {}

local function names_of(bits)
  local found = named[bits]
  if found then return found end
  found = {}
  for i, name in ipairs(names) do
    if band(bits, 2 ^ (i - 1)) ~= 0 then found[#found + 1] = name end
  end
  named[bits] = found
  return found
end

-- Members of `ages` that give all of `bits` one value.
local function members(bits, value)
  return bits == 0 and '' or '"' .. table.concat(names_of(bits), '":' .. value .. ',"') .. '":' .. value
end

-- What becomes of a document that had the fields `before`, as of `previous`, and takes `given`: whether any values
-- outlive that, the changes to `ages` (those that outlive get one, those that are fresh again lose theirs), and the
-- fields after it.
local function outlived(before, given, previous)
  if before == given then return false, '', given end
  local fresh, older = given % OLDER, math.floor(given / OLDER)
  local fresh_before, older_before = before % OLDER, math.floor(before / OLDER)
  local absent = bnot(bor(fresh, older))
  local aging, still, renewed = band(fresh_before, absent), band(older_before, absent), band(older_before, fresh)
  local changes = members(renewed, 'null')
  if aging ~= 0 then changes = joined(members(aging, digits(previous)), changes) end
  return aging + still > 0, changes, fresh + bor(older, aging, still) * OLDER
end

local function with_ages(document, ages)
  return ages == '' and document or document:sub(1, -2) .. ',"ages":{' .. ages .. '}}'
end

-- Gathered for one command a set. A target that comes twice in a chunk is written twice, the later one last.
local zadd, hset, geoadd, placed, unplaced, touched = {}, {}, {}, {}, {}, {}

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

local function remember(key, bits)
  known[key] = bits
  hset[#hset + 1] = key
  hset[#hset + 1] = has_static[key] and bits + STATIC or bits
end

local function store(key, ts, given, ages, document, static)
  local name, score, before, had_static = prefix .. key, scores[key], known[key], has_static[key]
  local outlives, older, after = false, '', given
  -- No value is from later than the document: what a document ahead leaves behind is as fresh as the report.
  if score then outlives, older, after = outlived(before, given, math.min(score, ts)) end
  if static ~= '' then document = document:sub(1, -2) .. ',' .. static:sub(2) end
  if outlives or had_static then
    redis.call('JSON.MERGE', name, '$', with_ages(document, joined(ages, older)))
  else
    redis.call('JSON.SET', name, '$', with_ages(document, ages))
  end
  redis.call('PEXPIREAT', name, math.ceil((ts + ttl) * 1000))
  has_static[key] = had_static or static ~= ''
  if after ~= before or has_static[key] ~= (had_static or false) then remember(key, after) end
  zadd[#zadd + 1] = ts
  zadd[#zadd + 1] = key
  scores[key] = ts
end

-- Whether the update sets the document's time: static values do so only while there are no others.
local function is_newest(ts, dynamic, score, before)
  if not score then return true end
  local newer = ts > score or (score > now and ts <= now and now - ts <= score - now)
  if before == 0 then return dynamic or newer end
  return dynamic and newer
end

local written, stale, refused = 0, 0, 0
for _, update in ipairs(updates) do
  local key, ts, latitude, longitude, given, ages, document, static = unpack(update, 1, 8)
  local dynamic, score = given ~= 0, scores[key]
  if ts + ttl <= now or ts > now + lead then
    refused = refused + 1
  else
    local newest = is_newest(ts, dynamic, score, known[key])
    if newest then
      store(key, ts, given, ages, document, static)
      touched[#touched + 1] = key
      if latitude or not score then place(key, latitude, longitude) end
    -- A merge into a key that has gone would make a document without an expiry.
    elseif static ~= '' and redis.call('EXISTS', prefix .. key) == 1 then
      redis.call('JSON.MERGE', prefix .. key, '$', static)
      touched[#touched + 1] = key
      if not has_static[key] then
        has_static[key] = true
        remember(key, known[key])
      end
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
-- Who follows changes reads which documents to fetch; an entry's id is the cursor. Two minutes are kept.
if #touched > 0 then
  redis.call('XADD', changes, 'MINID', '~', string.format('%d', (now - 120) * 1000), '*', prefix, table.concat(touched, ' '))
end
return {written, stale, refused}
