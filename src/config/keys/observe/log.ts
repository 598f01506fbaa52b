import { type LogPlaceAt, parseLogPlace } from '../../values/observe/log-place.ts'
import { choice, parsed, type Type } from '../../values/value.ts'
import { defaulted, type Keys, optional, type Table, type TableOptions } from '../table.ts'

const place: Type<LogPlaceAt> = parsed(
  { label: '"stdout", "stderr" or a path', expected: '"stdout", "stderr" or the path of a file' },
  parseLogPlace,
)

/** `[log]`: how lines are written, and where they go. */
export const LOG = {
  format: optional(
    choice(['json', 'text', 'combined']),
    'json',
    'text at a terminal, JSON elsewhere',
    'How lines are written. `"combined"` is what nginx and Apache write, for requests; whatever else is said is text then.',
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

export type LogTable = Table<typeof LOG>
