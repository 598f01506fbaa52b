import { DROP, FORGET_ONCE, script } from './script.ts'

/** name, the value before or nothing, the value after → 1, or 0 when it was another. */
export const REPLACE_SHARED = script(`
local key = p .. 'shared:' .. ARGV[1]
if (redis.call('GET', key) or '') ~= ARGV[2] then return 0 end
redis.call('SET', key, ARGV[3])
return 1
`)

/** directory, id, value before ('' for none), value after ('' for none) → 1 when done. */
export const REPLACE_PUSHED = script(`
local key = p .. ARGV[1]
if (redis.call('HGET', key, ARGV[2]) or '') ~= ARGV[3] then return 0 end
if ARGV[4] == '' then redis.call('HDEL', key, ARGV[2]) else redis.call('HSET', key, ARGV[2], ARGV[4]) end
redis.call('XADD', p .. 'changes', '*', 'updated', ARGV[1] .. '/' .. ARGV[2])
return 1
`)

/** how long, then for each row its stream and what it says. */
export const APPEND_AUDIT = script(`
for at = 2, #ARGV, 2 do
  redis.call('XADD', p .. ARGV[at], '*', 'record', ARGV[at + 1])
  redis.call('PEXPIRE', p .. ARGV[at], ARGV[1])
end
return 1
`)

/** now, last use before which all are idle, how many of a kind at most, when changes are too old to tell → 1 when there may be more. */
export const PURGE = script(`${DROP}${FORGET_ONCE}
local more = 0
local function finish(id)
  drop(id)
  redis.call('XADD', p .. 'changes', '*', 'purged', id)
end
local function over(index, before, remove)
  local found = redis.call('ZRANGEBYSCORE', p .. index, '-inf', before, 'LIMIT', 0, ARGV[3])
  for _, member in ipairs(found) do remove(member) end
  if #found == tonumber(ARGV[3]) then more = 1 end
end
over('expires', ARGV[1], finish)
over('seen', ARGV[2], finish)
over('once-expires', ARGV[1], forget)
local newest = redis.call('XREVRANGE', p .. 'changes', '+', '-', 'COUNT', 1)[1]
if newest then
  local isOld = tonumber(string.match(newest[1], '^%d+')) < tonumber(ARGV[4])
  redis.call('XTRIM', p .. 'changes', 'MINID', '~', isOld and newest[1] or ARGV[4])
end
return more
`)
