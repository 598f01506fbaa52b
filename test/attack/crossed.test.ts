import { afterAll, beforeAll, expect, test } from 'bun:test'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { BrowserLite } from '../kit/browser-lite.ts'
import { type Gate, startGate } from '../kit/gate.ts'
import { startProvider, type TestAccount, type TestProvider } from '../kit/provider.ts'
import { sendRaw } from '../kit/wire.ts'

const PEOPLE = 50
const ACCOUNTS: readonly TestAccount[] = Array.from({ length: PEOPLE }, (_, index) => ({
  sub: `user-${index}`,
  preferred_username: `user${index}`,
  name: `User ${index}`,
  email: `user${index}@example.com`,
  email_verified: true,
  groups: index % 2 === 0 ? ['even'] : ['odd'],
}))

/** The first two belong to one portal with a host of its own, the last to another, mounted on it. */
const HOSTS = ['app.example', 'other.example', 'own.example'] as const

let provider: TestProvider
let upstream: Bun.Server<undefined>
let gate: Gate
/** Requests that reached the application. */
let asked = 0

beforeAll(async () => {
  provider = await startProvider({
    clients: [{ client_id: 'gate', client_secret: 'the-client-secret' }],
    accounts: ACCOUNTS,
  })
  for (const host of ['auth.example', 'own.example']) provider.allowRedirect(`http://${host}/.sallyport/callback`)
  upstream = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      asked++
      return Response.json(request.headers.toJSON())
    },
  })
  const route = (host: string, portal: string) => `[[routes]]
host = "${host}"
upstream = { to = "http://127.0.0.1:${upstream.port}", basic_auth = { user = "{email}", password = "x" } }
portal = "${portal}"
allow = ["user"]
headers = "x-token"
assertion = { audience = "${host}" }
pass_token = { access = "X-Forwarded-Access-Token", id = "X-Id-Token" }
`
  gate = await startGate(
    `
[providers.id]
issuer = "${provider.issuer}"
client_id = "gate"
client_secret = "the-client-secret"

[portals.home]
url = "http://auth.example"
providers = ["id"]
insecure_cookies = true
roles = { user = { any = true }, admin = { groups = ["even"] } }

[portals.own]
providers = ["id"]
insecure_cookies = true
roles = { user = { any = true }, admin = { groups = ["odd"] } }

${route('app.example', 'home')}
${route('other.example', 'home')}
${route('own.example', 'own')}
`,
    { server: 'log_level = "debug"' },
  )
})
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await upstream.stop(true)
  await provider.stop()
})

/** Everything by which the application can tell who it was. */
function named(text: string): readonly string[] {
  const fields = JSON.parse(text) as Record<string, string>
  const basic = Buffer.from(fields.authorization?.replace('Basic ', '') ?? '', 'base64').toString()
  return [
    fields['x-token-subject'] ?? 'nobody',
    String(decodeJwt(fields['x-sallyport-assertion'] ?? '').sub),
    String(decodeJwt(fields['x-id-token'] ?? '').sub),
    basic.replace(/^user(\d+)@example\.com:x$/, 'user-$1'),
  ]
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map(item => [crypto.getRandomValues(new Uint32Array(1))[0] ?? 0, item] as const)
    .sort(([one], [other]) => one - other)
    .map(([, item]) => item)
}

test('whoever is not signed in gets one whole answer, and not a byte of the application before or after it', async () => {
  const before = asked
  const heads = ['Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n', 'Accept: */*\r\n']
  for (const fields of heads) {
    for (const method of ['GET', 'HEAD', 'POST']) {
      const request = `${method} /secret HTTP/1.1\r\nHost: own.example\r\n${fields}Content-Length: 0\r\nConnection: close\r\n\r\n`
      const { raw, status, body } = await sendRaw(gate.port, request, { until: () => false, timeoutMs: 5000 })
      const text = raw.toString('latin1')
      expect([302, 401]).toContain(status)
      expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1)
      expect(body.length).toBe(method === 'HEAD' ? 0 : Number(/^content-length: (\d+)/im.exec(text)?.[1]))
    }
  }
  expect(asked).toBe(before)
})

test('of fifty people who sign in at the same time, through one portal and another, none is ever taken for another, in any field', async () => {
  const at = `127.0.0.1:${gate.port}`
  const hosts = Object.fromEntries([...HOSTS, 'auth.example'].map(host => [host, at]))
  const people = ACCOUNTS.map(({ sub }, index) => ({
    sub,
    login: `user${index}`,
    first: HOSTS[index % HOSTS.length] ?? 'app.example',
    browser: new BrowserLite({ hosts }),
  }))
  const forms = await Promise.all(
    people.map(async person => ({ person, form: await person.browser.open(`http://${person.first}/`) })),
  )
  await Promise.all(
    shuffled(forms).map(async ({ person, form }) => {
      const { text } = await person.browser.submit(form, { login: person.login, password: 'x' })
      expect(named(text)).toEqual(Array(4).fill(person.sub))
    }),
  )
  // Then every host, in one crowd; each person one after the other, since this provider redeems a browser’s newest code alone.
  const keys = createRemoteJWKSet(new URL(`http://${at}/.sallyport/jwks.json`), { headers: { host: 'auth.example' } })
  async function visit({ browser, sub, login }: (typeof people)[0], host: string): Promise<void> {
    const { text, address } = await browser.open(`http://${host}/`)
    expect([address.host, ...named(text)]).toEqual([host, ...Array(4).fill(sub)])
    const fields = JSON.parse(text) as Record<string, string>
    const { payload } = await jwtVerify(fields['x-sallyport-assertion'] ?? '', keys, { audience: host })
    // Roles of the same name mean what the portal of the host says, whoever else was asked about in between.
    const isAdmin = (Number(login.slice(4)) % 2 === 0) === (host !== 'own.example')
    expect([host, payload.sub, payload.roles]).toEqual([host, sub, isAdmin ? ['user', 'admin'] : ['user']])
    expect(fields['x-token-user-roles']).toBe(isAdmin ? 'user admin' : 'user')
  }
  await Promise.all(
    people.map(async person => {
      for (const host of shuffled(HOSTS)) await visit(person, host)
    }),
  )
  // All are known on all hosts now: everything at once.
  const visits = people.flatMap(person => HOSTS.map(host => ({ person, host })))
  await Promise.all(shuffled(visits).map(({ person, host }) => visit(person, host)))
  const tokens = people.flatMap(({ browser }) => HOSTS.map(host => browser.cookie(host, 'sallyport') ?? 'missing'))
  expect(new Set(tokens).size).toBe(PEOPLE * HOSTS.length)
  // Not at the most talkative level either.
  const told = [...gate.log, ...gate.access].join('\n')
  expect(told).not.toMatch(/eyJ|the-client-secret|code=|state=/)
  for (const token of tokens) expect(told).not.toContain(token)
}, 60_000)
