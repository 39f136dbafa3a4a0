--[[
Removes a context if it is due, leaves a tombstone and announces it. An entry of the index that was too early is put
right. Works without memory, too: a script that has written once may go on.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  now, in ms
ARGV[2]  only while the context stands here, `epoch version`; may be missing

Returns  false, or `epoch version` where the context was
]]
local prefix, headKey = KEYS[1], KEYS[2]
local id = idOf(prefix, headKey)
local now = ARGV[1]
local h = parseHead(redis.call('GET', headKey))
if h.kind ~= 'c' then
  return false
end
if h.expires == '-' or tonumber(h.expires) > tonumber(now) then
  if h.dueContext ~= h.expires then
    h.dueContext = h.expires
    -- First what needs no memory, see above.
    redis.call('ZREM', prefix .. 'due:context', id)
    editHead(headKey, h)
    if h.expires ~= '-' then
      redis.call('ZADD', prefix .. 'due:context', h.expires, id)
    end
  end
  return false
end
local position = h.epoch .. ' ' .. h.version
if ARGV[2] and ARGV[2] ~= position then
  return false
end
removeRows(prefix, id, now)
redis.call('SET', headKey, formatTombstone(position, 'EXPIRED', now, 'expire:' .. h.epoch))
announce(prefix, id, 'removed ' .. position)
return position
