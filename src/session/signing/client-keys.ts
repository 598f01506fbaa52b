/** The public keys of our clients, with those before them, as providers fetch them. */

import type { JWK } from 'jose'
import { sha256 } from '../../base/bytes.ts'
import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { publicClientKey, publicMembers } from '../../identity/tokens/client-authentication.ts'
import { guarded } from '../rows.ts'
import type { Sealer } from '../seal.ts'
import type { SessionStore } from '../store.ts'

/** A client with what its keys are kept by. */
export type KeyedClient = Pick<ProviderConfig, 'name' | 'issuer' | 'clientId' | 'clientKey'>

/** The public keys of our clients, as providers fetch them: of all processes and machines. */
export interface ClientKeys {
  /** The key of each client and those before that are listed still; without those before while the store is away. */
  listed(clients: readonly KeyedClient[]): Promise<readonly JWK[]>
  /** Notes which keys the file names now, so that the ones before go on being listed for a day. Never throws. */
  note(clients: Iterable<KeyedClient>): Promise<void>
}

/** How long a key is listed after another took its place: another machine may sign with it until it has the file. */
export const LISTED_AFTER_MS = 24 * 60 * 60 * 1000

/** How long providers and what stands between may keep the set: a new key signs at once. */
export const CLIENT_KEYS_MAX_AGE_S = 60

const PURPOSE = 'client keys'
const SEALED_MS = 10 * 365 * 24 * 60 * 60 * 1000

/** How often processes may get in each other's way in a row. */
const TRIES = 10

/** A key that a client has, or had until another took its place. */
interface Kept {
  readonly jwk: JWK
  /** Until when it is listed; null: the file named it when somebody last looked. */
  readonly untilMs: number | null
}

/** Over a store: one sealed value per client, so that an attacker who can write to the store cannot add a key. */
export function createClientKeys(
  store: Pick<SessionStore, 'readShared' | 'replaceShared'>,
  sealer: Sealer,
  ports: Pick<Ports, 'now' | 'log'>,
): ClientKeys {
  let noting: Promise<void> = Promise.resolve()

  async function read(name: string): Promise<{ readonly text: string | null; readonly kept: readonly Kept[] }> {
    const text = await guarded(() => store.readShared(name))
    return { text, kept: text === null ? [] : parseKept(await sealer.open(text, PURPOSE + name)) }
  }

  async function noteOne(client: KeyedClient): Promise<void> {
    if (client.clientKey === null) return
    const name = nameOf(client)
    const own = await publicClientKey(client.clientKey)
    for (let tries = 0; tries < TRIES; tries++) {
      const nowMs = ports.now()
      const { text, kept } = await read(name)
      const next = succeed(kept, own, nowMs)
      if (JSON.stringify(next) === JSON.stringify(kept)) return
      const sealed = await sealer.seal({ kept: next }, PURPOSE + name, nowMs + SEALED_MS)
      if (await guarded(() => store.replaceShared(name, text, sealed))) return
    }
    throw new Error('the keys of this client are changed by others all the time')
  }

  async function listedOf(client: KeyedClient): Promise<readonly JWK[]> {
    if (client.clientKey === null) return []
    const own = await publicClientKey(client.clientKey)
    const { kept } = await read(nameOf(client)).catch(() => ({ kept: [] }))
    const nowMs = ports.now()
    const others = kept.filter(({ jwk, untilMs }) => !isSame(jwk, own) && (untilMs === null || untilMs > nowMs))
    return [own, ...others.map(({ jwk }) => jwk)]
  }

  return {
    listed: async clients => (await Promise.all(clients.map(listedOf))).flat(),
    note(clients) {
      // One file after the other, so that the last one has the last word.
      noting = noting.then(async () => {
        for (const client of clients) {
          await noteOne(client).catch((error: unknown) =>
            ports.log.warn('The key of a client was not noted: the one before is listed no longer', {
              provider: client.name,
              ...errorFacts(error),
            }),
          )
        }
      })
      return noting
    },
  }
}

function succeed(kept: readonly Kept[], own: JWK, nowMs: number): readonly Kept[] {
  const before = kept
    .filter(({ jwk, untilMs }) => !isSame(jwk, own) && (untilMs === null || untilMs > nowMs))
    .map(({ jwk, untilMs }) => ({ jwk, untilMs: untilMs ?? nowMs + LISTED_AFTER_MS }))
  return [{ jwk: own, untilMs: null }, ...before]
}

function isSame(one: JWK, other: JWK): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** What was sealed by another key counts as nothing: only the keys before are lost by it. */
function parseKept(raw: unknown): readonly Kept[] {
  const kept: unknown = typeof raw === 'object' && raw !== null ? Reflect.get(raw, 'kept') : null
  if (!Array.isArray(kept)) return []
  return kept.flatMap((one: unknown) => {
    if (typeof one !== 'object' || one === null || !('jwk' in one && 'untilMs' in one)) return []
    const { jwk, untilMs } = one
    if (typeof jwk !== 'object' || jwk === null || (untilMs !== null && typeof untilMs !== 'number')) return []
    return [{ jwk: publicMembers(jwk), untilMs }]
  })
}

function nameOf({ name, issuer, clientId }: KeyedClient): string {
  return `client-keys ${sha256(JSON.stringify([name, issuer, clientId]))}`
}
