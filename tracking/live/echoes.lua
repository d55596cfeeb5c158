-- Names each transmission of aircraft by the time under which its first report is known.
--
-- KEYS  1 said: aircraft -> the last places with their times, packed   2 the same of the period before
-- ARGV  1 packed {aircraft, place, ms, ...}, in order of arrival   2 within so many ms two reports are one
--       3 how many places of an aircraft are kept   4 seconds to keep them
-- Returns for each report the ms of the first report of that place, or its own.

local CHUNK = 1000 -- unpack() fails at about 8,000 values
local given, within, most = cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2]), 2 * tonumber(ARGV[3])
local names, known, changed, times = {}, {}, {}, {}
for i = 1, #given, 3 do
  if known[given[i]] == nil then
    known[given[i]] = false
    names[#names + 1] = given[i]
  end
end
for first = 1, #names, CHUNK do
  local last = math.min(first + CHUNK - 1, #names)
  local packed = redis.call('HMGET', KEYS[1], unpack(names, first, last))
  for i = first, last do
    local value = packed[i - first + 1] or redis.call('HGET', KEYS[2], names[i])
    known[names[i]] = value and cmsgpack.unpack(value) or {}
  end
end
for i = 1, #given, 3 do
  local name, place, at = given[i], given[i + 1], given[i + 2]
  local said = known[name]
  local first = at
  for j = 1, #said, 2 do
    if said[j] == place and math.abs(said[j + 1] - at) <= within then
      first = said[j + 1]
      break
    end
  end
  if first == at then
    said[#said + 1], said[#said + 2] = place, at
    if #said > most then
      table.remove(said, 1)
      table.remove(said, 1)
    end
    changed[name] = true
  end
  times[#times + 1] = first
end
local fields = {}
for name in pairs(changed) do
  fields[#fields + 1], fields[#fields + 2] = name, cmsgpack.pack(known[name])
end
for first = 1, #fields, CHUNK do
  redis.call('HSET', KEYS[1], unpack(fields, first, math.min(first + CHUNK - 1, #fields)))
end
if #fields > 0 then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
return times
