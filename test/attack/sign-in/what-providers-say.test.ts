import { Database } from 'bun:sqlite'
import { beforeEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { aheadClock } from '../../kit/clock.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { fetchFrom, statusOf } from '../../kit/requests.ts'
import { EVERYONE, portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const HOST = 'app.example'
const MINUTE = 60_000
const clock = aheadClock()
const keep = untilTheEnd()
const upstream = keep(startTellingFields())
const bad = keep(await startBadProvider(clock.nowS))

beforeEach(() => {
  clock.setAhead(0)
  behave()
})

function behave(how: Misbehaviour = {}): void {
  bad.behave({ givesRefreshToken: true, signsInAtOnce: true, ...how })
}

function file(route: string): string {
  return [
    providerTable(bad),
    portalTable(`refresh = "10m"\n${EVERYONE}`),
    routeTo(upstream, HOST, `portal = "home"\n${route}`),
  ].join('\n')
}

const USERS = 'allow = ["user"]'

/** Lists within each other, as text: to write such a value is what takes seconds. */
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

const json = (text: string) => () => new Response(text, { headers: { 'content-type': 'application/json' } })

const open = (gate: Gate) => browserAt(gate, HOST).open(`http://${HOST}/`)

/** The claims of everyone who is signed in, as the store has them. */
function stored(gate: Gate): readonly string[] {
  using db = new Database(join(gate.folder, 'sallyport.db'), { readonly: true })
  return db
    .query<{ identity: string }, []>('SELECT identity FROM sessions')
    .all()
    .map(({ identity }) => identity)
}

describe('what is nested deeper than anything that makes sense', () => {
  test.each<[place: string, how: () => Misbehaviour]>([
    ['userinfo', () => ({ instead: { userinfo: json(`{"sub":"user-1","groups":${nested(60_000)}}`) } })],
    ['the ID token', () => ({ claims: { groups: JSON.parse(nested(2000)) } })],
    [
      'the token endpoint',
      () => ({ instead: { token: json(`{"access_token":"x","token_type":"bearer","more":${nested(60_000)}}`) } }),
    ],
    [
      'an error of the token endpoint',
      () => ({ instead: { token: () => new Response(`{"error":${nested(60_000)}}`, { status: 400 }) } }),
    ],
    ['the keys', () => ({ instead: { jwks: json(`{"keys":[{"kty":"RSA","x":${nested(60_000)}}]}`) } })],
    ['discovery', () => ({ instead: { discovery: json(`{"issuer":"${bad.issuer}","x":${nested(60_000)}}`) } })],
  ])('in %s ends that sign-in, is stored nowhere, and holds nobody else', async (_place, how) => {
    await using gate = await startGate(file(USERS), { ports: clock })
    behave(how())
    const { response } = await open(gate)
    expect([502, 503]).toContain(response.status)
    expect(stored(gate)).toEqual([])
    expect(gate.told('error', 'unexpected')).toEqual([])
    behave()
    clock.setAhead(MINUTE)
    expect((await open(gate)).response.status).toBe(200)
  })

  test('in a logout token that a stranger sends is no token', async () => {
    await using gate = await startGate(file(USERS), { ports: clock })
    const claims = `{"iss":"${bad.issuer}","aud":"${bad.clientId}","events":${nested(5000)}}`
    const token = ['{"alg":"RS256"}', claims].map(part => Buffer.from(part).toString('base64url')).join('.')
    const asked = bad.asked.jwks
    const answer = await fetchFrom(
      gate,
      '/.sallyport/backchannel-logout',
      { host: HOST, 'content-type': 'application/x-www-form-urlencoded' },
      { method: 'POST', body: `logout_token=${token}.x` },
    )
    expect([answer.status, bad.asked.jwks - asked]).toEqual([400, 0])
  })
})

describe('of claims', () => {
  const BLOB = `[${'{},'.repeat(120_000)}{}]`

  test('only what the file names is kept, and the names of the rest are told', async () => {
    await using gate = await startGate(
      file(`${USERS}\nheaders = { X-Team = "claims.org.team", X-Blob = "claims.blob" }`),
      {
        ports: clock,
      },
    )
    const said = `{"sub":"user-1","org":{"team":"red","secret":"s3"},"other":"planted-1","more":${BLOB},"blob":${BLOB}}`
    behave({ instead: { userinfo: json(said) } })
    const { response, text } = await open(gate)
    expect(response.status).toBe(200)
    expect(JSON.parse(text)).toMatchObject({ 'x-team': 'red' })
    expect(JSON.parse(text)['x-blob']).toBe('')
    const [identity = ''] = stored(gate)
    expect(JSON.parse(identity).claims).toMatchObject({ org: { team: 'red', secret: null }, other: null, more: null })
    expect(identity.length).toBeLessThan(1000)
    expect(gate.told('nothing in the file names', 'other', 'org.secret').length).toBe(1)
    expect(gate.told('planted-1')).toEqual([])
  })

  test('one that is longer than what is kept counts for nothing, and neither does half of a list of groups', async () => {
    await using gate = await startGate(
      file(`allow = [{ claims = { note = "x" } }, { claims = { tags = "t-1" } }, { groups = ["g-1"] }]`),
      { ports: clock },
    )
    const list = (begin: string, many: number) =>
      JSON.stringify(Array.from({ length: many }, (_, at) => `${begin}-${at}`))
    const say = (members: string) => behave({ instead: { userinfo: json(`{"sub":"user-1",${members}}`) } })
    const told = () => gate.told('more claims than Sallyport keeps').length
    for (const [members, name] of [
      [`"note":"${'x'.repeat(1001)}"`, 'note'],
      [`"tags":${list('t', 10_000)}`, 'tags'],
      [`"groups":${list('g', 6000)}`, 'groups'],
    ] as const) {
      say(members)
      const before = told()
      expect([name, (await open(gate)).response.status]).toEqual([name, 403])
      expect([name, told()]).toEqual([name, before + 1])
    }
    for (const members of ['"note":"x"', `"tags":${list('t', 1000)}`, `"groups":${list('g', 3000)}`]) {
      say(members)
      expect((await open(gate)).response.status).toBe(200)
    }
  })

  test('whoever states more names than can be kept is not signed in', async () => {
    await using gate = await startGate(file(USERS), { ports: clock })
    const names = Array.from({ length: 10_000 }, (_, at) => `"claim-${at}":1`)
    behave({ instead: { userinfo: json(`{"sub":"user-1",${names}}`) } })
    expect((await open(gate)).response.status).toBe(502)
    expect(stored(gate)).toEqual([])
  })

  test('one that a reload names is unknown of whoever is signed in, so that deny holds, until their provider is asked again', async () => {
    await using gate = await startGate(file(USERS), { ports: clock })
    const browser = browserAt(gate, HOST)
    const claims = { suspended: false, level: 3 }
    behave({ claims, refresh: { claims } })
    expect((await browser.open(`http://${HOST}/`)).response.status).toBe(200)
    const cookie = `sallyport=${browser.cookie(HOST, 'sallyport')}`
    const status = () => statusOf(gate, '/', { host: HOST, cookie })
    gate.save(file(`allow = [{ claims = { level = 3 } }]\ndeny = [{ claims = { suspended = true } }]`))
    await eventually(async () => (await status()) === 403, 'the file is in force')
    clock.setAhead(11 * MINUTE)
    await eventually(async () => (await status()) === 200, 'the provider was asked again')
  })
})
