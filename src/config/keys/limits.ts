/** Limits of a route and of the server: sizes, times and rates. `server/request/limit.ts` and `proxy` apply them. */

import type { Raw } from '../text/raw.ts'
import { duration } from '../values/duration.ts'
import { sizeFrom, sizeOrOff, sizeUpToOrOff } from '../values/size.ts'
import { choice, integer, integerOr, offIsNull } from '../values/value.ts'
import {
  APPLICATION,
  type Built,
  defaulted,
  FORWARDED,
  FREE,
  inherited,
  type Keys,
  optional,
  required,
  table,
} from './table.ts'

const PER = duration('1s', '24h')
const COUNT = integer(1, 1_000_000)

/** A count, or `"off"` for any. */
const countOrOff = offIsNull(integerOr(['off'], COUNT), '')

/** What every rate says. */
export const ALLOWANCE = {
  requests: required(COUNT, 100, 'How many requests may come in the time of `per`, spread over it evenly.'),
  per: defaulted(PER, '1m', '1s', 'The time for `requests`.'),
  burst: optional(
    COUNT,
    20,
    'as many as `requests`',
    'How many may come at once after a pause; further ones follow as `requests` and `per` allow.',
  ),
} as const satisfies Keys

/** How many requests may come, how many of them at once, and who shares them. */
export interface RateConfig extends Built<typeof ROUTE_RATE> {
  readonly burst: number
}

export const ROUTE_RATE = {
  ...ALLOWANCE,
  by: defaulted(
    choice(['client', 'user', 'route']),
    'client',
    'user',
    'Who shares a rate: `"client"` is an address (of IPv6 the first 64 bits), `"user"` the signed-in user (or the client without a sign-in), `"route"` all together.',
  ),
} as const satisfies Keys

type Allowance = Pick<RateConfig, 'requests' | 'perMs'> & { readonly burst: number | null }

function finishRate(fields: Allowance & Pick<RateConfig, 'by'>): RateConfig {
  return { ...fields, burst: fields.burst ?? fields.requests }
}

/** A rate of `[server]`: for each client, over all its requests. */
function serverRate(name: string) {
  const title = `\`${name}\` of \`[server]\``
  return table(ALLOWANCE, { title, meant: meantRate }, fields => finishRate({ ...fields, by: 'client' }))
}

/** A rate as other programs write it: `100/m`, `5r/s`, `100 per minute`; a number without a unit is per minute. */
function meantRate(raw: Raw): string | null {
  if (raw.kind === 'integer' && raw.value > 0) return `{ requests = ${raw.value}, per = "1m" }`
  if (raw.kind !== 'text' || raw.isFilled) return null
  const [, requests, count = '', unit = ''] =
    /^\s*(\d{1,7})\s*r?\s*(?:\/|per|r\/)\s*(\d{0,4})\s*(s|m|h|d)[a-z]*\s*$/i.exec(raw.source) ?? []
  return requests === undefined ? null : `{ requests = ${requests}, per = "${count || 1}${unit.toLowerCase()}" }`
}

/** Of a message of a WebSocket, where the file does not say. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/** What `[server]` limits. */
export const SERVER_LIMITS = {
  max_body: defaulted(
    sizeOrOff,
    'off',
    '1GB',
    "How long a request's body may be, on routes that do not say otherwise; a longer one is answered with 413.",
    { field: null },
  ),
  max_message: optional(
    sizeFrom('64KiB', '256MiB'),
    '64MiB',
    '16MiB',
    'The longest message of a WebSocket, in either direction. A longer one closes its connection (1009), with a line in the log. Each WebSocket may hold two such messages in memory. Read at start.',
    { build: bytes => bytes ?? MAX_MESSAGE_BYTES },
  ),
  max_open: defaulted(
    countOrOff,
    2000,
    200,
    'How many answers and uploads each client may have under way; further requests are answered with 429. A client is an address (of IPv6 the first 64 bits).',
  ),
  max_client_connections: defaulted(
    countOrOff,
    'off',
    500,
    'How many connections each client may have open, idle ones among them, with each worker; within two seconds those beyond it are closed, the quietest first. A client is an address (of IPv6 the first 64 bits); `trusted_proxies` have no limit. On Linux alone.',
    { field: 'maxConnections' },
  ),
  max_resets: defaulted(
    countOrOff,
    6000,
    600,
    'How many requests a minute each client may give up by HTTPS before they are answered, a sixth of them at once; while it has given up more, its requests are answered with 429. A client is an address (of IPv6 the first 64 bits).',
    { field: 'resets', build: perMinute },
  ),
  stall_timeout: defaulted(
    duration('1s', '24h'),
    '60s',
    '5m',
    'How long a client may take nothing of its answer, or send nothing of its request, and an application take nothing of a request, before it is cut.',
  ),
  stall_memory: optional(
    sizeFrom('10MB'),
    '256MB',
    'a quarter of the memory that the process may use, beyond 80 MB',
    'The memory for answers and uploads that are not read, in each process, at 2.5 MB each. Above it, the client that holds most loses the one that has waited longest, and more requests wait for a moment.',
  ),
  rate: optional(
    serverRate('rate'),
    { requests: 600, per: '1m', burst: 200 },
    'no limit',
    'How many requests each client may send, to all routes and pages together; further ones are answered with 429. Each worker, and each machine, counts for itself: with `workers = 4` up to four times as many may pass. The keys are those of a route, without `by`.',
  ),
  sign_in_rate: optional(
    serverRate('sign_in_rate'),
    { requests: 300, per: '1m', burst: 2000 },
    '60 a minute, and 300 at once',
    'How many sign-ins each client may begin; further ones are answered with 429. A client is an address (of IPv6 the first 64 bits), so raise it where many people share one, such as an office. The keys are those of `rate`; `burst` is at most 6000, and no more than 14000 may follow in an hour.',
    { field: 'signIns', build: rate => rate ?? SIGN_INS },
  ),
} as const satisfies Keys

/** Only against loops and floods, since many users may share an address. */
const SIGN_INS: RateConfig = { requests: 60, perMs: 60_000, burst: 300, by: 'client' }

/** A rate in a minute, a sixth of it at once. */
function perMinute(most: number | null): RateConfig | null {
  return most === null ? null : { requests: most, perMs: 60_000, burst: Math.ceil(most / 6), by: 'client' }
}

/** What a route limits. */
export const ROUTE_LIMITS = {
  max_body: inherited(
    { table: 'server', keys: SERVER_LIMITS },
    'max_body',
    '100MB',
    "How long a request's body may be; a longer one is answered with 413, before the application sees it where its length is announced.",
    { ...FREE, targets: FORWARDED },
  ),
  keep_posts: defaulted(
    sizeUpToOrOff('1MiB'),
    'off',
    '256KiB',
    'Keeps a form that met an expired sign-in, up to this size, for half an hour: sealed, for the person whose page it came from. Once they have signed in again they are asked whether to send it.',
    { ...FREE, targets: APPLICATION },
  ),
  rate: optional(
    table(ROUTE_RATE, { title: '`rate` of a route', meant: meantRate }, finishRate),
    { requests: 100, per: '1m', burst: 20, by: 'user' },
    'no limit',
    'How many requests may come; further ones are answered with 429 and `Retry-After`. Each worker, and each machine, counts for itself. The keys are below.',
    FREE,
  ),
} as const satisfies Keys
