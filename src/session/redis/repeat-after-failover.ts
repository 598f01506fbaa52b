/** What ended or changed lately (sessions, tokens, accounts), remembered to be repeated on a Redis primary after a failover. */

import type { Ports } from '../../base/ports.ts'
import type { Standing, StoredAccount } from '../records.ts'
import type { RedisLink } from './connection.ts'
import { DROP, script } from './script.ts'

/** How long endings are remembered, and changes are kept for other nodes. */
export const CHANGES_KEPT_MS = 60 * 60 * 1000

/** Bounds the memory, at about 100 bytes each. */
const MOST_ENDINGS = 50_000

/** Accounts are longer. */
const MOST_ACCOUNTS = 5_000

/** Endings in one step of the server. */
const BATCH = 200

/** What came of ending everything again. */
export interface EndedAgain {
  /** How many had not ended on that server. */
  readonly number: number
  /** Of what ended before this time nothing is remembered. */
  readonly sinceMs: number
}

/**
 * What has ended lately, as this process did it or heard of it.
 *
 * A replica that takes over may never have received it (replication is asynchronous), and would let these sessions, tokens and
 * links in again. An id is never used twice, so to end it once more is always right.
 */
export interface Endings {
  removed(...ids: readonly string[]): void
  /** Whether a session, a token or a link has ended, as far as it is remembered: a server may not know it. */
  hasEnded(id: string): boolean
  /** What is known of an owner. A `good` standing removes what was remembered. */
  noted(ownerId: string, standing: Standing, notedAtMs: number): void
  /** What was heard of an owner that is not good, and when; null where there is nothing. */
  noteOf(ownerId: string): { readonly standing: Standing; readonly notedAtMs: number } | null
  /** This process has changed an account: a password that was replaced must not count again. */
  changed(account: StoredAccount): void
  /** The account as it was changed last by this process; null where that was none, or long ago. */
  accountOf(id: string): StoredAccount | null
  /** Of what ended before this time nothing is remembered. */
  readonly sinceMs: number
  /** Ends again, on the present server, what is kept under a prefix, and notifies other processes of what had not ended there. */
  repeat(send: RedisLink['send'], where: EndedWhere): Promise<EndedAgain>
}

/** Where some of it is kept. */
export interface EndedWhere {
  readonly prefix: string
  /** How many such places there are. */
  readonly count: number
  /** Whether something may be there that ended or, with `isOwner`, that is known of an owner. */
  has(id: string, isOwner: boolean): boolean
}

interface Ending {
  readonly atMs: number
  /** Null for what was removed. */
  readonly note: { readonly standing: Standing; readonly notedAtMs: number } | null
}

/** Nothing has ended yet; what did before this process began is not known to it. */
export function createEndings({ now }: Pick<Ports, 'now'>): Endings {
  /** Oldest first. */
  const endings = new Map<string, Ending>()
  const accounts = new Map<string, { readonly atMs: number; readonly account: StoredAccount }>()
  let sinceMs = now()

  function keep(id: string, note: Ending['note']): void {
    endings.delete(id)
    endings.set(id, { atMs: now(), note })
    for (const [oldest, { atMs }] of endings) {
      if (endings.size <= MOST_ENDINGS && now() - atMs < CHANGES_KEPT_MS) return
      endings.delete(oldest)
      sinceMs = atMs
    }
  }

  return {
    removed(...ids) {
      for (const id of ids) keep(id, null)
    },
    hasEnded: id => endings.get(id)?.note === null,
    noted(ownerId, standing, notedAtMs) {
      if (standing === 'good') endings.delete(ownerId)
      else keep(ownerId, { standing, notedAtMs })
    },
    changed(account) {
      accounts.delete(account.id)
      accounts.set(account.id, { atMs: now(), account })
      for (const [oldest, { atMs }] of accounts) {
        if (accounts.size <= MOST_ACCOUNTS && now() - atMs < CHANGES_KEPT_MS) break
        accounts.delete(oldest)
      }
    },
    accountOf: id => accounts.get(id)?.account ?? null,
    get sinceMs() {
      return sinceMs
    },
    noteOf: ownerId => endings.get(ownerId)?.note ?? null,
    async repeat(send, { prefix, has }) {
      const all = [...endings].filter(([id, { note }]) => has(id, note !== null))
      let number = 0
      for (let from = 0; from < all.length; from += BATCH) {
        const args = all
          .slice(from, from + BATCH)
          .flatMap(([id, { note }]) => [id, note?.standing ?? '', `${note?.notedAtMs ?? 0}`])
        // By its text: a server that has just taken over may not know the script by its sum.
        number += Number(await send('EVAL', [END_AGAIN.text, '1', prefix, ...args]))
      }
      const changed = [...accounts.values()].filter(({ account }) => has(account.id, true))
      for (let from = 0; from < changed.length; from += BATCH) {
        const args = changed
          .slice(from, from + BATCH)
          .flatMap(({ account: { id, version, value } }) => [id, `${version}`, value])
        number += Number(await send('EVAL', [CHANGE_AGAIN.text, '1', prefix, ...args]))
      }
      return { number, sinceMs }
    },
  }
}

/** For each account its id, version and value → how many were of an earlier version here. */
const CHANGE_AGAIN = script(`
local again = 0
for i = 1, #ARGV, 3 do
  local id, version = ARGV[i], ARGV[i + 1]
  if tonumber(redis.call('HGET', p .. id, 'version') or '0') < tonumber(version) then
    redis.call('HSET', p .. id, 'version', version, 'value', ARGV[i + 2])
    redis.call('XADD', p .. 'changes', '*', 'updated', id)
    again = again + 1
  end
end
return again
`)

/**
 * For each ending its id, the standing of an owner or nothing, and when that was noted → how many had not ended here. An owner of whom
 * something was noted later (they signed in again) stays as they are.
 */
const END_AGAIN = script(`${DROP}
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
