import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import type { World } from '../checks.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string, world?: World]

const authority = makeAuthority()
const both = authority.issue('DNS:app.example.com,DNS:auth.example.com')
const other = authority.issue('DNS:other.example.com')
const nameless = authority.issue('IP:127.0.0.1')
const expired = authority.issue('DNS:app.example.com,DNS:auth.example.com', { isExpired: true })
const files = {
  '/etc/sallyport/gate.pem': both.cert,
  '/etc/sallyport/gate.key': both.key,
  '/etc/sallyport/other.pem': other.cert,
  '/etc/sallyport/other.key': other.key,
  '/etc/sallyport/nameless.pem': nameless.cert,
  '/etc/sallyport/nameless.key': nameless.key,
  '/etc/sallyport/expired.pem': expired.cert,
  '/etc/sallyport/expired.key': expired.key,
  // The authority's certificate before the server's own.
  '/etc/sallyport/turned.pem': `${authority.cert}${both.cert}`,
  '/etc/sallyport/notes.txt': 'no PEM at all',
  '/etc/sallyport/cut.pem': both.cert.replace(/[A-Za-z0-9+/=]{40}\n/, 'AAAA\n'),
  '/etc/sallyport/locked.key': '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
}
const now = () => Date.now()
const DAY_MS = 24 * 60 * 60 * 1000

const gate = '{ cert = "gate.pem", key = "gate.key" }'
const tls = (certificates: string, more = '') => `[tls]\ncertificates = ${certificates}\n${more}\n`
const one = (cert: string, key: string) => tls(`[{ cert = ${cert}, key = ${key} }]`)

const TSIG = Buffer.alloc(32, 5).toString('base64')
const dns = (lines: string) => `[tls.acme]\n[«tls.acme.dns»]\n${lines}\n`
const within = (lines: string) => `[tls.acme.dns]\n${lines}\n`
const update = (key: string, more: string, name = '"sallyport"') =>
  within(`server = "ns1.example.com"\nkey_name = ${name}\n${key}\n${more}`)
const exec = (command: string, more = '') => within(`exec = ${command}\n${more}`)

