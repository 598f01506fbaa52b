import { bad, good, type Parsed } from '../text/outcome.ts'
import { type Path, quote } from '../text/raw.ts'
import type { ListenAddress } from '../types/server.ts'
import { duration } from '../values/duration.ts'
import { parseEmail } from '../values/email.ts'
import { parsePortListen } from '../values/listen.ts'
import { boolean, integer, list, parsed, type Type } from '../values/value.ts'
import { ownName, parseSecret } from './secret.ts'
import { defaulted, type Keys, optional, required, type Table, table, tables } from './table.ts'
import { pemFile } from './upstreams.ts'

/** One certificate of `[tls]`. */
export const CERTIFICATE = {
  cert: required(
    pemFile,
    'example.com.pem',
    'The certificate with its chain, its own first: a PEM file, as `fullchain.pem` of certbot. It is chosen by the names in it.',
  ),
  key: required(pemFile, 'example.com-key.pem', 'Its private key: a PEM file without a passphrase.'),
} as const satisfies Keys

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

/** `external_account` of `[tls.acme]`. */
export const EXTERNAL_ACCOUNT = {
  id: required(ownName, 'kid-1', 'What the authority calls it: its key id (kid).'),
  key: required(bindingKey, '${EAB_KEY}', 'Its HMAC key, as the authority gives it.'),
} as const satisfies Keys

/** `acme` of `[tls]`. */
export const ACME = {
  email: optional(
    parsed({ label: 'e-mail address', expected: 'an e-mail address' }, parseEmail),
    'me@example.com',
    'none',
    'Where the authority may write to you.',
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
  external_account: optional(
    table(EXTERNAL_ACCOUNT, { title: '[tls.acme.external_account]' }),
    { id: 'kid-1', key: '${EAB_KEY}' },
    'none',
    'Your account elsewhere, for an authority that asks for one (external account binding); its keys are below.',
  ),
} as const satisfies Keys

const portAddress: Type<Extract<ListenAddress, { kind: 'tcp' }>> = parsed(
  { label: '`host:port`', expected: '"host:port"', numberHint: 'with the address, in quotes: "0.0.0.0:{n}"' },
  parsePortListen,
)

/** `[tls]`: HTTPS by Sallyport itself. */
export const TLS = {
  listen: defaulted(
    list(portAddress, { single: true }),
    ['0.0.0.0:443'],
    ['0.0.0.0:443', '[::]:443'],
    'Where to accept HTTPS.',
  ),
  certificates: optional(
    tables(table(CERTIFICATE, { title: '[[tls.certificates]]' }), 'tls.certificates'),
    [{ cert: 'example.com.pem', key: 'example.com-key.pem' }],
    'none',
    'Certificates and their keys; each connection gets the one that has its name, or else the first. Read again when a file changes, without cutting anyone off.',
  ),
  acme: optional(
    table(ACME, { title: 'acme' }),
    { email: 'me@example.com' },
    'none',
    'Obtain and renew certificates for every host that none of `certificates` is for, by http-01 on port 80; its keys are below.',
  ),
  http2: defaulted(
    boolean,
    true,
    false,
    'Speak HTTP/2 with browsers that can. WebSockets stay with HTTP/1.1, which is always spoken.',
  ),
  redirect_http: defaulted(
    boolean,
    true,
    false,
    'Send what comes to `[server] listen` to the same address with `https://`, except from `trusted_proxies`.',
  ),
  public_port: optional(
    integer(1, 65_535),
    443,
    'that of the first `listen`',
    'The port by which browsers reach `listen`, where another is mapped to it.',
  ),
  hsts: optional(
    duration('1s', '730d'),
    '180d',
    'not sent',
    'How long browsers are to use nothing but `https://` for a host once they have been there (Strict-Transport-Security). It cannot be taken back before.',
  ),
} as const satisfies Keys

export type TlsTable = Table<typeof TLS>
export type AcmeTable = Table<typeof ACME>
export type CertificateTable = Table<typeof CERTIFICATE>

/** Keys that people look for here. */
export const TLS_REFUSED = new Map([
  [
    'http3',
    { message: 'Sallyport does not speak HTTP/3', hint: 'remove it; browsers use HTTP/2, unless http2 = false' },
  ],
])
