import { closeSync, existsSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs'
import type { Ports } from '../../base/ports.ts'

/**
 * The log and the index that SQLite keeps beside a database (sqlite.org/wal.html), and which of them belong to it.
 *
 * SQLite plays a log on whatever database lies beside it. Where a backup was put there, that is its end: pages of the one
 * among pages of the other. So it is written down, in a file of ours, which log lay beside which database.
 */
export interface Companions {
  /** Which file is the log, as the system knows it; null where there is none. */
  readonly log: string | null
  readonly index: string | null
}

const LOG = '-wal'
const INDEX = '-shm'
/** Holds the identities of a database and of its log. */
const PLACE = '-place'

/** Where the header says how the file is written and read: 1 without a log, 2 with one (sqlite.org/fileformat.html §1.3). */
const VERSIONS_AT = 18
const WITHOUT_LOG = 1

/** Which file lies at a path, as the system knows it; null where there is none. */
export function fileAt(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? null : `${stat.dev}:${identityOf(stat)}`
}

/** The same without the device, whose number may be another after a restart of the machine. A number alone is used again. */
function identityOf({ ino, birthtimeNs }: { readonly ino: bigint; readonly birthtimeNs: bigint }): string {
  return `${ino}:${birthtimeNs}`
}

/** What lies beside a database that was just opened; written down for whoever opens it after a crash. */
export function noteCompanions(path: string): Companions {
  const place = placeOf(path)
  if (place !== null && readPlace(path) !== place) {
    try {
      writeFileSync(path + PLACE, place, { mode: 0o600 })
    } catch (error) {
      // A disk that is full: the sessions matter more, and what it says of before can only keep a log that is to stay.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    }
  }
  return { log: fileAt(path + LOG), index: fileAt(path + INDEX) }
}

/**
 * Sets aside a log that was left beside another database than the one at the path: before that is opened.
 *
 * So it is where the log is the one that was noted and the database is not (a folder that was copied as a whole has another of
 * both), or where the database says that it was closed without a log, as a backup does.
 *
 * Answers a descriptor that has to stay open as long as the database: to close any of a file gives up the locks that SQLite
 * holds on it (sqlite.org/howtocorrupt.html §2.2). Null where nothing was read.
 */
export function setAsideForeignLog(path: string, ports: Pick<Ports, 'now' | 'log'>): number | null {
  if ((statSync(path + LOG, { throwIfNoEntry: false })?.size ?? 0) === 0 || !existsSync(path)) return null
  const [database, log] = placeOf(path)?.split(' ') ?? []
  const [notedDatabase, notedLog] = readPlace(path)?.split(' ') ?? []
  if (log === notedLog && database !== notedDatabase) {
    setAside(path, [LOG, INDEX], ports)
    return null
  }
  const file = openSync(path, 'r')
  const header = Buffer.alloc(VERSIONS_AT + 2)
  readSync(file, header, 0, header.length, 0)
  if (header[VERSIONS_AT] === WITHOUT_LOG && header[VERSIONS_AT + 1] === WITHOUT_LOG)
    setAside(path, [LOG, INDEX], ports)
  return file
}

/** Sets aside what lay beside a database that is no longer at the path, as far as nobody else did; what another one has stays. */
export function setAsideOwn(path: string, own: Companions, ports: Pick<Ports, 'now' | 'log'>): void {
  const suffixes = []
  if (own.log !== null && fileAt(path + LOG) === own.log) suffixes.push(LOG)
  if (own.index !== null && fileAt(path + INDEX) === own.index) suffixes.push(INDEX)
  if (suffixes.length > 0) setAside(path, suffixes, ports)
}

/** Renames a database with all that belongs to it: what lies beside it first, so that a new one never meets that. */
export function renameDatabase(path: string, to: string): void {
  renameCompanions(path, to)
  renameSync(path, to)
}

/** Renames what lies beside a database. */
export function renameCompanions(path: string, to: string): void {
  for (const suffix of [LOG, INDEX]) if (existsSync(path + suffix)) renameSync(path + suffix, to + suffix)
}

function setAside(path: string, suffixes: readonly string[], ports: Pick<Ports, 'now' | 'log'>): void {
  const aside = `${path}.replaced-${ports.now()}`
  for (const suffix of suffixes) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
  ports.log.error('The session database was replaced; what the one before had not yet taken in was set aside', {
    path,
    aside,
  })
}

function placeOf(path: string): string | null {
  const [database, log] = [path, path + LOG].map(each => statSync(each, { throwIfNoEntry: false, bigint: true }))
  return database === undefined || log === undefined ? null : `${identityOf(database)} ${identityOf(log)}`
}

function readPlace(path: string): string | null {
  return existsSync(path + PLACE) ? readFileSync(path + PLACE, 'utf8') : null
}

/** Gives back what `setAsideForeignLog` answered. */
export function closeDescriptor(file: number | null): void {
  if (file !== null) closeSync(file)
}