/** Every mistake that `[tls]` can have. */
export const TLS_CASES: readonly Case[] = [
  ['tls.certificates', 'HTTPS without a certificate', '[«tls»]\nlisten = ["0.0.0.0:443"]'],
  ['tls.certificates', 'an empty list of certificates', tls('«[]»')],
  ['key.missing', 'a certificate without its key', tls('[«{ cert = "gate.pem" }»]'), { files }],
  ['key.not_built', 'HTTP/3', tls(`[${gate}]`, '«http3» = true'), { files }],
  ['key.unknown', 'a misspelt key', tls(`[${gate}]`, '«http_2» = true'), { files }],
  ['listen.invalid', 'a local socket', tls(`[${gate}]`, 'listen = [«"unix:/run/tls.sock"»]'), { files }],
  [
    'listen.repeated',
    'the port of plain HTTP',
    `[server]\nlisten = ["0.0.0.0:8080"]\n${tls(`[${gate}]`, 'public_port = 443\nlisten = [«"0.0.0.0:8080"»]')}`,
    { files },
  ],
  ['number.range', 'a port that cannot be', tls(`[${gate}]`, 'public_port = «0»'), { files }],
  ['duration.range', 'HSTS for longer than anyone can know', tls(`[${gate}]`, 'hsts = «"1000d"»'), { files }],
  ['tls.file', 'a certificate that is not there', one('«"lost.pem"»', '"gate.key"'), { files }],
  ['tls.file', 'a key that is not there', one('"gate.pem"', '«"lost.key"»'), { files }],
  ['tls.pem', 'a file that holds no certificate', one('«"notes.txt"»', '"gate.key"'), { files }],
  ['tls.pem', 'a key in place of the certificate', one('«"gate.key"»', '"gate.key"'), { files }],
  ['tls.pem', 'a certificate in place of the key', one('"gate.pem"', '«"gate.pem"»'), { files }],
  ['tls.pem', 'a damaged certificate', one('«"cut.pem"»', '"gate.key"'), { files }],
  ['tls.pem', 'a key with a passphrase', one('"gate.pem"', '«"locked.key"»'), { files }],
  ['tls.pair', "another certificate's key", one('"gate.pem"', '«"other.key"»'), { files }],
  ['tls.pair', 'a chain in the wrong order', one('"turned.pem"', '«"gate.key"»'), { files }],
  [
    'tls.names',
    'a certificate without names',
    tls(`[${gate}, { cert = «"nameless.pem"», key = "nameless.key" }]`),
    { files },
  ],
  ['tls.expiry', 'a certificate that has expired', one('«"expired.pem"»', '"expired.key"'), { files, now }],
  ['tls.expiry', 'one that expires soon', one('«"gate.pem"»', '"gate.key"'), { files, now }],
  [
    'tls.expiry',
    'one that is not valid yet',
    one('«"gate.pem"»', '"gate.key"'),
    { files, now: () => Date.now() - 30 * DAY_MS },
  ],
  [
    'tls.uncovered',
    'a host that no certificate is for',
    `${tls(`[${gate}]`)}[[routes]]\nhost = «"new.example.com"»\nupstream = "http://app"\nallow = "public"\nportal = "home"`,
    { files },
  ],
  [
    'tls.uncovered',
    'a wildcard, of which an authority asks for more than http-01',
    `[tls]\nacme = {}\n[[routes]]\nhost = «"*.example.com"»\nupstream = "http://app"\nallow = "public"\nportal = "home"`,
  ],
  [
    'tls.uncovered',
    'a host of this machine, for which no authority vouches',
    `[tls]\nacme = {}\n[[routes]]\nhost = «"app.localhost"»\nupstream = "http://app"\nallow = "public"\nportal = "home"`,
  ],
  ['tls.acme', 'an authority without https', '[tls]\nacme = { directory = «"http://ca.example.com/dir"» }'],
  ['tls.acme', 'an authority that is no address', '[tls]\nacme = { directory = «"letsencrypt"» }'],
  ['email.invalid', 'an address that nobody has', '[tls]\nacme = { email = «"me"» }'],
  ['key.unknown', 'a misspelt key of acme', '[tls]\nacme = { «mail» = "me@example.com" }'],
  ['tls.file', 'an authority of our own that is not there', '[tls]\nacme = { ca = «"lost.pem"» }'],
  [
    'tls.external_account',
    "an authority's key that is none",
    '[tls]\nacme = { external_account = { id = "kid-1", key = «"no key at all"» } }',
  ],
  ['key.missing', 'an account elsewhere without its key', '[tls]\nacme = { «external_account» = { id = "kid-1" } }'],
  ['tls.acme', 'a wildcard among names, without records in DNS', '[tls]\nacme = { names = [«"*.example.com"»] }'],
  ['tls.acme', 'a name that is this machine everywhere', '[tls]\nacme = { names = [«"app.localhost"»] }'],
  ['host.wildcard', 'two stars', '[tls]\nacme = { names = «"*.*.example.com"» }'],
  ['tls.dns', 'no way to write a record', dns('wait = "5m"')],
  ['tls.dns', 'two ways to write a record', dns('server = "ns1.example.com"\nexec = ["/bin/true"]')],
  ['tls.dns', 'updates that are not signed', dns('server = "ns1.example.com"')],
  ['tls.dns', 'a key without its name', dns(`server = "ns1.example.com"\nkey = "${TSIG}"`)],
  ['tls.dns', 'a key of eight bytes', update('key = «"AAAAAAAAAAA="»', '')],
  ['tls.dns', 'a key that is no base64', update('key = «"not a key"»', '')],
  ['tls.dns', 'a name of a key with a space', update(`key = "${TSIG}"`, '', '«"the key"»')],
  ['tls.dns', 'a port that no server has', update(`key = "${TSIG}"`, 'resolvers = "10.0.0.2:«70000»"')],
  [
    'tls.dns',
    'an address of the web as a name server',
    update(`key = "${TSIG}"`, 'resolvers = «"https://dns.example.com"»'),
  ],
  ['tls.dns', 'a variable of a program that there is not', update(`key = "${TSIG}"`, '«env» = { TOKEN = "x" }')],
  ['tls.dns', 'a zone for a program', exec('["/bin/true"]', '«zone» = "example.com"')],
  ['tls.dns', 'a program somewhere on the path', exec('[«"dns-record"»]')],
  ['tls.dns', 'a line for a shell', exec('«"dns-record --add"»')],
  ['name.invalid', 'a variable that cannot be', exec('["/bin/true"]', 'env = { «2TOKEN» = "x" }')],
  ['secret.placeholder', 'a variable as shells write it', exec('["/bin/true"]', 'env = { TOKEN = «"$TOKEN"» }')],
  ['duration.range', 'a wait for ever', exec('["/bin/true"]', 'wait = «"2h"»')],
  ['tls.acme_store', 'a store that forgets', '[tls]\n«acme» = {}\n[sessions]\nstore = "sqlite::memory:"'],
  [
    'tls.uncovered',
    'a wildcard that no certificate is for',
    `${tls(`[${gate}]`)}[[routes]]\nhost = «"*.example.com"»\nupstream = "http://app"\nallow = "public"\nportal = "home"`,
    { files },
  ],
]
