--[[
Tells the listeners of a context. Where this server has sharded pub/sub (since 7.0, as this constant), the message stays
on the servers of its slot; listeners ask the server, too.

What is announced is stored. So a server that refuses to publish does not end the script: followers look by themselves,
though later.
]]
local publish = redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH'

local function announce(prefix, id, message)
  redis.pcall(publish, prefix .. 'watch:' .. id, message)
end
