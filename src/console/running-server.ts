/** What a running server leaves for commands: which file it serves, as whom, with which data folder. */

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { errorFacts } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import { isWayOfRoot, type Running, userOf } from './drop-root.ts'
import type { Io } from './io.ts'
import { replaceFile } from './replace-file.ts'

const NAME = 'serving.json'

/** Where a unit's RuntimeDirectory is, for a command that has no environment of the unit. */
const USUAL_FOLDER = '/run/sallyport'

const MOST_BYTES = 16_384

/**
 * Leaves word of what is served, in the runtime folder of the unit, or else in the data folder as the image names it. It stays when
 * the server ends: a stopped server's sessions are where they were. Does nothing where the environment names neither folder.
 */
export function leaveWord(env: Io['env'], configPath: string, log: Log): void {
  const named = env('SALLYPORT_DATA') || null
  const folder = firstOf(env('RUNTIME_DIRECTORY')) ?? named
  if (folder === null || named === null) return
  try {
    // Without links: the reader checks who owns each of these.
    const data = realpathSync(resolve(dirname(configPath), named))
    replaceFile(join(folder, NAME), `${JSON.stringify({ config: resolve(configPath), data })}\n`)
  } catch (error) {
    log.warn('Commands beside this server will not find its sessions by themselves', {
      ...errorFacts(error),
      hint: `give them SALLYPORT_DATA=${named}`,
    })
  }
}

/**
 * What a server left, in the folders that this environment names, or in the usual one. Null where there is nothing to be believed.
 *
 * It is the word of the service's user. Root takes it only where that file, its folder, the data folder and the database in it have
 * one owner, who then is `owner`; another user only their own word, and root's.
 */
export function findRunning(env: Io['env']): Running | null {
  const folders = [firstOf(env('RUNTIME_DIRECTORY')), env('SALLYPORT_DATA') || null, USUAL_FOLDER]
  for (const folder of folders) {
    const running = folder === null ? null : readWord(resolve(folder))
    if (running !== null) return running
  }
  return null
}

/** The variables for a command on this file: those that it has, and the data folder of the server of the same file. */
export function besideRunning(env: Io['env'], configPath: string, running: Running | null): Io['env'] {
  if (running === null || env('SALLYPORT_DATA') || !isSameFile(configPath, running.config)) return env
  return name => (name === 'SALLYPORT_DATA' ? running.data : env(name))
}

/** The file that a command is about where it names none and there is none where it is run; null: that of no server. */
export function servedConfig(io: Io): string | null {
  const config = io.running?.()?.config
  if (config === undefined || existsSync(resolve(io.cwd, 'routes.toml'))) return null
  // As root it reads a file that others name only where no other user may write it.
  return process.geteuid?.() !== 0 || isWayOfRoot(config) ? config : null
}

function readWord(folder: string): Running | null {
  const at = lstatSync(folder, { throwIfNoEntry: false })
  const said = at?.isDirectory() === true ? readOwn(join(folder, NAME), at.uid) : null
  if (at === undefined || said === null) return null
  const { config, data } = said
  const [place, database] = [data, join(data, 'sallyport.db')].map(path => lstatSync(path, { throwIfNoEntry: false }))
  if (place?.isDirectory() !== true || place.uid !== at.uid) return null
  if (database !== undefined && (!database.isFile() || database.uid !== at.uid)) return null
  const user = process.geteuid?.()
  if (user !== 0) return at.uid === user || at.uid === 0 ? { config, data, owner: null } : null
  return { config, data, owner: at.uid === 0 ? null : userOf(at.uid, place.gid) }
}

/** Two paths of a file that this user owns; null for any other file. It never waits, for any kind of file. */
function readOwn(path: string, uid: number): { readonly config: string; readonly data: string } | null {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stat = fstatSync(file)
      if (!stat.isFile() || stat.uid !== uid || stat.size > MOST_BYTES) return null
      const bytes = Buffer.alloc(stat.size)
      const { config, data }: { config?: unknown; data?: unknown } = JSON.parse(
        bytes.subarray(0, readSync(file, bytes)).toString(),
      )
      return isPath(config) && isPath(data) ? { config, data } : null
    } finally {
      closeSync(file)
    }
  } catch {
    return null
  }
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && isAbsolute(value) && !value.includes('\0')
}

function isSameFile(one: string, other: string): boolean {
  const [first, second] = [one, other].map(path => statSync(path, { throwIfNoEntry: false }))
  return first !== undefined && first.ino === second?.ino && first.dev === second.dev
}

/** The first of a list with colons, as systemd writes it. */
function firstOf(list: string | undefined): string | null {
  return list?.split(':')[0] || null
}
