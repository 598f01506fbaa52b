import { createHash } from 'node:crypto'
import type { Script } from './connection.ts'
import { PLACE_DIGITS } from './rows.ts'

/**
 * What the server does in one step, so that no other node sees half of it. Needs Redis 7 or Valkey, and no cluster: the keys
 * of one step are not told beforehand and do not share a slot.
 *
 * Keys, all under `sallyport:1:`, where 1 is the layout:
 *
 *     session:ID          hash: the session's fields, `lease`, and its places in the three indexes below
 *     handle:HASH         "ID HOST"
 *     handles:ID          set: hashes of a session's cookies
 *     subject:KEY sid:KEY portal:NAME   sorted sets, every score 0: "CREATED.ID" with CREATED padded, so that order is age
 *     expires seen        sorted sets: ID by the time of expiry and of last use, for `purge`
 *     token:HASH          a token as JSON; `tokens` is a hash of ID → HASH
 *     link:HASH           a guest link as JSON, with its uses; `links` is a hash of ID → HASH
 *     shared:NAME         a value of all nodes, which stays
 *     allowance:NAME      when an allowance is full again, until then
 *     person:KEY          hash: what is known of someone with tokens that follow them
 *     directory:KEY       hash: ID → what a provider has pushed, as JSON, which stays
 *     token-unused:HASH   there until the token is used for the first time
 *     audit audit-frequent   streams: the audit trail, each row as JSON
 *     changes             stream: what was done to sessions, for the caches of other nodes; never empty, by which they know a server
 *                         that has lost what it had
 *     once:KIND:HASH      hash: value, owner, expires
 *     owner:KIND:KEY      sorted set: a client's records "KIND HASH KEY" by age; `kind:KIND` has those of a kind, `once-expires` all by expiry
 *     load:KIND           sorted set: clients by how many records of a kind they have
 *
 * Whatever belongs to one session or record has a time to live of its own, longer than `purge` needs, so that the server empties
 * itself should every node be gone.
 */
const PREFIX = `local p = 'sallyport:1:'
local function live(key, ms)
  if redis.call('PTTL', key) < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end
`

const DROP = `
local function drop(id)
  local key = p .. 'session:' .. id
  local at = redis.call('HMGET', key, 'place', 'in_portal', 'in_subject', 'in_sid')
  for _, hash in ipairs(redis.call('SMEMBERS', p .. 'handles:' .. id)) do redis.call('DEL', p .. 'handle:' .. hash) end
  redis.call('DEL', key, p .. 'handles:' .. id)
  redis.call('ZREM', p .. 'expires', id)
  redis.call('ZREM', p .. 'seen', id)
  if at[1] then
    redis.call('ZREM', p .. at[2], at[1])
    redis.call('ZREM', p .. at[3], at[1])
    if at[4] then redis.call('ZREM', p .. at[4], at[1]) end
  end
end
`

const FORGET_ONCE = `
local function forget(member)
  local kind, hash, owner = string.match(member, '^(%S+) (%S+) (%S+)$')
  redis.call('DEL', p .. 'once:' .. kind .. ':' .. hash)
  redis.call('ZREM', p .. 'owner:' .. kind .. ':' .. owner, member)
  redis.call('ZREM', p .. 'kind:' .. kind, member)
  local load = p .. 'load:' .. kind
  if redis.call('ZREM', p .. 'once-expires', member) == 1 and tonumber(redis.call('ZINCRBY', load, -1, owner)) <= 0 then
    redis.call('ZREM', load, owner)
  end
end
`

/** ttl, id, host, hash, expires, seen, then the session's fields in pairs. */
export const INSERT = script(`
local ttl, id, host, hash = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = p .. 'session:' .. id
redis.call('HSET', key, unpack(ARGV, 7))
redis.call('PEXPIRE', key, ttl)
redis.call('SET', p .. 'handle:' .. hash, id .. ' ' .. host, 'PX', ttl)
redis.call('SADD', p .. 'handles:' .. id, hash)
redis.call('PEXPIRE', p .. 'handles:' .. id, ttl)
redis.call('ZADD', p .. 'expires', ARGV[5], id)
redis.call('ZADD', p .. 'seen', ARGV[6], id)
local at = redis.call('HMGET', key, 'place', 'in_portal', 'in_subject', 'in_sid')
for i = 2, 4 do
  if at[i] then
    redis.call('ZADD', p .. at[i], 0, at[1])
    live(p .. at[i], ttl)
  end
end
redis.call('XADD', p .. 'changes', '*', 'made', id)
`)

