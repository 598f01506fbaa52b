/** The keys of an upstream: addresses, balancing, TLS, health checks. */

import { basicField } from '../../base/basic-auth.ts'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { type Path, quote, type Raw, type RawText } from '../text/raw.ts'
import { createReport, type Report } from '../text/report.ts'
import { parseUpstream } from '../values/address.ts'
import { duration } from '../values/duration.ts'
import { parseHost } from '../values/host.ts'
import { readPem } from '../values/pem.ts'
import { splitTemplate, type TemplatePart } from '../values/template.ts'
import {
  type BuildContext,
  boolean,
  build,
  builtAs,
  choice,
  describe,
  either,
  integer,
  list,
  parsed,
  type TextNames,
  type Type,
  text,
} from '../values/value.ts'
import { parseSecret } from './secret.ts'
import { type Built, defaulted, FREE, type Keys, known, optional, required, type Table, table } from './table.ts'

/** By what requests are kept on one of several addresses; what a request lacks is replaced by its client's address. */
export type HashKey =
  | { readonly kind: 'client' }
  | { readonly kind: 'user' }
  | { readonly kind: 'cookie'; readonly name: string }
  /** Lower-case. */
  | { readonly kind: 'header'; readonly name: string }

const address = parsed(
  {
    label: 'address',
    expected: 'an address such as "http://app:3000" or "unix:/run/app.sock"',
    numberHint: 'a whole address, in quotes: "http://localhost:{n}"',
  },
  parseUpstream,
)
/** A file with certificates or a key, which the program takes as the text in it. */
export const pemFile = builtAs(
  parsed({ label: 'file', expected: 'the path of a PEM file' }, good<string>),
  (path, { files }) => readPem(path, files),
)
const serverName = parsed({ label: 'host', expected: 'a host such as "app.internal"' }, parseServerName)
const requestPath = parsed({ label: 'path', expected: 'a path such as "/healthz"' }, parseRequestPath)
const hash: Type<HashKey> = parsed(
  {
    label: '`"client"`, `"user"`, `"cookie:NAME"` or `"header:NAME"`',
    expected: '"client", "user", "cookie:NAME" or "header:NAME"',
  },
  parseHash,
)

