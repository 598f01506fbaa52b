import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, type LevelledLog } from '../../../src/base/log.ts'
import { isRunSearched } from './planted.ts'

/** A line of a log of the run, and the test that started what wrote it. */
export interface Recorded {
  readonly place: string
  readonly line: string
}

const FLUSH_BYTES = 1 << 20
let folder: string | null = null
let waiting: string[] = []
let waitingBytes = 0

/** Keeps what was written, for the search at the end of the run; several lines are several. */
export function record(place: string, text: string): void {
  if (!isRunSearched()) return
  for (const line of text.split('\n')) {
    if (line === '') continue
    waiting.push(`${place}\t${line}\n`)
    waitingBytes += line.length
  }
  if (waitingBytes > FLUSH_BYTES) flush()
}

/** All that was recorded so far, which is forgotten then. */
export function takeRecorded(): readonly Recorded[] {
  if (waiting.length > 0) flush()
  if (folder === null) return []
  const text = readFileSync(join(folder, 'lines'), 'utf8')
  rmSync(folder, { recursive: true })
  folder = null
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const tab = line.indexOf('\t')
      return { place: line.slice(0, tab), line: line.slice(tab + 1) }
    })
}

/** On disk: a test that watches this process's memory is not to see the lines of all others. */
function flush(): void {
  if (folder === null || !existsSync(folder)) folder = mkdtempSync(join(tmpdir(), 'sallyport-test-log-'))
  appendFileSync(join(folder, 'lines'), waiting.join(''))
  waiting = []
  waitingBytes = 0
}

/** A log that a test reads as the file's level has it, in `lines`, and the run searches at its end as if that were debug. */
export function recordedLog(now: () => number, lines: string[]): LevelledLog {
  const place = testPlace()
  const read = createLog({ now, style: 'json', write: line => void lines.push(line) })
  const all = createLog({ now, style: 'json', write: line => record(place, line) })
  all.setLevel('debug')
  const both =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (...entry: Parameters<typeof read.info>) => {
      read[level](...entry)
      all[level](...entry)
    }
  return {
    debug: both('debug'),
    info: both('info'),
    warn: both('warn'),
    error: both('error'),
    setLevel: read.setLevel,
  }
}

/** The place in a test file that led here: `test/flow/upstreams/failing.test.ts:44`. */
export function testPlace(): string {
  const before = Error.stackTraceLimit
  Error.stackTraceLimit = 50
  const { stack = '' } = new Error('here')
  Error.stackTraceLimit = before
  return /([^\s():]+\.test\.tsx?:\d+)/.exec(stack.replaceAll(`${process.cwd()}/`, ''))?.[1] ?? 'a test'
}