/** id, host, hash → 1, or 0 when the session is gone. */
export const ADD_HANDLE = script(`
local ttl = redis.call('PTTL', p .. 'session:' .. ARGV[1])
if ttl <= 0 then return 0 end
redis.call('SET', p .. 'handle:' .. ARGV[3], ARGV[1] .. ' ' .. ARGV[2], 'PX', ttl)
redis.call('SADD', p .. 'handles:' .. ARGV[1], ARGV[3])
redis.call('PEXPIRE', p .. 'handles:' .. ARGV[1], ttl)
redis.call('XADD', p .. 'changes', '*', 'made', ARGV[1])
return 1
`)

/** hash → { id, host, fields }, or nothing. */
export const FIND_BY_HASH = script(`
local handle = redis.call('GET', p .. 'handle:' .. ARGV[1])
if not handle then return false end
local id, host = string.match(handle, '^(%S+) (.*)$')
return { id, host, redis.call('HGETALL', p .. 'session:' .. id) }
`)

/** id → the hosts of its cookies. */
export const FIND_HOSTS = script(`
local hosts = {}
for _, hash in ipairs(redis.call('SMEMBERS', p .. 'handles:' .. ARGV[1])) do
  local handle = redis.call('GET', p .. 'handle:' .. hash)
  if handle then hosts[#hosts + 1] = string.match(handle, '^%S+ (.*)$') end
end
return hosts
`)

/** index, newest place to look at (as ZREVRANGEBYLEX takes it), how many → a list of { id, fields, place }. */
export const LIST = script(`
local found = {}
for _, place in ipairs(redis.call('ZREVRANGEBYLEX', p .. ARGV[1], ARGV[2], '-', 'LIMIT', 0, ARGV[3])) do
  local id = string.sub(place, ${PLACE_DIGITS + 2})
  local fields = redis.call('HGETALL', p .. 'session:' .. id)
  if #fields == 0 then redis.call('ZREM', p .. ARGV[1], place) end
  found[#found + 1] = { id, fields, place }
end
return found
`)

/** id, the index of sids that it belongs to now or nothing, then the changed fields in pairs → 1, or 0 when the session is gone. */
export const UPDATE = script(`
local id = ARGV[1]
local key = p .. 'session:' .. id
if redis.call('EXISTS', key) == 0 then return 0 end
local at = redis.call('HMGET', key, 'place', 'in_sid')
if at[2] then redis.call('ZREM', p .. at[2], at[1]) end
redis.call('HDEL', key, 'sid', 'in_sid', 'lease')
redis.call('HSET', key, unpack(ARGV, 3))
if ARGV[2] ~= '' then
  redis.call('HSET', key, 'in_sid', ARGV[2])
  redis.call('ZADD', p .. ARGV[2], 0, at[1])
  live(p .. ARGV[2], redis.call('PTTL', key))
end
redis.call('XADD', p .. 'changes', '*', 'updated', id)
return 1
`)

/** id, now, until → 1 for one alone. */
export const LEASE = script(`
local key = p .. 'session:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return 0 end
if tonumber(redis.call('HGET', key, 'lease') or '0') > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', key, 'lease', ARGV[3])
return 1
`)

export const RELEASE = script(`return redis.call('HDEL', p .. 'session:' .. ARGV[1], 'lease')`)

/** ids and times in pairs. */
export const TOUCH = script(`
for i = 1, #ARGV, 2 do
  local key = p .. 'session:' .. ARGV[i]
  local seen = redis.call('HGET', key, 'seen')
  if seen and tonumber(seen) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', key, 'seen', ARGV[i + 1])
    redis.call('ZADD', p .. 'seen', ARGV[i + 1], ARGV[i])
  end
end
`)

/** ids. */
export const REMOVE = script(`${DROP}
for _, id in ipairs(ARGV) do
  drop(id)
  redis.call('XADD', p .. 'changes', '*', 'removed', id)
end
`)

/** id, hash, the token, ttl, and nothing where it was used. */
export const INSERT_TOKEN = script(`
redis.call('SET', p .. 'token:' .. ARGV[2], ARGV[3], 'PX', ARGV[4])
if ARGV[5] ~= '' then redis.call('SET', p .. 'token-unused:' .. ARGV[2], '', 'PX', ARGV[4]) end
redis.call('HSET', p .. 'tokens', ARGV[1], ARGV[2])
redis.call('XADD', p .. 'changes', '*', 'made', ARGV[1])
`)

