import type { Facts } from './errors.ts'
import type { Log } from './ports.ts'
import { showUnseen } from './visible.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }
const COLOUR: Record<LogLevel, string> = { debug: '\x1b[2m', info: '\x1b[36m', warn: '\x1b[33m', error: '\x1b[31m' }

export interface LogOptions {
  readonly write: (line: string) => void
  readonly now: () => number
  /** Lines for people on a terminal; JSON, one object a line, otherwise. */
  readonly style: 'pretty' | 'json'
  /** Said with every entry: which of several processes speaks. */
  readonly facts?: Facts
}

/** A Log whose level can be changed while it runs (a reload may change it). */
export interface LevelledLog extends Log {
  setLevel(level: LogLevel): void
}

/** A Log that writes each entry as one line. */
export function createLog(options: LogOptions): LevelledLog {
  let least = RANK.info
  const entry = (level: LogLevel) => (message: string, own?: Facts) => {
    if (RANK[level] < least) return
    const facts = options.facts === undefined ? own : { ...options.facts, ...own }
    options.write(
      options.style === 'json'
        ? `${JSON.stringify({ time: new Date(options.now()).toISOString(), level, message, ...facts })}\n`
        : prettyLine(level, options.now(), message, facts),
    )
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

/** No fact can forge a line or drive a terminal. */
function prettyLine(level: LogLevel, nowMs: number, message: string, facts: Facts | undefined): string {
  const time = new Date(nowMs).toISOString().slice(11, 19)
  let rest = ''
  let hint = ''
  for (const [name, value] of Object.entries(facts ?? {})) {
    if (value === undefined || value === null) continue
    if (name === 'hint') hint = `\n         hint: ${showUnseen(String(value))}`
    else rest += ` \x1b[2m${name}=\x1b[0m${showUnseen(String(value))}`
  }
  return `\x1b[2m${time}\x1b[0m ${COLOUR[level]}${level.padEnd(5)}\x1b[0m ${showUnseen(message)}${rest}${hint}\n`
}
