/** Records and single-use records, each in one step. */

import { SHORT_TOKENS } from '../../records.ts'
import { CLOCK, FORGET_ONCE, script } from './script.ts'

/**
 * Options as JSON, `gone` where nothing takes the record's place, then for each cell its key, its field or nothing, and what is to be
 * in it before and after: nothing, or `=` and the value → 1, or 0 and no change where anything else is in one.
 *
 * Options: `ttl`, absent where it stays for good; `index` with `id` and `hash`; `shorts`, where the hashes of a token's short ones are;
 * `tell`, what others have to hear of it.
 */
export const SWAP = script(`
local o = cjson.decode(ARGV[1])
for i = 3, #ARGV, 4 do
  local found
  if ARGV[i + 1] == '' then found = redis.call('GET', p .. ARGV[i]) else found = redis.call('HGET', p .. ARGV[i], ARGV[i + 1]) end
  if (found and '=' .. found or '') ~= ARGV[i + 2] then return 0 end
end
for i = 3, #ARGV, 4 do
  local key, field, after = p .. ARGV[i], ARGV[i + 1], ARGV[i + 3]
  if after ~= ARGV[i + 2] then
    local value = string.sub(after, 2)
    if after == '' and field == '' then redis.call('DEL', key)
    elseif after == '' then redis.call('HDEL', key, field)
    elseif field == '' then redis.call('SET', key, value, 'KEEPTTL')
    else redis.call('HSET', key, field, value) end
  end
  if after ~= '' and o.ttl then live(key, string.format('%.0f', o.ttl)) end
end
local isGone = ARGV[2] == 'gone'
if o.index and isGone then redis.call('HDEL', p .. o.index, o.id) end
if o.index and not isGone then redis.call('HSET', p .. o.index, o.id, o.hash) end
if o.shorts then
  local key, kept = p .. o.shorts, isGone and 0 or ${SHORT_TOKENS}
  if not isGone then redis.call('LPUSH', key, o.hash) end
  for _, short in ipairs(redis.call('LRANGE', key, kept, -1)) do redis.call('DEL', p .. 'token:' .. short) end
  if isGone then redis.call('DEL', key) else redis.call('LTRIM', key, 0, kept - 1) end
  if not isGone then live(key, string.format('%.0f', o.ttl)) end
end
if o.tell then redis.call('XADD', p .. 'changes', '*', unpack(o.tell)) end
return 1
`)

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
