--[[
Stores one change of a context and announces it: the common case of commit.lua, for a writer that knows the whole head and
has made the next one of it. It takes half the time.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  the beginning of the head that the writer knows, `c epoch version touches edits `, which proves all of it
ARGV[2]  `master_replid:<server>`: who wrote the context last
ARGV[3]  the head after the change
ARGV[4]  `<version>-0`
ARGV[5]  when it was inserted, in ms
ARGV[6]  `changed epoch version from inserted `
ARGV[7]  the record of the delta, JSON

Returns  1: it is stored
         0: that is for commit.lua to decide; nothing was stored, but the base may be the truth
         { 'behind', … }: see behind.lua
]]
local prefix, headKey, start = KEYS[1], KEYS[2], ARGV[1]
local text = redis.call('GET', headKey)
local id = idOf(prefix, headKey)
local info = redis.call('INFO', 'replication')
if not string.find(info, 'role:master', 1, true) then
  return redis.error_reply('READONLY This server is a replica')
end
if text and string.sub(text, 1, #start) == start then
  if not string.find(info, ARGV[2], 1, true) then
    return 0
  end
  redis.call('XADD', prefix .. 'log:' .. id, ARGV[4], 't', ARGV[5], 'd', ARGV[7])
  redis.call('SET', headKey, ARGV[3])
  announce(prefix, id, ARGV[6] .. ARGV[7])
  return 1
end
local base = string.match(start, '^c %S+ %S+ %S+ ')
if text and string.sub(text, 1, #base) == base then
  return 0
end
return behind(prefix, id, text, { base = base, hasState = true })
