/**
 * The three environment variables that stand in for keys: SALLYPORT_DATA, SALLYPORT_ADMIN and SALLYPORT_REPLICAS.
 */

import { resolve } from 'node:path'
import type { RootTable } from './keys/keys.ts'
import type { Report } from './text/report.ts'
import { type ListenAddress, parseListen } from './values/listen.ts'
import type { StoreConfig } from './values/store.ts'

/** What an image or a unit says in the environment, for a file that says nothing of it. */
export interface Surroundings {
  readonly store: StoreConfig
  readonly admin: ListenAddress | null
}

/**
 * `SALLYPORT_DATA` is the folder of the database where the file names no store, else it is the file's own `directory`;
 * `SALLYPORT_ADMIN` is the admin listener where the file names none. An empty variable says nothing.
 */
export function readSurroundings(
  env: (name: string) => string | undefined,
  directory: string,
  report: Report,
): Surroundings {
  const folder = resolve(directory, env('SALLYPORT_DATA') || '.')
  return { store: { kind: 'sqlite', path: resolve(folder, 'sallyport.db') }, admin: readAdmin(env, report) }
}

/**
 * `SALLYPORT_REPLICAS` says how many gates of this file there are to be, as whoever starts them knows. Several over SQLite have sessions
 * of their own each: a sign-in counts at one of them, and so does a sign-out.
 */
export function checkReplicas(root: RootTable, env: (name: string) => string | undefined, report: Report): void {
  const text = env('SALLYPORT_REPLICAS') || '1'
  const at = ['sessions', 'store']
  if (!/^[0-9]{1,6}$/.test(text)) {
    const hint = 'as in 2; or leave it out, where there is one gate'
    report.mistake(['sessions'], 'sessions.replicas', 'the environment variable SALLYPORT_REPLICAS is no number', {
      hint,
    })
    return
  }
  const store = root.values.sessions?.values.store?.('/')
  if (Number(text) < 2 || store?.kind === 'redis') return
  const message = `there are to be ${Number(text)} gates (SALLYPORT_REPLICAS), and each would have sessions of its own in SQLite`
  const hint = 'name a Redis or Valkey server, as in store = "redis://valkey:6379/0"; or run one gate alone'
  report.warn(store === undefined ? ['sessions'] : at, 'sessions.replicas', message, { hint })
}

function readAdmin(env: (name: string) => string | undefined, report: Report): ListenAddress | null {
  const text = env('SALLYPORT_ADMIN') || null
  const parsed = text === null ? null : parseListen(text)
  if (parsed?.ok === false) {
    const hint = 'as in 127.0.0.1:9464; or leave it out, and say admin in [server]'
    report.mistake(['server'], 'listen.invalid', 'the environment variable SALLYPORT_ADMIN is not an address', { hint })
  }
  return parsed?.ok === true ? parsed.value : null
}
