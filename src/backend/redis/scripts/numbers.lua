-- Whole numbers up to 2^53 as text: Lua's own conversion rounds beyond 14 digits.
local function whole(number)
  return string.format('%.0f', number)
end

-- The larger of two numbers that are texts.
local function larger(a, b)
  if a ~= b and tonumber(a) < tonumber(b) then
    return b
  end
  return a
end