function parseServerName(name: string): Parsed<string> {
  const host = parseHost(name)
  // RFC 6066 §3: an address is no server name.
  return host.ok && /^[0-9.]+$|^\[/.test(host.value)
    ? bad(
        'host.invalid',
        `${quote(name)} is an address, not a name`,
        'the name in the certificate, as in "app.internal"',
      )
    : host
}

function parseRequestPath(path: string): Parsed<string> {
  if (/^\/[!-~]*$/.test(path) && !path.includes('#')) return good(path)
  return bad('path.invalid', `${quote(path)} is not a path to ask for`, 'it begins with /, as in "/healthz"')
}

/** Text that speaks of a person where it has a placeholder; what comes from `${…}` is taken as it is. */
function credential(
  names: TextNames,
  check: (parts: readonly TemplatePart[], text: string, at: Path, isFilled: boolean) => Parsed<readonly TemplatePart[]>,
): Type<readonly TemplatePart[]> {
  const literal = parsed(names, (value, at, isFilled) => check([{ kind: 'text', text: value }], value, at, isFilled))
  const template = parsed(names, (value, at, isFilled) => {
    const parts = splitTemplate(value)
    if (!parts.ok) return bad('upstream.basic_auth', parts.message, parts.hint, parts.mark)
    const odd = parts.value.find(part => part.kind === 'request')
    if (odd === undefined) return check(parts.value, value, at, isFilled)
    return bad('upstream.basic_auth', `{${odd.name}} says nothing of a person`, 'as in "{email}"', `{${odd.name}}`)
  })
  return {
    ...describe(template),
    read(raw: Raw, report: Report) {
      const written = raw.kind === 'text' ? templateIn(raw) : null
      return written === null ? literal.read(raw, report) : template.read(written, report)
    },
  }
}

/** A text with braces of the file's own, in which those of what was filled in are doubled; null where it has none. */
function templateIn(raw: RawText): RawText | null {
  const { text, pieces = [{ text: text ?? '', isLiteral: false }] } = raw
  if (pieces.every(piece => piece.isLiteral || !/[{}]/.test(piece.text))) return null
  const doubled = pieces.map(piece => (piece.isLiteral ? piece.text.replace(/[{}]/g, '$&$&') : piece.text)).join('')
  return { ...raw, text: text === null ? null : doubled }
}

function checkUser(parts: readonly TemplatePart[], text: string): Parsed<readonly TemplatePart[]> {
  if (!parts.some(part => part.kind === 'text' && part.text.includes(':'))) return good(parts)
  return bad('upstream.basic_auth', `${quote(text)} has a colon in it`, 'RFC 7617 has no way to send it', ':')
}

function checkPassword(
  parts: readonly TemplatePart[],
  text: string,
  at: Path,
  isFilled: boolean,
): Parsed<readonly TemplatePart[]> {
  const secret = parseSecret(text, at, isFilled)
  return secret.ok ? good(parts) : secret
}

function parseHash(key: string): Parsed<HashKey> {
  if (key === 'client' || key === 'user') return good({ kind: key })
  const [, kind, name = ''] = /^(cookie|header):([!#$%&'*+.^_`|~0-9A-Za-z-]+)$/.exec(key) ?? []
  if (kind === 'cookie') return good({ kind, name })
  if (kind === 'header') return good({ kind, name: name.toLowerCase() })
  return bad(
    'upstream.hash',
    `${quote(key)} is nothing to share by`,
    '"client", "user", "cookie:NAME" or "header:NAME"',
  )
}

/** `tls` of an upstream: whom to trust, and who we are. */
export const UPSTREAM_TLS = {
  ca: optional(
    pemFile,
    'internal-ca.pem',
    "the system's",
    'The only authorities whose certificates are trusted: a PEM file, read again when it changes.',
  ),
  server_name: optional(
    serverName,
    'app.internal',
    "the address's host",
    'The name that the certificate must have, where it is not the host of the address.',
  ),
  cert: optional(
    pemFile,
    'gate.pem',
    'none',
    'Our own certificate, for an upstream that asks for one: a PEM file with its chain.',
    { field: null },
  ),
  key: optional(pemFile, 'gate-key.pem', 'none', 'The private key of `cert`: a PEM file without a passphrase.', {
    field: null,
  }),
  insecure_skip_verify: defaulted(
    boolean,
    false,
    true,
    'Trusts any certificate, so that anyone on the way can read and change everything. Said at every start.',
  ),
} as const satisfies Keys

/** TLS to an upstream, as PEM texts. */
export interface UpstreamTls extends Built<typeof UPSTREAM_TLS> {
  /** Our certificate and its key, for an upstream that asks. */
  readonly own: { readonly cert: string; readonly key: string } | null
}

const tls = table(UPSTREAM_TLS, { title: '[upstreams.NAME.tls]' }, (fields, { cert, key }, { files }): UpstreamTls => {
  const own = cert === null || key === null ? null : { cert: readPem(cert, files), key: readPem(key, files) }
  return { ...fields, own }
})

/** `health` of an upstream: how each address is asked whether it is well. */
export const HEALTH = {
  path: defaulted(requestPath, '/', '/healthz', 'What to ask each address for, below its own path.'),
  host: optional(
    serverName,
    'app.example.com',
    "the address's host",
    'The Host field of the question, for applications that look at it.',
  ),
  interval: defaulted(
    duration('100ms', '24h'),
    '10s',
    '5s',
    'How long to wait between two questions to one address.',
    FREE,
  ),
  timeout: defaulted(duration('10ms', '5m'), '2s', '1s', 'How long the whole head of an answer may take.', FREE),
  unhealthy_after: defaulted(integer(1, 1000), 3, 2, 'Bad answers in a row after which an address is left out.', FREE),
  healthy_after: defaulted(integer(1, 1000), 2, 1, 'Good answers in a row after which it is taken back.', FREE),
  status: optional(
    list(integer(100, 599), { single: true }),
    [200, 204],
    'any 2xx',
    'The status codes of a good answer.',
    FREE,
  ),
} as const satisfies Keys

/** How each address of an upstream is asked whether it is well. */
export type HealthConfig = Built<typeof HEALTH>

/** `basic_auth` of an upstream: our name and password there. */
export const BASIC_AUTH = {
  user: required(
    credential({ label: 'template', expected: 'a user name without a colon' }, checkUser),
    'sallyport',
    'The user name there; without a colon. `{email}` and the other placeholders of `headers` stand for whoever is signed in; where they say nothing, no credentials are sent.',
  ),
  password: required(
    credential({ label: 'template', expected: 'a password', isSecret: true }, checkPassword),
    '${APP_PASSWORD}',
    'The password there; it may have placeholders too. A brace that stands for itself is doubled, but not in what comes from the environment or a file.',
    FREE,
  ),
} as const satisfies Keys

/** Basic credentials that speak of a person. */
export type BasicTemplates = Built<typeof BASIC_AUTH>

/** What we are called at an upstream. */
interface Credentials {
  /** An Authorization field (RFC 7617); null: nothing is sent. */
  readonly authorization: string | null
  /** The user name and password of each user there, in place of `authorization`; null: not per user. */
  readonly personal: BasicTemplates | null
}

const basicAuth = table(BASIC_AUTH, { title: '[upstreams.NAME.basic_auth]' }, buildCredentials)

/** Credentials that depend on no user are written once, in advance. */
function buildCredentials(templates: BasicTemplates): Credentials {
  const [name, secret] = [literalOf(templates.user), literalOf(templates.password)]
  if (name === null || secret === null) return { authorization: null, personal: templates }
  return { authorization: basicField(name, secret), personal: null }
}

function literalOf(parts: readonly TemplatePart[]): string | null {
  const texts = parts.filter(part => part.kind === 'text')
  return texts.length === parts.length ? texts.map(({ text }) => text).join('') : null
}

/** `[upstreams.NAME]`, or the table that a route's `upstream` may be. */
export const UPSTREAM = {
  to: required(
    list(address, { single: true }),
    ['http://10.0.0.5:3000', 'http://10.0.0.6:3000'],
    'Where the application answers: `http://`, `https://` or `unix:/path`.',
    { field: 'addresses' },
  ),
  balance: defaulted(
    choice(['round-robin', 'least-connections', 'hash']),
    'round-robin',
    'least-connections',
    'How several addresses share the requests. An address that fails is left out for a while, as long as another is left.',
    FREE,
  ),
  hash: optional(
    hash,
    'cookie:node',
    '`"client"`',
    'What keeps requests on one address when `balance` is `"hash"`: the client\'s address, the person, a cookie or a field. Where it is missing, the client\'s address.',
    { ...FREE, build: (key): HashKey => key ?? { kind: 'client' } },
  ),
  tls: optional(
    tls,
    { ca: 'internal-ca.pem' },
    'verified by the system',
    'For `https://` addresses; its keys are below.',
  ),
  http2: defaulted(
    boolean,
    false,
    true,
    'Speak HTTP/2 to `https://` addresses, many requests over one connection. WebSockets stay with HTTP/1.1.',
  ),
  connect_timeout: defaulted(
    duration('50ms', '5m'),
    '10s',
    '2s',
    'How long a connection may take before the address counts as unreachable.',
    FREE,
  ),
  idle_timeout: optional(
    duration('50ms', '24h'),
    '30s',
    '5 minutes',
    'How long an answer that has begun may be silent before it is cut. Event streams and WebSockets may be silent for ever.',
    FREE,
  ),
  max_connections: optional(
    integer(1, 1_000_000),
    100,
    'no limit',
    'Requests and WebSockets under way at a time; more wait in a queue.',
    FREE,
  ),
  queue: defaulted(
    integer(0, 1_000_000),
    100,
    0,
    'How many requests may wait for `max_connections`; more are answered with 503.',
    FREE,
  ),
  queue_timeout: defaulted(
    duration('10ms', '2m'),
    '2s',
    '10s',
    'How long a request may wait for `max_connections` before it is answered with 503.',
    FREE,
  ),
  basic_auth: optional(
    basicAuth,
    { user: 'sallyport', password: '${APP_PASSWORD}' },
    'what the client sends',
    'Credentials for the application, sent as Authorization in place of what a client sends; its keys are below.',
    { field: null },
  ),
  health: optional(
    table(HEALTH, { title: '[upstreams.NAME.health]' }),
    { path: '/healthz' },
    'not asked',
    'Ask each address by itself whether it is well; its keys are below.',
  ),
} as const satisfies Keys

export type UpstreamTable = Table<typeof UPSTREAM>

export interface UpstreamConfig extends Built<typeof UPSTREAM>, Credentials {
  /** Used where `balance` is `hash`. */
  readonly hash: HashKey
  /** The table's name in `[upstreams]`; null for one that is written at its route. */
  readonly name: string | null
}

/** What a route's `upstream` can be. */
export type UpstreamSpec =
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'own'; readonly table: UpstreamTable }

const name = text('"@" and the name of a table in [upstreams]')
const own = table(UPSTREAM, { title: '[routes.upstream]' })

/** An upstream of a file without mistakes, and its `name` in `[upstreams]`. */
export function buildUpstream(table: UpstreamTable, name: string | null, context: BuildContext): UpstreamConfig {
  const { basic_auth: credentials } = known(table)
  const { authorization, personal } =
    credentials === null ? { authorization: null, personal: null } : build(basicAuth, credentials, context)
  return { name, ...build(own, table, context), authorization, personal }
}
const addresses = list(address, { single: true })

const plain: Type<UpstreamSpec> = {
  ...describe(addresses),
  read(raw, report) {
    if (raw.kind === 'text' && raw.text?.startsWith('@') === true) {
      const named = name.read(raw, report)
      return named === undefined ? undefined : { kind: 'named', name: named.slice(1) }
    }
    const to = addresses.read(raw, report)
    if (to === undefined) return undefined
    // Addresses without a table become a table with nothing else in it, so that every default is in one place.
    const whole = own.read({ kind: 'table', at: raw.at, entries: new Map([['to', raw]]) }, createReport())
    return whole === undefined ? undefined : { kind: 'own', table: whole }
  },
}

const inTable: Type<UpstreamSpec> = {
  ...describe(own),
  read(raw, report) {
    const read = own.read(raw, report)
    return read === undefined ? undefined : { kind: 'own', table: read }
  },
}

/** A route's `upstream`: addresses, `"@NAME"`, or its own table. */
export const upstreamSpec: Type<UpstreamSpec> & { readonly keys: typeof UPSTREAM } = {
  keys: UPSTREAM,
  ...either(raw => raw.kind === 'table', inTable, plain),
  label: 'address, or a list; `"@NAME"`; or table',
  expected: plain.expected,
}
