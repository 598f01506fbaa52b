import { beforeEach, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { aheadClock } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, type GateOptions, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { providerTable, routeTo } from '../../kit/toml.ts'

const MINUTE = 60_000
const clock = aheadClock()

const keep = untilTheEnd()
const bad = keep(await startBadProvider(clock.nowS))
const upstream = keep(startTellingFields())

function behave(how: Misbehaviour = {}): void {
  bad.behave({ givesRefreshToken: true, signsInAtOnce: true, ...how })
}

beforeEach(() => {
  clock.setAhead(0)
  behave()
})

const HOSTS = ['access.example', 'id.example', 'both.example', 'plain.example'] as const

function toml(portal = ''): string {
  const route = (host: string, lines: string) => routeTo(upstream, host, `portal = "home"\n${lines}`)
  return `
${providerTable(bad)}
[portals.home]
providers = ["id"]
insecure_cookies = true
${portal}
roles.user = { any = true }

${route('access.example', 'allow = "public"\npass_token = "access"')}
${route('id.example', 'allow = ["user"]\npass_token = "id"')}
${route('both.example', 'allow = ["user"]\npass_token = { access = "X-Forwarded-Access-Token", id = "X-Id-Token" }')}
${route('plain.example', 'allow = ["user"]')}
`
}

const gateWith = (portal = '', options: GateOptions = {}) => startGate(toml(portal), { ports: clock, ...options })

/** Signs in on a host; answers what a script with that cookie sends. */
async function signIn(gate: Gate, host: string, how: Misbehaviour = {}): Promise<Record<string, string>> {
  behave(how)
  const browser = new BrowserLite({ hosts: Object.fromEntries(HOSTS.map(name => [name, `127.0.0.1:${gate.port}`])) })
  const page = await browser.open(`http://${host}/.sallyport/login?return=/`)
  expect([page.response.status, page.address.href]).toEqual([200, `http://${host}/`])
  behave()
  return { host, cookie: `sallyport=${browser.cookie(host, 'sallyport')}` }
}

/** What the upstream got. */
async function told(gate: Gate, headers: Record<string, string>): Promise<Record<string, string | undefined>> {
  const answer = await fetch(`http://127.0.0.1:${gate.port}/`, { headers, redirect: 'manual' })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Record<string, string | undefined>
}

describe('pass_token', () => {
  test('"access" is the access token as Authorization: Bearer, in place of what a client sends', async () => {
    await using gate = await gateWith()
    const who = await signIn(gate, 'access.example')
    expect((await told(gate, { ...who, authorization: 'Bearer forged' })).authorization).toBe('Bearer access-token-1')
    expect(await told(gate, { host: who.host ?? '', authorization: 'Bearer forged' })).not.toHaveProperty(
      'authorization',
    )
  })

  test('"id" is the ID token as Authorization: Bearer, as the provider signed it', async () => {
    await using gate = await gateWith()
    const { authorization = '' } = await told(gate, await signIn(gate, 'id.example'))
    const [, payload = ''] = authorization.replace(/^Bearer /, '').split('.')
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({ iss: bad.issuer, sub: 'user-1' })
  })

  test('a table gives each a field of its own, which no client may send on any route; Authorization stays the client’s', async () => {
    await using gate = await gateWith()
    const who = await signIn(gate, 'both.example')
    const forged = { authorization: 'Basic theirs', 'x-forwarded-access-token': 'forged', X_Id_Token: 'forged' }
    const got = await told(gate, { ...who, ...forged })
    expect([got.authorization, got['x-forwarded-access-token'], got.x_id_token]).toEqual([
      'Basic theirs',
      'access-token-1',
      undefined,
    ])
    expect(got['x-id-token']).toStartWith('eyJ')
    const plain = await told(gate, { ...(await signIn(gate, 'plain.example')), ...forged })
    expect(Object.values(plain)).not.toContain('forged')
    expect(plain.authorization).toBe('Basic theirs')
  })

  test('follows a refresh', async () => {
    await using gate = await gateWith('refresh = "1m"')
    const who = await signIn(gate, 'both.example')
    const first = await told(gate, who)
    clock.advance(2 * MINUTE)
    await told(gate, who)
    await eventually(
      async () => (await told(gate, who))['x-forwarded-access-token'] === 'access-token-2',
      'the new access token goes out',
    )
    expect((await told(gate, who))['x-id-token']).not.toBe(first['x-id-token'])
  })

  test('follows a refresh that another process did', async () => {
    using folder = temporaryFolder()
    const store = `sqlite:${folder.path}/shared.db`
    await using one = await gateWith('refresh = "1m"', { store })
    await using other = await gateWith('refresh = "1m"', { store })
    const who = await signIn(one, 'access.example')
    expect((await told(other, who)).authorization).toBe('Bearer access-token-1')
    clock.advance(2 * MINUTE)
    await told(one, who)
    await eventually(
      async () => (await told(other, who)).authorization === 'Bearer access-token-2',
      'the other process has the new token',
    )
  })

  test('renews a token that is over before its session is due: fifty requests at once cost one token call, and each has the new one', async () => {
    await using gate = await gateWith('refresh = "1h"\nrefresh_limit = "2h"')
    const who = await signIn(gate, 'access.example')
    expect((await told(gate, who)).authorization).toBe('Bearer access-token-1')
    behave({ beforeToken: () => Bun.sleep(100) })
    const before = bad.asked.token
    clock.advance(6 * MINUTE)
    const answers = await Promise.all(Array.from({ length: 50 }, () => told(gate, who)))
    expect(new Set(answers.map(got => got.authorization))).toEqual(new Set(['Bearer access-token-2']))
    expect(bad.asked.token).toBe(before + 1)
  })

  test('sends none that is over, and asks for it once where a refresh brings none', async () => {
    await using gate = await gateWith('refresh = "1h"\nrefresh_limit = "2h"')
    const who = await signIn(gate, 'id.example')
    clock.advance(6 * MINUTE)
    behave({ refresh: { idToken: null } })
    const before = bad.asked.token
    for (let time = 0; time < 3; time++) expect(await told(gate, who)).not.toHaveProperty('authorization')
    expect(bad.asked.token).toBe(before + 1)
  })

  test('sends none that is over while the provider is away, and tries again', async () => {
    await using gate = await gateWith('refresh = "1h"\nrefresh_limit = "2h"')
    const who = await signIn(gate, 'access.example')
    clock.advance(6 * MINUTE)
    behave({ instead: { token: () => new Response('', { status: 503 }) } })
    const before = bad.asked.token
    for (let time = 0; time < 3; time++) expect(await told(gate, who)).not.toHaveProperty('authorization')
    expect(bad.asked.token).toBe(before + 1)
    behave()
    clock.advance(MINUTE)
    expect((await told(gate, who)).authorization).toBe('Bearer access-token-2')
  })

  test('asks nobody where refresh is off', async () => {
    await using gate = await gateWith('refresh = "off"')
    const who = await signIn(gate, 'access.example')
    const before = bad.asked.token
    clock.advance(6 * MINUTE)
    expect(await told(gate, who)).not.toHaveProperty('authorization')
    expect(bad.asked.token).toBe(before)
  })

  test('a token without a stated end is sent until the next check brings another', async () => {
    await using gate = await gateWith('refresh = "off"')
    const who = await signIn(gate, 'access.example', { token: { expires_in: undefined } })
    clock.advance(60 * MINUTE)
    expect((await told(gate, who)).authorization).toBe('Bearer access-token-1')
  })

  test('a save that begins to ask for it has it fetched for those who are signed in already', async () => {
    await using gate = await startGate(
      toml()
        .replace('"public"\npass_token = "access"', '["user"]')
        .replace(/access = "X[^"]*", /, ''),
      {
        ports: clock,
      },
    )
    const who = await signIn(gate, 'access.example')
    expect(await told(gate, who)).not.toHaveProperty('authorization')
    gate.save(toml())
    expect(gate.server.reload()).toBe('changed')
    expect((await told(gate, who)).authorization).toBe('Bearer access-token-2')
  })

  test('a token that no field can carry is none, and the request goes on', async () => {
    await using gate = await gateWith('refresh = "off"')
    const who = await signIn(gate, 'access.example', {
      token: { access_token: 'a\r\nX-Admin: 1' },
      discovery: { userinfo_endpoint: undefined },
    })
    const got = await told(gate, who)
    expect([got.authorization, got['x-admin']]).toEqual([undefined, undefined])
  })
})

test('tokens of four kilobytes touch no cookie, and neither log nor database nor a page shows one', async () => {
  const long = `access-${'x'.repeat(4096)}`
  await using gate = await gateWith()
  const who = await signIn(gate, 'both.example', {
    token: { access_token: long },
    claims: { filler: 'y'.repeat(4096) },
  })
  expect(who.cookie?.length).toBeLessThan(100)
  const got = await told(gate, who)
  expect(got['x-forwarded-access-token']).toBe(long)
  expect(got['x-id-token']?.length).toBeGreaterThan(4096)
  const me = await fetch(`http://127.0.0.1:${gate.port}/.sallyport/me`, { headers: who })
  const files = readdirSync(gate.folder).filter(name => name.startsWith('sallyport.db'))
  expect(files.length).toBeGreaterThan(0)
  const shown = [
    ...gate.log,
    ...gate.access,
    await me.text(),
    ...files.map(name => readFileSync(join(gate.folder, name), 'latin1')),
  ].join('\n')
  for (const secret of [long.slice(0, 40), got['x-id-token']?.split('.')[2] ?? 'missing'])
    expect(shown).not.toContain(secret)
})

test('where no application asks for the access token, none is kept', async () => {
  await using gate = await startGate(toml().replaceAll(/pass_token = .*/g, ''), { ports: clock })
  const who = await signIn(gate, 'plain.example')
  gate.save(toml('refresh = "off"'))
  expect(gate.server.reload()).toBe('changed')
  expect(await told(gate, { ...who, host: 'plain.example' })).not.toHaveProperty('authorization')
})
