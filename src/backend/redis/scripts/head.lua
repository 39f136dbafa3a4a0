--[[
The head of a context: one line of text, its fields separated by spaces. `-` stands for none.

  live       c epoch version touches server first floor oldest expires ttl base checkpoint logged loggedAtBase
             dueContext dueDeltas waiting rest
  tombstone  t epoch version cause at waiting writeId

  server        identity of the server that wrote it last
  first, floor  versions, see `Head` in backend.ts
  ttl           ms, `never`, or `-` when no write ever gave one
  oldest        version of the oldest delta that may be shown; the log may hold more
  base          version that the log leads on from: that of the checkpoint, or before the creating delta
  checkpoint    1: there is one; 0: the log leads on from {}
  logged        bytes of all deltas since the creation; loggedAtBase: of those up to `base`
  dueContext    the score in the index, maybe earlier than `expires`; dueDeltas likewise
  waiting       writers that lost before, see queue.lua
  rest          JSON, nothing to a script
]]
local function parseHead(text)
  if not text then
    return { kind = '-' }
  end
  local h = { kind = string.sub(text, 1, 1) }
  if h.kind == 't' then
    h.epoch, h.version, h.cause, h.at, h.waiting, h.writeId =
      string.match(text, '^t (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
  else
    h.epoch, h.version, h.touches, h.server, h.first, h.floor, h.oldest, h.expires, h.ttl, h.base, h.checkpoint,
      h.logged, h.loggedAtBase, h.dueContext, h.dueDeltas, h.waiting, h.rest =
      string.match(
        text,
        '^c (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$'
      )
  end
  return h
end

local function formatHead(h)
  if h.kind == 't' then
    return table.concat({ 't', h.epoch, h.version, h.cause, h.at, h.waiting, h.writeId }, ' ')
  end
  return table.concat({
    'c', h.epoch, h.version, h.touches, h.server, h.first, h.floor, h.oldest, h.expires, h.ttl, h.base, h.checkpoint, h.logged,
    h.loggedAtBase, h.dueContext, h.dueDeltas, h.waiting, h.rest,
  }, ' ')
end

-- Whole numbers up to 2^53 as text: Lua's own conversion rounds beyond 14 digits.
local function whole(number)
  return string.format('%.0f', number)
end

-- The larger of two numbers that are texts.
local function larger(a, b)
  if tonumber(a) < tonumber(b) then
    return b
  end
  return a
end
