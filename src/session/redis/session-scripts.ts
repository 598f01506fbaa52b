/** The scripts about sessions and their cookies. */

import { CLOCK, DROP, KEEP_SIDS, REPLACE_HANDLE, script } from './script.ts'

/** Keeps a cookie of a session, and forgets some of those that are over: in a session that lasts, cookies take each other's place for long. */
const KEEP_HANDLE = `
local function keep_handle(ttl, id, host, hash)
  local handles = p .. 'handles:' .. id
  for _, other in ipairs(redis.call('SRANDMEMBER', handles, 100)) do
    if redis.call('EXISTS', p .. 'handle:' .. other) == 0 then
      redis.call('SREM', handles, other)
      redis.call('HDEL', p .. 'session:' .. id, 'shown:' .. other)
    end
  end
  redis.call('SET', p .. 'handle:' .. hash, id .. ' ' .. host, 'PX', ttl)
  redis.call('SADD', handles, hash)
  redis.call('PEXPIRE', handles, ttl)
end
`

/**
 * Keeps what a sign-in has made, of the arguments: ttl, id, host, hash and how long until it expires come first, the session's fields in
 * pairs last; and gives it its places in the indexes.
 */
const KEEP_SIGN_IN = `${CLOCK}${KEEP_HANDLE}
local function keep_sign_in(first)
  local ttl, id, host, hash, lasts = unpack(ARGV, 1, 5)
  redis.call('HSET', p .. 'session:' .. id, unpack(ARGV, first))
  redis.call('PEXPIRE', p .. 'session:' .. id, ttl)
  keep_handle(ttl, id, host, hash)
  local now = clock()
  redis.call('ZADD', p .. 'expires', string.format('%.0f', now + lasts), id)
  redis.call('ZADD', p .. 'seen', string.format('%.0f', now), id)
  return redis.call('HMGET', p .. 'session:' .. id, 'place', 'in_portal', 'in_subject', 'in_sid')
end
local function keep_places(at)
  for i = 2, 4 do
    if at[i] then
      redis.call('ZADD', p .. at[i], 0, at[1])
      live(p .. at[i], ARGV[1])
    end
  end
end
`

/** ttl, id, host, hash, how long until it expires, then the session's fields in pairs. */
export const INSERT = script(`${KEEP_SIGN_IN}
keep_places(keep_sign_in(6))
redis.call('XADD', p .. 'changes', '*', 'made', ARGV[2])
`)

/**
 * ttl, id, host, hash, how long until it expires, when the sign-in before was, what that has shown (`sign-in-claims.ts`), the
 * hash that is replaced or nothing, how long that lasts, what it has shown, what the new one has shown or nothing, the
 * index of one more sid that it comes from or nothing, then the session's fields in pairs → 1, or 0 when the session
 * is gone or comes from another sign-in.
 */
export const SIGN_IN_AGAIN = script(`${KEEP_SIGN_IN}${REPLACE_HANDLE}${KEEP_SIDS}
local id, hash = ARGV[2], ARGV[4]
local key = p .. 'session:' .. id
local before = redis.call('HMGET', key, 'place', 'in_portal', 'in_subject', 'in_sid', 'created')
if before[5] ~= ARGV[6] then return 0 end
for i = 2, 4 do
  if before[i] then redis.call('ZREM', p .. before[i], before[1]) end
end
for _, other in ipairs(redis.call('SMEMBERS', p .. 'handles:' .. id)) do
  redis.call('HSETNX', key, 'shown:' .. other, ARGV[7])
end
replace(id, ARGV[8], ARGV[10], ARGV[9])
redis.call('HDEL', key, 'sid', 'in_sid', 'lease', 'leased')
local at = keep_sign_in(13)
if ARGV[11] ~= '' then redis.call('HSET', key, 'shown:' .. hash, ARGV[11]) end
keep_sids(key, before[1], at[1], at[4], before[4], ARGV[12])
keep_places(at)
redis.call('XADD', p .. 'changes', '*', 'updated', id)
return 1
`)

/**
 * id, host, hash, what it has shown (`sign-in-claims.ts`) or nothing, the hash that is replaced or nothing, how long that
 * lasts, what that has shown, the author of the reported change → 1, or 0 when the session is gone.
 */
export const ADD_HANDLE = script(`${KEEP_HANDLE}${REPLACE_HANDLE}
local ttl = redis.call('PTTL', p .. 'session:' .. ARGV[1])
if ttl <= 0 then return 0 end
keep_handle(ttl, ARGV[1], ARGV[2], ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', p .. 'session:' .. ARGV[1], 'shown:' .. ARGV[3], ARGV[4]) end
if ARGV[5] ~= '' then
  replace(ARGV[1], ARGV[5], ARGV[7], ARGV[6])
  redis.call('XADD', p .. 'changes', '*', 'updated', ARGV[8])
end
redis.call('XADD', p .. 'changes', '*', 'made', ARGV[1])
return 1
`)

