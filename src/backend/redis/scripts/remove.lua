-- Deletes what a live context has beside its head, and notes the tombstone that is left. Begins with a command that
-- needs no memory: removing works also when there is none.
local function removeRows(prefix, id, at)
  redis.call('DEL', prefix .. 'log:' .. id, prefix .. 'checkpoint:' .. id)
  redis.call('ZREM', prefix .. 'ids', id)
  redis.call('ZREM', prefix .. 'due:context', id)
  redis.call('ZREM', prefix .. 'due:deltas', id)
  redis.call('ZADD', prefix .. 'due:tombstone', at, id)
end
