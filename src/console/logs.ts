/** Where the log and the records of requests go: streams, and files that another program may move away. */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { errorFacts, type Facts } from '../base/errors.ts'
import { createLog, type LevelledLog, type LogOutput, type LogStyle } from '../base/log.ts'
import type { LogConfig, LogPlace } from '../config/keys/log.ts'
import { codeOf } from '../config/text/substitute.ts'
import type { AccessStyle } from '../server/observe/access-log.ts'
import type { Io } from './io.ts'
import { type PerStream, withPriority } from './journal.ts'

/** The log of a process, and where its requests go. */
export interface Logs {
  readonly log: LevelledLog
  readonly access: LogOutput<AccessStyle>
  /** From now on as a file says it. */
  configure(config: LogConfig): void
}

/** As it is without `[log]`. */
const USUAL: LogConfig = { format: null, requests: 'stdout', events: 'stderr' }

/** What is said on the streams of a process, until `configure` says otherwise. `facts` go with every line but those of requests. */
export function openLogs(io: Io, now: () => number, facts: Facts = {}): Logs {
  let config = USUAL
  const files = new Map<LogPlace, LogFile>()

  const events: LogOutput = {
    get style() {
      const { format, events: place } = config
      if (format === 'json') return 'json'
      const usual = styleAt(io, place, hasPeople)
      return format !== null && usual === 'json' ? 'text' : usual
    },
    write(lines, level = 'info') {
      const { events: place } = config
      const isJournal = (place === 'stdout' || place === 'stderr') && io.journal?.[place] === true
      if (!writeTo(place, isJournal ? withPriority(lines, level) : lines)) io.stderr(lines)
    },
  }
  const access: LogOutput<AccessStyle> = {
    get style() {
      const { format, requests: place } = config
      if (format === 'json' || format === 'combined') return format
      const usual = styleAt(io, place, isTerminal)
      return format === 'text' && usual === 'json' ? 'text' : usual
    },
    write: lines => void writeTo(config.requests, lines),
  }
  const log = createLog({
    now,
    facts,
    write: events.write,
    get style() {
      return events.style
    },
  })

  function writeTo(place: LogPlace, lines: string): boolean {
    if (place === 'stderr') io.stderr(lines)
    else if (place === 'stdout') void io.stdout(lines)
    else return fileAt(place).write(lines)
    return true
  }

  function fileAt(path: LogPlace): LogFile {
    let file = files.get(path)
    if (file === undefined) {
      file = createLogFile({
        path,
        uid: process.geteuid?.() ?? null,
        onTrouble(error) {
          const hint =
            codeOf(error) === 'EPERM'
              ? 'give the file or the link to the user that runs Sallyport (chown, chown -h), or name another place'
              : 'check that its folder exists, that this user may write to it, and that it has space'
          log.error('The log cannot be written', { file: path, ...errorFacts(error), hint })
        },
        onMended: missed => log.info('The log is written again', { file: path, missed }),
      })
      files.set(path, file)
    }
    return file
  }

  return {
    log,
    access,
    configure(next) {
      config = next
      for (const [path, file] of files) {
        if (path === next.requests || path === next.events) continue
        file.close()
        files.delete(path)
      }
    },
  }
}

/** Where colours are asked for by name, or people look: for them. */
const hasPeople = ({ colour, terminal }: Pick<Io, 'colour' | 'terminal'>, stream: keyof PerStream) =>
  colour[stream] || terminal[stream]

/** Only at a terminal are request lines written for people: everywhere else programs read them. */
const isTerminal = ({ terminal }: Pick<Io, 'terminal'>, stream: keyof PerStream) => terminal[stream]

function styleAt(
  io: Pick<Io, 'colour' | 'terminal'>,
  place: LogPlace,
  isForPeople: (io: Pick<Io, 'colour' | 'terminal'>, stream: keyof PerStream) => boolean,
): LogStyle {
  if ((place !== 'stdout' && place !== 'stderr') || !isForPeople(io, place)) return 'json'
  return io.colour[place] ? 'pretty' : 'plain'
}

