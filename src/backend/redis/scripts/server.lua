--[[
Ends the script on a replica, which may lack what was acknowledged.

server  the identity of this server: its replication id, which changes whenever it starts and whenever it is promoted. (Its
        run_id does not change when it is demoted and promoted again, and its tail may be lost in between.) Half of it is
        enough, and in every head.
]]
local role, server = string.match(redis.call('INFO', 'replication'), 'role:(%a+).-master_replid:(%x+)')
if role ~= 'master' then
  return redis.error_reply('READONLY This server is a replica')
end
server = string.sub(server, 1, 20)
