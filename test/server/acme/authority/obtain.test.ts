import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from '../../../../src/console/network.ts'
import { makeCertificateKey } from '../../../../src/server/acme/authority/csr.ts'
import { obtainCertificate } from '../../../../src/server/acme/authority/obtain.ts'
import { type Authority, makeAuthority } from '../../../kit/certificates.ts'
import { temporaryFolder } from '../../../kit/folder.ts'
import { needs } from '../../../kit/needs.ts'
import { refusal } from '../../../kit/thrown.ts'

const { test } = needs('openssl')

const NAME = 'app.example.com'

/** What an authority gives for a request (DER), and whom it would have prove what. */
interface Ways {
  issue(authority: Authority, request: Buffer): string
  readonly identifier?: string
}

/** A certificate of the key that a request is of, for these names. */
const signing =
  (names: string) =>
  (authority: Authority, request: Buffer): string => {
    using folder = temporaryFolder()
    const at = (name: string) => join(folder.path, name)
    writeFileSync(at('request'), request)
    writeFileSync(at('ca-cert'), authority.cert)
    writeFileSync(at('ca-key'), authority.key)
    writeFileSync(at('names'), `subjectAltName=${names}\n`)
    const by = ['-CA', 'ca-cert', '-CAkey', 'ca-key', '-CAcreateserial', '-days', '2', '-extfile', 'names']
    const args = ['x509', '-req', '-inform', 'DER', '-in', 'request', ...by, '-out', 'cert']
    const { exitCode, stderr } = Bun.spawnSync(['openssl', ...args], { cwd: folder.path, stdin: 'ignore' })
    if (exitCode !== 0) throw new Error(String(stderr))
    return readFileSync(at('cert'), 'utf8')
  }

/** An authority (RFC 8555) that looks at no signature and asks for no proof, unless it names somebody. */
function startAuthority({ issue, identifier }: Ways) {
  const authority = makeAuthority()
  let cert: string | null = null
  let isProven = identifier === undefined
  let asked = 0
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const { pathname, origin } = new URL(request.url)
      const at = (name: string) => `${origin}/${name}`
      const answer = (body: object, more: Readonly<Record<string, string>> = {}) =>
        Response.json(body, { headers: { 'replay-nonce': `nonce-${++asked}`, ...more } })
      switch (pathname) {
        case '/directory':
          return answer({ newNonce: at('nonce'), newAccount: at('account'), newOrder: at('order') })
        case '/account':
          return answer({}, { location: at('account') })
        case '/order':
          return answer(
            {
              status: cert === null ? 'ready' : 'valid',
              authorizations: [at('proof')],
              finalize: at('finalize'),
              certificate: at('certificate'),
            },
            { location: at('order') },
          )
        case '/proof':
          return answer({
            status: isProven ? 'valid' : 'pending',
            identifier: { type: 'dns', value: identifier },
            challenges: [{ type: 'dns-01', url: at('challenge'), token: 'a'.repeat(24) }],
          })
        case '/challenge':
          isProven = true
          return answer({})
        case '/finalize': {
          const { payload } = Object(await request.json())
          const { csr } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
          cert = issue(authority, Buffer.from(csr, 'base64url'))
          return answer({})
        }
        case '/certificate':
          return new Response(cert, { headers: { 'replay-nonce': `nonce-${++asked}` } })
        default:
          return answer({})
      }
    },
  })
  return { directory: `http://127.0.0.1:${server.port}/directory`, [Symbol.asyncDispose]: () => server.stop(true) }
}

async function obtainFrom(directory: string, name = NAME, offered: string[] = []) {
  const account = { directory, ca: null, email: null, externalAccount: null, key: makeCertificateKey() }
  const offer = async (place: string) => {
    offered.push(place)
    return async () => {}
  }
  return obtainCertificate(name, account, { ports: { ask }, proof: { challenge: 'dns-01', offer }, replaces: null })
}

test.each([
  ['the name', NAME, `DNS:${NAME}`],
  ['all names beside it', NAME, 'DNS:*.example.com'],
  ['a wildcard', '*.example.com', 'DNS:*.example.com'],
])('a certificate for %s is taken', async (_whom, name, names) => {
  await using authority = startAuthority({ issue: signing(names) })
  expect((await obtainFrom(authority.directory, name)).cert).toContain('BEGIN CERTIFICATE')
})

test.each<[what: string, name: string, issue: Ways['issue']]>([
  ['a certificate for another name', NAME, signing('DNS:other.example.com')],
  ['a certificate for one host below a wildcard', '*.example.com', signing(`DNS:${NAME}`)],
  ['a certificate of another key', NAME, authority => authority.issue(`DNS:${NAME}`).cert],
  ['a page', NAME, () => '<!doctype html><title>Sign in</title>'],
])('%s is not taken: with it no listener would open', async (_what, name, issue) => {
  await using authority = startAuthority({ issue })
  const { code, message } = await refusal(obtainFrom(authority.directory, name))
  expect([code, message]).toEqual(['acme.refused', expect.stringContaining(`that is not for ${name}`)])
})

test.each([
  ['other.example.com', NAME, []],
  ['--config=x', NAME, []],
  [NAME.toUpperCase(), NAME, [NAME]],
  [NAME, `*.${NAME}`, [NAME]],
])(
  'asked to prove %s for an order of %s, a record is written for what was ordered alone',
  async (stated, name, places) => {
    await using authority = startAuthority({ issue: signing(`DNS:${name}`), identifier: stated })
    const offered: string[] = []
    const obtained = await obtainFrom(authority.directory, name, offered).then(
      () => 'a certificate',
      ({ code }) => code,
    )
    expect([obtained, offered]).toEqual([places.length === 0 ? 'acme.refused' : 'a certificate', [...places]])
  },
)
