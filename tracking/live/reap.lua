-- Forgets targets older than the TTL, and those that are as far ahead: the clock was set back, and their documents would
-- live until it has caught up.
--
-- KEYS  1 active: target -> ts of its document, the criterion   2 geo   3 polar   4 fields
-- ARGV  1 prefix of the documents' keys   2 TTL, seconds   3 how many targets of either at most
-- Returns how many were forgotten, oldest first. Documents of old ones have gone by their own expiry.

local CHUNK = 1000 -- unpack() fails at about 8,000 values
local clock, ttl = redis.call('TIME'), tonumber(ARGV[2])
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local function forget(keys, has_documents)
  for first = 1, #keys, CHUNK do
    local last = math.min(first + CHUNK - 1, #keys)
    redis.call('ZREM', KEYS[1], unpack(keys, first, last))
    redis.call('ZREM', KEYS[2], unpack(keys, first, last))
    redis.call('ZREM', KEYS[3], unpack(keys, first, last))
    redis.call('HDEL', KEYS[4], unpack(keys, first, last))
  end
  for i = 1, has_documents and #keys or 0 do redis.call('DEL', ARGV[1] .. keys[i]) end
  return #keys
end

local function some(least, most)
  return redis.call('ZRANGE', KEYS[1], least, most, 'BYSCORE', 'LIMIT', 0, ARGV[3])
end

return forget(some('-inf', now - ttl), false) + forget(some('(' .. string.format('%.6f', now + ttl), '+inf'), true)
