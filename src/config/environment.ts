import { resolve } from 'node:path'
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

function readAdmin(env: (name: string) => string | undefined, report: Report): ListenAddress | null {
  const text = env('SALLYPORT_ADMIN') || null
  const parsed = text === null ? null : parseListen(text)
  if (parsed?.ok === false) {
    const hint = 'as in 127.0.0.1:9464; or leave it out, and say admin in [server]'
    report.mistake(['server'], 'listen.invalid', 'the environment variable SALLYPORT_ADMIN is not an address', { hint })
  }
  return parsed?.ok === true ? parsed.value : null
}
