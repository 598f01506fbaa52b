import { expect } from 'bun:test'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runDoctor } from '../../../src/cli/doctor/run.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { commandPorts, type Ran, runIn } from '../../kit/io.ts'
import { needs } from '../../kit/needs.ts'
import { FROM_SOURCE, freePort, startChild } from '../../kit/programs/child.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { type BadProvider, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { startProvider, type TestProvider } from '../../kit/provider/provider.ts'
import { httpResponse, type RawUpstream, startRawUpstream } from '../../kit/wire/wire.ts'

const { afterAll, beforeAll, describe, test } = needs('openssl')

let provider: TestProvider
let bad: BadProvider
let upstream: RawUpstream
const folder = temporaryFolder()
const PORTAL = 'http://auth.localhost:8480'

beforeAll(async () => {
  provider = await startProvider({ clients: [{ client_id: 'gate', client_secret: 'a secret' }], accounts: [] })
  provider.allowRedirect(`${PORTAL}/.sallyport/callback`)
  bad = await startBadProvider()
  bad.behave({ discovery: { claims_supported: ['sub', 'email'] } })
  upstream = await startRawUpstream([httpResponse(200, 'ok')])
})
afterAll(async () => {
  await provider.stop()
  await bad.stop()
  await upstream.close()
  folder[Symbol.dispose]()
})

interface Setup {
  readonly secret?: string
  readonly url?: string
  readonly provider?: string
  readonly roles?: string
  readonly portal?: string
  readonly upstream?: string
  readonly issuer?: string
  readonly listen?: string
  readonly store?: string
}

