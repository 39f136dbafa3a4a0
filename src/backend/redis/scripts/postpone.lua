--[[
Lets a context be due later (or sooner) than it expires, which itself is not touched.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  only while the context expires then, in ms
ARGV[2]  when it is to be due, in ms

Returns  1, or 0 when it expires at another time
]]
local prefix, headKey = KEYS[1], KEYS[2]
local h = parseHead(redis.call('GET', headKey))
if h.kind ~= 'c' or h.expires ~= ARGV[1] then
  return 0
end
local id = idOf(prefix, headKey)
h.dueContext = ARGV[2]
-- First what needs no memory: cleanup must work when there is none.
redis.call('ZREM', prefix .. 'due:context', id)
editHead(headKey, h)
redis.call('ZADD', prefix .. 'due:context', ARGV[2], id)
return 1
