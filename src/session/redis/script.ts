/** Scripts (Lua) that Redis runs in one step, the keys that they use, and pieces that several share. */

import { createHash } from 'node:crypto'
import { EARLIER_SIDS } from '../store.ts'
import type { Script } from './connection.ts'

/**
 * What the server does in one step, so that no other node sees half of it. Needs Redis 7 or Valkey. The keys of one step are
 * not declared in advance: all are in one partition, and so in one slot of a cluster.
 *
 * Keys, all under the prefix of their partition (`partitions.ts`), which is what a script is given:
 *
 * - `session:ID` (hash): the session's fields, `lease` (until when) and `leased` (whose), its places in the three
 *   indexes below, and `shown:HASH` of cookies from before its latest sign-in
 * - `handle:HASH`: "ID HOST"
 * - `handles:ID` (set): hashes of a session's cookies
 * - `subject:KEY`, `sid:KEY`, `portal:NAME` (sorted sets, every score 0): "CREATED.ID" with CREATED padded, so that
 *   order is age
 * - `expires`, `seen` (sorted sets): ID by the time of expiry, and of last use, by the server's clock, for `purge`
 * - `token:HASH`: a token as JSON; `tokens` is a hash of ID → HASH
 * - `link:HASH`: a guest link as JSON, with its uses; `links` is a hash of ID → HASH
 * - `shared:NAME`: a permanent value of all nodes
 * - `allowance:NAME`: when a rate-limit bucket is full again, until then
 * - `person:KEY` (hash): the facts about a user with tokens that follow the user
 * - `account:KEY` (hash): what a user of a file has set over their entry, as JSON, with its version, permanent
 * - `directory:KEY` (hash): ID → an entry that a provider has pushed, as JSON, permanent
 * - `token-shorts:ID` (list): hashes of the latest two short tokens of a token, which are kept as tokens and not in
 *   `tokens`
 * - `token-unused:HASH`: exists until the token is used for the first time
 * - `audit`, `audit-frequent` (streams): the audit trail, each row as JSON
 * - `audit-keeps` (hash): a process → how long it keeps rows, and when it said so
 * - `changes` (stream): changes of sessions, for the caches of other nodes; never empty, so that nodes recognise a
 *   server that has lost its data
 * - `once:KIND:HASH` (hash): value, owner, expires, and `clock` where that is the server's time
 * - `owner:KIND:KEY` (sorted set): a client's records "KIND HASH KEY" by age; `kind:KIND` has all of one kind, and
 *   `once-expires` has all by expiry
 * - `load:KIND` (sorted set): clients by how many records of a kind they have
 *
 * Each key of one session or record has a time to live, longer than `purge` needs. So the server empties itself if
 * every node disappears.
 */
const PREFIX = `local p = KEYS[1]
local function live(key, ms)
  if redis.call('PTTL', key) < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end
`

/** A script that may use what the prefix says. */
export function script(body: string): Script {
  const text = PREFIX + body
  return Object.freeze({ text, sha1: createHash('sha1').update(text).digest('hex') })
}

/** Forgets a session, with all that belongs to it. */
export const DROP = `
local function drop(id)
  local key = p .. 'session:' .. id
  local at = redis.call('HMGET', key, 'place', 'in_portal', 'in_subject', 'in_sid', 'earlier_sids')
  for _, hash in ipairs(redis.call('SMEMBERS', p .. 'handles:' .. id)) do redis.call('DEL', p .. 'handle:' .. hash) end
  redis.call('DEL', key, p .. 'handles:' .. id)
  redis.call('ZREM', p .. 'expires', id)
  redis.call('ZREM', p .. 'seen', id)
  if at[1] then
    redis.call('ZREM', p .. at[2], at[1])
    redis.call('ZREM', p .. at[3], at[1])
    if at[4] then redis.call('ZREM', p .. at[4], at[1]) end
    for index in string.gmatch(at[5] or '', '%S+') do redis.call('ZREM', p .. index, at[1]) end
  end
end
`

/**
 * Keeps a session in the indexes of the latest sids that it came from. `before` and `own` are the indexes of two more,
 * `next` is its index from now on. Runs before its place in `next` is written.
 */
export const KEEP_SIDS = `
local function keep_sids(key, was, place, next, before, own)
  local sids = {}
  local function keep(index)
    if not index or index == '' or index == next then return end
    for i, one in ipairs(sids) do
      if one == index then
        table.remove(sids, i)
        break
      end
    end
    sids[#sids + 1] = index
  end
  for index in string.gmatch(redis.call('HGET', key, 'earlier_sids') or '', '%S+') do
    redis.call('ZREM', p .. index, was)
    keep(index)
  end
  keep(before)
  keep(own)
  while #sids > ${EARLIER_SIDS} do table.remove(sids, 1) end
  redis.call('HDEL', key, 'earlier_sids')
  if #sids == 0 then return end
  redis.call('HSET', key, 'earlier_sids', table.concat(sids, ' '))
  for _, index in ipairs(sids) do
    redis.call('ZADD', p .. index, 0, place)
    live(p .. index, redis.call('PTTL', key))
  end
end
`

/** The server's own time in milliseconds, which is the same for every node. */
export const CLOCK = `
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`

/** Forgets what is taken once. */
export const FORGET_ONCE = `
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

/** Has a cookie of a session end before that does. */
export const REPLACE_HANDLE = `
local function replace(id, hash, shown, lasts)
  if redis.call('SISMEMBER', p .. 'handles:' .. id, hash) == 0 then return end
  local handle = p .. 'handle:' .. hash
  redis.call('HSETNX', p .. 'session:' .. id, 'shown:' .. hash, shown)
  if redis.call('PTTL', handle) > tonumber(lasts) then redis.call('PEXPIRE', handle, lasts) end
end
`