function fileOf(setup: Setup): string {
  return `[server]
${setup.listen ?? 'listen = ["127.0.0.1:0"]'}
[sessions]
store = "${setup.store ?? 'sqlite::memory:'}"
[providers.id]
issuer = "${setup.issuer ?? provider.issuer}"
client_id = "gate"
client_secret = "${setup.secret ?? 'a secret'}"
${setup.provider ?? ''}
[portals.home]
url = "${setup.url ?? PORTAL}"
providers = ["id"]
insecure_cookies = true
${setup.portal ?? ''}
roles.user = ${setup.roles ?? '{ any = true }'}
[[routes]]
host = "app.localhost"
upstream = "${setup.upstream ?? `http://127.0.0.1:${upstream.port}`}"
portal = "home"
allow = ["user"]
`
}

/** Looks at a set-up, with the clock of this machine off by some milliseconds. */
function examine(
  setup: Setup,
  options: {
    readonly argv?: readonly string[]
    readonly aheadMs?: number
    readonly edit?: (text: string) => string
  } = {},
): Promise<Ran> {
  const path = join(folder.path, 'routes.toml')
  writeFileSync(path, (options.edit ?? (text => text))(fileOf(setup)))
  chmodSync(path, 0o600)
  return runIn(folder.path, io =>
    runDoctor(options.argv ?? [], io, {
      ...commandPorts(io),
      now: () => Date.now() + (options.aheadMs ?? 0),
    }),
  )
}

describe('sallyport doctor', () => {
  test('finds nothing that fails in a good set-up', async () => {
    const { code, out } = await examine({})
    expect(out).toContain('ok    answers discovery, and is the issuer that the file names')
    expect(out).toContain('ok    has the same time as this machine')
    expect(out).toContain('ok    hands out its signing keys')
    expect(out).toContain('ok    takes client_id and client_secret')
    expect(out).toContain(`ok    comes back to ${PORTAL}/.sallyport/callback`)
    expect(out).toContain(`ok    127.0.0.1:${upstream.port} takes connections`)
    expect(out).toContain('ok    127.0.0.1:0 can be listened on')
    expect(out).not.toContain('FAIL')
    // Its sessions are in memory: nobody sees whether anybody has signed in.
    expect(code).toBe(3)
  })

  test('asks a provider at its internal address, whatever becomes of the one for people', async () => {
    await using inside = await startBadProvider()
    const issuer = 'https://id.invalid'
    inside.behave({ discovery: { issuer, authorization_endpoint: `${issuer}/authorize` }, claims: { iss: issuer } })
    const { out } = await examine({ issuer, provider: `internal_url = "${inside.issuer}"` })
    expect(out).toContain('warn  for people: the name id.invalid has no address here')
    expect(out).toContain(`ok    is asked at ${inside.issuer} (internal_url), over plain HTTP`)
    expect(out).toContain('ok    answers discovery, and is the issuer that the file names')
    expect(out).toContain('ok    hands out its signing keys')
    expect(inside.asked.authorize).toBe(1)
  })

  test('asks with the scopes of a sign-in, and with offline_access apart, where that is listed and refresh is on', async () => {
    await using kept = await startBadProvider()
    const listed = { scopes_supported: ['openid', 'profile', 'email', 'offline_access'] }
    kept.behave({ discovery: listed, signsInAtOnce: true, forbidsOffline: true })
    const { code, out } = await examine({ issuer: kept.issuer })
    expect(out).toContain(`ok    comes back to ${PORTAL}/.sallyport/callback`)
    expect(out).toContain(
      'warn  does not take offline_access of this client, though it lists it (invalid_scope: Invalid scopes)',
    )
    // An error is asked for once more, as a browser asks, and then without that scope.
    expect([kept.asked.authorize, code]).toEqual([4, 3])
    const off = await examine({ issuer: kept.issuer, portal: 'refresh = "off"' })
    expect(off.out).not.toContain('offline_access')
    expect(kept.lastAuthorize().get('scope')).toBe('openid profile email')
    kept.behave({ discovery: listed, signsInAtOnce: true })
    const allowed = await examine({ issuer: kept.issuer })
    expect(allowed.out).not.toContain('offline_access')
    expect(kept.lastAuthorize().get('scope')).toBe('openid profile email offline_access')
  })

  test('asks a provider that wants all requests pushed in that way', async () => {
    const redirect_uris = [`${PORTAL}/.sallyport/callback`]
    const clients = [{ client_id: 'gate', client_secret: 'a secret', redirect_uris }]
    await using pushed = await startProvider({ requiresPushed: true, accounts: [], clients })
    const { out } = await examine({ issuer: pushed.issuer })
    expect(out).toContain('ok    takes client_id and client_secret')
    expect(out).toContain(`ok    comes back to ${redirect_uris[0]}`)
    const elsewhere = await examine({ issuer: pushed.issuer, url: 'http://other.localhost:8480' })
    expect(elsewhere.out).toContain('FAIL  does not come back to http://other.localhost:8480/.sallyport/callback')
    const none = await examine({ issuer: bad.issuer, provider: 'par = "always"' })
    expect(none.out).toContain('FAIL  has no place for pushed requests')
  })

  test.each([
    ['127.0.0.1:8481', '', 'http://app.localhost:8481'],
    ['127.0.0.1:80', '', 'http://app.localhost'],
    ['127.0.0.1:8481', 'trusted_proxies = ["10.0.0.2"]', 'http://app.localhost'],
  ])('asks about the port by which browsers come: %s, %s', async (listen, more, origin) => {
    const edit = (text: string) => text.replace(`url = "${PORTAL}"\n`, '')
    const { out } = await examine({ listen: `listen = ["${listen}"]\n${more}` }, { edit })
    expect(out).toContain(`FAIL  does not come back to ${origin}/.sallyport/callback`)
  })

  test('says of an internal name without an address where compose has it from', async () => {
    const { code, out } = await examine({ provider: 'internal_url = "http://pocket-id.invalid:1411"' })
    expect([code, out]).toEqual([1, expect.stringContaining("in compose it is the name of the provider's service")])
  })

  test('looks for the folders of files', async () => {
    const more = (path: string) =>
      `{ any = true }\n[[routes]]\nhost = "www.localhost"\nfiles = "${path}"\nallow = "public"\n`
    const missing = await examine({ roles: more('nowhere') })
    expect([missing.code, missing.out]).toEqual([
      1,
      expect.stringContaining(
        `FAIL  the folder ${join(folder.path, 'nowhere')} does not exist (route "www.localhost/")`,
      ),
    ])
    expect((await examine({ roles: more('routes.toml') })).out).toContain('routes.toml is a file')
    const there = await examine({ roles: more('.') })
    expect([there.code, there.out]).toEqual([3, expect.stringContaining(`ok    ${folder.path} is a folder`)])
  })

  const faults: readonly [string, () => Setup, string][] = [
    ['a wrong secret', () => ({ secret: 'another' }), 'FAIL  refuses client_id and client_secret (invalid_client)'],
    [
      'an address to come back to that is not registered',
      () => ({ url: 'http://other.localhost:8480' }),
      'FAIL  does not come back to http://other.localhost:8480/.sallyport/callback',
    ],
    ['a provider that is not there', () => ({ issuer: 'http://127.0.0.1:1' }), 'FAIL  does not answer discovery'],
    [
      'an issuer that is not spelled as the provider does',
      () => ({ issuer: `${provider.issuer}/` }),
      'FAIL  does not answer discovery: the provider calls itself',
    ],
    [
      'an internal address where nothing listens',
      () => ({ provider: 'internal_url = "http://127.0.0.1:1"' }),
      'FAIL  does not answer discovery: http://127.0.0.1:1/.well-known/openid-configuration (internal_url) cannot be reached',
    ],
    [
      'a name without an address',
      () => ({ issuer: 'https://id.invalid' }),
      'FAIL  the name id.invalid has no address here',
    ],
    [
      'an application that does not run',
      () => ({ upstream: 'http://127.0.0.1:1' }),
      'FAIL  127.0.0.1:1 takes no connection (route "app.localhost/")',
    ],
    [
      'a place for sessions that is not there',
      () => ({ store: 'sqlite:nowhere/sessions.db' }),
      'FAIL  sessions cannot be written to',
    ],
    [
      'a session store that is not there',
      () => ({ store: `redis://127.0.0.1:1"\nkey = "${'A'.repeat(43)}` }),
      'FAIL  the session store cannot be used: ',
    ],
  ]
  test.each(faults)('names %s, with a hint, and fails', async (_, setup, line) => {
    const { code, out } = await examine(setup())
    expect(out).toContain(line)
    const [, hint] = out.slice(out.indexOf(line)).split('\n')
    expect(hint).toStartWith('        hint: ')
    expect(code).toBe(1)
  })

  const doubts: readonly [string, () => Setup, string][] = [
    [
      'a scope that the provider does not list',
      () => ({ provider: 'scopes = ["openid", "cats"]' }),
      'lists no scope "cats"',
    ],
    [
      'roles by groups that nobody asks for',
      () => ({ provider: 'scopes = ["openid"]', roles: '{ groups = ["admins"] }' }),
      'is not asked for groups',
    ],
    ['a portal where no Sallyport answers', () => ({}), `no Sallyport answers at ${PORTAL}`],
    [
      'a proxy in front that the file does not know of',
      () => ({ url: 'https://127.0.0.1:1' }),
      'no proxy is trusted, though a portal is on HTTPS',
    ],
  ]
  test('says where addresses count only once they are verified', async () => {
    const roles = '[{ emails = ["ada@example.com"] }, { groups = ["admins"] }]'
    const { out } = await examine({ roles })
    expect(out).toContain('is asked which e-mail addresses are verified: others count for nothing in role user')
    expect((await examine({ roles, provider: 'emails = "trusted"' })).out).not.toContain('addresses are verified')
    expect((await examine({})).out).not.toContain('addresses are verified')
  })
  test('asks nothing of e-mail addresses that the file trusts', async () => {
    const { out } = await examine({ issuer: bad.issuer, provider: 'emails = "trusted"' })
    expect(out).not.toContain('email_verified')
  })
  test('warns of plain HTTP alone where a portal on each host is made for HTTPS, with three ways out', async () => {
    const without = (key: RegExp) => (text: string) => text.replace(/^url = .*\n/m, '').replace(key, '')
    const { out } = await examine({}, { edit: without(/^insecure_cookies = .*\n/m) })
    expect(out).toContain('warn  no proxy is trusted, though a portal is on HTTPS')
    for (const way of ['trusted_proxies', '[tls]', 'insecure_cookies = true']) expect(out).toContain(way)
    expect((await examine({}, { edit: without(/^never$/m) })).out).not.toContain('no proxy is trusted')
  })
  test.each(doubts)('warns of %s', async (_, setup, line) => {
    expect((await examine(setup())).out).toContain(`warn  ${line}`)
  })

  test.each([
    [20_000, 'ok    has the same time'],
    [45_000, "warn  says that this machine's clock is 45 s ahead"],
    [-120_000, "FAIL  says that this machine's clock is 120 s behind"],
  ])('judges a clock that is %d ms ahead', async (aheadMs, line) => {
    // The Date field is in whole seconds, and an answer of a busy machine takes some.
    const tolerant = (text: string) =>
      text.replace(/\b(4[4-9]|5\d|1(?:1\d|2[01])) s/, (_, s: string) => `${s.startsWith('1') ? 120 : 45} s`)
    expect(tolerant((await examine({}, { aheadMs })).out)).toContain(line)
  })

  test('knows the Sallyport of this file where it listens, and no other program', async () => {
    const port = await freePort()
    const server = `listen = ["127.0.0.1:${port}"]`
    const [, ...rest] = fileOf({}).split('listen = ["127.0.0.1:0"]')
    await using child = await startChild({ command: FROM_SOURCE, folder: folder.path, toml: rest.join(''), port })
    const running = await examine({ listen: server })
    expect([running.code, running.out]).toEqual([3, expect.stringContaining('ok    Sallyport is running')])
    child.process.kill('SIGKILL')
    await child.process.exited
    await using other = Bun.serve({ port, hostname: '127.0.0.1', fetch: () => new Response('hello') })
    const taken = await examine({ listen: server })
    expect([taken.code, taken.out]).toEqual([
      1,
      expect.stringContaining(`FAIL  127.0.0.1:${other.port} is already in use`),
    ])
  })

  test('knows one that speaks HTTPS itself, and expects no proxy in front of it', async () => {
    const { cert, key } = makeAuthority().issue('DNS:auth.localhost,DNS:app.localhost')
    writeFileSync(join(folder.path, 'cert.pem'), cert)
    writeFileSync(join(folder.path, 'key.pem'), key, { mode: 0o600 })
    const [plain, port] = [await freePort(), await freePort()]
    const section = `[tls]
listen = ["127.0.0.1:${port}"]
certificates = [{ cert = "cert.pem", key = "key.pem" }]
public_port = ${port}
`
    const setup = { url: `https://auth.localhost:${port}` }
    const toml = section + fileOf(setup).replace('[server]\nlisten = ["127.0.0.1:0"]\n', '')
    await using _child = await startChild({ command: FROM_SOURCE, folder: folder.path, toml, port: plain })
    const { out } = await examine({ ...setup, listen: `listen = ["127.0.0.1:${plain}"]\n${section}` })
    expect(out).toContain('ok    Sallyport is running')
    expect(out).not.toContain('no proxy is trusted')
    // A name that means this machine, also where no DNS server knows it: its certificate was seen, and is of nobody who is trusted.
    expect(out).toContain(`FAIL  the certificate of auth.localhost:${port} is not trusted here`)
    expect(out).toContain('hint: use one that this machine trusts, as browsers have to')
  })

  test('says what an application speaks where that is not what its upstream says', async () => {
    const { cert, key } = makeAuthority().issue('IP:127.0.0.1')
    await using secret = Bun.serve({ port: 0, hostname: '127.0.0.1', tls: { cert, key }, fetch: () => new Response() })
    const at = `127.0.0.1:${secret.port}`
    const found = async (upstream: string, more = '') => {
      const edit = (text: string) =>
        text.replace(`upstream = "${upstream}"`, `upstream = { to = "${upstream}"${more} }`)
      return (await examine({ upstream }, { edit })).out
    }
    expect(await found(`http://${at}`)).toContain(`FAIL  ${at} speaks HTTPS, and its upstream begins with http://`)
    expect(await found(`https://${at}`)).toContain(`FAIL  the certificate of ${at} does not hold here`)
    expect(await found(`https://${at}`, ', tls = { insecure_skip_verify = true }')).toContain(`ok    ${at} takes`)
    const plain = `127.0.0.1:${upstream.port}`
    expect(await found(`https://${plain}`)).toContain(`FAIL  no TLS connection to ${plain} comes about`)
    expect(await found(`http://${plain}`)).toContain(`ok    ${plain} takes connections`)
  })

  test('names a certificate that this machine does not trust', async () => {
    const { cert, key } = makeAuthority().issue('DNS:localhost')
    await using server = Bun.serve({ port: 0, tls: { cert, key }, fetch: () => new Response() })
    const { code, out } = await examine({ issuer: `https://localhost:${server.port}` })
    expect(out).toContain(`FAIL  the certificate of localhost:${server.port} is not trusted here`)
    expect(code).toBe(1)
  })

  test('says of a certificate for another name, or one that is over, just that', async () => {
    using folder = temporaryFolder()
    const authority = makeAuthority()
    const ca = join(folder.path, 'ca.pem')
    writeFileSync(ca, authority.cert)
    for (const [issued, told] of [
      [authority.issue('DNS:other.example'), 'for DNS:other.example: does localhost lead to the right machine'],
      [authority.issue('DNS:localhost', { isExpired: true }), 'it was good until 2020-02-01T00:00:00.000Z: renew it'],
    ] as const) {
      await using server = Bun.serve({ port: 0, tls: issued, fetch: () => new Response() })
      const issuer = `https://localhost:${server.port}`
      const own = (text: string) => text.replace(`issuer = "${issuer}"`, `issuer = "${issuer}"\nca = "${ca}"`)
      const { out } = await examine({ issuer }, { edit: own })
      expect(out).toContain(told)
      expect(out).not.toContain('has to hold the authority')
      const upstream = issuer
      const to = `upstream = { to = "${upstream}", tls = { ca = "${ca}" } }`
      const app = await examine({ upstream }, { edit: text => text.replace(`upstream = "${upstream}"`, to) })
      expect(app.out).toContain(told)
      expect(app.out).not.toContain('name who signed it in ca')
    }
  })

  test('escapes what a provider says: neither its text nor its JSON drives a terminal or adds a line', async () => {
    const hostile = 'http://evil.test/\u001b[2J\u009b31m\u202eok\n  ok    takes client_id and client_secret'
    await using evil = await startBadProvider()
    evil.behave({ discovery: { issuer: hostile, claims_supported: [hostile], scopes_supported: [hostile] } })
    const text = await examine({ issuer: evil.issuer })
    const json = await examine({ issuer: evil.issuer }, { argv: ['--json'] })
    expect(text.out).toContain('evil.test')
    expect(text.out).not.toContain('\n  ok    takes client_id and client_secret')
    for (const { out } of [text, json]) {
      expect(out).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u)
    }
    expect(JSON.stringify(JSON.parse(json.out))).toContain('\u202eok')
  })

  test('never says a secret, in either form', async () => {
    const { out, err } = await examine({ secret: 'very-secret-words' }, { argv: ['--json'] })
    const report: unknown = JSON.parse(out)
    expect(report).toMatchObject({ ok: false, file: 'routes.toml' })
    expect(out + err).not.toContain('very-secret-words')
  })

  test('shows mistakes in the file as check does', async () => {
    writeFileSync(join(folder.path, 'bad.toml'), '[servr]\n')
    const { code, err } = await examine({}, { argv: ['bad.toml'] })
    expect(err).toContain('servr')
    expect(code).toBe(1)
  })
})

