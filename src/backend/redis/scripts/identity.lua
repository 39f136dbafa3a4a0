--[[
Which server this is.

KEYS[1]  the prefix of a partition
KEYS[2]  a key of it

Returns  its identity, see server.lua
]]
local server, refusal = serverIdentity()
return server or refusal