/** id → 1, or 0 when there is none. */
export const REMOVE_TOKEN = script(`
local hash = redis.call('HGET', p .. 'tokens', ARGV[1])
if not hash then return 0 end
redis.call('HDEL', p .. 'tokens', ARGV[1])
redis.call('XADD', p .. 'changes', '*', 'removed', ARGV[1])
redis.call('DEL', p .. 'token-unused:' .. hash)
return redis.call('DEL', p .. 'token:' .. hash)
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

/** id, identity, standing, at, 1 for the last word → 1 where others have to hear of it. */
export const NOTE_OWNER = script(`
local key = p .. ARGV[1]
local known = redis.call('HMGET', key, 'identity', 'standing')
if not known[1] or (known[2] == 'revoked' and ARGV[5] ~= '1') then return 0 end
redis.call('HSET', key, 'identity', ARGV[2], 'standing', ARGV[3], 'noted', ARGV[4])
if known[1] == ARGV[2] and known[2] == ARGV[3] then return 0 end
redis.call('XADD', p .. 'changes', '*', 'updated', ARGV[1])
return 1
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

/** kind, hash, owner's key, value, expires, ttl, per owner, total → 1, or 0 when there is one already. */
export const PUT = script(`${FORGET_ONCE}
local kind, hash, owner, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
local key = p .. 'once:' .. kind .. ':' .. hash
if redis.call('EXISTS', key) == 1 then return 0 end
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
redis.call('HSET', key, 'value', ARGV[4], 'expires', ARGV[5], 'owner', owner)
redis.call('PEXPIRE', key, ttl)
redis.call('ZADD', mine, age, member)
live(mine, ttl)
redis.call('ZADD', all, age, member)
live(all, ttl)
redis.call('ZINCRBY', load, 1, owner)
live(load, ttl)
redis.call('ZADD', p .. 'once-expires', ARGV[5], member)
return 1
`)

/** kind, hash, now → the value once. */
export const TAKE = script(`${FORGET_ONCE}
local got = redis.call('HMGET', p .. 'once:' .. ARGV[1] .. ':' .. ARGV[2], 'value', 'expires', 'owner')
if not got[1] then return false end
forget(ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. got[3])
if tonumber(got[2]) <= tonumber(ARGV[3]) then return false end
return got[1]
`)

/** name, the time in which one is given back, how many at most → { 1, how many are left } or { 0, how long to wait }. */
export const SPEND = script(`
local key, interval, burst = p .. 'allowance:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function keep(at)
  local full = string.format('%.0f', at)
  redis.call('SET', key, full, 'PXAT', full)
end
local before = tonumber(redis.call('GET', key) or '0')
local at = math.min(before, now + burst * interval)
local missing = math.max(at - now, 0)
local wait = missing - (burst - 1) * interval
if wait > 0 then
  if at < before then keep(at) end
  return { 0, wait }
end
keep(now + missing + interval)
return { 1, math.floor(-wait / interval) }
`)

/** name, the time in which one is given back. */
export const REFUND = script(`
local key = p .. 'allowance:' .. ARGV[1]
local full = redis.call('GET', key)
if full then redis.call('SET', key, string.format('%.0f', full - ARGV[2]), 'KEEPTTL') end
`)

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
redis.call('XADD', p .. 'changes', '*', 'updated', ARGV[1])
return 1
`)

/** kind, hash, now → the value, which stays. */
export const PEEK = script(`
local got = redis.call('HMGET', p .. 'once:' .. ARGV[1] .. ':' .. ARGV[2], 'value', 'expires')
if not got[1] or tonumber(got[2]) <= tonumber(ARGV[3]) then return false end
return got[1]
`)

/** now, last use before which all are idle, how many of a kind at most, when changes are too old to tell → 1 when there may be more. */
export const PURGE = script(`${DROP}${FORGET_ONCE}
local more = 0
local function over(index, before, remove)
  local found = redis.call('ZRANGEBYSCORE', p .. index, '-inf', before, 'LIMIT', 0, ARGV[3])
  for _, member in ipairs(found) do remove(member) end
  if #found == tonumber(ARGV[3]) then more = 1 end
end
over('expires', ARGV[1], drop)
over('seen', ARGV[2], drop)
over('once-expires', ARGV[1], forget)
local newest = redis.call('XREVRANGE', p .. 'changes', '+', '-', 'COUNT', 1)[1]
if newest then
  local isOld = tonumber(string.match(newest[1], '^%d+')) < tonumber(ARGV[4])
  redis.call('XTRIM', p .. 'changes', 'MINID', '~', isOld and newest[1] or ARGV[4])
end
return more
`)

/** how long, then for each row its stream and what it says. */
export const APPEND_AUDIT = script(`
for at = 2, #ARGV, 2 do
  redis.call('XADD', p .. ARGV[at], '*', 'record', ARGV[at + 1])
  redis.call('PEXPIRE', p .. ARGV[at], ARGV[1])
end
return 1
`)

/** id → 1 where nobody has used the token before. */
export const USE_TOKEN = script(`
local hash = redis.call('HGET', p .. 'tokens', ARGV[1])
if not hash then return 0 end
return redis.call('DEL', p .. 'token-unused:' .. hash)
`)

export const CHANGES = 'sallyport:1:changes'

function script(body: string): Script {
  const text = PREFIX + body
  return Object.freeze({ text, sha1: createHash('sha1').update(text).digest('hex') })
}
