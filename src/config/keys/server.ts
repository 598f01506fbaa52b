/** The keys of `[server]`. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { duration } from '../values/duration.ts'
import { foldFieldName, IDENTITY, OWNED, TOKEN } from '../values/headers.ts'
import { parseHost } from '../values/host.ts'
import { type ListenAddress, parseListen, parseNetwork } from '../values/listen.ts'
import { boolean, choice, integer, integerOr, list, parsed, type Type } from '../values/value.ts'
import { SERVER_LIMITS } from './limits.ts'
import { finishOutgoing, OUTGOING } from './outgoing.ts'
import { OUTGOING_WORDS } from './synonyms.ts'
import { type Built, defaulted, type Keys, optional, table } from './table.ts'

const listenAddress: Type<ListenAddress> = parsed(
  {
    label: '`host:port` or `unix:/path`',
    expected: '"host:port" or "unix:/path"',
    numberHint: 'with the address, in quotes: "0.0.0.0:{n}"',
  },
  parseListen,
)

const adminHost = parsed({ label: 'host', expected: 'a host such as "sallyport"' }, parseHost)

const network = parsed({ label: 'CIDR', expected: 'a network such as "10.0.0.0/8"' }, parseNetwork)

function parseTrustedField(name: string): Parsed<string> {
  if (!TOKEN.test(name)) return bad('header.name', `${quote(name)} is not a field name`, 'letters, digits and dashes')
  const folded = foldFieldName(name)
  if (OWNED.test(folded) || IDENTITY.test(folded) || OURS.test(folded)) {
    const hint = 'Sallyport writes or reads it itself; a trusted proxy can say it in a field of another name'
    return bad('header.owned', `${quote(name)} cannot be a trusted field`, hint)
  }
  return good(name.toLowerCase())
}

function parseClientField(name: string): Parsed<string> {
  const lower = name.toLowerCase()
  if (foldFieldName(name) !== lower || !/^[a-z]/.test(lower))
    return bad('header.name', `${quote(name)} cannot be a field with an address`, 'letters, digits and dashes')
  if (lower === 'x-forwarded-for' || lower === 'x-real-ip') return good(name)
  if (lower === 'forwarded')
    return bad('header.owned', 'Forwarded is not read', 'let the proxy in front send X-Real-IP or X-Forwarded-For too')
  if (OWNED.test(lower) || IDENTITY.test(lower) || OURS.test(lower)) {
    return bad('header.owned', `${quote(name)} says something else`, 'as in "X-Real-IP" or "CF-Connecting-IP"')
  }
  return good(name)
}

const clientField = parsed({ label: 'field name', expected: 'the name of a field' }, parseClientField)

/**
 * Fields that pass unchanged from any client, that only Sallyport may write, or that name another method than the one
 * that the rules check.
 */
const OURS =
  /^(?:x-sallyport-.*|x-request-id|http2-settings|authorization|content-.*|x-http-method.*|x-method-override)$/

const trustedField = parsed({ label: 'field name', expected: 'the name of a field' }, parseTrustedField)

const workers: Type<number | 'auto'> = integerOr(['auto'], integer(1, 256))

/** `[server]`: the listeners and the process. */
export const SERVER = {
  listen: defaulted(
    list(listenAddress, { single: true, mayBeEmpty: true }),
    ['0.0.0.0:8080'],
    ['0.0.0.0:8080', '[::]:8080'],
    'Where to accept plain HTTP, from browsers or from a TLS proxy in front. `[::]` takes IPv4 too, unless an IPv4 address is listed with the same port. With `[tls]`, `[]` takes none.',
    { field: null },
  ),
  trusted_proxies: defaulted(
    list(network, { single: true, mayBeEmpty: true }),
    [],
    ['10.0.0.0/8'],
    'Peers whose `X-Forwarded-*` fields are believed. From anyone else they are dropped.',
  ),
  client_address: defaulted(
    clientField,
    'X-Forwarded-For',
    'X-Real-IP',
    'The field in which `trusted_proxies` say the client’s address, and nobody else does: the one that your proxy writes anew ([which](behind-a-proxy.md#the-clients-address)). `X-Forwarded-For` is a list; any other is one address, and two are 400. Without it the address is not known, and no rule with `networks` lets anybody in.',
  ),
  trusted_fields: defaulted(
    list(trustedField, { single: true, mayBeEmpty: true }),
    [],
    ['X-SSL-Client-Verify', 'X-SSL-Client-S-DN'],
    'Fields in which `trusted_proxies` say who is there, such as by a client certificate. From them they go on to applications, from anyone else they are dropped. What other gates are known to write is dropped where it is not named here.',
  ),
  workers: defaulted(
    workers,
    1,
    'auto',
    'Processes that share the ports and the sessions; `"auto"` is one for each core. A `unix:` listener is the first one’s alone.',
  ),
  admin: optional(
    listenAddress,
    '127.0.0.1:9464',
    'what `SALLYPORT_ADMIN` says where it is set (in the container `127.0.0.1:9464`), else not served',
    'Where `/healthz`, `/readyz`, `/metrics` and `/status.json` are answered; never on the public listeners.',
    { field: null },
  ),
  admin_hosts: defaulted(
    list(adminHost, { single: true, mayBeEmpty: true }),
    [],
    ['sallyport', 'gate.lan'],
    'More names for `admin`, as in `http://sallyport:9464/metrics`; `localhost` and its own address always work. Any other `Host` gets 403, since a web page can let its own name lead there.',
  ),
  verify: optional(
    list(listenAddress, { single: true }),
    '127.0.0.1:9080',
    'not served',
    'Where proxies in front ask about routes with `verify = true`: a place that they reach and their clients do not. Nothing else is answered there, and no verdict is given anywhere else.',
    { field: null },
  ),
  outgoing: optional(
    table(OUTGOING, { title: '[server.outgoing]', synonyms: OUTGOING_WORDS }, finishOutgoing),
    { proxy: 'http://proxy:3128', except: ['10.0.0.0/8', '.lan'] },
    'asked directly',
    'A proxy by which providers, the authority of `[tls.acme]`, the receiver of `[telemetry]` and webhooks are asked; applications never. `HTTPS_PROXY` and its kin do nothing here. The keys are below.',
  ),
  access_log: defaulted(boolean, true, false, 'One line in the log for every request.'),
  log_level: defaulted(
    choice(['debug', 'info', 'warn', 'error']),
    'info',
    'debug',
    'The least important kind of line that is written.',
  ),
  drain: defaulted(
    duration('0s', '1h'),
    '10s',
    '30s',
    'How long requests in flight may take to finish after a signal to stop.',
  ),
  edit: defaulted(
    boolean,
    false,
    true,
    'Whether the file may be changed on a page, by a user with the `admin_role` of its only portal who has just signed in. What reaches into this machine (programs, files, folders, local sockets, references to secrets) is not changed there, nor where a secret is sent.',
    { field: 'isEditable' },
  ),
  ...SERVER_LIMITS,
} as const satisfies Keys

export interface ServerConfig extends Built<typeof SERVER> {
  readonly listen: readonly ListenAddress[]
  readonly admin: ListenAddress | null
  /** Where proxies in front ask whether a request may pass; empty: nowhere. */
  readonly verify: readonly ListenAddress[]
}
