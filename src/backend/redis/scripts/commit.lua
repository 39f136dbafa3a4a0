--[[
Stores the writes of one context together and announces them, or stores nothing and answers why.

  duplicate? → whose turn? → base? → append, head, indexes, trim, outcomes → announce

Everything is read and checked before the first write, since Redis does not roll back. A server that may not write (a
replica, no memory, a failing disk) says so at the first one.

KEYS[1]  the partition's prefix
KEYS[2]  the head of the context
ARGV[1]  the base: the beginning of a head, `c epoch version touches` or `t epoch version`; `-` when there is nothing
ARGV[2]  `now freshEpoch publish hasState writer attempt keys`: now in ms; the epoch to begin when another server wrote
         the context last; SPUBLISH or PUBLISH; 1 when the caller has the state at the base; who it is; how often these
         writes were answered `behind` before; how many idempotency keys there are
ARGV[3…] the steps, each one or two texts:
         `create epoch version first floor trimTo expires ttl inserted rest`, record
         `change version floor trimTo expires ttl inserted rest`, record
         `touch touches expires ttl`
         `remove cause at writeId`
         `key expires changed requestHash`, key: what to remember of the step before
         Versions are whole numbers, times ms, `-` stands for none; rest and record are JSON.

Returns  { 'committed', began (0 or 1), floor, logged, loggedAtBase, base }; after a removal { 'committed', began }
         { 'duplicate', index of the write, outcome }
         { 'wait', place }: others lost before and have the turn
         { 'behind', false }: nothing is there; { 'behind', { 't', head } }; { 'behind', view }: see view.lua
]]
local prefix, headKey = KEYS[1], KEYS[2]
local id = string.sub(headKey, #prefix + 6)
local base = ARGV[1]
local now, freshEpoch, publish, hasState, writer, attempt, keys =
  string.match(ARGV[2], '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
local steps = #ARGV
local isFollowed = { create = true, change = true, key = true }

-- Duplicate?
local index = -1
local at = 3
while keys ~= '0' and at <= steps do
  local kind = string.match(ARGV[at], '^%a+')
  if kind == 'key' then
    local outcome = outcomeOf(prefix, id, ARGV[at + 1], now)
    if outcome then
      return { 'duplicate', index, outcome }
    end
  else
    index = index + 1
  end
  at = at + (isFollowed[kind] and 2 or 1)
end

local server, refusal = serverIdentity()
if not server then
  return refusal
end
local text = redis.call('GET', headKey)
local h = parseHead(text)

-- Whose turn?
local queue = {}
local clockMs
if h.waiting and h.waiting ~= '-' then
  clockMs = clock()
  queue = parseQueue(h.waiting, clockMs)
  if #queue > 0 and queue[1].writer ~= writer then
    local place, isChanged = join(queue, writer, clockMs)
    if isChanged then
      h.waiting = formatQueue(queue)
      redis.call('SET', headKey, formatHead(h))
    end
    return { 'wait', place }
  end
end

-- Base?
local isBase = base == '-' and not text or text and string.sub(text, 1, #base + 1) == base .. ' '
if not isBase then
  if not text then
    return { 'behind', false }
  end
  if tonumber(attempt) >= 1 then
    clockMs = clockMs or clock()
    local _, isChanged = join(queue, writer, clockMs)
    if isChanged then
      h.waiting = formatQueue(queue)
      text = formatHead(h)
      redis.call('SET', headKey, text)
    end
  end
  if h.kind == 't' then
    return { 'behind', { 't', text } }
  end
  local from
  local baseEpoch, baseVersion = string.match(base, '^c (%S+) (%S+)')
  if not baseEpoch then
    -- The whole epoch, for a writer that knew of no context: it comes again soon, and a long log is not read for it.
    if h.oldest == h.first and tonumber(h.version) - tonumber(h.first) < 1024 then
      from = whole(tonumber(h.first) - 1)
    end
  elseif baseEpoch == h.epoch and tonumber(baseVersion) >= tonumber(h.floor) and tonumber(baseVersion) <= tonumber(h.version) then
    from = baseVersion
  end
  local have = hasState == '1' and baseEpoch == h.epoch and baseVersion or nil
  local view = viewOf(prefix, id, h, text, { from = from, have = have, needsState = true })
  return view.err and view or { 'behind', view }
end

-- Store.
local logKey = prefix .. 'log:' .. id
local began = 0
local messages = {}
local remembered = 0
local isTombstoneDue = h.kind == 't'
local isIndexed = h.kind == 'c'
h.waiting = h.waiting or '-'
if #queue > 0 then
  leave(queue, writer)
  h.waiting = formatQueue(queue)
elseif h.waiting ~= '-' then
  h.waiting = '-'
end

local function append(record, inserted, floor)
  -- Held behind `oldest` is only what leads on from the base.
  local heldFrom = math.min(tonumber(h.oldest), tonumber(h.base) + 1)
  redis.call('XADD', logKey, 'MINID', '~', whole(heldFrom), h.version .. '-0', 't', inserted, 'd', record)
  h.logged = whole(tonumber(h.logged) + #record)
  h.floor = larger(h.floor, floor)
  if tonumber(h.oldest) <= tonumber(h.version) and h.dueDeltas == '-' then
    h.dueDeltas = inserted
    redis.call('ZADD', prefix .. 'due:deltas', inserted, id)
  end
end

local function expireAt(expires, ttl)
  h.expires, h.ttl = expires, ttl
  if expires ~= '-' and (h.dueContext == '-' or tonumber(expires) < tonumber(h.dueContext)) then
    h.dueContext = expires
    redis.call('ZADD', prefix .. 'due:context', expires, id)
  end
end

local act = {}

function act.create(step, record)
  local epoch, version, first, floor, trimTo, expires, ttl, inserted, rest =
    string.match(step, '^create (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
  -- Needs memory, so that it is refused when there is none; a removal goes first otherwise.
  redis.call('SET', headKey, text or '-')
  redis.call('DEL', logKey, prefix .. 'checkpoint:' .. id)
  h = {
    kind = 'c', epoch = epoch, version = version, touches = '0', server = server, first = first, floor = floor,
    oldest = version, base = whole(tonumber(version) - 1), checkpoint = '0', logged = '0', loggedAtBase = '0',
    dueContext = '-', dueDeltas = '-', waiting = h.waiting, rest = rest,
  }
  if tonumber(trimTo) >= tonumber(version) then
    h.oldest = whole(tonumber(version) + 1)
  end
  append(record, inserted, floor)
  -- What it takes to make the context anew: as good as a checkpoint.
  h.logged = '0'
  expireAt(expires, ttl)
  if not isIndexed then
    redis.call('ZADD', prefix .. 'ids', 0, id)
    isIndexed = true
  end
  if isTombstoneDue then
    redis.call('ZREM', prefix .. 'due:tombstone', id)
    isTombstoneDue = false
  end
  messages[#messages + 1] = 'moved ' .. epoch .. ' ' .. version
end

function act.change(step, record)
  local version, floor, trimTo, expires, ttl, inserted, rest =
    string.match(step, '^change (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
  local fromVersion = h.version
  if h.server ~= server then
    -- The tail of another server may be lost: its versions must not be taken for those that follow.
    began = 1
    h.epoch, h.first, h.floor, h.oldest, h.server = freshEpoch, version, version, version, server
    fromVersion = '0'
  end
  h.version, h.touches, h.rest = version, '0', rest
  h.oldest = larger(h.oldest, whole(tonumber(trimTo) + 1))
  append(record, inserted, floor)
  expireAt(expires, ttl)
  local position = h.epoch .. ' ' .. version
  if #record > 65536 then
    messages[#messages + 1] = 'moved ' .. position
  else
    messages[#messages + 1] = table.concat({ 'changed', position, fromVersion, inserted, record }, ' ')
  end
end

function act.touch(step)
  local touches, expires, ttl = string.match(step, '^touch (%S+) (%S+) (%S+)$')
  h.touches = touches
  expireAt(expires, ttl)
end

function act.remove(step)
  local cause, atMs, writeId = string.match(step, '^remove (%S+) (%S+) (.*)$')
  removeRows(prefix, id, atMs)
  isTombstoneDue = true
  isIndexed = false
  h = { kind = 't', epoch = h.epoch, version = h.version, cause = cause, at = atMs, waiting = h.waiting, writeId = writeId }
  messages[#messages + 1] = 'removed ' .. h.epoch .. ' ' .. h.version
end

function act.key(step, key)
  local expires, changed, requestHash = string.match(step, '^key (%S+) (%S+) (.*)$')
  local member = id .. '\0' .. key
  local outcome = table.concat({ expires, h.epoch, h.version, changed, requestHash }, ' ')
  redis.call('HSET', prefix .. 'outcomes', member, outcome)
  redis.call('ZADD', prefix .. 'due:outcomes', expires, member)
  remembered = remembered + 1
end

at = 3
while at <= steps do
  local step = ARGV[at]
  local kind = string.match(step, '^%a+')
  act[kind](step, ARGV[at + 1])
  at = at + (isFollowed[kind] and 2 or 1)
end
redis.call('SET', headKey, formatHead(h))

-- Each commit that remembers keys forgets twice as many that have run out, so that they never pile up.
if remembered > 0 then
  local over = redis.call('ZRANGEBYSCORE', prefix .. 'due:outcomes', '-inf', now, 'LIMIT', 0, 2 * remembered)
  for _, member in ipairs(over) do
    redis.call('ZREM', prefix .. 'due:outcomes', member)
    redis.call('HDEL', prefix .. 'outcomes', member)
  end
end

local channel = prefix .. 'watch:' .. id
for _, message in ipairs(messages) do
  redis.call(publish, channel, message)
end
if h.kind == 't' then
  return { 'committed', began }
end
return { 'committed', began, h.floor, h.logged, h.loggedAtBase, h.base }
