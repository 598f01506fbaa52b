/** `sallyport backup`: copies the session database while a server uses it. */

import { existsSync, ftruncateSync, lstatSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { EXIT, failWith, parseArguments } from '../console/args.ts'
import { becomeStoreUser, createFile, mayChangeWayTo } from '../console/drop-root.ts'
import type { Io } from '../console/io.ts'
import { servedConfig } from '../console/running-server.ts'
import { usageLines } from '../console/usage.ts'
import { keyPathOf } from '../process/session-state.ts'
import { backUpDatabase } from '../session/sqlite/backup.ts'
import { damagedAt } from '../session/sqlite/companion-files.ts'
import { fillKey, readKey, writeKey } from '../session/store-key.ts'
import { configOf, isOutOfReach, type StorePorts, tellFailure, userOfStore } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport backup FILE [--with-key]

Copies the session database of routes.toml to a file, also while the server runs. A plain cp leaves out the log beside the database:
the newest sign-ins and sign-outs are then missing, or the copy is damaged.
Exit code: 0 done, 1 nothing was copied, 2 for a wrong command line.

  --with-key        copies the key, too, to FILE.key: with both, anybody can read the tokens inside
  --config FILE     another file than routes.toml`,
  options: {
    'with-key': { type: 'boolean' },
    config: { type: 'string', short: 'c' },
  },
  maxPositionals: 1,
} as const

/** `sallyport backup`: answers the exit code. */
export function runBackup(argv: readonly string[], io: Io, ports: StorePorts): number {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { values, positionals } = parsed
  const [to = ''] = positionals
  if (to === '') return failWith(io, `say where to\n${usageLines(USAGE.text)}`, EXIT.usage)
  const config = configOf(values.config ?? servedConfig(io) ?? 'routes.toml', io, ports)
  if (config === null || isOutOfReach(config.sessions.store, io)) return EXIT.failed
  const { store, keys: given } = config.sessions
  if (store.kind === 'redis') return refuseRedis(io)
  const target = resolve(io.cwd, to)
  const keyTo = values['with-key'] === true ? `${target}.key` : null
  let begun: Begun | null = null
  try {
    if (!existsSync(dirname(target))) return failWith(io, `there is no folder ${dirname(target)}; mkdir -p makes it`)
    for (const path of [target, keyTo]) if (path !== null && isThere(path)) return failWith(io, `${path} exists`)
    if (keyTo !== null && given === null && !existsSync(keyPathOf(store.path))) {
      return failWith(io, `there is no key ${keyPathOf(store.path)}`)
    }
    const user = userOfStore(store, io.running?.() ?? null)
    if (user !== null) {
      // Root opens what the store's user may not write; where that user may create links, it has to write with its own
      // rights.
      if (!mayChangeWayTo(dirname(target), user)) begun = begin(target, keyTo)
      becomeStoreUser(user)
    }
    const key = given === null ? readKey(keyPathOf(store.path)) : Buffer.from(given[0] ?? '', 'base64url')
    backUpDatabase(store.path, begun?.database ?? target, ports)
    if (keyTo !== null && key !== null) {
      if (begun?.key == null) writeKey(keyTo, key)
      else fillKey(begun.key, key)
    }
  } catch (error) {
    const code = tellFailure('the backup failed', error, io)
    if (begun === null) return code
    // This user may not remove them, and half a backup must not pass for one.
    for (const file of [begun.database, begun.key]) if (file !== null) ftruncateSync(file, 0)
    io.stderr(
      `remove ${[target, ...(begun.key === null ? [] : [keyTo])].join(' and ')}, which ${begun.key === null ? 'is' : 'are'} empty\n`,
    )
    return code
  }
  io.stdout(`${to} is a copy of ${store.path}${keyTo === null ? '' : `, ${to}.key of its key`}\n`)
  for (const path of damagedAt(store.path)) {
    io.stderr(`${path} is a session database that was damaged: what is in it is not in this backup\n`)
  }
  return EXIT.ok
}

/** Files that root has made, and that somebody else fills: descriptors. */
interface Begun {
  readonly database: number
  readonly key: number | null
}

function begin(target: string, keyTo: string | null): Begun {
  const database = createFile(target)
  try {
    return { database, key: keyTo === null ? null : createFile(keyTo) }
  } catch (error) {
    rmSync(target)
    throw error
  }
}

/** Whether the path exists, also as a dangling link. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** Says whose business a Redis store's backups are; answers the exit code. */
export function refuseRedis(io: Io): number {
  return failWith(io, 'the sessions are in Redis, which has backups of its own (SAVE, and its dump.rdb)')
}
