--[[
The right of one holder to do something, until it runs out: `fence until holder`, or `fence 0 -` after a release. The
fence rises with every change of holder and is never forgotten.

KEYS[1]  the partition's prefix
KEYS[2]  the lease
ARGV[1]  take, renew or release
ARGV[2]  the holder, never used for another lease
ARGV[3]  now, in ms
ARGV[4]  how long it is to run, in ms

Returns  take: the fence, or false when another holds it; renew: 1, or 0 when it is lost; release: 1
]]
local leaseKey = KEYS[2]
local verb, me, now, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local fence, untilMs, holder = 0, 0, '-'
local text = redis.call('GET', leaseKey)
if text then
  local f, u
  f, u, holder = string.match(text, '^(%S+) (%S+) (%S+)$')
  fence, untilMs = tonumber(f), tonumber(u)
end

local function store(newFence, newUntil, newHolder)
  -- First what needs no memory: cleanup must work when there is none.
  redis.call('DEL', leaseKey)
  redis.call('SET', leaseKey, whole(newFence) .. ' ' .. whole(newUntil) .. ' ' .. newHolder)
end

if verb == 'take' then
  if holder ~= '-' and now < untilMs then
    return false
  end
  store(fence + 1, now + ttl, me)
  return whole(fence + 1)
end
if holder ~= me then
  return verb == 'release' and 1 or 0
end
if verb == 'release' then
  store(fence, 0, '-')
  return 1
end
if now >= untilMs then
  return 0
end
store(fence, now + ttl, me)
return 1
