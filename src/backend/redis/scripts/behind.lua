--[[
What a writer lacks whose base is no longer the truth.

  text      the head, or false; the base is the beginning of one, `c epoch version …`, `t …` or `-`
  hasState  whether the writer has the state at the base

Returns { 'behind', false }: nothing is there; { 'behind', { 't', head } }; { 'behind', view }: see view.lua
]]
local function behind(prefix, id, text, options)
  local h = parseHead(text)
  if h.kind ~= 'c' then
    return { 'behind', text and { 't', text } }
  end
  local from
  local baseEpoch, baseVersion = string.match(options.base, '^c (%S+) (%S+)')
  if not baseEpoch then
    -- The whole epoch, for a writer that knew of no context. A writer comes again soon: a long log is not read for one.
    if h.oldest == h.first and tonumber(h.version) - tonumber(h.first) < 1024 then
      from = whole(tonumber(h.first) - 1)
    end
  elseif baseEpoch == h.epoch then
    local number = tonumber(baseVersion)
    if tonumber(h.floor) <= number and number <= tonumber(h.version) and tonumber(h.version) - number < 1024 then
      from = baseVersion
    end
  end
  local have = options.hasState and baseEpoch == h.epoch and baseVersion or nil
  local view = viewOf(prefix, id, h, text, { from = from, have = have, needsState = true })
  return view.err and view or { 'behind', view }
end
