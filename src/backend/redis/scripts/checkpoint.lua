--[[
Keeps a state, so that less of the log is needed to make the context. May be lost, late or repeated without harm.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  `epoch version logged`: what the state is of, and the bytes of deltas up to there
ARGV[2]  the state, JSON

Returns  1: it is kept; 0: the context has moved to another epoch, or a later checkpoint is there
]]
local prefix, headKey = KEYS[1], KEYS[2]
local id = idOf(prefix, headKey)
local epoch, version, logged = string.match(ARGV[1], '^(%S+) (%S+) (%S+)$')
local text = redis.call('GET', headKey)
local h = parseHead(text)
if h.kind ~= 'c' or h.epoch ~= epoch then
  return 0
end
if tonumber(version) <= tonumber(h.logBase) or tonumber(version) > tonumber(h.version) then
  return 0
end
redis.call('SET', prefix .. 'checkpoint:' .. id, ARGV[2])
h.logBase, h.hasCheckpoint, h.loggedAtBase = version, '1', logged
editHead(headKey, h)
local heldFrom = math.min(tonumber(h.oldest), tonumber(version) + 1)
redis.call('XTRIM', prefix .. 'log:' .. id, 'MINID', '~', whole(heldFrom))
return 1
