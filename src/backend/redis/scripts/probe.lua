--[[
Calls each command that Chord calls, in scripts or by itself, on a key of its own, so that a missing right is known
before the first write. What a server refuses to everybody for now (no memory, a failing disk) is not told.

KEYS[1]  the partition's prefix
KEYS[2]  a key that is used for nothing else, and a channel; it is gone afterwards

Returns  false: all is allowed; else what is not
]]
local key = KEYS[2]
local calls = {
  { 'DEL', key },
  { 'SET', key, 'probe', 'PX', 1000 },
  { 'GET', key },
  { 'MGET', key },
  { 'DEL', key },
  { 'XADD', key, '1-0', 'd', 'probe' },
  { 'XRANGE', key, '-', '+', 'COUNT', 1 },
  { 'XREVRANGE', key, '+', '-', 'COUNT', 1 },
  { 'XTRIM', key, 'MINID', '~', '1' },
  { 'DEL', key },
  { 'ZADD', key, 0, 'probe' },
  { 'ZRANGE', key, 0, 0, 'WITHSCORES' },
  { 'ZRANGEBYLEX', key, '-', '+', 'LIMIT', 0, 1 },
  { 'ZREVRANGEBYLEX', key, '+', '-', 'LIMIT', 0, 1 },
  { 'ZRANGEBYSCORE', key, '-inf', '+inf', 'LIMIT', 0, 1 },
  { 'ZREVRANGEBYSCORE', key, '+inf', '-inf', 'LIMIT', 0, 1 },
  { 'ZLEXCOUNT', key, '-', '+' },
  { 'ZREM', key, 'probe' },
  { 'DEL', key },
  { 'HSET', key, 'probe', '1' },
  { 'HGET', key, 'probe' },
  { 'HDEL', key, 'probe' },
  { 'DEL', key },
  { 'TIME' },
  { publish, key, 'probe' },
}
local function isRefusedToAll(text)
  for _, code in ipairs({ 'OOM', 'MISCONF', 'NOREPLICAS' }) do
    if string.match(text, '^%-?' .. code) then
      return true
    end
  end
  return false
end
for _, call in ipairs(calls) do
  local reply = redis.pcall(unpack(call))
  local refusal = type(reply) == 'table' and reply.err
  if refusal and not isRefusedToAll(refusal) then
    return call[1] .. ' (' .. refusal .. ')'
  end
end
return false
