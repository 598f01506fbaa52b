import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import type { World } from '../checks.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string, world?: World]

const authority = makeAuthority()
const ours = authority.issue('DNS:gate')
const other = authority.issue('DNS:other')
const files = {
  '/etc/sallyport/ca.pem': authority.cert,
  '/etc/sallyport/gate.pem': ours.cert,
  '/etc/sallyport/gate.key': ours.key,
  '/etc/sallyport/other.key': other.key,
  '/etc/sallyport/notes.txt': 'no PEM at all',
  '/etc/sallyport/cut.pem': authority.cert.replace(/[A-Za-z0-9+/=]{40}\n/, 'AAAA\n'),
  '/etc/sallyport/locked.key': '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
}

const route = (upstream: string) =>
  `[[routes]]\nhost = "app.example.com"\nallow = "public"\nportal = "home"\nupstream = ${upstream}\n`
const own = (keys: string) => route(`{ to = "https://app", ${keys} }`)
const tls = (keys: string) => own(`tls = { ${keys} }`)
const stored = (keys: string, scheme = 'rediss') =>
  `[sessions]\nstore = "${scheme}://v"\nkey = "${'A'.repeat(43)}"\n${keys}`
const app = (keys: string) => `${route('"@app"')}\n[upstreams.app]\n${keys}`

/** Every mistake that an upstream can have, beyond its addresses, and that TLS to a store can have. */
export const UPSTREAM_CASES: readonly Case[] = [
  ['key.missing', 'a table without addresses', '[«upstreams.app»]\nqueue = 1\n'.concat(route('"@app"'))],
  ['key.unknown', 'a misspelt key of a table in its place', own('«conect_timeout» = "1s"')],
  ['key.unknown', 'a misspelt key of tls', tls('«servername» = "a.example"')],
  ['upstream.invalid', 'a name among addresses', route('["http://app", «"@app"»]')],
  ['upstream.undefined', 'a misspelt name', `${route('«"@ap"»')}[upstreams.app]\nto = "http://app"`],
  ['upstream.undefined', 'a name where there is no table', route('«"@app"»')],
  ['upstream.unused', 'a table that no route names', `${route('"http://app"')}[«upstreams.app»]\nto = "http://app"`],
  ['list.repeated', 'an address twice', route('["http://app", «"http://app"»]')],
  [
    'list.repeated',
    'an address twice in a table',
    own('queue = 1').replace('"https://app"', '["https://app", «"https://app"»]'),
  ],
  ['upstream.hash', 'something unknown to share by', own('balance = "hash", hash = «"ip"»')],
  ['upstream.hash', 'a cookie without a name', own('balance = "hash", hash = «"cookie:"»')],
  ['upstream.hash', 'hash without its balance', own('«hash» = "user"')],
  ['choice.unknown', 'an unknown balance', own('balance = «"random"»')],
  ['upstream.scheme', 'TLS to a plain address', app('to = "http://app"\n«tls» = { server_name = "a.example" }')],
  ['upstream.scheme', 'HTTP/2 to one plain address of two', app('to = ["https://app", "http://app"]\n«http2» = true')],
  ['upstream.scheme', 'TLS to a socket', app('to = "unix:/run/app.sock"\n«tls» = {}')],
  ['upstream.file', 'an authority that is not there', tls('ca = «"none.pem"»'), { files }],
  ['upstream.file', 'a key that is not there', tls('cert = "gate.pem", key = «"none.key"»'), { files }],
  ['upstream.pem', 'an authority that is not PEM', tls('ca = «"notes.txt"»'), { files }],
  ['upstream.pem', 'an authority that is damaged', tls('ca = «"cut.pem"»'), { files }],
  ['upstream.pem', 'a key where the authority belongs', tls('ca = «"gate.key"»'), { files }],
  ['upstream.pem', 'a certificate where the key belongs', tls('cert = "gate.pem", key = «"gate.pem"»'), { files }],
  ['upstream.pem', 'a key with a passphrase', tls('cert = "gate.pem", key = «"locked.key"»'), { files }],
  ['upstream.pair', 'a certificate without a key', tls('«cert» = "gate.pem"'), { files }],
  ['upstream.pair', 'a key without a certificate', tls('«key» = "gate.key"'), { files }],
  ['upstream.pair', 'the key of another certificate', tls('cert = "gate.pem", key = «"other.key"»'), { files }],
  ['upstream.insecure', 'any certificate trusted', tls('«insecure_skip_verify» = true')],
  ['host.invalid', 'an address as server name', tls('server_name = «"10.0.0.5"»')],
  ['path.invalid', 'a health path without a slash', own('health = { path = «"healthz"» }')],
  ['number.range', 'a health status beyond HTTP', own('health = { status = «600» }')],
  ['store.scheme', 'TLS for a database', '[sessions]\n«store_tls» = { ca = "ca.pem" }', { files }],
  ['store.scheme', 'TLS for a server without it', stored('«store_tls» = { ca = "ca.pem" }', 'redis'), { files }],
  ['store.file', 'an authority of a store that is not there', stored('store_tls = { ca = «"none.pem"» }'), { files }],
  ['store.pem', 'an authority of a store that is none', stored('store_tls = { ca = «"notes.txt"» }'), { files }],
  ['store.pair', 'a certificate for a store without a key', stored('store_tls = { «cert» = "gate.pem" }'), { files }],
  [
    'store.pair',
    'the key of another certificate for a store',
    stored('store_tls = { cert = "gate.pem", key = «"other.key"» }'),
    { files },
  ],
  ['number.range', 'no connection at all', own('max_connections = «0»')],
]
