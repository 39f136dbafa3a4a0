--[[
Writers of several processes that lost on one context wait in a queue, so that none loses for ever. The queue is a key of
its own, `queue:<id>`: `writer:until,…`, the first one has the turn. Who does not come back until then (ms of this
server's clock) has left the queue; it is a matter of speed alone.
]]
local function openQueue(key, text)
  local patience, maxWaiting = 250, 64
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local waiting = {}
  for writer, untilMs in string.gmatch(text or '', '([^:,]+):(%d+)') do
    -- One that is further ahead is of a clock that went back, or of another server's: nobody waits for it.
    local left = tonumber(untilMs) - now
    if left > 0 and left <= patience then
      waiting[#waiting + 1] = { writer = writer, untilMs = tonumber(untilMs) }
    end
  end
  local queue = {}

  local function placeOf(writer)
    for place, entry in ipairs(waiting) do
      if entry.writer == writer then
        return place
      end
    end
  end

  local function store()
    if #waiting == 0 then
      redis.call('DEL', key)
      return
    end
    local texts = {}
    for place, entry in ipairs(waiting) do
      texts[place] = entry.writer .. ':' .. whole(entry.untilMs)
    end
    redis.call('SET', key, table.concat(texts, ','), 'PX', patience)
  end

  function queue.isTurnOf(writer)
    return #waiting == 0 or waiting[1].writer == writer
  end

  -- Puts the writer in the queue, or lets it wait on, and returns its place.
  function queue.join(writer)
    local place = placeOf(writer)
    if not place then
      if #waiting >= maxWaiting then
        return maxWaiting + 1
      end
      place = #waiting + 1
      waiting[place] = { writer = writer, untilMs = 0 }
    end
    if waiting[place].untilMs - now < patience / 2 then
      waiting[place].untilMs = now + patience
      store()
    end
    return place
  end

  -- Returns whether others wait on.
  function queue.leave(writer)
    local place = placeOf(writer)
    if place then
      table.remove(waiting, place)
      store()
    end
    return #waiting > 0
  end

  return queue
end
