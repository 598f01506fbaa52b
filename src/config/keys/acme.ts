/** The keys of `[tls.acme]`. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { type Path, quote } from '../text/raw.ts'
import { duration } from '../values/duration.ts'
import { parseEmail } from '../values/email.ts'
import { parseHost, parseHostPattern } from '../values/host.ts'
import { list, parsed } from '../values/value.ts'
import { ownName, parseSecret, secret } from './secret.ts'
import { type Built, defaulted, FREE, type Keys, named, optional, required, type Table, table } from './table.ts'
import { pemFile } from './upstreams.ts'

export interface NameServer {
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
}

/** A name server: a host or an address, with a port where it is not 53; IPv6 in brackets. */
function parseNameServer(text: string): Parsed<NameServer> {
  const [, name = text, digits = '53'] = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(text) ?? []
  const not = `${quote(text)} is not a name server`
  const host = parseHost(name)
  if (!host.ok) return bad('tls.dns', not, host.hint === '' ? 'as "host" or "host:port"' : host.hint)
  const port = Number(digits)
  if (port < 1 || port > 65_535) return bad('tls.dns', not, 'ports are 1 to 65535', digits)
  return good({ host: host.value.replace(/^\[|\]$/g, ''), port })
}

const hostPattern = parsed({ label: 'host', expected: 'a host such as "*.example.com"' }, parseHostPattern)
const domain = parsed({ label: 'host', expected: 'a zone such as "example.com"' }, parseHost)
const keyName = parsed({ label: 'name', expected: 'the name of a key, such as "sallyport"' }, parseKeyName)
const VARIABLE = { form: /^[A-Za-z_][A-Za-z0-9_]{0,63}$/, hint: 'letters, digits and _ only, with a letter first' }

