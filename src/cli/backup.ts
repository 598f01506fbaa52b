import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { EXIT, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { usageLines } from '../console/usage.ts'
import { keyPathOf } from '../process/session-state.ts'
import { readKey, writeKey } from '../session/key.ts'
import { backUpDatabase } from '../session/sqlite/backup.ts'
import { configOf, isOutOfReach, type StorePorts, tellFailure } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport backup FILE [--with-key]

Copies the session database of routes.toml to a file, whole and of one moment, also while the server runs. Plain cp takes the
database without the log beside it: the newest sign-ins, and sign-outs, are missing then, or the copy is torn.
Exit code: 0 done, 1 nothing was copied, 2 wrong usage.

  --with-key        the key too, to FILE.key: who has both can read the tokens in it
  --config FILE     another file than routes.toml`,
  options: {
    'with-key': { type: 'boolean' },
    config: { type: 'string', short: 'c', default: 'routes.toml' },
  },
  maxPositionals: 1,
} as const

/** `sallyport backup`: answers the exit code. */
export function runBackup(argv: readonly string[], io: Io, ports: StorePorts): number {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { values, positionals } = parsed
  const [to = ''] = positionals
  if (to === '') {
    io.stderr(`say where to\n${usageLines(USAGE.text)}\n`)
    return EXIT.usage
  }
  const config = configOf(values.config, io, ports)
  if (config === null || isOutOfReach(config.sessions.store, io)) return EXIT.failed
  const { store, key: given } = config.sessions
  if (store.kind === 'redis') return refuseRedis(io)
  const target = resolve(io.cwd, to)
  const keyTo = values['with-key'] === true ? `${target}.key` : null
  try {
    const key = given === null ? readKey(keyPathOf(store.path)) : Buffer.from(given, 'base64url')
    if (keyTo !== null && key === null) return refuse(`there is no key ${keyPathOf(store.path)}`, io)
    for (const path of [target, keyTo]) if (path !== null && existsSync(path)) return refuse(`${path} exists`, io)
    if (!existsSync(dirname(target))) return refuse(`there is no folder ${dirname(target)}; mkdir -p makes it`, io)
    backUpDatabase(store.path, target, ports)
    if (keyTo !== null && key !== null) writeKey(keyTo, key)
  } catch (error) {
    return tellFailure('the backup failed', error, io)
  }
  io.stdout(`${to} is a copy of ${store.path}${keyTo === null ? '' : `, ${to}.key of its key`}\n`)
  return EXIT.ok
}

/** Says whose business a Redis store's backups are; answers the exit code. */
export function refuseRedis(io: Io): number {
  return refuse('the sessions are in Redis, which has backups of its own (SAVE, and its dump.rdb)', io)
}

/** Writes why nothing was done; answers the exit code. */
export function refuse(why: string, io: Io): number {
  io.stderr(`${why}\n`)
  return EXIT.failed
}
