--[[
Drops the oldest deltas of a context up to a time, some at a time, and moves the floor and the due entry with them.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  deltas that were inserted then or before are dropped, in ms
ARGV[2]  at most so many

Returns  how many; as many as allowed: there may be more
]]
local prefix, headKey = KEYS[1], KEYS[2]
local id = idOf(prefix, headKey)
local h = parseHead(redis.call('GET', headKey))
if h.kind ~= 'c' then
  return 0
end
local before, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local logKey = prefix .. 'log:' .. id
local count, due = 0, '-'
if tonumber(h.oldest) <= tonumber(h.version) then
  for index, entry in ipairs(redis.call('XRANGE', logKey, h.oldest .. '-0', '+', 'COUNT', most + 1)) do
    local inserted = entry[2][2]
    if index > most or tonumber(inserted) > before then
      due = inserted
      break
    end
    count = index
  end
end
if count == 0 and due == h.dueDeltas then
  return 0
end
if count > 0 then
  local dropped = tonumber(h.oldest) + count - 1
  h.oldest = whole(dropped + 1)
  h.floor = larger(h.floor, whole(dropped))
end
h.dueDeltas = due
-- First what needs no memory: trimming must work when there is none.
local heldFrom = math.min(tonumber(h.oldest), tonumber(h.logBase) + 1)
redis.call('XTRIM', logKey, 'MINID', '~', whole(heldFrom))
editHead(headKey, h)
if due == '-' then
  redis.call('ZREM', prefix .. 'due:deltas', id)
else
  redis.call('ZADD', prefix .. 'due:deltas', due, id)
end
return count