const withValkey = needs('openssl', 'valkey-server')

withValkey.describe('of a Redis that answers', () => {
  const KEY = `"\nkey = "${'A'.repeat(43)}`

  withValkey.test(
    'doctor says what it says: a user that may not write, a read-only replica, another key',
    async () => {
      await using valkey = await startValkey()
      const store = `redis://127.0.0.1:${valkey.port}/0${KEY}`
      const first = await examine({ store })
      expect(first.out).toContain('the session store answers, and its clock is this machine’s')
      const rights = ['on', '>p%41ss', '~*', '+@read', '+@connection', '+time']
      expect(await valkey.ask(0, 'ACL', 'SETUSER', 'reader', ...rights)).toBe('OK')
      const reader = await examine({ store: `redis://reader:p%2541ss@127.0.0.1:${valkey.port}/0${KEY}` })
      expect([reader.code, reader.out]).toEqual([
        1,
        expect.stringMatching(/FAIL {2}the session store cannot be used: .*NOPERM/),
      ])
      expect(await valkey.ask(0, 'REPLICAOF', '127.0.0.1', '1')).toBe('OK')
      const replica = await examine({ store })
      expect(replica.out).toMatch(/FAIL {2}the session store cannot be used: .*READONLY/)
      expect(await valkey.ask(0, 'REPLICAOF', 'NO', 'ONE')).toBe('OK')
      const other = await examine({ store: `redis://127.0.0.1:${valkey.port}/0"\nkey = "${'B'.repeat(42)}A` })
      expect(other.out).toContain('FAIL  the session store was sealed with another key than the one of [sessions]')
      expect([...first.out, ...reader.out].join('')).not.toContain('p%41ss')
    },
    300_000,
  )

  withValkey.test(
    'doctor says that it is a node of a cluster, which leads elsewhere',
    async () => {
      await using one = await startValkey({ isCluster: true })
      await using other = await startValkey({ isCluster: true })
      const half = (from: number, to: number) => ['CLUSTER', 'ADDSLOTSRANGE', `${from}`, `${to}`]
      expect(await one.ask(0, ...half(0, 1))).toBe('OK')
      expect(await other.ask(0, ...half(2, 16_383))).toBe('OK')
      for (const node of [one, other]) await node.ask(0, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
      expect(await one.ask(0, 'CLUSTER', 'MEET', '127.0.0.1', `${other.port}`, `${other.busPort}`)).toBe('OK')
      await eventually(
        async () => (await one.ask(0, 'GET', 'sallyport:1:changes')).includes('MOVED'),
        'they know each other',
      )
      const { code, out } = await examine({ store: `redis://127.0.0.1:${one.port}/0${KEY}` })
      expect([code, out]).toEqual([1, expect.stringMatching(/FAIL {2}the session store cannot be used: .*MOVED/)])
    },
    300_000,
  )
})
