import { readCaddy, readOwn, readTraefik } from './json-logs.ts'
import type { ReadLine } from './logged.ts'
import { readCombined, readHaproxy, readOauth2Proxy } from './text-logs.ts'

/** How a log is written. */
export interface Format {
  /** What `--format` takes. */
  readonly name: string
  readonly about: string
  readonly read: ReadLine
  /** Whether every line says who was signed in, wherever it went: then one without a name was nobody's. */
  readonly namesUsers: boolean
}

/** Those that can be told from each other by their lines, in this order. */
export const FORMATS: readonly Format[] = [
  { name: 'caddy', about: "Caddy's access log", read: readCaddy, namesUsers: false },
  { name: 'oauth2-proxy', about: "oauth2-proxy's log", read: readOauth2Proxy, namesUsers: true },
  { name: 'combined', about: 'a combined or common access log', read: readCombined, namesUsers: false },
  { name: 'sallyport', about: "Sallyport's access log", read: readOwn, namesUsers: false },
  { name: 'traefik', about: "Traefik's access log", read: readTraefik, namesUsers: false },
  { name: 'haproxy', about: "HAProxy's HTTP log", read: readHaproxy, namesUsers: false },
]

/** What docker compose, and what syslog and journalctl, put before a line. */
const BEFORE = /^(?:[\w.-]+ +\| |(?:<\d+>)?[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ [^\s:]+: )/

/** A line without what another program put before it. */
export function bareLine(line: string): string {
  return line.replace(BEFORE, '')
}

/** The format that has most of these lines; null where none has any request among them. */
export function findFormat(lines: readonly string[]): Format | null {
  let best: Format | null = null
  let most = 0
  for (const format of FORMATS) {
    const read = lines.map(line => format.read(bareLine(line)))
    const count = read.filter(one => one !== null).length
    if (count > most && read.some(one => one !== null && one !== 'other')) [best, most] = [format, count]
  }
  return best
}