/**
 * id, the index of sids that it belongs to now or nothing, the secrets before or nothing, then the changed fields in pairs → 1, or 0 when
 * the session is gone or its secrets are others.
 */
export const UPDATE = script(`${KEEP_SIDS}
local id = ARGV[1]
local key = p .. 'session:' .. id
if redis.call('EXISTS', key) == 0 then return 0 end
local at = redis.call('HMGET', key, 'place', 'in_sid', 'secrets')
if ARGV[3] ~= '' and at[3] ~= ARGV[3] then return 0 end
if at[2] then redis.call('ZREM', p .. at[2], at[1]) end
redis.call('HDEL', key, 'sid', 'in_sid', 'lease', 'leased')
redis.call('HSET', key, unpack(ARGV, 4))
keep_sids(key, at[1], at[1], ARGV[2], at[2], '')
if ARGV[2] ~= '' then
  redis.call('HSET', key, 'in_sid', ARGV[2])
  redis.call('ZADD', p .. ARGV[2], 0, at[1])
  live(p .. ARGV[2], redis.call('PTTL', key))
end
redis.call('XADD', p .. 'changes', '*', 'updated', id)
return 1
`)

/** id, the device that it is bound to, what it is bound to before or nothing → 1, or 0 when the session is gone or bound to another. */
export const BIND = script(`
local key = p .. 'session:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return 0 end
if (redis.call('HGET', key, 'bound') or '') ~= ARGV[3] then return 0 end
redis.call('HSET', key, 'bound', ARGV[2])
redis.call('XADD', p .. 'changes', '*', 'updated', ARGV[1])
return 1
`)

/** hash → its handle, the session's fields in pairs, and how long the handle lasts; nothing where there is none. Only reads. */
export const FIND_BY_HASH = script(`
local key = p .. 'handle:' .. ARGV[1]
local handle = redis.call('GET', key)
if not handle then return {} end
return { handle, redis.call('HGETALL', p .. 'session:' .. string.match(handle, '^%S*')), redis.call('PTTL', key) }
`)

/** id, how long, the holder's name for it → 1 for exactly one caller, 2 where the previous lease was left. */
export const LEASE = script(`${CLOCK}
local key = p .. 'session:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return 0 end
local before, now = redis.call('HGET', key, 'lease'), clock()
if before and tonumber(before) > now then return 0 end
local till = string.format('%.0f', now + ARGV[2])
redis.call('HSET', key, 'lease', till, 'leased', ARGV[3] .. ' ' .. till)
return before and 2 or 1
`)

/**
 * id, the holder's name for it, what to leave in its place or 0, the time of the sign-in in question: a later sign-in
 * has ended it, and has another refresh token. A node of an earlier version writes no `leased`, and names its lease by
 * its end.
 */
export const RELEASE = script(`
local key = p .. 'session:' .. ARGV[1]
local at = redis.call('HMGET', key, 'created', 'lease', 'leased')
if not at[1] then return end
if at[2] and at[3] ~= ARGV[2] .. ' ' .. at[2] then return end
if not at[2] and at[1] ~= ARGV[4] then return end
if ARGV[3] == '0' then redis.call('HDEL', key, 'lease', 'leased') else redis.call('HSET', key, 'lease', ARGV[3]) end
`)

/** ids and times in pairs → the ids of which there is no session. */
export const TOUCH = script(`${CLOCK}
local now = string.format('%.0f', clock())
local gone = {}
for i = 1, #ARGV, 2 do
  local key = p .. 'session:' .. ARGV[i]
  local seen = redis.call('HGET', key, 'seen')
  if not seen then
    gone[#gone + 1] = ARGV[i]
  elseif tonumber(seen) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', key, 'seen', ARGV[i + 1])
    redis.call('ZADD', p .. 'seen', now, ARGV[i])
  end
end
return gone
`)

/** ids of sessions, whose cookies go. */
export const END_COOKIES = script(`
for _, id in ipairs(ARGV) do
  for _, hash in ipairs(redis.call('SMEMBERS', p .. 'handles:' .. id)) do redis.call('DEL', p .. 'handle:' .. hash) end
  redis.call('DEL', p .. 'handles:' .. id)
end
`)

/** ids → the ids and fields in pairs of those that had a refresh token. */
export const REMOVE = script(`${DROP}
local removed = {}
for _, id in ipairs(ARGV) do
  local key = p .. 'session:' .. id
  if redis.call('HGET', key, 'refreshable') == '1' then removed[#removed + 1] = { id, redis.call('HGETALL', key) }
  elseif redis.call('EXISTS', key) == 1 then removed[#removed + 1] = { id } end
  drop(id)
  redis.call('XADD', p .. 'changes', '*', 'removed', id)
end
return removed
`)
