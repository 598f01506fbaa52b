import { CLOCK, FORGET_ONCE, script } from './script.ts'

/**
 * kind, hash, owner's key, value, expires, ttl, per owner, total, how long by the server's clock or nothing, 1 where one that ends earlier
 * gives way, the hash of one that it replaces or nothing → 1, or 0 when there is one already, or none to replace.
 */
export const PUT = script(`${FORGET_ONCE}${CLOCK}
local kind, hash, owner, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
local key, expires = p .. 'once:' .. kind .. ':' .. hash, ARGV[5]
local known = redis.call('HMGET', key, 'expires', 'owner')
if known[1] then
  if ARGV[10] ~= '1' or tonumber(known[1]) >= tonumber(expires) then return 0 end
  forget(kind .. ' ' .. hash .. ' ' .. known[2])
end
if ARGV[11] ~= '' then
  local replaced = redis.call('HGET', p .. 'once:' .. kind .. ':' .. ARGV[11], 'owner')
  if not replaced then return 0 end
  forget(kind .. ' ' .. ARGV[11] .. ' ' .. replaced)
end
local mine = p .. 'owner:' .. kind .. ':' .. owner
local spare = redis.call('ZCARD', mine) - ARGV[7]
if spare >= 0 then
  for _, member in ipairs(redis.call('ZRANGE', mine, 0, spare)) do forget(member) end
end
local all, load = p .. 'kind:' .. kind, p .. 'load:' .. kind
spare = redis.call('ZCARD', all) - ARGV[8]
if spare >= 0 then
  local most = redis.call('ZREVRANGE', load, 0, 0, 'WITHSCORES')
  local from = all
  if most[1] and tonumber(most[2]) > 1 then from = p .. 'owner:' .. kind .. ':' .. most[1] end
  for _, member in ipairs(redis.call('ZRANGE', from, 0, spare)) do forget(member) end
end
local age = redis.call('INCR', p .. 'once-count')
local member = kind .. ' ' .. hash .. ' ' .. owner
if ARGV[9] ~= '' then
  expires = string.format('%.0f', clock() + ARGV[9])
  redis.call('HSET', key, 'clock', 1)
end
redis.call('HSET', key, 'value', ARGV[4], 'expires', expires, 'owner', owner)
redis.call('PEXPIRE', key, ttl)
redis.call('ZADD', mine, age, member)
live(mine, ttl)
redis.call('ZADD', all, age, member)
live(all, ttl)
redis.call('ZINCRBY', load, 1, owner)
live(load, ttl)
redis.call('ZADD', p .. 'once-expires', expires, member)
return 1
`)

/** kind, hash, now where the server's clock does not count → the value once. */
export const TAKE = script(`${FORGET_ONCE}${CLOCK}
local got = redis.call('HMGET', p .. 'once:' .. ARGV[1] .. ':' .. ARGV[2], 'value', 'expires', 'owner', 'clock')
if not got[1] then return false end
forget(ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. got[3])
if tonumber(got[2]) <= (got[4] and clock() or tonumber(ARGV[3])) then return false end
return got[1]
`)

/**
 * name, the time in which one is given back, how many at most, for each → for each { 1, how many are left } or { 0, how long to wait }.
 * Nothing is taken where any has nothing left.
 */
export const SPEND = script(`${CLOCK}
local now = clock()
local function keep(key, at)
  local full = string.format('%.0f', at)
  redis.call('SET', key, full, 'PXAT', full)
end
local answers, taken, allowed = {}, {}, true
for i = 1, #ARGV, 3 do
  local key, interval, burst = p .. 'allowance:' .. ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local before = tonumber(redis.call('GET', key) or '0')
  local at = math.min(before, now + burst * interval)
  local missing = math.max(at - now, 0)
  local wait = missing - (burst - 1) * interval
  if wait > 0 then
    allowed = false
    if at < before then keep(key, at) end
    table.insert(answers, { 0, wait })
  else
    table.insert(taken, { key, now + missing + interval })
    table.insert(answers, { 1, math.floor(-wait / interval) })
  end
end
if allowed then
  for _, one in ipairs(taken) do keep(one[1], one[2]) end
end
return answers
`)

/** name, the time in which one is given back. */
export const REFUND = script(`
local key = p .. 'allowance:' .. ARGV[1]
local full = redis.call('GET', key)
if full then redis.call('SET', key, string.format('%.0f', full - ARGV[2]), 'KEEPTTL') end
`)
