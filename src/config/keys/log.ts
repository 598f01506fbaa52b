/** The keys of `[log]`. */

import { resolve } from 'node:path'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { builtAs, choice, parsed } from '../values/value.ts'
import { type Built, defaulted, type Keys, optional, type TableOptions } from './table.ts'

/** Where lines go: a stream of the process, or the absolute path of a file. */
export type LogPlace = 'stdout' | 'stderr' | `/${string}`

/** A place for lines, once the config file's folder is known. */
type LogPlaceAt = (directory: string) => LogPlace

/** Files to which no operator means to add lines. */
const PRECIOUS = /\.(?:toml|db(?:-\w+)?|key|pem|crt)$/i

/** `stdout`, `stderr`, or the path of a file, which has a slash in it so that a misspelt word is none. */
function parseLogPlace(text: string): Parsed<LogPlaceAt> {
  if (text === 'stdout' || text === 'stderr') return good(() => text)
  const not = `${quote(text)} is no place for a log`
  if (!text.includes('/')) {
    return bad('log.place', not, `"stdout", "stderr", or a path with a slash in it: "./${text}"`)
  }
  if (text.endsWith('/')) return bad('log.place', not, `name the file, not its folder: "${text}sallyport.log"`)
  if (PRECIOUS.test(text)) return bad('log.place', not, 'lines would be added to it: name a separate file')
  return good(directory => pathIn(directory, text))
}

function pathIn(directory: string, text: string): LogPlace {
  const path = resolve(directory, text)
  return `/${path.replace(/^\/+/, '')}`
}

const place = builtAs(
  parsed(
    { label: '"stdout", "stderr" or a path', expected: '"stdout", "stderr" or the path of a file' },
    parseLogPlace,
  ),
  (at, { directory }) => at(directory),
)

/** `[log]`: how lines are written, and where they go. */
export const LOG = {
  format: optional(
    choice(['json', 'text', 'combined']),
    'json',
    'text at a terminal, JSON elsewhere',
    'The format of lines. `"combined"` is the format of nginx and Apache, for requests; other lines are text then.',
  ),
  requests: defaulted(
    place,
    'stdout',
    '/var/log/sallyport/access.log',
    "Where requests go. A file is made where there is none, with mode 0640, and made again where it was renamed; a relative path starts at the config file's folder.",
  ),
  events: defaulted(
    place,
    'stderr',
    '/var/log/sallyport/sallyport.log',
    'Where everything else that is said goes; what comes before the file was read, and what cannot be written there, goes to standard error.',
  ),
} as const satisfies Keys

/** What people look for here. */
export const LOG_REFUSED: NonNullable<TableOptions['refused']> = new Map([
  ['level', { message: 'the level is not a key of [log]', hint: 'write log_level = "debug" into [server]' }],
])

/** `[log]`. Its format is null where it is text at a terminal and JSON elsewhere; `combined` is only for requests. */
export type LogConfig = Built<typeof LOG>

export type LogFormat = NonNullable<LogConfig['format']>
