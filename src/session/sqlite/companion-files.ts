/** The files beside a database: `-wal`, `-shm`, and those that were set aside. */

import { closeSync, existsSync, openSync, readdirSync, renameSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Ports } from '../../base/ports.ts'
import type { SessionsConfig } from '../../config/keys/sessions.ts'
import { type Header, readHeader } from './header.ts'
import { type DatabaseLocation, identityOf, readPlace } from './location.ts'

/**
 * The log and the index that SQLite keeps beside a database (sqlite.org/wal.html), and which of them belong to it.
 *
 * SQLite plays a log on any database beside it. If a backup was put there, that destroys it: pages of one among pages
 * of the other. So Sallyport writes down, in a separate file, which log was beside which database (`Place`).
 */
export interface Companions {
  /** Which file is the log, as the system knows it; null where there is none. */
  readonly log: string | null
  readonly index: string | null
}

const LOG = '-wal'
const INDEX = '-shm'

/** The file at a path, as the system identifies it; null where there is none. */
export function fileAt(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? null : `${stat.dev}:${identityOf(stat)}`
}

/** Databases that lay at a path, were found damaged, and were given another name. They stay until somebody takes them away. */
export function damagedAt(path: string): readonly string[] {
  return asideAt(path, 'damaged')
}

/** Whether a database (as `fileAt` names it) was at a path, and "sallyport restore" put another in its place. */
export function isRestoredOver(path: string, identity: string | null): boolean {
  return identity !== null && asideAt(path, 'replaced').some(aside => fileAt(aside) === identity)
}

function asideAt(path: string, why: 'damaged' | 'replaced'): readonly string[] {
  const folder = dirname(path)
  const beginning = `${basename(path)}.${why}-`
  const isOne = (name: string) => name.startsWith(beginning) && /^\d+$/.test(name.slice(beginning.length))
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(isOne)
    .sort()
    .map(name => join(folder, name))
}

/** Those of a file's store. */
export function damagedOf({ store }: Pick<SessionsConfig, 'store'>): readonly string[] {
  return store.kind === 'sqlite' ? damagedAt(store.path) : []
}

/** The files beside a database that was just opened. */
export function companionsOf(path: string): Companions {
  return { log: fileAt(path + LOG), index: fileAt(path + INDEX) }
}

/** Whether the log beside a database is this one. */
export function hasLog(path: string, { log }: Companions): boolean {
  return log !== null && fileAt(path + LOG) === log
}

/** Whether anything is in a log beside a database. */
export function hasLogBeside(path: string): boolean {
  return (statSync(path + LOG, { throwIfNoEntry: false })?.size ?? 0) > 0
}

/**
 * Whose log is beside a database that is about to be opened: its own; that of a database that it has replaced
 * (`replaced`); or that of a database that it has overwritten, in the same file (`overwritten`).
 *
 * The log is foreign where it is the noted one and the database is not, or has a mark that it never had (a folder that
 * was copied as a whole has another of both). It is also foreign where the database says that it was closed without a
 * log, as a backup does. Reads a descriptor of the database and closes it: no code in this process may have it open.
 */
export function whoseLog(path: string): 'own' | 'replaced' | 'overwritten' {
  if (!hasLogBeside(path) || !existsSync(path)) return 'own'
  const file = openSync(path, 'r')
  try {
    return judge(readHeader(file), identityAt(path), identityAt(path + LOG), readPlace(path))
  } finally {
    closeSync(file)
  }
}

function judge(
  header: Header | null,
  database: string,
  log: string,
  place: DatabaseLocation | null,
): ReturnType<typeof whoseLog> {
  const isNoted = log === place?.log
  if (isNoted && database !== place.database) return 'replaced'
  if (header === null || !header.hasLog) return 'overwritten'
  const isMarked = place === null || place.marks.length === 0 || place.marks.some(({ id }) => id === header.mark)
  return isNoted && !isMarked ? 'overwritten' : 'own'
}

/** Sets aside a log beside a database that belongs to another one. */
export function setAsideLog(path: string, ports: Pick<Ports, 'now' | 'log'>): void {
  setAside(path, [LOG, INDEX], ports)
}

/**
 * Sets aside the files of a database that is no longer at the path, unless another process did. The files of the new
 * one stay.
 */
export function setAsideOwn(path: string, own: Companions, ports: Pick<Ports, 'now' | 'log'>): void {
  const suffixes = []
  if (own.log !== null && fileAt(path + LOG) === own.log) suffixes.push(LOG)
  if (own.index !== null && fileAt(path + INDEX) === own.index) suffixes.push(INDEX)
  if (suffixes.length > 0) setAside(path, suffixes, ports)
}

/** Renames a database and its files: the files beside it first, so that a new database never meets them. */
export function renameDatabase(path: string, to: string): void {
  renameCompanions(path, to)
  renameSync(path, to)
}

/** Renames the files beside a database. */
export function renameCompanions(path: string, to: string): void {
  for (const suffix of [LOG, INDEX]) if (existsSync(path + suffix)) renameSync(path + suffix, to + suffix)
}

function setAside(path: string, suffixes: readonly string[], ports: Pick<Ports, 'now' | 'log'>): void {
  const present = suffixes.filter(suffix => existsSync(path + suffix))
  if (present.length === 0) return
  const aside = `${path}.replaced-${ports.now()}`
  for (const suffix of present) renameSync(path + suffix, aside + suffix)
  ports.log.error('The session database was replaced; what the one before had not yet taken in was set aside', {
    path,
    aside,
  })
}

function identityAt(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? '' : identityOf(stat)
}
