/** Opens the session store for a command, as the user of the server, and ends what the command ends. */

import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { showUnseen } from '../base/control-characters.ts'
import { errorFacts } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { loadConfig } from '../config/load.ts'
import { renderDiagnostics } from '../config/render-diagnostics.ts'
import type { Config } from '../config/resolve/config.ts'
import type { StoreConfig } from '../config/values/store.ts'
import { EXIT } from '../console/args.ts'
import { becomeStoreUser, type Running, type StoreUser, storeUserOf } from '../console/drop-root.ts'
import type { Io } from '../console/io.ts'
import { besideRunning } from '../console/running-server.ts'
import { openSessionState, type SessionState, type StateOptions } from '../process/session-state.ts'
import type { OpenSessions } from '../session/open.ts'

/** What commands on the session store need from outside. */
export type StorePorts = Parameters<typeof loadConfig>[1] & Pick<Ports, 'now' | 'random' | 'log'>

/** What a command needs in addition to end sessions: it revokes refresh tokens at the providers, like the server. */
export type EndingPorts = StorePorts & Pick<Ports, 'ask' | 'resolve'>

/** How long a command waits for providers to revoke tokens of ended sessions. */
const TELL_MS = 10_000

/** The config of a file, as the server of this file that runs here has it; null, and the mistakes written, where it has any. */
export function configOf(file: string, io: Io, ports: StorePorts): Config | null {
  const path = resolve(io.cwd, file)
  const loaded = loadConfig(path, { ...ports, env: besideRunning(ports.env, path, io.running?.() ?? null) }, file)
  if (loaded.ok) return loaded.config
  io.stderr(renderDiagnostics(loaded.diagnostics, loaded.texts, { colour: io.colour.stderr }))
  return null
}

/**
 * The user that a command of root has to become for the data folder; null where it stays root. For a folder that a
 * server has named, it is that server's user, regardless of the folder's present owner. Throws `session.store` where
 * the user is unknown.
 */
export function userOfStore(store: StoreConfig, running: Running | null): StoreUser | null {
  if (store.kind !== 'sqlite' || store.path === ':memory:') return null
  return (dirname(store.path) === running?.data ? running.owner : null) ?? storeUserOf(store.path)
}

/**
 * Opens the sessions of a file for a command. A command of root becomes the store's user for good: the owner of the
 * data folder may replace any file there by a link. Files that only root may read or write have to be open by then.
 *
 * Throws as `openSessionState`.
 */
export function openStateAsUser(
  config: Config,
  ports: Pick<Ports, 'now' | 'random' | 'log'>,
  running: Running | null,
  options: StateOptions = {},
): SessionState {
  const user = userOfStore(config.sessions.store, running)
  if (user !== null) becomeStoreUser(user)
  return openSessionState(config, ports, options)
}

/** Whether a store is one that only a running server has, or none yet; the reason is then written. */
export function isOutOfReach(store: StoreConfig, io: Io): boolean {
  if (store.kind !== 'sqlite' || existsSync(store.path)) return false
  io.stderr(
    store.path === ':memory:'
      ? 'the sessions are in the memory of the running server alone: see [sessions] store\n'
      : `there is no session database ${store.path} yet: it is made when the server starts\n`,
  )
  return true
}

/** Writes what went wrong, with its hint and cause, after a sentence's beginning; answers the exit code. */
export function tellFailure(beginning: string, failure: unknown, io: Io): number {
  const { error, hint, cause } = errorFacts(failure)
  for (const line of [`${beginning}: ${error}`, hint, cause])
    if (line !== undefined) io.stderr(`${showUnseen(String(line))}\n`)
  return EXIT.failed
}

/**
 * Runs a command on the session store of a file, and answers its exit code; 1 where the file or the store cannot be read, with
 * the reason written. No database is made that is not there. `options` are those of the store.
 */
export async function withSessions(
  file: string,
  io: Io,
  ports: StorePorts,
  act: (config: Config, sessions: OpenSessions, state: SessionState) => Promise<number>,
  optionsFor: (config: Config) => StateOptions = () => ({}),
): Promise<number> {
  const config = configOf(file, io, ports)
  // Opening a missing database would create it, and its key, as the user who runs this.
  if (config === null || isOutOfReach(config.sessions.store, io)) return EXIT.failed
  try {
    const state = openStateAsUser(config, ports, io.running?.() ?? null, optionsFor(config))
    try {
      return await act(config, state.sessions, state)
    } finally {
      await state.sessions.close(TELL_MS)
    }
  } catch (error) {
    return tellFailure('the sessions cannot be read', error, io)
  }
}
