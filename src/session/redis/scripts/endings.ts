import { DROP, script } from './script.ts'

/**
 * For each ending its id, the standing of an owner or nothing, and when that was noted → how many had not ended here. An owner of whom
 * something was noted later (they signed in again) stays as they are.
 */
export const END_AGAIN = script(`${DROP}
local again = 0
local function rest(id, standing, noted)
  local known = redis.call('HMGET', p .. id, 'standing', 'noted')
  local isLess = known[1] == 'good' or (known[1] == 'refused' and standing == 'revoked')
  if not isLess or tonumber(known[2]) > tonumber(noted) then return end
  redis.call('HSET', p .. id, 'standing', standing, 'noted', noted)
  redis.call('XADD', p .. 'changes', '*', 'updated', id, 'standing', standing, 'noted', noted)
  again = again + 1
end
local function remove(id)
  local token, link = redis.call('HGET', p .. 'tokens', id), redis.call('HGET', p .. 'links', id)
  if not token and not link and redis.call('EXISTS', p .. 'session:' .. id) == 0 then return end
  drop(id)
  if token then
    redis.call('HDEL', p .. 'tokens', id)
    redis.call('DEL', p .. 'token:' .. token, p .. 'token-unused:' .. token)
  end
  if link then
    redis.call('HDEL', p .. 'links', id)
    redis.call('DEL', p .. 'link:' .. link)
  end
  redis.call('XADD', p .. 'changes', '*', 'removed', id)
  again = again + 1
end
for i = 1, #ARGV, 3 do
  if ARGV[i + 1] == '' then remove(ARGV[i]) else rest(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
end
return again
`)
