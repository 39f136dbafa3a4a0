--[[
Replaces a note, if it still has the revision that is expected.

KEYS[1]  the partition's prefix
KEYS[2]  the note: a hash of `revision` and `text`
ARGV[1]  the new revision
ARGV[2]  the new text
ARGV[3]  the revision that is expected; absent: there must be no note

Returns  1, or 0 when it has another revision; nothing is stored then
]]
local noteKey = KEYS[2]
if redis.call('HGET', noteKey, 'revision') ~= (ARGV[3] or false) then
  return 0
end
redis.call('HSET', noteKey, 'revision', ARGV[1], 'text', ARGV[2])
return 1
