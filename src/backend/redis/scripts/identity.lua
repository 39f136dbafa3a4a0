--[[
Which server this is. May be asked of every server: needs no keys.

Returns  its identity, see server.lua
]]
return server
