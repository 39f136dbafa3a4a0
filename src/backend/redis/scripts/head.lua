--[[
The head of a context: one line of text, its fields separated by spaces. `-` stands for none.

  live       c epoch version touches edits wroteLast first floor oldest expires ttl logBase hasCheckpoint logged
             loggedAtBase dueContext dueDeltas rest
  tombstone  t epoch version cause at writeId

  edits         rises whenever the line changes without a write of the context, or a writer begins to wait: with the
                fields before it, it tells one line from every other
  wroteLast     identity of the server that wrote it last
  first, floor  versions, see `Head` in backend.ts
  oldest        version of the oldest delta that may be shown; the log may hold more
  ttl           ms, `never`, or `-` when no write ever gave one
  logBase       version that the log leads on from: that of the checkpoint, or before the creating delta
  hasCheckpoint 1: there is one; 0: the log leads on from {}
  logged        bytes of all deltas since the creation; loggedAtBase: of those up to `logBase`
  dueContext    the score in the index, maybe earlier than `expires`; dueDeltas likewise
  rest          JSON, nothing to a script

commit.lua reads and writes the line by itself, and for change.lua headText of codec.ts makes it: they are what a write
costs. All three change with this one.
]]
local liveHead =
  '^c (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$'

-- The id of the context: what comes behind `head:`.
local function idOf(prefix, headKey)
  return string.sub(headKey, #prefix + #'head:' + 1)
end

local function parseHead(text)
  if not text then
    return { kind = '-' }
  end
  if string.sub(text, 1, 1) == 't' then
    return { kind = 't', at = string.match(text, '^t %S+ %S+ %S+ (%S+) ') }
  end
  local epoch, version, touches, edits, wroteLast, first, floor, oldest, expires, ttl, logBase, hasCheckpoint, logged,
    loggedAtBase, dueContext, dueDeltas, rest = string.match(text, liveHead)
  return {
    kind = 'c', epoch = epoch, version = version, touches = touches, edits = edits, wroteLast = wroteLast,
    first = first, floor = floor, oldest = oldest, expires = expires, ttl = ttl, logBase = logBase,
    hasCheckpoint = hasCheckpoint, logged = logged, loggedAtBase = loggedAtBase, dueContext = dueContext, dueDeltas = dueDeltas, rest = rest,
  }
end

-- Stores the line of a live context after an edit.
local function editHead(headKey, h)
  redis.call('SET', headKey, table.concat({
    'c', h.epoch, h.version, h.touches, whole(tonumber(h.edits) + 1), h.wroteLast, h.first, h.floor, h.oldest, h.expires,
    h.ttl, h.logBase, h.hasCheckpoint, h.logged, h.loggedAtBase, h.dueContext, h.dueDeltas, h.rest,
  }, ' '))
end

local function formatTombstone(position, cause, at, writeId)
  return table.concat({ 't', position, cause, at, writeId }, ' ')
end
