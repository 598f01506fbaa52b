import { dirname, join } from 'node:path'
import type { Ports } from '../base/ports.ts'
import type { Config, SessionsConfig } from '../config/types.ts'
import { openKey } from '../session/key.ts'
import { limitsOf } from '../session/life.ts'
import { type OpenSessions, openSessions } from '../session/open.ts'
import { openRedisStore } from '../session/redis.ts'
import type { AskProvider } from '../session/refresh.ts'
import { createSealer, type Sealer } from '../session/seal.ts'
import { openSqliteStore } from '../session/sqlite.ts'
import type { SessionStore } from '../session/store.ts'

/** What processes share besides sessions. */
export type Shared = Pick<SessionStore, 'readShared' | 'replaceShared'>

/**
 * The sessions of a file, and the sealer with their key: what the server and the commands about sessions both open.
 *
 * Without `ask`, no provider is asked about anyone. Pairs with `sessions.close`. Throws `session.store`.
 */
export function openSessionState(
  config: Config,
  ports: Pick<Ports, 'now' | 'random' | 'log'>,
  ask?: AskProvider,
): { readonly sessions: OpenSessions; readonly sealer: Sealer; readonly store: Shared } {
  const sealer = createSealer(sealKey(config.sessions, ports), ports)
  const { store: where } = config.sessions
  const store = where.kind === 'redis' ? openRedisStore(where, ports) : openSqliteStore(where.path, ports)
  const asking = ask === undefined ? {} : { ask }
  return { sealer, store, sessions: openSessions({ store, sealer, limits: limitsOf(config), ports, ...asking }) }
}

function sealKey({ key, store }: SessionsConfig, ports: Pick<Ports, 'random'>): Uint8Array {
  if (key !== null) return Buffer.from(key, 'base64url')
  if (store.kind === 'redis') throw new TypeError('a file whose sessions are in Redis has a key')
  return store.path === ':memory:' ? ports.random(32) : openKey(join(dirname(store.path), 'sallyport.key'), ports)
}
