import { describe, expect, test } from 'bun:test'
import { decodeJwt } from 'jose'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { untilTheEnd } from '../../kit/opened.ts'

/** Claims about an address that the provider does not say to have verified, each in its way. */
const UNVERIFIED: readonly [string, Record<string, unknown>][] = [
  ['said to be unverified', { email: 'root@example.com', email_verified: false }],
  ['of which nothing is said', { email: 'root@example.com' }],
  ['said in words to be verified', { email: 'root@example.com', email_verified: 'true' }],
]
const VERIFIED = { email: 'root@example.com', email_verified: true }

const routes = (port: number | undefined) =>
  [
    ['token.example', 'headers = "x-token"'],
    ['forwarded.example', 'headers = "x-forwarded"'],
    ['request.example', 'headers = "x-auth-request"'],
    ['remote.example', 'headers = "remote"'],
    ['own.example', 'headers = { X-Mail = "email", X-Claim = "{claims.email}", X-Both = "{name} <{email}>" }'],
    [
      'rules.example',
      'request_headers = { set = { X-Mail = "{email}", X-Claim = "{claims.email}" } }\nresponse_headers = { set = { X-Told = "{email}" } }',
    ],
    ['assertion.example', 'assertion = { audience = "app" }'],
    ['basic.example', 'upstream = { to = "ADDRESS", basic_auth = { user = "{email}", password = "x" } }'],
  ]
    .map(([host, lines = '']) => {
      const address = `http://127.0.0.1:${port}`
      const own = lines.startsWith('upstream') ? lines.replace('ADDRESS', address) : `upstream = "${address}"\n${lines}`
      return `[[routes]]\nhost = "${host}"\nportal = "home"\nallow = ["user"]\n${own}\n`
    })
    .join('\n')

const ROLES = `
[portals.home.roles.post]
emails = ["root@example.com"]
[portals.home.roles.claimed]
claims = { email = ["root@example.com"] }
`
const TRUSTING = PORTAL.replace('client_id = "gate"', 'client_id = "gate"\nemails = "trusted"')

const keep = untilTheEnd()
const upstream = keep(startTellingFields())
const gate = keep(await startGate(PORTAL + ROLES + routes(upstream.port)))

interface Said {
  /** Everything that the application was sent, with what is signed or encoded in it laid open. */
  readonly toApplication: string
  /** What came back besides. */
  readonly toScripts: string
}

/** All that hosts of a gate tell about someone. */
async function allThatIsSaid(at: Gate, claims: Record<string, unknown>): Promise<ReadonlyMap<string, Said>> {
  const said = new Map<string, Said>()
  for (const host of ['token', 'forwarded', 'request', 'remote', 'own', 'rules', 'assertion', 'basic']) {
    const { cookie } = await at.signIn(`${host}.example`, { sub: 'eve', name: 'Eve', ...claims })
    const ask = (path: string) =>
      fetch(`http://127.0.0.1:${at.port}${path}`, { headers: { host: `${host}.example`, cookie }, redirect: 'manual' })
    const answer = await ask('/')
    expect(answer.status).toBe(200)
    const fields = (await answer.json()) as Record<string, string>
    const { 'x-sallyport-assertion': assertion, authorization } = fields
    const me = await ask('/.sallyport/me')
    expect(me.status).toBe(200)
    said.set(host, {
      toApplication: JSON.stringify([
        fields,
        assertion === undefined ? null : decodeJwt(assertion),
        authorization === undefined ? null : Buffer.from(authorization.replace('Basic ', ''), 'base64').toString(),
      ]),
      toScripts: `${JSON.stringify([...answer.headers])} ${await me.text()}`,
    })
  }
  return said
}

describe.each(UNVERIFIED)('an e-mail address %s', (_, claims) => {
  test('is told to no application, in no field, and to no script', async () => {
    for (const [host, { toApplication, toScripts }] of await allThatIsSaid(gate, claims)) {
      expect(`${host} ${toApplication} ${toScripts}`).not.toContain('root@example.com')
      expect(toScripts).toContain('eve')
    }
  })

  test('gives no role, by emails or by the claim itself', async () => {
    const { cookie } = await gate.signIn('token.example', { sub: 'eve', ...claims })
    const me = await fetch(`http://127.0.0.1:${gate.port}/.sallyport/me`, {
      headers: { host: 'token.example', cookie },
    })
    expect(await me.json()).toMatchObject({
      roles: ['user'],
      email: null,
      email_verified: claims.email_verified === undefined ? null : false,
    })
  })
})

test('a verified e-mail address is told, and gives roles', async () => {
  for (const [host, { toApplication, toScripts }] of await allThatIsSaid(gate, VERIFIED)) {
    expect(`${host} ${toApplication}`).toContain('root@example.com')
    expect(JSON.parse(toScripts.slice(toScripts.indexOf('{')))).toMatchObject({
      email: 'root@example.com',
      roles: ['user', 'post', 'claimed'],
    })
  }
})

