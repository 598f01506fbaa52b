import type { Ports } from '../../base/ports.ts'
import type { SessionStore } from '../store.ts'
import { allowancesOver } from './allowances.ts'
import { tokensOver } from './api-tokens.ts'
import { auditOver } from './audit.ts'
import { CHANGES_KEPT_MS, createChangeFeed } from './changes.ts'
import { openRedisLink } from './connection.ts'
import { linksOver } from './guest-links.ts'
import { ownersOver } from './owners.ts'
import { pushedOver } from './pushed.ts'
import { PURGE, REPLACE_SHARED } from './scripts/shared.ts'
import { sessionsOver } from './sessions.ts'
import { onceOver } from './single-use.ts'

/** Where the server is. */
export interface RedisAddress {
  /** `redis:` or `rediss:`, with the password. */
  readonly url: string
  /** The same for people: without the password. */
  readonly shownAs: string
}

/** Whatever the server keeps lives this much longer than its use, so that nodes whose clocks differ agree on it. */
const GRACE_MS = 60 * 60 * 1000

/** Ids and places in one step, so that a large clean-up never holds up the server; and steps of one purge. */
const BATCH = 500
const PURGE_STEPS = 20

/**
 * A SessionStore on a Redis or Valkey server, for several machines.
 *
 * Opens at once and connects by itself; while there is no connection every call throws. Times to live are the server's, what they
 * mean is decided above. What the server acknowledges is as durable as it is set up to be (`appendonly`), and it must not evict
 * (`maxmemory-policy noeviction`). `onLost` is called where it has lost what it had while it was connected.
 */
export function openRedisStore(
  address: RedisAddress,
  ports: Pick<Ports, 'now' | 'log'>,
  onLost: (store: SessionStore) => void = () => undefined,
): SessionStore {
  const changes = createChangeFeed(ports, () => {
    ports.log.error('The session store was emptied or put back; who is not in it has to sign in again', {
      store: address.shownAs,
    })
    onLost(store)
  })
  const link = openRedisLink({ ...address, log: ports.log, greet: changes.greet })
  const ttlOf = (expiresAtMs: number) => Math.round(Math.max(0, expiresAtMs - ports.now()) + GRACE_MS)

  const store: SessionStore = {
    ...sessionsOver(link, ttlOf),
    ...onceOver(link, ttlOf),
    ...allowancesOver(link),
    ...tokensOver(link, ttlOf),
    ...ownersOver(link, ttlOf),
    ...linksOver(link, ttlOf),
    ...pushedOver(link),
    ...auditOver(link),
    onWritten: null,
    changesSince: () => changes.since(link.send),
    async readShared(name) {
      const value = await link.send('GET', [`sallyport:1:shared:${name}`])
      return typeof value === 'string' ? value : null
    },
    async replaceShared(name, before, after) {
      return (await link.run(REPLACE_SHARED, [name, before ?? '', after])) === 1
    },
    async purge(nowMs, idleBeforeMs) {
      for (let step = 0; step < PURGE_STEPS; step++) {
        const more = await link.run(PURGE, [nowMs, idleBeforeMs, BATCH, ports.now() - CHANGES_KEPT_MS])
        if (more !== 1) return
      }
    },
    close: () => link.close(),
  }
  return store
}
