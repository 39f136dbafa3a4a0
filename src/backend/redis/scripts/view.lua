--[[
What a caller lacks of a live context, in one view.

  h            the head, parsed; text: the same as it is stored
  from         text: deltas after this version are asked for; nil: none are
  have         text: the caller has the state of this version of the epoch; nil: it has none
  needsState   whether the state is asked for

Returns { 'c', head, from or false, 'have' | 'checkpoint' | 'none', checkpoint or false, { entry… } }: the caller makes
the state of its own, or of the checkpoint ({} when it is false), and the entries after that.
]]
local function viewOf(prefix, id, h, text, options)
  local version, logBase = tonumber(h.version), tonumber(h.logBase)
  local start = options.from and tonumber(options.from) or version
  local source, checkpoint = 'none', false
  if options.needsState then
    local have = options.have and tonumber(options.have)
    if have and logBase <= have and have <= version then
      source = 'have'
      start = math.min(start, have)
    else
      source = 'checkpoint'
      start = math.min(start, logBase)
      if h.hasCheckpoint == '1' then
        checkpoint = redis.call('GET', prefix .. 'checkpoint:' .. id)
        if not checkpoint then
          return redis.error_reply('DAMAGED A checkpoint is missing')
        end
      end
    end
  end
  local entries = {}
  if start < version then
    entries = redis.call('XRANGE', prefix .. 'log:' .. id, whole(start + 1) .. '-0', h.version .. '-0')
    if #entries ~= version - start then
      return redis.error_reply('DAMAGED A delta is missing')
    end
  end
  return { 'c', text, options.from or false, source, checkpoint, entries }
end
