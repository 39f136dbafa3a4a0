--[[
A note, or only its revision.

KEYS[1]  the partition's prefix
KEYS[2]  the note: a hash of `revision` and `text`
ARGV[1]  1: the text, too

Returns  false when there is none; the revision, or { the revision, the text }
]]
local noteKey = KEYS[2]
local revision = redis.call('HGET', noteKey, 'revision')
if not revision or ARGV[1] ~= '1' then
  return revision
end
return { revision, redis.call('HGET', noteKey, 'text') }
