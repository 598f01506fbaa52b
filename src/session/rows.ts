/** Stored rows as sessions, and back. */

import { GateError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Identity } from '../identity/identity.ts'
import type { AccessGrant } from '../identity/provider.ts'
import { parseBinding } from './device-binding.ts'
import type { Sealer } from './seal.ts'
import type { Session, SessionSecrets } from './session.ts'
import type { RefreshedFields, StoredSession } from './store.ts'

/** A stored session as a value; null for a row in another form (an unreadable row signs no user in). */
export function parseSession(row: StoredSession): Session | null {
  try {
    const identity = JSON.parse(row.identity) as Identity
    if (typeof identity.subject !== 'string' || !Array.isArray(identity.groups)) return null
    return Object.freeze({
      id: row.id,
      portal: row.portal,
      identity: Object.freeze(identity),
      isRemembered: row.isRemembered,
      createdAtMs: row.createdAtMs,
      expiresAtMs: row.expiresAtMs,
      // What cannot be read must not make it one of no device.
      ...(row.bound === undefined ? {} : { bound: parseBinding(row.id, row.bound) }),
    })
  } catch {
    return null
  }
}

/** What a store keeps of an identity and its secrets, apart from the times. */
export async function storedIdentity(
  session: Pick<Session, 'id' | 'expiresAtMs'>,
  identity: Identity,
  secrets: SessionSecrets,
  sealer: Sealer,
): Promise<Omit<RefreshedFields, 'checkedAtMs'>> {
  return {
    identity: JSON.stringify(identity),
    secrets: await sealer.seal(secrets, purposeOf(session.id), session.expiresAtMs),
    sid: sidOf(identity),
    isRefreshable: secrets.refreshToken !== null,
  }
}

/** The provider's own name for its session; null where it states none. */
export function sidOf({ claims: { sid } }: Identity): string | null {
  return typeof sid === 'string' && sid !== '' ? sid : null
}

/** The secrets of a stored session; null where they were sealed by another key, or are of another shape. */
export async function openSecrets(row: StoredSession, sealer: Sealer): Promise<SessionSecrets | null> {
  const opened = await sealer.open(row.secrets, purposeOf(row.id))
  if (typeof opened !== 'object' || opened === null || !('idToken' in opened && 'refreshToken' in opened)) return null
  const { idToken, refreshToken } = opened
  if (typeof idToken !== 'string' || (refreshToken !== null && typeof refreshToken !== 'string')) return null
  const access = parseGrant(Reflect.get(opened, 'access'))
  return { idToken, refreshToken, ...(access === null ? {} : { access }) }
}

function parseGrant(raw: unknown): AccessGrant | null {
  if (typeof raw !== 'object' || raw === null || !('token' in raw) || !('expiresAtMs' in raw)) return null
  const { token, expiresAtMs } = raw
  if (typeof token !== 'string' || (expiresAtMs !== null && typeof expiresAtMs !== 'number')) return null
  return { token, expiresAtMs }
}

function purposeOf(sessionId: string): string {
  return `session ${sessionId}`
}

/** Runs one store call and turns its errors into `session.store`. */
export function guarded<T>(call: () => MaybePromise<T>): MaybePromise<T> {
  try {
    const result = call()
    return result instanceof Promise ? result.catch(storeFailed) : result
  } catch (error) {
    return storeFailed(error)
  }
}

function storeFailed(error: unknown): never {
  if (error instanceof GateError) throw error
  throw new GateError('session.store', 'the session store failed', { cause: error, retryAfterS: 5 })
}
