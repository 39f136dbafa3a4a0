--[[
Takes tokens from a bucket, which holds those of one second and fills steadily: the rule of src/server/limits/rate.ts, for all
processes and by the clock of this server.

KEYS[1]  the partition's prefix
KEYS[2]  the bucket: `level at`, in thousandths of tokens and in ms; gone once it would be full
ARGV[1]  how many tokens it gets in a second
ARGV[2]  how many are taken; more than it can hold are given when it is full, and paid off afterwards

Returns  false: they were taken; else after how many ms to try again
]]
local bucketKey = KEYS[2]
local perSecond, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local capacity = perSecond * 1000
local level, at = capacity, now
local text = redis.call('GET', bucketKey)
if text then
  local l, a = string.match(text, '^(%S+) (%S+)$')
  level, at = tonumber(l), tonumber(a)
end

local filled = math.min(capacity, level + math.max(0, now - at) * perSecond)
local needed = math.min(count * 1000, capacity)
local isEnough = filled >= needed
local left = isEnough and filled - count * 1000 or filled
-- Nothing is written for who is refused, unless the clock was set back: the bucket would not fill until it is there again.
if isEnough or now < at then
  redis.call('SET', bucketKey, whole(left) .. ' ' .. whole(now), 'PX', whole(math.ceil((capacity - left) / perSecond)))
end
if isEnough then
  return false
end
return whole(math.ceil((needed - filled) / perSecond))
