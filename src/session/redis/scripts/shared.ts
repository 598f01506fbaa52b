import { CLOCK, DROP, FORGET_ONCE, script } from './script.ts'

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

/** how long, then for each row its stream and its text. */
export const APPEND_AUDIT = script(`
for at = 2, #ARGV, 2 do
  redis.call('XADD', p .. ARGV[at], '*', 'record', ARGV[at + 1])
  live(p .. ARGV[at], ARGV[1])
end
return 1
`)

/** a process, how long it keeps rows, for how long what a process says counts → the longest that any says. */
export const ANNOUNCE_KEEP = script(`${CLOCK}
local key, now, longest = p .. 'audit-keeps', clock(), tonumber(ARGV[2])
redis.call('HSET', key, ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now))
local said = redis.call('HGETALL', key)
for i = 1, #said, 2 do
  local keep, at = string.match(said[i + 1], '^(%S+) (%S+)$')
  if now - at > tonumber(ARGV[3]) then redis.call('HDEL', key, said[i]) else longest = math.max(longest, tonumber(keep)) end
end
redis.call('PEXPIRE', key, ARGV[3])
return string.format('%.0f', longest)
`)

/** how long (0: nothing), rows of `audit` and of `audit-frequent` at most → how many rows went. */
export const TRIM_AUDIT = script(`${CLOCK}
local gone = 0
for at, stream in ipairs({ 'audit', 'audit-frequent' }) do
  local key = p .. stream
  if ARGV[1] == '0' then
    gone = gone + redis.call('XLEN', key)
    redis.call('DEL', key)
  else
    local from = string.format('%.0f', math.max(0, clock() - ARGV[1]))
    gone = gone + redis.call('XTRIM', key, 'MINID', from) + redis.call('XTRIM', key, 'MAXLEN', ARGV[at + 1])
  end
end
return gone
`)

/**
 * how long any session may be unused, how many of a kind at most, how long changes are kept → 1 when there may be
 * more.
 */
export const PURGE = script(`${CLOCK}${DROP}${FORGET_ONCE}
local now = clock()
local more = 0
local function finish(id)
  drop(id)
  redis.call('XADD', p .. 'changes', '*', 'purged', id)
end
local function over(index, before, remove)
  local found = redis.call('ZRANGEBYSCORE', p .. index, '-inf', string.format('%.0f', before), 'LIMIT', 0, ARGV[2])
  for _, member in ipairs(found) do remove(member) end
  if #found == tonumber(ARGV[2]) then more = 1 end
end
over('expires', now, finish)
over('seen', now - ARGV[1], finish)
over('once-expires', now, forget)
local oldest = now - ARGV[3]
local newest = redis.call('XREVRANGE', p .. 'changes', '+', '-', 'COUNT', 1)[1]
if newest then
  local isOld = tonumber(string.match(newest[1], '^%d+')) < oldest
  redis.call('XTRIM', p .. 'changes', 'MINID', '~', isOld and newest[1] or string.format('%.0f', oldest))
end
return more
`)