test('a save that trusts the provider’s addresses, or no longer does, acts on live sessions', async () => {
  await using own = await startGate(TRUSTING + ROLES + routes(upstream.port))
  const { cookie } = await own.signIn('token.example', { sub: 'eve', email: 'root@example.com' })
  const address = async () => {
    const answer = await fetch(`http://127.0.0.1:${own.port}/`, { headers: { host: 'token.example', cookie } })
    const fields = (await answer.json()) as Record<string, string>
    return [fields['x-token-user-email'], fields['x-token-user-roles']]
  }
  expect(await address()).toEqual(['root@example.com', 'user post claimed'])
  own.save(PORTAL + ROLES + routes(upstream.port))
  await eventually(async () => (await address())[0] === undefined, 'the address is told no more')
  expect(await address()).toEqual([undefined, 'user'])
})

test('the log says once for each provider that addresses are held back, and how to have them told', async () => {
  await using own = await startGate(PORTAL + routes(upstream.port))
  await allThatIsSaid(own, { email: 'root@example.com' })
  const lines = own.told('e-mail')
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'warn',
    provider: 'id',
    hint: expect.stringContaining('emails = \\"trusted\\"'.replaceAll('\\', '')),
  })
  expect(lines[0]).not.toContain('root@example.com')
})

test('that addresses are trusted is said at every start', async () => {
  await using own = await startGate(TRUSTING + routes(upstream.port))
  expect(own.told('count without its saying that it verified them')).toHaveLength(1)
})

describe('a refusal in which an unverified address has a part says so', () => {
  const LABELLED = PORTAL.replace('client_id = "gate"', 'client_id = "gate"\nlabel = "Pocket ID"')
  const RULES = `
[portals.home.roles.family]
emails = ["ada@example.com"]
[[routes]]
host = "role.example"
upstream = "http://127.0.0.1:9"
portal = "home"
allow = ["family"]
[[routes]]
host = "rule.example"
upstream = "http://127.0.0.1:9"
portal = "home"
allow = [{ domains = ["example.com"] }]
[[routes]]
host = "deny.example"
upstream = "http://127.0.0.1:9"
portal = "home"
allow = ["user"]
deny = [{ not = { require_email = true } }]
[[routes]]
host = "groups.example"
upstream = "http://127.0.0.1:9"
portal = "home"
allow = [{ groups = ["staff"] }]
`
  const own = startGate(LABELLED + RULES)
  keep({ [Symbol.asyncDispose]: async () => (await own)[Symbol.asyncDispose]() })
  const ask = async (host: string, accept: string, claims: Record<string, unknown>) => {
    const at = await own
    const { cookie } = await at.signIn(host, { sub: 'ada', ...claims })
    const answer = await fetch(`http://127.0.0.1:${at.port}/`, {
      headers: { host, cookie, accept },
      redirect: 'manual',
    })
    expect(answer.status).toBe(403)
    return { text: await answer.text(), id: answer.headers.get('x-request-id') }
  }
  const unverified = { email: 'ada@example.com', email_verified: false }

  test.each(['role.example', 'rule.example', 'deny.example'])(
    '%s: on the page, to programs, and in the log',
    async host => {
      const page = htmlPage((await ask(host, 'text/html', unverified)).text)
      expect(page.text).toContain(
        'ada@example.com is not verified at Pocket ID, so it does not count here. Verify it there',
      )
      const problem = JSON.parse((await ask(host, 'application/json', unverified)).text)
      expect(problem.reasons).toContainEqual({ code: 'email.unverified', say: expect.stringContaining('Pocket ID') })
      const [line = '{}'] = (await own).told('A request was denied', host.replace('.example', ''), 'is not verified')
      expect(JSON.parse(line)).toMatchObject({
        alone: 'ada@example.com is not verified at Pocket ID',
        hint: expect.stringContaining('emails = "trusted" in [providers.id]'),
      })
    },
  )

  test('to whoever enters an address, the same whether it would be let in or not', async () => {
    const let_in = (await ask('role.example', 'application/json', unverified)).text
    const other = (await ask('role.example', 'application/json', { ...unverified, email: 'eve@example.com' })).text
    const plain = (text: string) =>
      text.replaceAll(/ada|eve/g, 'somebody').replaceAll(/"(?:reference|instance)":"[^"]*"/g, '')
    expect(plain(other)).toBe(plain(let_in))
  })

  test('and no other refusal does', async () => {
    expect((await ask('groups.example', 'text/html', unverified)).text).not.toContain('is not verified')
    const verified = { email: 'eve@example.org', email_verified: true }
    expect((await ask('role.example', 'text/html', verified)).text).not.toContain('is not verified')
    expect((await ask('role.example', 'text/html', {})).text).not.toContain('is not verified')
  })
})
