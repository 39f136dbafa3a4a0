--[[
Stores the writes of one context together and announces them, or stores nothing and answers why.

  duplicate? → whose turn? → base? → append, head, indexes, trim, outcomes → announce

Everything that decides is read and checked before the first write to the context, since Redis does not roll back. A
server that may not write (a replica, no memory, a failing disk) says so at the first one. Straight-line code on local
variables, since this is what a write costs: with functions and tables for the parts it took twice as long.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  the base: the beginning of a head, `c epoch version touches` or `t epoch version`; `-` when there is nothing
ARGV[2]  `now freshEpoch hasState writer attempt keys`: now in ms; the epoch to begin when another server wrote the
         context last; 1 when the caller has the state at the base; who it is; how often these writes were answered
         `behind` before; how many idempotency keys there are
ARGV[3…] the steps, each one or two texts:
         `create epoch version first floor trimTo expires ttl inserted rest`, record
         `change version floor trimTo expires ttl inserted rest`, record
         `touch touches expires ttl`
         `remove cause at writeId`
         `key expires changed requestHash`, key: what to remember of the step before
         Versions are whole numbers, times ms, `-` stands for none; rest and record are JSON.

Returns  `began awaited head`: they are stored. began: 1 when the fresh epoch was, else 0; awaited: 1 when others wait
         { 'duplicate', index of the write, outcome }
         { 'wait', place }: others lost before and have the turn
         { 'behind', … }: see behind.lua
]]
local prefix, headKey, base = KEYS[1], KEYS[2], ARGV[1]
local id = idOf(prefix, headKey)
local now, freshEpoch, hasState, writer, attempt, keys = string.match(ARGV[2], '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
local steps = #ARGV
local at

-- Duplicate?
if keys ~= '0' then
  local index = -1
  at = 3
  while at <= steps do
    local kind = string.match(ARGV[at], '^%a+')
    if kind == 'key' then
      local outcome = outcomeOf(prefix, id, ARGV[at + 1], now)
      if outcome then
        return { 'duplicate', index, outcome }
      end
    else
      index = index + 1
    end
    at = at + ((kind == 'touch' or kind == 'remove') and 1 or 2)
  end
end

local queueKey = prefix .. 'queue:' .. id
local found = redis.call('MGET', headKey, queueKey)
local text = found[1]

-- Whose turn?
local queue = found[2] and openQueue(queueKey, found[2])
if queue and not queue.isTurnOf(writer) then
  return { 'wait', queue.join(writer) }
end

-- Base?
if base == '-' and text or base ~= '-' and not (text and string.find(text, base .. ' ', 1, true) == 1) then
  if text and tonumber(attempt) >= 1 then
    queue = queue or openQueue(queueKey)
    if queue.join(writer) == 1 and string.sub(text, 1, 1) == 'c' then
      -- Now there is somebody that change.lua, which does not look, must not overtake.
      editHead(headKey, parseHead(text))
      text = redis.call('GET', headKey)
    end
  end
  return behind(prefix, id, text, { base = base, hasState = hasState == '1' })
end

-- Store.
local logKey = prefix .. 'log:' .. id
local isLive = text and string.sub(text, 1, 1) == 'c'
local epoch, version, touches, edits, wroteLast, first, floor, oldest, expires, ttl, logBase, hasCheckpoint, logged,
  loggedAtBase, dueContext, dueDeltas, rest
if isLive then
  epoch, version, touches, edits, wroteLast, first, floor, oldest, expires, ttl, logBase, hasCheckpoint, logged, loggedAtBase,
    dueContext, dueDeltas, rest = string.match(text, liveHead)
elseif text then
  epoch, version = string.match(text, '^t (%S+) (%S+)')
end
local began = 0
local tombstone
local isIndexed, isTombstoneDue = isLive, text and not isLive
local messages = {}

at = 3
while at <= steps do
  local step, record = ARGV[at], ARGV[at + 1]
  local kind = string.match(step, '^%a+')
  local changed, inserted, trimTo
  at = at + 2
  if kind == 'change' then
    local newFloor
    local from = version
    version, newFloor, trimTo, expires, ttl, inserted, rest =
      string.match(step, '^change (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
    touches = '0'
    if wroteLast ~= server then
      -- The tail of another server may be lost: its versions must not be taken for those that follow.
      began, from = 1, '0'
      epoch, first, floor, oldest, wroteLast = freshEpoch, version, version, version, server
    end
    floor = larger(floor, newFloor)
    if #record > 65536 then
      changed = table.concat({ 'moved', epoch, version }, ' ')
    else
      changed = table.concat({ 'changed', epoch, version, from, inserted, record }, ' ')
    end
  elseif kind == 'create' then
    epoch, version, first, floor, trimTo, expires, ttl, inserted, rest =
      string.match(step, '^create (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
    -- First what needs memory: without any the script ends here. DEL would be let through, and all that follows it.
    redis.call('SET', headKey, text or '-')
    redis.call('DEL', logKey, prefix .. 'checkpoint:' .. id)
    isLive, tombstone = true, nil
    touches, edits, wroteLast, oldest, dueContext, dueDeltas = '0', '0', server, version, '-', '-'
    logBase, hasCheckpoint, loggedAtBase = whole(tonumber(version) - 1), '0', '0'
    -- What it takes to make the context anew is as good as a checkpoint: its creating delta does not count.
    logged = whole(-#record)
    changed = table.concat({ 'moved', epoch, version }, ' ')
    if not isIndexed then
      redis.call('ZADD', prefix .. 'ids', 0, id)
      isIndexed = true
    end
    if isTombstoneDue then
      redis.call('ZREM', prefix .. 'due:tombstone', id)
      isTombstoneDue = false
    end
  elseif kind == 'touch' then
    at = at - 1
    touches, expires, ttl = string.match(step, '^touch (%S+) (%S+) (%S+)$')
  elseif kind == 'remove' then
    at = at - 1
    local cause, atMs, writeId = string.match(step, '^remove (%S+) (%S+) (.*)$')
    removeRows(prefix, id, atMs)
    isLive, isIndexed, isTombstoneDue = false, false, true
    tombstone = formatTombstone(epoch .. ' ' .. version, cause, atMs, writeId)
    messages[#messages + 1] = table.concat({ 'removed', epoch, version }, ' ')
  else
    local expiresMs, hasChanged, requestHash = string.match(step, '^key (%S+) (%S+) (.*)$')
    local member = id .. '\0' .. record
    redis.call('HSET', prefix .. 'outcomes', member,
      table.concat({ expiresMs, epoch, version, hasChanged, requestHash }, ' '))
    redis.call('ZADD', prefix .. 'due:outcomes', expiresMs, member)
  end

  if changed then
    messages[#messages + 1] = changed
    local number = tonumber(version)
    if trimTo ~= '0' and tonumber(trimTo) >= tonumber(oldest) then
      oldest = whole(tonumber(trimTo) + 1)
    end
    if number % 16 == 0 then
      -- Held behind `oldest` is only what leads on from the base. Looked at now and then: that has its price, too.
      local heldFrom = math.min(tonumber(oldest), tonumber(logBase) + 1)
      redis.call('XADD', logKey, 'MINID', '~', whole(heldFrom), version .. '-0', 't', inserted, 'd', record)
    else
      redis.call('XADD', logKey, version .. '-0', 't', inserted, 'd', record)
    end
    logged = whole(logged + #record)
    if dueDeltas == '-' and tonumber(oldest) <= number then
      dueDeltas = inserted
      redis.call('ZADD', prefix .. 'due:deltas', inserted, id)
    end
  end
  if isLive and expires ~= '-' and (dueContext == '-' or tonumber(expires) < tonumber(dueContext)) then
    dueContext = expires
    redis.call('ZADD', prefix .. 'due:context', expires, id)
  end
end

local after = tombstone
if isLive then
  after = table.concat({
    'c', epoch, version, touches, edits, wroteLast, first, floor, oldest, expires, ttl, logBase, hasCheckpoint, logged,
    loggedAtBase, dueContext, dueDeltas, rest,
  }, ' ')
end
redis.call('SET', headKey, after)
local isAwaited = queue and queue.leave(writer) and 1 or 0

-- Each commit that remembers keys forgets twice as many that have run out, so that they never pile up.
if keys ~= '0' then
  local over = redis.call('ZRANGEBYSCORE', prefix .. 'due:outcomes', '-inf', now, 'LIMIT', 0, 2 * tonumber(keys))
  for _, member in ipairs(over) do
    redis.call('ZREM', prefix .. 'due:outcomes', member)
    redis.call('HDEL', prefix .. 'outcomes', member)
  end
end

for _, message in ipairs(messages) do
  announce(prefix, id, message)
end
return began .. ' ' .. isAwaited .. ' ' .. after
