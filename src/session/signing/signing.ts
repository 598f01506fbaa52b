/** The signing keys that all processes of a gate share. */

import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { guarded } from '../rows.ts'
import type { Sealer } from '../seal.ts'
import type { SessionStore } from '../store.ts'
import { keyAt, type PublicJwk, packKeys, parseKeys, type SigningKey, tendKeys } from './keys.ts'

/**
 * The keys with which all processes of a gate sign what they tell applications; kept in the session store, sealed.
 *
 * Nothing is read or made before somebody asks. Throws `session.store` where the store fails before the keys are known.
 */
export interface Signing {
  /** The key that signs now: a promise only until the keys are known. */
  current(): MaybePromise<SigningKey>
  /** Every key whose signatures may be about, and the one that comes next. */
  published(): Promise<readonly PublicJwk[]>
}

/** Signing with what only the owner of the sessions does. */
export interface OwnSigning extends Signing {
  /** Reads what other processes did and makes the next key in time; does nothing before the first use of keys. */
  tend(): Promise<void>
}

const NAME = 'signing-keys'
const PURPOSE = 'signing keys'

/**
 * Sealed values expire. These are written again every month, and a gate that was off for years may start with new
 * ones.
 */
const SEALED_MS = 10 * 365 * 24 * 60 * 60 * 1000

/** What is published is at most this old, should the watch over the store be slow. */
const FRESH_MS = 60_000

/** How often processes may get in each other's way in a row. */
const TRIES = 10

/** Signing keys over a store, with what was last read of them in memory. */
export function createSigning(
  store: Pick<SessionStore, 'readShared' | 'replaceShared'>,
  sealer: Sealer,
  ports: Pick<Ports, 'now' | 'log'>,
): OwnSigning {
  let keys: readonly SigningKey[] = []
  let readAtMs = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | null = null

  async function read(): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const nowMs = ports.now()
      const text = await guarded(() => store.readShared(NAME))
      const found = text === null ? [] : parseKeys(await sealer.open(text, PURPOSE))
      const before = found ?? foreign()
      const after = tendKeys(before, nowMs)
      const isDone =
        after === before || (await replace(text, await sealer.seal(packKeys(after), PURPOSE, nowMs + SEALED_MS)))
      // Where another process was quicker, its keys are the ones.
      if (!isDone) continue
      keys = after
      readAtMs = nowMs
      return
    }
    throw new GateError('session.store', 'the signing keys are changed by others all the time', { retryAfterS: 1 })
  }

  async function replace(before: string | null, after: string): Promise<boolean> {
    return guarded(() => store.replaceShared(NAME, before, after))
  }

  /** What was sealed with another key: those in memory go on, so that two machines with different keys do not take turns. */
  function foreign(): readonly SigningKey[] {
    if (keys.length > 0) {
      throw new GateError('session.store', 'the signing keys in the session store were sealed with another key', {
        hint: 'every machine needs the same [sessions] key',
      })
    }
    ports.log.warn('The signing keys in the session store were sealed with another key; new ones are made', {
      hint: 'applications fetch them by themselves; machines that share a store need the same [sessions] key',
    })
    return []
  }

  function readOnce(): Promise<void> {
    reading ??= read().finally(() => {
      reading = null
    })
    return reading
  }

  function currentKey(): SigningKey {
    const key = keyAt(keys, ports.now())
    if (key === undefined) throw new TypeError('there is a key once the keys were read')
    return key
  }

  return {
    current: () => (keys.length > 0 ? currentKey() : readOnce().then(currentKey)),
    async published() {
      if (keys.length === 0) await readOnce()
      // Keys that are known are better than none while the store is away.
      else if (Math.abs(ports.now() - readAtMs) > FRESH_MS) await readOnce().catch(() => undefined)
      return keys.map(({ publicJwk }) => publicJwk)
    },
    async tend() {
      if (keys.length > 0) await readOnce()
    },
  }
}
