--[[
Forgets a tombstone that is old enough; never a context.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  tombstones of then or before, in ms

Returns  1: it is forgotten; 0: there is none, or it is younger
]]
local prefix, headKey = KEYS[1], KEYS[2]
local h = parseHead(redis.call('GET', headKey))
if h.kind ~= 't' or tonumber(h.at) > tonumber(ARGV[1]) then
  return 0
end
redis.call('DEL', headKey)
redis.call('ZREM', prefix .. 'due:tombstone', idOf(prefix, headKey))
return 1
