/** `sallyport restore`: puts a backup in place of the session database. */

import { closeSync, existsSync, linkSync, renameSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Ports } from '../base/ports.ts'
import { loadConfig } from '../config/load.ts'
import { EXIT, failWith, parseArguments } from '../console/args.ts'
import { becomeStoreUser, mayChangeWayTo, openToRead } from '../console/drop-root.ts'
import type { Io } from '../console/io.ts'
import { besideRunning } from '../console/running-server.ts'
import { usageLines } from '../console/usage.ts'
import { keyPathOf } from '../process/session-state.ts'
import { type CheckedBackup, openBackup } from '../session/sqlite/backup.ts'
import { createBeside } from '../session/sqlite/create-beside.ts'
import { fillKey, printOf, readKey } from '../session/store-key.ts'
import { refuseRedis } from './backup.ts'
import { configOf, type StorePorts, tellFailure, userOfStore } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport restore FILE [--with-key]

Replaces the session database of routes.toml by a backup, also while the server runs: the server uses it within a second. The old
database stays beside it, as NAME.replaced-TIME. Users who signed out since the backup are signed in again.
Exit code: 0 done, 1 nothing was changed, 2 for a wrong command line.

  --with-key        restores the key in FILE.key, too; then restart the server
  --config FILE     another file than routes.toml`,
  options: {
    'with-key': { type: 'boolean' },
    config: { type: 'string', short: 'c', default: 'routes.toml' },
  },
  maxPositionals: 1,
} as const

/** `sallyport restore`: answers the exit code. */
export function runRestore(argv: readonly string[], io: Io, ports: StorePorts): number {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { values, positionals } = parsed
  const [name = ''] = positionals
  if (name === '') return failWith(io, `say which backup\n${usageLines(USAGE.text)}`, EXIT.usage)
  // A server's word about its data folder is not enough to replace something there.
  const config = configOf(values.config, { ...io, running: () => null }, ports)
  if (config === null) return EXIT.failed
  const path = resolve(io.cwd, values.config)
  const env = besideRunning(ports.env, path, io.running?.() ?? null)
  const served = loadConfig(path, { ...ports, env })
  if (served.ok && !Bun.deepEquals(served.config.sessions.store, config.sessions.store)) {
    const data = env('SALLYPORT_DATA')
    return failWith(
      io,
      `the server of ${values.config} has its sessions in ${data}: put SALLYPORT_DATA=${data} before this command`,
    )
  }
  const { store, keys: given } = config.sessions
  if (store.kind === 'redis') return refuseRedis(io)
  if (store.path === ':memory:')
    return failWith(io, 'the sessions are in the memory of the running server alone: see [sessions] store')
  const from = resolve(io.cwd, name)
  const files = new Files()
  let backup: CheckedBackup | null = null
  try {
    const user = userOfStore(store, null)
    const names = [from, `${from}-wal`, ...(values['with-key'] === true ? [`${from}.key`] : [])]
    if (user !== null) {
      // Root opens what the store's user may not read; where that user may create links, it has to read with its own
      // rights.
      for (const path of names) if (!mayChangeWayTo(path, user)) files.open(path)
      becomeStoreUser(user)
    }
    const place = keyPathOf(store.path)
    const own = given === null ? [readKey(place)] : given.map(key => Buffer.from(key, 'base64url'))
    const keyFile = values['with-key'] === true ? files.open(`${from}.key`) : undefined
    const broughtKeys = keyFile === undefined ? own : [readKey(`${from}.key`, keyFile)]
    const [brought = null] = broughtKeys
    if (values['with-key'] === true && keyFile === undefined) return failWith(io, `there is no key ${from}.key`)
    const database = files.open(from)
    if (database === undefined) return failWith(io, `there is no file ${from}`)
    const log = files.open(`${from}-wal`) ?? null
    backup = openBackup({ database, log, shownAs: from }, store.path, ports)
    if (brought === null && backup.keyPrint !== null) return failWith(io, `${place} is missing: ${OTHER_KEY}`)
    const brings = broughtKeys.flatMap(key => (key === null ? [] : [printOf(key)]))
    if (brought !== null && backup.keyPrint !== null && !brings.includes(backup.keyPrint)) {
      return failWith(io, `${name} was sealed with another key: ${OTHER_KEY}`)
    }
    const isOther = brought !== null && !own.some(key => key !== null && printOf(key) === printOf(brought))
    if (isOther && given !== null) return failWith(io, `[sessions] key is not the one in ${from}.key: put that there`)
    if (isOther) replaceKey(place, brought, ports)
    const aside = backup.putInPlace()
    io.stdout(`${store.path} is ${name} now${aside === null ? '' : `; what was there is ${aside}`}\n`)
    if (isOther) io.stdout('The key is another one: restart a server that runs.\n')
    return EXIT.ok
  } catch (error) {
    return tellFailure('nothing was restored', error, io)
  } finally {
    backup?.discard()
    files.close()
  }
}

/** The files of a backup, each opened once: root opens them, and the user that it becomes reads them. */
class Files {
  readonly #opened = new Map<string, number | null>()

  /** A descriptor; undefined where there is no such file. */
  open(path: string): number | undefined {
    let file = this.#opened.get(path)
    if (file === undefined) {
      file = openToRead(path)
      this.#opened.set(path, file)
    }
    return file ?? undefined
  }

  close(): void {
    for (const file of this.#opened.values()) if (file !== null) closeSync(file)
  }
}

const OTHER_KEY = 'bring its key, with --with-key where FILE.key has it'

/** Puts a key in place of the one at a path, which stays beside it. */
function replaceKey(path: string, key: Uint8Array, { now }: Pick<Ports, 'now'>): void {
  const draft = `${path}.${crypto.randomUUID()}.new`
  const file = createBeside(path, draft)
  try {
    fillKey(file, key)
  } finally {
    closeSync(file)
  }
  if (existsSync(path)) linkSync(path, `${path}.replaced-${now()}`)
  renameSync(draft, path)
}
