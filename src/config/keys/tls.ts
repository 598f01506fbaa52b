/** The keys of `[tls]` and of its certificates. */

import type { ServerCertificate } from '../values/certificate.ts'
import { duration } from '../values/duration.ts'
import { type ListenAddress, parsePortListen } from '../values/listen.ts'
import { readCertificateFacts } from '../values/pem.ts'
import { boolean, integer, list, parsed, type Type } from '../values/value.ts'
import { ACME } from './acme.ts'
import { type Built, defaulted, FREE, type Keys, optional, required, type Table, table, tables } from './table.ts'
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

const portAddress: Type<Extract<ListenAddress, { kind: 'tcp' }>> = parsed(
  { label: '`host:port`', expected: '"host:port"', numberHint: 'with the address, in quotes: "0.0.0.0:{n}"' },
  parsePortListen,
)

export const acme = table(ACME, { title: '[tls.acme]' })

/** `[tls]`: HTTPS by Sallyport itself. */
export const TLS = {
  listen: defaulted(
    list(portAddress, { single: true }),
    ['0.0.0.0:443'],
    ['0.0.0.0:443', '[::]:443'],
    'Where to accept HTTPS.',
    FREE,
  ),
  certificates: optional(
    tables(table(CERTIFICATE, { title: '[[tls.certificates]]' }, withFacts), 'tls.certificates'),
    [{ cert: 'example.com.pem', key: 'example.com-key.pem' }],
    'none',
    'Certificates and their keys; each connection gets the one for its name, or else the first. They are read again when a file changes; no connection is cut.',
    { ...FREE, build: certificates => certificates ?? [] },
  ),
  acme: optional(
    acme,
    { email: 'me@example.com' },
    'none',
    'Obtain and renew certificates for every host that none of `certificates` is for, by http-01 on port 80 or by records in DNS; its keys are below.',
    { field: null },
  ),
  http2: defaulted(
    boolean,
    true,
    false,
    'Speak HTTP/2 with browsers that can. WebSockets stay with HTTP/1.1, which is always spoken.',
    FREE,
  ),
  redirect_http: defaulted(
    boolean,
    true,
    false,
    'Redirect requests to `[server] listen` to the same address with `https://`, except from `trusted_proxies`.',
    FREE,
  ),
  public_port: optional(
    integer(1, 65_535),
    443,
    'that of the first `listen`',
    'The port by which browsers reach `listen`, where another is mapped to it.',
    { ...FREE, field: null },
  ),
  hsts: optional(
    duration('1s', '730d'),
    '180d',
    'not sent',
    'How long browsers are to use nothing but `https://` for a host once they have been there (Strict-Transport-Security). It cannot be taken back before.',
    { ...FREE, field: 'hstsS', build: ms => (ms === null ? null : Math.floor(ms / 1000)) },
  ),
} as const satisfies Keys

export type TlsTable = Table<typeof TLS>
export type CertificateTable = Table<typeof CERTIFICATE>

function withFacts(pair: Built<typeof CERTIFICATE>): ServerCertificate {
  const { names, expiresAtMs } = readCertificateFacts(pair.cert)
  return { ...pair, names, expiresAtMs }
}

/** Keys that people look for here. */
export const TLS_REFUSED = new Map([
  [
    'http3',
    { message: 'Sallyport does not speak HTTP/3', hint: 'remove it; browsers use HTTP/2, unless http2 = false' },
  ],
])
