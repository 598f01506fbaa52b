import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { errorFacts } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { loadConfig } from '../config/load.ts'
import { renderDiagnostics } from '../config/render.ts'
import type { Config } from '../config/types.ts'
import type { OpenSessions } from '../session/open.ts'
import { EXIT } from './args.ts'
import type { Io } from './io.ts'
import { openSessionState } from './session-state.ts'

/** What commands on the session store need from outside. */
export type StorePorts = Parameters<typeof loadConfig>[1] & Pick<Ports, 'now' | 'random' | 'log'>

/**
 * Runs a command on the session store of a file, and answers its exit code; 1 where the file or the store cannot be read, with
 * the reason written. No database is made that is not there.
 */
export async function withSessions(
  file: string,
  io: Io,
  ports: StorePorts,
  act: (config: Config, sessions: OpenSessions) => Promise<number>,
): Promise<number> {
  const loaded = loadConfig(resolve(io.cwd, file), ports, file)
  if (!loaded.ok) {
    io.stderr(renderDiagnostics(loaded.diagnostics, new Map([[file, loaded.text]]), { colour: io.colour.stderr }))
    return EXIT.failed
  }
  const { config } = loaded
  const { store } = config.sessions
  if (store.kind === 'sqlite' && !existsSync(store.path)) {
    // To open it would make it, and its key, as whoever runs this.
    io.stderr(
      store.path === ':memory:'
        ? 'the sessions are in the memory of the running server alone: see [sessions] store\n'
        : `there is no session database ${store.path} yet\n`,
    )
    return EXIT.failed
  }
  try {
    const { sessions } = openSessionState(config, ports)
    try {
      return await act(config, sessions)
    } finally {
      await sessions.close()
    }
  } catch (error) {
    const { error: what, hint, cause } = errorFacts(error)
    for (const line of [`the sessions cannot be read: ${what}`, hint, cause])
      if (line !== undefined) io.stderr(`${line}\n`)
    return EXIT.failed
  }
}
