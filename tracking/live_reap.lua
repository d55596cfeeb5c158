-- Forgets targets older than the TTL. Their documents go by their own expiry; the members of sets know none.
--
-- KEYS  1 active: target -> ts of its document, the criterion   2 geo   3 polar   4 fields
-- ARGV  1 TTL, seconds   2 how many targets at most
-- Returns how many were forgotten, oldest first.

local CHUNK = 1000 -- unpack() fails at about 8,000 values
local clock = redis.call('TIME')
local dead_since = tonumber(clock[1]) + tonumber(clock[2]) / 1000000 - tonumber(ARGV[1])
local keys = redis.call('ZRANGE', KEYS[1], '-inf', dead_since, 'BYSCORE', 'LIMIT', 0, ARGV[2])
for first = 1, #keys, CHUNK do
  local last = math.min(first + CHUNK - 1, #keys)
  redis.call('ZREM', KEYS[1], unpack(keys, first, last))
  redis.call('ZREM', KEYS[2], unpack(keys, first, last))
  redis.call('ZREM', KEYS[3], unpack(keys, first, last))
  redis.call('HDEL', KEYS[4], unpack(keys, first, last))
end
return #keys
