--[[
Writers of several processes that lost on one context wait in line, so that none loses for ever: `waiting` in the head
is `writer:until,…`, the first one has the turn. Who does not come back until then (ms of this server's clock) has left
the line; it is a matter of speed alone.
]]
local patience = 250
local maxWaiting = 64

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The writers that still wait, and when their time is over.
local function parseQueue(text, now)
  local queue = {}
  for writer, untilMs in string.gmatch(text, '([^:,]+):(%d+)') do
    if tonumber(untilMs) > now then
      queue[#queue + 1] = { writer = writer, untilMs = tonumber(untilMs) }
    end
  end
  return queue
end

local function formatQueue(queue)
  if #queue == 0 then
    return '-'
  end
  local texts = {}
  for index, entry in ipairs(queue) do
    texts[index] = entry.writer .. ':' .. whole(entry.untilMs)
  end
  return table.concat(texts, ',')
end

-- Puts the writer in line, or lets it wait on. Returns its place, and whether the line has changed.
local function join(queue, writer, now)
  for place, entry in ipairs(queue) do
    if entry.writer == writer then
      local isLate = entry.untilMs - now < patience / 2
      if isLate then
        entry.untilMs = now + patience
      end
      return place, isLate
    end
  end
  if #queue >= maxWaiting then
    return #queue + 1, false
  end
  queue[#queue + 1] = { writer = writer, untilMs = now + patience }
  return #queue, true
end

local function leave(queue, writer)
  for place, entry in ipairs(queue) do
    if entry.writer == writer then
      table.remove(queue, place)
      return
    end
  end
end