function parseKeyName(text: string): Parsed<string> {
  if (/^(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?$/.test(text) && text.length < 250)
    return good(text.replace(/\.$/, ''))
  return bad(
    'tls.dns',
    `${quote(text)} cannot be the name of a key`,
    'as the server has it: letters, digits, - and _, with dots between',
  )
}

const directory = parsed(
  { label: 'https address', expected: 'an address such as "https://acme-v02.api.letsencrypt.org/directory"' },
  parseDirectory,
)

function parseDirectory(text: string): Parsed<string> {
  const address = URL.parse(text)
  if (address?.protocol === 'https:' && address.username === '' && address.hash === '') return good(text)
  return bad(
    'tls.acme',
    `${quote(text)} is not the address of a directory`,
    'it begins with https://, without a name in it',
  )
}

const bindingKey = parsed(
  { label: 'base64url', expected: 'a key in base64url', isSecret: true },
  (text: string, at: Path, isFilled: boolean): Parsed<string> => {
    const whole = parseSecret(text, at, isFilled)
    if (!whole.ok || /^[A-Za-z0-9_-]{16,}={0,2}$/.test(text)) return whole
    return bad('tls.external_account', 'key is not base64url', 'as the authority gives it, without spaces')
  },
)

/** `external_account` of `[tls.acme]`: an account elsewhere that vouches for ours at an authority (RFC 8555 §7.3.4). */
export const EXTERNAL_ACCOUNT = {
  id: required(ownName, 'kid-1', 'What the authority calls it: its key id (kid).'),
  key: required(bindingKey, '${EAB_KEY}', 'Its HMAC key, as the authority gives it.'),
} as const satisfies Keys

export type ExternalAccount = Built<typeof EXTERNAL_ACCOUNT>

const nameServer = parsed(
  { label: '`host` or `host:port`', expected: 'a name server such as "ns1.example.com" or "10.0.0.2:53"' },
  parseNameServer,
)

/** Base64 as `tsig-keygen` writes it; an HMAC of less than 128 bits is none (RFC 8945 §10). */
const tsigKey = parsed(
  { label: 'base64', expected: 'a key in base64', isSecret: true },
  (text: string, at: Path, isFilled: boolean): Parsed<string> => {
    const whole = parseSecret(text, at, isFilled)
    if (!whole.ok || (/^[A-Za-z0-9+/]+={0,2}$/.test(text) && Buffer.from(text, 'base64').length >= 16)) return whole
    return bad('tls.dns', 'key is no base64 of 16 bytes or more', 'the secret as tsig-keygen prints it')
  },
)

/** Arguments may be secrets. */
const program = parsed(
  { label: 'text', expected: 'a program and its arguments, each as a separate text', isHidden: true },
  good,
)

/** `dns` of `[tls.acme]`. */
export const ACME_DNS = {
  server: optional(
    nameServer,
    'ns1.example.com',
    'none',
    'The primary name server of the zones, which takes updates (RFC 2136) by TCP; port 53 unless one is named.',
    { field: null },
  ),
  key_name: optional(keyName, 'sallyport', 'none', 'What that server calls the key.', { field: null }),
  key: optional(
    tsigKey,
    '${TSIG_KEY}',
    'none',
    'The key with which updates are signed (TSIG, `hmac-sha256`), in base64.',
    { field: null },
  ),
  zone: optional(
    domain,
    'example.com',
    'asked for at `server`',
    'The zone that updates are for, where the server does not tell.',
    { field: null },
  ),
  exec: optional(
    list(program, { single: true }),
    ['/usr/local/bin/dns-record'],
    'none',
    'In place of `server`: a program, by its whole path, and its first arguments. It is run without a shell, with `present NAME TEXT` and later `cleanup NAME TEXT` behind them, and is to end with status 0 once it has written the record, or taken away that one.',
    { field: null },
  ),
  env: optional(
    named(secret, 'variable', () => {}, VARIABLE),
    { API_TOKEN: '${DNS_API_TOKEN}' },
    'none',
    'The environment of `exec`, in addition to PATH, HOME, LANG and TZ. It gets no other variable.',
    { field: null },
  ),
  timeout: defaulted(duration('1s', '1h'), '2m', '5m', 'How long `exec` may take; then it is killed.', { field: null }),
  wait: defaulted(
    duration('2s', '1h'),
    '2m',
    '10m',
    'How long a record may take to be seen by everyone in `resolvers`.',
  ),
  resolvers: optional(
    list(nameServer, { single: true }),
    ['9.9.9.9', '10.0.0.2:5353'],
    'the name servers of the zone',
    'The name servers that are asked for a record, and for the CNAME of `_acme-challenge`. By default the system is asked for the CNAME. Set it if this network has its own DNS for the zone.',
    { build: servers => servers ?? [] },
  ),
} as const satisfies Keys

/** A primary name server that takes updates (RFC 2136) signed with a key by HMAC-SHA256 (RFC 8945). */
export interface DnsUpdate {
  readonly kind: 'update'
  readonly server: NameServer
  /** Null: asked for at the server. */
  readonly zone: string | null
  readonly keyName: string
  /** Base64; secret. */
  readonly key: string
}

/** A program that writes records. */
export interface DnsProgram {
  readonly kind: 'program'
  /** Its path, and its first arguments. */
  readonly command: readonly string[]
  /** Secret. */
  readonly env: ReadonlyMap<string, string>
  readonly timeoutMs: number
}

/**
 * `[tls.acme.dns]`: how names are proved by records in DNS. Without `resolvers`, the name servers of a name's zone are asked whether a
 * record exists, as the system's resolver finds them.
 */
export interface AcmeDns extends Built<typeof ACME_DNS> {
  readonly writer: DnsUpdate | DnsProgram
}

const dns = table(ACME_DNS, { title: '[tls.acme.dns]' }, (fields, values): AcmeDns => {
  const { server, key_name, key, zone, exec, env, timeout } = values
  if (exec !== null) {
    return { ...fields, writer: { kind: 'program', command: exec, env: env ?? new Map(), timeoutMs: timeout } }
  }
  if (server === null || key_name === null || key === null) throw new TypeError('dns has no way to write')
  return { ...fields, writer: { kind: 'update', server, zone, keyName: key_name, key } }
})

/** `acme` of `[tls]`. */
export const ACME = {
  email: optional(
    parsed({ label: 'e-mail address', expected: 'an e-mail address' }, parseEmail),
    'me@example.com',
    'none',
    'Where the authority may write to you.',
    FREE,
  ),
  directory: defaulted(
    directory,
    'https://acme-v02.api.letsencrypt.org/directory',
    'https://acme-staging-v02.api.letsencrypt.org/directory',
    "The authority's directory. Naming it, or leaving it at Let's Encrypt, agrees to the authority's terms of service.",
  ),
  ca: optional(
    pemFile,
    'internal-ca.pem',
    "the system's",
    'The only authorities whose certificates are trusted at `directory`: a PEM file, for an authority of your own.',
  ),
  names: optional(
    list(hostPattern, { single: true }),
    ['*.example.com'],
    'none',
    'More names to get certificates for. A host that `*.example.com` covers, here or in a route, gets no separate certificate, so public lists of certificates do not show it. Wildcards need `dns`.',
    { ...FREE, field: null },
  ),
  dns: optional(
    dns,
    { server: 'ns1.example.com', key_name: 'sallyport', key: '${TSIG_KEY}' },
    'by http-01',
    'Prove names by records in DNS (dns-01), which wildcards take, and which needs no port 80; its keys are below.',
  ),
  external_account: optional(
    table(EXTERNAL_ACCOUNT, { title: '[tls.acme.external_account]' }),
    { id: 'kid-1', key: '${EAB_KEY}' },
    'none',
    'Your account elsewhere, for an authority that asks for one (external account binding); its keys are below.',
  ),
} as const satisfies Keys

export type AcmeDnsTable = Table<typeof ACME_DNS>
