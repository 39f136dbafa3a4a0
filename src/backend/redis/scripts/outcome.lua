-- What an idempotency key did, as `expires epoch version changed requestHash`, while that counts. `now` is text, in ms.
local function outcomeOf(prefix, id, key, now)
  local outcome = redis.call('HGET', prefix .. 'outcomes', id .. '\0' .. key)
  if outcome and tonumber(string.match(outcome, '^(%S+)')) > tonumber(now) then
    return outcome
  end
  return false
end
