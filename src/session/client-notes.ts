/** What is known of our client at each provider: whether sign-ins work, and whether refresh tokens are missing. */

import { sha256 } from '../base/bytes.ts'
import type { Ports } from '../base/ports.ts'
import { guarded } from './rows.ts'
import type { KnownClient, LackedRefresh, SignInFailure, SignInsSeen, SignInsSeenAt } from './session.ts'
import type { SessionStore } from './store.ts'

/** A crowd that signs in at once costs one write. */
const FRESH_MS = 5_000

/** Of two writers at once the first one wins: the next sign-in writes it again. */
const TRIES = 3

/** Over a store: one value for each client. */
export function createSignInsSeen(
  store: Pick<SessionStore, 'readShared' | 'replaceShared'>,
  ports: Pick<Ports, 'now'>,
): SignInsSeen {
  async function replace(client: KnownClient, next: (before: SignInsSeenAt) => SignInsSeenAt | null): Promise<void> {
    const name = nameOf('sign-ins', client)
    for (let tries = 0; tries < TRIES; tries++) {
      const text = await guarded(() => store.readShared(name))
      const after = next(parseSeen(text))
      if (after === null || (await guarded(() => store.replaceShared(name, text, JSON.stringify(after))))) return
    }
  }

  const isFresh = (atMs: number) => Math.abs(ports.now() - atMs) < FRESH_MS

  return {
    signInsSeen: async client => parseSeen(await guarded(() => store.readShared(nameOf('sign-ins', client)))),
    noteCompleted: client =>
      replace(client, ({ completedAtMs, failure }) =>
        failure === null && completedAtMs !== null && isFresh(completedAtMs)
          ? null
          : { completedAtMs: ports.now(), failure: null },
      ),
    noteFailed: (client, failed) =>
      replace(client, ({ completedAtMs, failure }) =>
        failure !== null && failure.error === failed.error && isFresh(failure.atMs)
          ? null
          : { completedAtMs, failure: { atMs: ports.now(), ...failed } },
      ),
  }
}

function nameOf(what: 'sign-ins' | 'lacked-refresh', { name, issuer, clientId }: KnownClient): string {
  return `${what} ${sha256(JSON.stringify([name, issuer, clientId]))}`
}

const NOTHING: SignInsSeenAt = { completedAtMs: null, failure: null }

/** What another version has written and cannot be read counts as nothing. */
function parseSeen(text: string | null): SignInsSeenAt {
  if (text === null) return NOTHING
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return NOTHING
  }
  if (typeof value !== 'object' || value === null) return NOTHING
  const { completedAtMs, failure } = value as Partial<Record<keyof SignInsSeenAt, unknown>>
  return { completedAtMs: typeof completedAtMs === 'number' ? completedAtMs : null, failure: parseFailure(failure) }
}

function parseFailure(value: unknown): SignInsSeenAt['failure'] {
  if (typeof value !== 'object' || value === null) return null
  const { atMs, error, hint } = value as Partial<Record<keyof SignInFailure | 'atMs', unknown>>
  if (typeof atMs !== 'number' || typeof error !== 'string') return null
  return { atMs, error, hint: typeof hint === 'string' ? hint : null }
}

/** Over a store: one value for each client, which a later one replaces. */
export function createLackedRefresh(store: Pick<SessionStore, 'readShared' | 'replaceShared'>): LackedRefresh {
  return {
    // Empty where it was taken back: a store forgets no name.
    lackedRefresh: async client => (await guarded(() => store.readShared(nameOf('lacked-refresh', client)))) || null,
    async noteLackedRefresh(client, terms) {
      const before = await guarded(() => store.readShared(nameOf('lacked-refresh', client)))
      if ((before ?? '') === (terms ?? '')) return false
      return guarded(() => store.replaceShared(nameOf('lacked-refresh', client), before, terms ?? ''))
    },
  }
}
