--[[
The identity of this server: its replication id, which changes whenever it starts and whenever it is promoted. (Its
run_id does not change when it is demoted and promoted again, and its tail may be lost in between.)

A replica answers no script: it may lack what was acknowledged.
]]
local function serverIdentity()
  local role, identity = string.match(redis.call('INFO', 'replication'), 'role:(%a+).-master_replid:(%x+)')
  if role ~= 'master' then
    return nil, redis.error_reply('READONLY This server is a replica')
  end
  -- Half of it is enough, and in every head.
  return string.sub(identity, 1, 20)
end