/** A file that lines are added to. Pairs with `close`. */
interface LogFile {
  /** Appends whole lines; false where they could not be written. Never throws or waits. */
  write(lines: string): boolean
  close(): void
}

interface LogFileOptions {
  /** Absolute. */
  readonly path: string
  /** The user as whom this runs; null where there are no such numbers. */
  readonly uid: number | null
  /** It cannot be written from now on, with what the platform says; called once, until it can again. */
  onTrouble(error: unknown): void
  /** It can be written again; `lost` is how many lines were not meanwhile. */
  onMended(lost: number): void
}

/**
 * Opens its file and follows renames: before each write it checks that the path still leads to the open file, and
 * otherwise creates a new one. So `logrotate` needs no signal. It always appends, so `copytruncate` works, too.
 *
 * A full disk, a missing folder or a pipe without a reader loses lines and nothing else: each write tries again. After
 * a partial write it ends the line, so that the next line is whole.
 *
 * No other user decides where the lines go. It follows a link only where root or this user owns it, as
 * `fs.protected_symlinks` does in world-writable folders. In a folder where other users may create files it does not
 * open another user's file (`fs.protected_regular`). Either case is `EPERM`.
 */
export function createLogFile({ path, uid, onTrouble, onMended }: LogFileOptions): LogFile {
  let file: number | null = null
  let isInTrouble = false
  let isTorn = false
  let lost = 0

  function close(): void {
    if (file !== null) closeSync(file)
    file = null
  }

  /** The file that the path leads to now. Throws what the platform throws. */
  function current(): number {
    if (file !== null && !isAt(file, path)) close()
    file ??= openOwn(path, uid)
    return file
  }

  return {
    write(lines) {
      let rest = Buffer.from(isTorn ? `\n${lines}` : lines)
      const whole = rest.length
      try {
        const to = current()
        while (rest.length > 0) rest = rest.subarray(writeSync(to, rest))
        isTorn = false
      } catch (error) {
        isTorn = rest.length === whole ? isTorn : rest.length > 0
        lost += countLines(rest)
        if (!isInTrouble) {
          isInTrouble = true
          onTrouble(error)
        }
        return false
      }
      if (isInTrouble) {
        isInTrouble = false
        const before = lost
        lost = 0
        onMended(before)
      }
      return true
    },
    close,
  }
}

const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOFOLLOW } = constants

/** How far a link may lead from link to link. */
const MOST_LINKS = 16

function openOwn(path: string, uid: number | null): number {
  const isOurs = (owner: number) => uid === null || owner === uid || owner === 0
  let end = path
  for (let count = 0; lstatSync(end, { throwIfNoEntry: false })?.isSymbolicLink() === true; count++) {
    if (!isOurs(lstatSync(end).uid)) throw refused(`${end} is a link of another user`)
    if (count === MOST_LINKS) break
    end = resolve(dirname(end), readlinkSync(end))
  }
  // What has become a link since is not followed. A pipe without a reader is not waited for.
  const how = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | (end === path ? O_NOFOLLOW : 0)
  const file = openSync(path, how, 0o640)
  try {
    const own = fstatSync(file)
    if (!isOurs(own.uid) && !own.isCharacterDevice()) checkFolder(end, own)
    return file
  } catch (error) {
    closeSync(file)
    throw error
  }
}

function checkFolder(path: string, { uid }: Stats): void {
  const folder = statSync(dirname(path), { throwIfNoEntry: false })
  if (folder !== undefined && (folder.mode & 0o022) !== 0 && folder.uid !== uid) {
    throw refused(`${path} is of another user, in a folder that others may write in`)
  }
}

function refused(what: string): Error {
  return Object.assign(new Error(what), { code: 'EPERM' })
}

function isAt(file: number, path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there === undefined) return false
  const own = fstatSync(file)
  return there.ino === own.ino && there.dev === own.dev
}

function countLines(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) if (byte === LINE_END) count++
  return count
}

const LINE_END = 10
