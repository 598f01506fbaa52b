import { expect, test } from 'bun:test'
import { findCertificate } from '../../../src/config/values/certificate.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { needs } from '../../kit/needs.ts'
import { accepts, check, complete } from '../checks.ts'

const authority = makeAuthority()
const exact = authority.issue('DNS:App.example.com,DNS:auth.example.com,IP:127.0.0.1')
const wild = authority.issue('DNS:*.example.com')
const files = {
  '/pki/exact.pem': exact.cert,
  '/pki/exact.key': exact.key,
  '/etc/sallyport/wild.pem': wild.cert,
  '/etc/sallyport/wild.key': wild.key,
}
const certificates = '[{ cert = "wild.pem", key = "wild.key" }, { cert = "/pki/exact.pem", key = "/pki/exact.key" }]'

needs('openssl').test('[tls] needs certificates only: the rest has defaults', () => {
  const { tls } = accepts(`[tls]\ncertificates = ${certificates}`, { files })
  expect(tls).toMatchObject({
    listen: [{ kind: 'tcp', host: '0.0.0.0', port: 443 }],
    http2: true,
    redirectHttp: true,
    publicPort: 443,
    hstsS: null,
  })
  expect(tls?.certificates.map(({ cert, key, names }) => ({ cert, key, names }))).toEqual([
    { ...wild, names: ['*.example.com'] },
    { ...exact, names: ['app.example.com', 'auth.example.com'] },
  ])
})

needs('openssl').test('the public port is that of the first listener unless another is mapped to it', () => {
  const at = (more: string) => accepts(`[tls]\ncertificates = ${certificates}\n${more}`, { files }).tls?.publicPort
  expect(at('listen = ["0.0.0.0:8443", "[::]:9443"]')).toBe(8443)
  expect(at('listen = "0.0.0.0:8443"\npublic_port = 443')).toBe(443)
})

needs('openssl').test('a certificate that changes is another configuration; without [tls] there is no HTTPS', () => {
  const text = complete(`[tls]\ncertificates = ${certificates}`)
  const other = authority.issue('DNS:*.example.com')
  const before = check(text, { files })
  const after = check(text, {
    files: { ...files, '/etc/sallyport/wild.pem': other.cert, '/etc/sallyport/wild.key': other.key },
  })
  expect([before.ok, after.ok]).toEqual([true, true])
  expect(after.fingerprint).not.toBe(before.fingerprint)
  expect(accepts('').tls).toBeNull()
})

needs('openssl').test('acme is for every whole host that no certificate is for, each once', () => {
  const hosts = ['new.example.com', 'new.example.com', 'deep.new.example.com', '10.0.0.1', 'other.example.org']
  const routes = hosts.map(
    (host, index) =>
      `[[routes]]\nhost = "${host}"\npath = "/${index}"\nupstream = "http://app"\nallow = "public"\nportal = "home"\n`,
  )
  const { tls } = accepts(
    `[tls]\ncertificates = ${certificates}\nacme = { email = "Me@example.com" }\n${routes.join('')}`,
    {
      files,
    },
  )
  expect(tls?.acme).toEqual({
    email: 'me@example.com',
    directory: 'https://acme-v02.api.letsencrypt.org/directory',
    ca: null,
    externalAccount: null,
    dns: null,
    names: ['deep.new.example.com', 'other.example.org'],
  })
  const alone = accepts('[tls]\nacme = {}').tls
  expect([alone?.certificates, alone?.acme?.names]).toEqual([[], ['auth.example.com', 'app.example.com']])
})

needs('openssl').test(
  'a host gets the certificate with its name before one with a wildcard, which is for one label alone',
  () => {
    const found = accepts(`[tls]\ncertificates = ${certificates}`, { files }).tls?.certificates ?? []
    const indexFor = (host: string) => {
      const one = findCertificate(found, host)
      return one === undefined ? -1 : found.indexOf(one)
    }
    expect(['app', 'auth', 'new', 'a.b'].map(name => indexFor(`${name}.example.com`))).toEqual([1, 1, 0, -1])
    expect(indexFor('example.com')).toBe(-1)
  },
)

const TSIG = Buffer.alloc(32, 5).toString('base64')
const route = (host: string) =>
  `[[routes]]\nhost = "${host}"\nupstream = "http://app"\nallow = "public"\nportal = "home"\n`

test('with records in DNS, wildcards are asked for, and what one covers needs none of its own', () => {
  const { tls } = accepts(`[tls.acme]
names = "*.Example.org"
[tls.acme.dns]
server = "ns1.example.com:5353"
key_name = "sallyport."
key = "${TSIG}"
${['*.example.com', 'app.example.com', 'a.b.example.com', 'example.com', 'app.example.org', 'app.localhost', '10.0.0.1'].map(route).join('')}`)
  expect(tls?.acme?.names).toEqual(['*.example.org', '*.example.com', 'a.b.example.com', 'example.com'])
  expect(tls?.acme?.dns).toEqual({
    writer: {
      kind: 'update',
      server: { host: 'ns1.example.com', port: 5353 },
      zone: null,
      keyName: 'sallyport',
      key: TSIG,
    },
    resolvers: [],
    waitMs: 120_000,
  })
})

test('a program that writes records has its arguments, an environment and a time of its own', () => {
  const { tls } = accepts(
    '[tls.acme.dns]\nexec = ["/usr/local/bin/dns-record", "--zone"]\nenv = { TOKEN = "${TOKEN}" }\nresolvers = ["[2001:db8::1]", "9.9.9.9"]',
    { env: { TOKEN: 'one' } },
  )
  expect(tls?.acme?.dns).toEqual({
    writer: {
      kind: 'program',
      command: ['/usr/local/bin/dns-record', '--zone'],
      env: new Map([['TOKEN', 'one']]),
      timeoutMs: 120_000,
    },
    resolvers: [
      { host: '2001:db8::1', port: 53 },
      { host: '9.9.9.9', port: 53 },
    ],
    waitMs: 120_000,
  })
})
