/** The keys of `[sessions]`, and the lifetimes that a portal may set for itself. */

import { resolve } from 'node:path'
import { good } from '../text/diagnostic.ts'
import { duration } from '../values/duration.ts'
import { readPem } from '../values/pem.ts'
import { sizeFrom } from '../values/size.ts'
import { parseSealKey, parseStore, type StoreConfig } from '../values/store.ts'
import { builtAs, choice, either, integer, list, mapped, offIsNull, parsed, type Type } from '../values/value.ts'
import { parseSecret } from './secret.ts'
import { type Built, defaulted, FREE, inherited, type Keys, optional, table } from './table.ts'

/** Bounds and meaning of the four lifetimes, the same in `[sessions]` and in a portal. */
const LIFETIME = duration('1m', '365d')

const REFRESH = offIsNull(
  either(raw => raw.kind === 'text' && raw.text === 'off', choice(['off']), duration('10s', '30d')),
  'Ms',
)

const REFRESH_LIMIT = duration('10s', '90d')

const store = builtAs(
  parsed({ label: '`sqlite:PATH` or `redis://HOST`', expected: '"sqlite:PATH" or "redis://HOST"' }, parseStore),
  (at, { directory }) => at(directory),
)

/** A PEM file, and what is in it now. */
const pemFile = builtAs(
  parsed({ label: 'file', expected: 'the path of a PEM file' }, good<string>),
  (path, { files, directory }) => ({ path: resolve(directory, path), text: readPem(path, files) }),
)

/** `store_tls` of `[sessions]`: whom to trust at a Redis or Valkey server, and who we are. */
export const STORE_TLS = {
  ca: optional(
    pemFile,
    'valkey-ca.pem',
    "the system's",
    'The only authorities whose certificates are trusted: a PEM file.',
  ),
  cert: optional(
    pemFile,
    'gate.pem',
    'none',
    'Our own certificate, for a server that asks for one: a PEM file with its chain.',
  ),
  key: optional(pemFile, 'gate-key.pem', 'none', 'The private key of `cert`: a PEM file without a passphrase.'),
} as const satisfies Keys

const sealKey: Type<string> = parsed(
  { label: '32 bytes in base64', expected: 'a key of 32 bytes in base64', isSecret: true },
  (text, at, isFilled) => {
    const key = parseSecret(text, at, isFilled)
    return key.ok ? parseSealKey(text) : key
  },
)

/** What a session takes where `cache` counts them: one with some 0.5 kB of claims, and a cookie. */
const CACHED_BYTES = 5_000

const CACHE: Type<number> = either(
  raw => raw.kind !== 'text' || /^\d+$/.test(raw.source),
  mapped(integer(1, 10_000_000), count => count * CACHED_BYTES),
  sizeFrom('1MB'),
)

