--[[
One view of a context, and what an idempotency key of it did.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  `haveEpoch haveVersion`: the state that the caller has; `- -` for none
ARGV[2]  `sinceEpoch sinceVersion maxDeltas`: deltas after this position are asked for, if they are there and not more;
         `*` as the epoch stands for the one that is, `-` as the others for none
ARGV[3]  1: the state is asked for beside the deltas
ARGV[4]  now, in ms; only with a key
ARGV[5]  an idempotency key; may be missing

Returns  { false or { 't', head } or a view (see view.lua), outcome or false }
]]
local prefix, headKey = KEYS[1], KEYS[2]
local id = idOf(prefix, headKey)
local haveEpoch, haveVersion = string.match(ARGV[1], '^(%S+) (%S+)$')
local sinceEpoch, sinceVersion, maxDeltas = string.match(ARGV[2], '^(%S+) (%S+) (%S+)$')

local outcome = ARGV[5] and outcomeOf(prefix, id, ARGV[5], ARGV[4])
local text = redis.call('GET', headKey)
local h = parseHead(text)
if h.kind == '-' then
  return { false, outcome }
end
if h.kind == 't' then
  return { { 't', text }, outcome }
end

local from
if sinceVersion ~= '-' and (sinceEpoch == '*' or sinceEpoch == h.epoch) then
  local since, version = tonumber(sinceVersion), tonumber(h.version)
  local isRetained = tonumber(h.floor) <= since and since <= version
  if isRetained and (maxDeltas == '-' or version - since <= tonumber(maxDeltas)) then
    from = sinceVersion
  end
end
local have = haveEpoch == h.epoch and haveVersion or nil
local view = viewOf(prefix, id, h, text, { from = from, have = have, needsState = not from or ARGV[3] == '1' })
return view.err and view or { view, outcome }
