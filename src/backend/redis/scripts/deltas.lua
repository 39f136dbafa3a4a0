--[[
Lists the retained deltas of a context.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  only versions above this one
ARGV[2]  at most so many
ARGV[3]  1: the newest first

Returns  false when no context lives, else { head, { entry… } }
]]
local prefix, headKey = KEYS[1], KEYS[2]
local id = idOf(prefix, headKey)
local text = redis.call('GET', headKey)
local h = parseHead(text)
if h.kind ~= 'c' then
  return false
end
local from = larger(h.oldest, whole(tonumber(ARGV[1]) + 1))
if tonumber(from) > tonumber(h.version) then
  return { text, {} }
end
local logKey = prefix .. 'log:' .. id
if ARGV[3] == '1' then
  return { text, redis.call('XREVRANGE', logKey, h.version .. '-0', from .. '-0', 'COUNT', ARGV[2]) }
end
return { text, redis.call('XRANGE', logKey, from .. '-0', h.version .. '-0', 'COUNT', ARGV[2]) }