/** `[sessions]`: how long a sign-in lasts, and where it is kept. */
export const SESSIONS = {
  store: optional(
    store,
    'sqlite:/var/lib/sallyport/sallyport.db',
    '`sqlite:sallyport.db`, in the folder that `SALLYPORT_DATA` names where it is set (in the container `/data`)',
    'The session database; a relative path starts at the config file\'s folder. `sqlite::memory:` forgets everyone at a restart. `redis://` or `valkey://`, with an `s` for TLS, are for several machines: `"rediss://:${REDIS_PASSWORD}@valkey.example.com:6379/0"`. A password that is filled in so is taken as it is; in one that stands in the file, `%40` is `@`. Of several addresses, one server is the primary: `redis://one:6379,two:6379`. `redis+sentinel://` names [sentinels](operations.md#sentinel), `redis+cluster://` [some nodes of a cluster](operations.md#in-a-cluster), and `redis+unix:///run/valkey.sock` a socket. With `?prefix=gate-b` at the end, keys begin with `gate-b:`.',
  ),
  store_tls: optional(
    table(STORE_TLS, { title: '[sessions.store_tls]' }, ({ ca, cert, key }) => ({
      ca,
      own: cert === null || key === null ? null : { cert, key },
    })),
    { ca: 'valkey-ca.pem', cert: 'gate.pem', key: 'gate-key.pem' },
    "the system's authorities, and no certificate",
    'TLS to the servers and sentinels of `store`, if that begins with `rediss` or `valkeys`. Each new connection reads the files again.',
  ),
  key: optional(
    list(sealKey, { single: true, isSecret: true }),
    '${file:/run/secrets/sallyport-key}',
    '`sallyport.key` beside the database, made at the first start',
    'Seals tokens and pending sign-ins at rest: 32 bytes, as `openssl rand -base64 32` makes them. Needed for `redis://`, the same on every machine. Of a list the first seals, and all open: so a key is changed without signing anybody out ([how](operations.md#another-key)).',
    { ...FREE, field: 'keys' },
  ),
  lifetime: defaulted(LIFETIME, '12h', '7d', 'How long a sign-in lasts, from its start.', FREE),
  idle: defaulted(LIFETIME, '2h', '30m', 'How long a sign-in lasts without a request.', FREE),
  refresh: defaulted(
    REFRESH,
    '15m',
    '5m',
    'How often the provider is asked again for the user’s claims, and whether the user may still sign in, or `"off"`. It needs a refresh token: `offline_access` is asked for if a sign-in brought none and the provider lists it.',
    FREE,
  ),
  refresh_limit: optional(
    REFRESH_LIMIT,
    '2h',
    '4 × `refresh`',
    'How long old answers count while the provider cannot be asked.',
    FREE,
  ),
  cache: optional(
    CACHE,
    '200MB',
    'an eighth of the memory that the process may use, beyond 80 MB: from 16 MB to 512 MB',
    'Memory of each process for sessions in front of the database: about 4 kB for one with 0.4 kB of claims. API tokens and guest links may take a quarter of it each. A number without a unit counts sessions, at 5 kB.',
    { ...FREE, field: 'cacheBytes' },
  ),
} as const satisfies Keys

const OUTER = { table: 'sessions', keys: SESSIONS }

/** What a portal may say otherwise than `[sessions]`, and what only a portal says. */
export const PORTAL_SESSIONS = {
  lifetime: inherited(OUTER, 'lifetime', '7d', 'How long a sign-in at this portal lasts, from its start.'),
  idle: inherited(OUTER, 'idle', '30m', 'How long a sign-in at this portal lasts without a request.'),
  refresh: inherited(OUTER, 'refresh', '5m', 'How often the provider is asked again about people of this portal.'),
  refresh_limit: inherited(
    OUTER,
    'refresh_limit',
    '20m',
    'How long old answers count at this portal while the provider cannot be asked.',
  ),
  remember: optional(
    LIFETIME,
    '30d',
    'no such choice',
    'Lets people choose to stay signed in on a device for this long, idle or not. Who does not choose it is signed out with the browser.',
  ),
} as const satisfies Keys

/** How long sign-ins last and how often they are checked: of `[sessions]`, or of one portal. */
export interface LifetimeConfig {
  /** Absolute: from sign-in. */
  readonly lifetimeMs: number
  /** Since the last request. */
  readonly idleMs: number
  /** How often the provider is asked again; null: never. */
  readonly refreshMs: number | null
  /** How long an old answer counts while the provider cannot be asked; of no meaning where `refreshMs` is null. */
  readonly refreshLimitMs: number
}

/** Those of a portal; `rememberMs`, absolute and idle, is of a sign-in that its owner chose to keep: null where there is no such choice. */
export interface PortalLifetimes extends LifetimeConfig, Pick<Built<typeof PORTAL_SESSIONS>, 'rememberMs'> {}

/** How many refreshes may fail before old answers no longer count, where the file does not say. */
const REFRESHES_MISSED = 4

export function refreshLimit(fields: Pick<Built<typeof SESSIONS>, 'refreshMs' | 'refreshLimitMs'>): number {
  return fields.refreshLimitMs ?? (fields.refreshMs ?? 0) * REFRESHES_MISSED
}

/** `[sessions]`. Keys are of 32 bytes as base64url: the first seals, and all open; null: they are in a file beside the database. */
export interface SessionsConfig extends Built<typeof SESSIONS>, LifetimeConfig {
  readonly store: StoreConfig
  readonly refreshLimitMs: number
}
