/** The log: levels, and lines for people, files and programs. */

import { showJson, showUnseen } from './control-characters.ts'
import type { Facts } from './errors.ts'
import type { Log, ShownLines } from './ports.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }
const COLOUR: Record<LogLevel, string> = { debug: '\x1b[2m', info: '\x1b[36m', warn: '\x1b[33m', error: '\x1b[31m' }

/**
 * Text for people on a terminal, with colours or without; the same for files, with the date; JSON, one object a line, for everything
 * else.
 */
export type LogStyle = 'pretty' | 'plain' | 'text' | 'json'

/** Where lines go, and how they are written; both may change while a log is written. */
export interface LogOutput<Style = LogStyle> {
  /** `level` is theirs; absent: that of something usual, as a request. */
  write(lines: string, level?: LogLevel): void
  readonly style: Style
}

export interface LogOptions extends LogOutput {
  readonly now: () => number
  /** Said with every entry: which of several processes speaks. */
  readonly facts?: Facts
}

/** A Log whose level can be changed while it runs (a reload may change it). */
export interface LevelledLog extends Log {
  setLevel(level: LogLevel): void
}

/** A Log that writes each entry as one line. For people, long facts follow in lines below it. */
export function createLog(options: LogOptions): LevelledLog {
  let least = RANK.info
  const entry = (level: LogLevel) => (message: string, own?: Facts, lines?: ShownLines) => {
    if (RANK[level] < least) return
    const facts = options.facts === undefined ? own : { ...options.facts, ...own }
    const { style } = options
    if (style === 'json') {
      const whole = lines === undefined ? message : `${message}\n${lines(false)}`
      const time = new Date(options.now()).toISOString()
      options.write(`${showJson({ time, level, message: whole, ...facts })}\n`, level)
      return
    }
    const hasColours = style === 'pretty'
    const nowMs = options.now()
    const isFile = style === 'text'
    const at = isFile ? new Date(nowMs).toISOString() : timeOfDay(nowMs)
    const line = prettyLine(level, at, message, facts, isFile ? showWord : showFact)
    const shown = (hasColours ? line : Bun.stripANSI(line)) + (lines === undefined ? '' : `\n${lines(hasColours)}\n`)
    options.write(shown, level)
  }
  return {
    debug: entry('debug'),
    info: entry('info'),
    warn: entry('warn'),
    error: entry('error'),
    setLevel(level) {
      least = RANK[level]
    },
  }
}

/** The time of day where the machine stands, as `14:03:09`. */
export function timeOfDay(atMs: number): string {
  return new Date(atMs).toTimeString().slice(0, 8)
}

/** No fact can forge a line or drive a terminal. */
function prettyLine(
  level: LogLevel,
  at: string,
  message: string,
  facts: Facts | undefined,
  show: (value: unknown) => string,
): string {
  let rest = ''
  let hint = ''
  for (const [name, value] of Object.entries(facts ?? {})) {
    if (value === undefined || value === null) continue
    if (name === 'hint') hint = `\n         hint: ${showUnseen(String(value))}`
    else rest += ` \x1b[2m${name}=\x1b[0m${show(value)}`
  }
  return `\x1b[2m${at}\x1b[0m ${COLOUR[level]}${level.padEnd(5)}\x1b[0m ${showUnseen(message)}${rest}${hint}\n`
}

/** A value in a list of values: in quotes where it could be read as several. */
function showFact(value: unknown): string {
  const text = String(value)
  return /["=]/.test(text) && /["\s]/.test(text) ? showJson(text) : showUnseen(text)
}

/** The same for programs that read files: one word, or in quotes. */
function showWord(value: unknown): string {
  const text = String(value)
  return text === '' || /["\s]/.test(text) ? showJson(text) : showUnseen(text)
}
