--[[
Which server this is. Needs no keys; what is given only decides which server is asked.

Returns  its identity, see server.lua
]]
return server
