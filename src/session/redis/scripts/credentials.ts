import { script } from './script.ts'

/** id, hash, the token, ttl, and nothing where it was used. */
export const INSERT_TOKEN = script(`
redis.call('SET', p .. 'token:' .. ARGV[2], ARGV[3], 'PX', ARGV[4])
if ARGV[5] ~= '' then redis.call('SET', p .. 'token-unused:' .. ARGV[2], '', 'PX', ARGV[4]) end
redis.call('HSET', p .. 'tokens', ARGV[1], ARGV[2])
redis.call('XADD', p .. 'changes', '*', 'made', ARGV[1])
`)

/** the id of the token that it replaces, hash, the token, ttl. */
export const INSERT_SHORT_TOKEN = script(`
local mine = p .. 'token-shorts:' .. ARGV[1]
redis.call('SET', p .. 'token:' .. ARGV[2], ARGV[3], 'PX', ARGV[4])
redis.call('LPUSH', mine, ARGV[2])
for _, hash in ipairs(redis.call('LRANGE', mine, 2, -1)) do redis.call('DEL', p .. 'token:' .. hash) end
redis.call('LTRIM', mine, 0, 1)
live(mine, ARGV[4])
`)

/** id → 1, or 0 when there is none. */
export const REMOVE_TOKEN = script(`
local hash = redis.call('HGET', p .. 'tokens', ARGV[1])
if not hash then return 0 end
redis.call('HDEL', p .. 'tokens', ARGV[1])
redis.call('XADD', p .. 'changes', '*', 'removed', ARGV[1])
redis.call('DEL', p .. 'token-unused:' .. hash)
local shorts = p .. 'token-shorts:' .. ARGV[1]
for _, short in ipairs(redis.call('LRANGE', shorts, 0, -1)) do redis.call('DEL', p .. 'token:' .. short) end
redis.call('DEL', shorts)
return redis.call('DEL', p .. 'token:' .. hash)
`)

/** id → 1 where the token was unused. */
export const USE_TOKEN = script(`
local hash = redis.call('HGET', p .. 'tokens', ARGV[1])
if not hash then return 0 end
return redis.call('DEL', p .. 'token-unused:' .. hash)
`)

/** id, ttl, identity, standing, noted, expires. */
export const KEEP_OWNER = script(`
local key = p .. ARGV[1]
if redis.call('EXISTS', key) == 0 then
  redis.call('HSET', key, 'identity', ARGV[3], 'standing', ARGV[4], 'noted', ARGV[5], 'expires', ARGV[6])
elseif tonumber(redis.call('HGET', key, 'expires')) < tonumber(ARGV[6]) then
  redis.call('HSET', key, 'expires', ARGV[6])
end
live(key, ARGV[2])
`)

/** For each: id, identity, standing, at, 1 for the last word → the ids of those of whom others have to hear. */
export const NOTE_OWNERS = script(`
local told = {}
for i = 1, #ARGV, 5 do
  local id, identity, standing, at = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local known = redis.call('HMGET', p .. id, 'identity', 'standing')
  if known[1] and (known[2] ~= 'revoked' or ARGV[i + 4] == '1') then
    redis.call('HSET', p .. id, 'identity', identity, 'standing', standing, 'noted', at)
    if known[1] ~= identity or known[2] ~= standing then
      redis.call('XADD', p .. 'changes', '*', 'updated', id, 'standing', standing, 'noted', at)
      told[#told + 1] = id
    end
  end
end
return told
`)

/** id, hash, the link, how often it may be used, expires, ttl. */
export const INSERT_LINK = script(`
local key = p .. 'link:' .. ARGV[2]
redis.call('HSET', key, 'link', ARGV[3], 'uses', ARGV[4], 'expires', ARGV[5], 'used', 0)
redis.call('PEXPIRE', key, ARGV[6])
redis.call('HSET', p .. 'links', ARGV[1], ARGV[2])
redis.call('XADD', p .. 'changes', '*', 'made', ARGV[1])
`)

/** hash, now → the link and how often it has been used, this time included; nothing where it may not be. */
export const USE_LINK = script(`
local key = p .. 'link:' .. ARGV[1]
local got = redis.call('HMGET', key, 'link', 'uses', 'expires', 'used')
if not got[1] or tonumber(got[3]) <= tonumber(ARGV[2]) or tonumber(got[4]) >= tonumber(got[2]) then return false end
return { got[1], redis.call('HINCRBY', key, 'used', 1) }
`)

/** id → 1, or 0 when there is none. */
export const REMOVE_LINK = script(`
local hash = redis.call('HGET', p .. 'links', ARGV[1])
if not hash then return 0 end
redis.call('HDEL', p .. 'links', ARGV[1])
redis.call('XADD', p .. 'changes', '*', 'removed', ARGV[1])
return redis.call('DEL', p .. 'link:' .. hash)
`)
