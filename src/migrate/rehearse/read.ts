/** Reads a log from its first to its last line. */

import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { whyUnreadable } from '../../config/text/substitute.ts'
import { bareLine, FORMATS, type Format, findFormat } from './formats.ts'
import { createGroups, type Groups } from './groups.ts'
import type { Judge } from './judge.ts'
import type { LoggedRequest } from './logged.ts'
import type { Reading } from './report.ts'

/** How logs are read. */
export interface ReadOptions {
  /** Null: by the first lines. */
  readonly forced: Format | null
  /** The host of a log that names none; null: such a log is refused. */
  readonly host: string | null
  /** Paths that are passed over, with what is below them. */
  readonly skip: readonly string[]
  /** Where relative paths start. */
  readonly cwd: string
  readonly judge: Judge
}

/** What was read, judged and counted. */
export interface ReadLogs {
  readonly reading: Reading
  readonly groups: Groups
  /** Whether a request without a user was always anonymous. */
  readonly namesUsers: boolean
}

/** A line of one of them, from 1. */
interface LogPosition {
  readonly file: string
  readonly number: number
}

/** From how many lines the format is seen. */
const FIRST_LINES = 100

/** All requests of these logs, each judged as it is read; or why they cannot be read. */
export async function readLogs(files: readonly string[], options: ReadOptions): Promise<ReadLogs | string> {
  const { forced, host, skip, cwd, judge } = options
  const groups = createGroups()
  const counts = { lines: 0, requests: 0, other: 0, skipped: 0, unreadable: 0 }
  const span = { fromMs: Number.POSITIVE_INFINITY, untilMs: Number.NEGATIVE_INFINITY }
  let firstUnreadable: LogPosition | null = null
  let isHostMissing = false
  let format = forced
  let held: { readonly line: string; readonly place: LogPosition }[] = []

  function count(request: LoggedRequest): void {
    if (skip.some(path => isBelow(request.address, path))) {
      counts.skipped++
      return
    }
    counts.requests++
    span.fromMs = Math.min(span.fromMs, request.atMs)
    span.untilMs = Math.max(span.untilMs, request.atMs)
    isHostMissing ||= request.host === null
    groups.add(judge(request, request.host ?? host ?? ''), request)
  }

  function take({ read }: Format, line: string, place: LogPosition): void {
    counts.lines++
    const found = read(bareLine(line))
    if (found === 'other') counts.other++
    else if (found !== null) count(found)
    else {
      counts.unreadable++
      firstUnreadable ??= place
    }
  }

  /** Finds the format of what was held back, and takes it. */
  function begin(): boolean {
    format = findFormat(held.map(({ line }) => line))
    if (format === null) return false
    for (const { line, place } of held) take(format, line, place)
    held = []
    return true
  }

  for (const file of files) {
    let number = 0
    try {
      for await (const lines of linesOf(file === '-' ? file : resolve(cwd, file))) {
        for (const line of lines) {
          const place = { file, number: ++number }
          if (line.trim() === '') continue
          if (format !== null) take(format, line, place)
          else if (held.push({ line, place }) === FIRST_LINES && !begin()) return unknownFormat(file)
        }
        if (isHostMissing && host === null) break
      }
    } catch (error) {
      return `${file} ${whyUnreadable(error)}`
    }
    if (held.length > 0 && !begin()) return unknownFormat(file)
    if (isHostMissing && host === null) return `${file} names no host: say whose it is, as in --host app.example.com`
  }
  if (format === null || counts.requests + counts.skipped === 0) return `${files.join(', ')}: no request is in it`
  const { fromMs, untilMs } = span
  const reading: Reading = {
    ...counts,
    files,
    format: format.about,
    firstUnreadable: placeText(firstUnreadable),
    from: counts.requests === 0 ? null : new Date(fromMs).toISOString(),
    until: counts.requests === 0 ? null : new Date(untilMs).toISOString(),
    assumedHost: isHostMissing ? host : null,
  }
  return { reading, groups, namesUsers: format.namesUsers }
}

function placeText(place: LogPosition | null): string | null {
  return place === null ? null : `${place.file === '-' ? 'standard input' : place.file} line ${place.number}`
}

function unknownFormat(file: string): string {
  const known = FORMATS.map(({ name, about }) => `${name} (${about})`).join(', ')
  return `${file}: its first lines are in none of the formats that are known: ${known}; --format NAME takes it for one`
}

/** Whether an address is this path, or one below it. */
function isBelow(address: string, path: string): boolean {
  const rest = address.startsWith(path) ? address.slice(path.length) : null
  return rest !== null && (rest === '' || path.endsWith('/') || /^[/?]/.test(rest))
}

/** Longer than any line of a request: what is longer is cut, and cannot be read. */
const MAX_LINE_CHARACTERS = 256 * 1024

/** What is read of a log at a time. */
const PIECE_BYTES = 256 * 1024

/**
 * The lines of a log, many at a time, however long it is; compressed by gzip too, which is seen from its first bytes. `-` is
 * standard input. Throws what the platform throws, and an error of zlib for a damaged file.
 */
async function* linesOf(path: string): AsyncGenerator<readonly string[]> {
  const source = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: PIECE_BYTES })
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of unpacked(source)) {
    rest += decoder.decode(piece, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    yield lines.map(line => (line.endsWith('\r') ? line.slice(0, -1) : line))
    if (rest.length > MAX_LINE_CHARACTERS) rest = rest.slice(0, MAX_LINE_CHARACTERS)
  }
  if (rest !== '') yield [rest]
}

async function* unpacked(source: Readable): AsyncGenerator<Uint8Array> {
  const pieces: AsyncIterator<Uint8Array> = source[Symbol.asyncIterator]()
  const first = await pieces.next()
  if (first.done === true) return
  const all = async function* () {
    yield first.value
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value
  }
  const isGzip = first.value[0] === 0x1f && first.value[1] === 0x8b
  if (!isGzip) {
    yield* all()
    return
  }
  const gunzip = createGunzip()
  const from = Readable.from(all())
  from.on('error', error => gunzip.destroy(error))
  yield* from.pipe(gunzip)
}
