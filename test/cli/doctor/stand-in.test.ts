import { describe, expect, test as plainTest, setDefaultTimeout } from 'bun:test'
import { join } from 'node:path'
import { askBy } from '../../../src/base/http-client.ts'
import { examineCopying } from '../../../src/cli/doctor/stand-in.ts'
import { openSessionState } from '../../../src/process/session-state.ts'
import { tablesOf } from '../../kit/accounts.ts'
import { quietPorts } from '../../kit/clock.ts'
import { configOf, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { askThrough, changed, openSpoiled, type ProxyName, proxyTests } from '../../kit/programs/recipes.ts'

const { test } = needs('nginx')

setDefaultTimeout(300_000)

const ORIGIN = 'http://app.example.com'

/** What the doctor finds in place of the application behind a recipe that is spoiled so; without ports. */
async function examine(name: ProxyName, spoil: (text: string) => string): Promise<readonly string[]> {
  await using stand = await openSpoiled(name, spoil)
  const port = stand.app.portOf('app')
  await stand.app[Symbol.asyncDispose]()
  const config = configOf(stand.gate)
  const ports = { ...quietPorts(Date), ask: askThrough(stand) }
  const { findings } = await examineCopying(config, { kind: 'tcp', host: '127.0.0.1', port }, ports)
  const { sessions } = openSessionState(config, ports)
  expect((await sessions.list('home', { after: null, limit: 10 })).entries).toEqual([])
  await sessions.close()
  return findings.map(({ grade, what }) => `${grade}: ${what.replaceAll(`:${stand.port}`, '')}`)
}

const AS_IT_IS = (text: string) => text
const GOOD = `good: ${ORIGIN}: every field of the route is copied, and its host arrives`
const FORGED = (name: string) => `bad: ${ORIGIN}: ${name} arrives as a client writes it, who may say to be anybody`
const MISSING = (name: string) => `bad: ${ORIGIN}: ${name} is not copied`
const COOKIE = `bad: ${ORIGIN}: Sallyport's own cookie arrives, by which the application could be anybody who comes`
const UPGRADED = `bad: ${ORIGIN}/ lets a client open another protocol to the application (Upgrade: h2c): the proxy does not ask about requests inside it`
const HOST = `warning: ${ORIGIN}: the application does not get this host`

const CASES: readonly (readonly [
  ProxyName,
  about: string,
  spoil: (text: string) => string,
  says: readonly string[],
])[] = [
  ...(['nginx', 'Caddy', 'HAProxy', 'ingress-nginx', 'Traefik 3.7.9', 'Envoy'] as const).map(
    name => [name, 'as the recipe has it', AS_IT_IS, [GOOD]] as const,
  ),
  ['nginx', 'without one field', changed([/^ +proxy_set_header Remote-Email .*\n/, '']), [FORGED('remote-email')]],
  [
    'nginx',
    'with a field that it empties',
    changed(['Remote-Email $sallyport_email', 'Remote-Email ""']),
    [MISSING('remote-email')],
  ],
  ['nginx', 'without Cookie', changed([/^ +proxy_set_header Cookie .*\n/, '']), [COOKIE]],
  [
    'nginx',
    'without Host',
    changed([
      /(proxy_pass http:\/\/app:3000;\n) +proxy_set_header Host .*\n +proxy_set_header X-Forwarded-Host .*\n/,
      '$1',
    ]),
    [HOST],
  ],
  ['Caddy', 'without one field', changed(['Remote-Email Remote-Groups', 'Remote-Groups']), [FORGED('remote-email')]],
  ['Caddy', 'without Cookie', changed([' Cookie Authorization', ' Authorization']), [COOKIE]],
  [
    'Caddy',
    'without Host',
    changed([
      'reverse_proxy app:3000',
      'reverse_proxy app:3000 {\nheader_up Host app\nheader_up -X-Forwarded-Host\n\t}',
    ]),
    [HOST],
  ],
  [
    'HAProxy',
    'with another prefix than that of the route',
    changed(['/verify remote', '/verify x-token']),
    ['user', 'name', 'email', 'groups'].map(part => FORGED(`remote-${part}`)),
  ],
  [
    'HAProxy',
    'without Host',
    changed([
      /( +server app app:3000)/,
      '    http-request set-header Host app\n    http-request del-header X-Forwarded-Host\n$1',
    ]),
    [HOST],
  ],
  [
    'nginx',
    'with any Upgrade',
    changed(['proxy_set_header Upgrade $sallyport_upgrade', 'proxy_set_header Upgrade $http_upgrade']),
    [UPGRADED],
  ],
  ['HAProxy', 'with any Upgrade', changed([/^ +http-request del-header Upgrade .*\n/, '']), [UPGRADED]],
  ['ingress-nginx', 'with any Upgrade', changed([/^ +X-Original-Upgrade: .*\n/, '']), [UPGRADED]],
  ['ingress-nginx', 'without one field', changed(['Remote-Email,', '']), [FORGED('remote-email')]],
]

describe('sallyport doctor, in place of an application', () => {
  for (const [name, about, spoil, says] of CASES)
    proxyTests(name).test(`behind ${name}, ${about}`, async () => {
      expect(await examine(name, spoil)).toEqual([...says])
    })

  test('to which nothing leads says so', async () => {
    await using stand = await openSpoiled('nginx', AS_IT_IS)
    const ports = { ...quietPorts(Date), ask: askThrough(stand) }
    const { findings } = await examineCopying(configOf(stand.gate), { kind: 'tcp', host: '127.0.0.1', port: 0 }, ports)
    expect(findings.map(({ what }) => what)).toEqual(['no request arrives'])
  })

  test('that still runs says that its place is taken', async () => {
    await using stand = await openSpoiled('nginx', AS_IT_IS)
    const ports = { ...quietPorts(Date), ask: askThrough(stand) }
    const at = { kind: 'tcp', host: '127.0.0.1', port: stand.app.portOf('app') } as const
    const { findings } = await examineCopying(configOf(stand.gate), at, ports)
    expect(findings.map(({ grade }) => grade)).toEqual(['bad'])
  })
})

describe('sallyport doctor, in place of an application whose users are all in a file', () => {
  const startFile = (allow: string) =>
    startGate(
      `[providers.people]
users = "users.toml"
[portals.home]
insecure_cookies = true
providers = ["people"]
roles.user = { any = true }
[[routes]]
host = "app.example.com"
verify = true
portal = "home"
headers = "remote"
allow = ${allow}
`,
      {
        server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
        files: { 'users.toml': tablesOf({}, { name: 'bob' }) },
      },
    )

  /** Asks as by a proxy in front that does all that it has to. */
  const proxyTo = ({ verifyPort }: Gate, unix: string) =>
    askBy(async (address, init) => {
      const { host, pathname, search } = new URL(address)
      const stated = { method: 'GET', uri: pathname + search, host, proto: 'http' }
      const question = new Headers({ cookie: new Headers(init.headers).get('cookie') ?? '' })
      for (const [name, value] of Object.entries(stated)) question.set(`x-forwarded-${name}`, value)
      const verdict = await fetch(`http://127.0.0.1:${verifyPort}/.sallyport/verify`, { headers: question })
      if (verdict.status !== 204) return verdict
      const headers = new Headers({ 'x-forwarded-host': host })
      for (const name of ['remote-user', 'remote-name', 'remote-email', 'remote-groups', 'cookie']) {
        headers.set(name, verdict.headers.get(name) ?? '')
      }
      return fetch(`http://localhost${pathname}${search}`, { unix, headers })
    })

  plainTest.each([
    ['["user"]', [GOOD]],
    ['[{ users = ["bob"] }]', [GOOD]],
    ['[{ groups = ["nobody"] }]', ['warning: no request arrives', `warning: no user of the file may open ${ORIGIN}/`]],
  ] as const)('is one of them for a moment: allow = %s', async (allow, says) => {
    await using gate = await startFile(allow)
    const path = join(gate.folder, 'app.sock')
    const ports = { ...quietPorts(Date), ask: proxyTo(gate, path) }
    const config = configOf(gate)
    const { findings } = await examineCopying(config, { kind: 'unix', path }, ports)
    expect(findings.map(({ grade, what }) => `${grade}: ${what}`).toSorted()).toEqual([...says])
    const { sessions } = openSessionState(config, ports)
    expect((await sessions.list('home', { after: null, limit: 10 })).entries).toEqual([])
    await sessions.close()
  })
  plainTest('leaves that place again where no session can be made', async () => {
    await using gate = await startFile('["user"]')
    const path = join(gate.folder, 'app.sock')
    const store = { kind: 'sqlite', path: join(gate.folder, 'nowhere', 'sessions.db') } as const
    const config = { ...configOf(gate), sessions: { ...configOf(gate).sessions, store } }
    const { findings } = await examineCopying(
      config,
      { kind: 'unix', path },
      { ...quietPorts(Date), ask: proxyTo(gate, path) },
    )
    expect(findings).toMatchObject([{ grade: 'bad', what: expect.stringContaining('nowhere') }])
    await expect(fetch('http://localhost/', { unix: path })).rejects.toThrow()
  })
})
