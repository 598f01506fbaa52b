import { describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { fakeClock, patientAsk } from '../../kit/clock.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { push, SCIM_KEY, userOf } from '../../kit/scim.ts'
import { EVERYONE, portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const clock = fakeClock(Date.now())
const keep = untilTheEnd()
const provider = keep(await startBadProvider(() => Math.floor(clock.now() / 1000)))
const upstream = keep(startAnswering(({ headers }) => new Response(`${headers.get('x-token-subject')}`)))

const AUDIENCE = 'https://gate.example/api'
const nowS = () => Math.floor(clock.now() / 1000)
const right = () => ({ active: true, sub: 'ada', aud: AUDIENCE, client_id: 'app', exp: nowS() + 600 })

/** What the provider says of any token, and the forms and fields with which it was asked. */
let says: () => unknown = right
const asked: { readonly form: URLSearchParams; readonly authorization: string | null }[] = []
let holds: Promise<void> | null = null
const endpoint = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      asked.push({
        form: new URLSearchParams(await request.text()),
        authorization: request.headers.get('authorization'),
      })
      await holds
      const said = says()
      return said instanceof Response ? said : Response.json(said)
    },
  }),
)
provider.behave({ discovery: { introspection_endpoint: `http://127.0.0.1:${endpoint.port}/introspect` } })

const file = (tokens: string) =>
  [
    providerTable(provider, `access_tokens = ${tokens}`),
    portalTable(EVERYONE),
    routeTo(upstream, 'app.test', 'portal = "home"\nheaders = "x-token"\nallow = ["user"]\ntokens = true'),
    routeTo(
      upstream,
      'app.test',
      'path = "/signed-in"\nportal = "home"\nallow = "authenticated"\ndeny = [{ groups = ["banned"] }]\ntokens = true',
    ),
  ].join('\n')

const OWN = 'https://reports.example'
const withOwn = (tokens: string) =>
  [
    file(tokens),
    routeTo(
      upstream,
      'app.test',
      `path = "/reports"\nportal = "home"\nheaders = "x-token"\nallow = ["user"]\ntokens = true\naudience = "${OWN}"`,
    ),
  ].join('\n')

const gate = keep(
  await startGate(file(`{ audience = "${AUDIENCE}", introspect = true }`), {
    ports: { now: clock.now, ask: patientAsk },
  }),
)

let count = 0
const fresh = () => `opaque-${++count}`

async function ask(token: string, at = gate, path = '/') {
  const answer = await fetchFrom(at, path, { host: 'app.test', accept: '*/*', authorization: `Bearer ${token}` })
  return { status: answer.status, body: await answer.text() }
}

describe('RFC 7662: a token that only its provider can read', () => {
  test('lets in whom the provider names, which is asked once a minute, as the client, and in the body alone', async () => {
    says = right
    const token = fresh()
    const before = asked.length
    for (let n = 0; n < 3; n++) expect(await ask(token)).toEqual({ status: 200, body: 'ada' })
    expect(asked.length - before).toBe(1)
    expect(asked.at(-1)?.form.get('token')).toBe(token)
    expect(asked.at(-1)?.authorization).toStartWith('Basic ')
    says = () => ({ active: false })
    clock.advance(59_000)
    expect((await ask(token)).status).toBe(200)
    clock.advance(2_000)
    expect((await ask(token)).status).toBe(401)
  })

  test('is asked about once for many that come at the same time', async () => {
    says = right
    const { promise, resolve } = Promise.withResolvers<void>()
    holds = promise
    const token = fresh()
    const before = asked.length
    const waiting = Array.from({ length: 5 }, () => ask(token))
    while (asked.length === before) await Bun.sleep(1)
    resolve()
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(asked.length - before).toBe(1)
    holds = null
  })

  test('is good no longer where the file names another audience by the time that its provider answers', async () => {
    says = right
    const own = keep(
      await startGate(file(`{ audience = "${AUDIENCE}", introspect = true }`), { ports: { now: clock.now } }),
    )
    const { promise, resolve } = Promise.withResolvers<void>()
    holds = promise
    const token = fresh()
    const before = asked.length
    const waiting = ask(token, own)
    while (asked.length === before) await Bun.sleep(1)
    own.save(file(`{ audience = "${OWN}", introspect = true }`))
    await own.server.reload()
    const later = ask(token, own)
    resolve()
    holds = null
    expect([(await waiting).status, (await later).status]).toEqual([401, 401])
  })

  test('that is not good is remembered for ten seconds, and is never believed beyond its end', async () => {
    says = () => ({ active: false })
    const token = fresh()
    const before = asked.length
    expect([(await ask(token)).status, (await ask(token)).status]).toEqual([401, 401])
    expect(asked.length - before).toBe(1)
    says = right
    clock.advance(11_000)
    expect((await ask(token)).status).toBe(200)
    const short = fresh()
    says = () => ({ ...right(), exp: nowS() - 50 })
    expect((await ask(short)).status).toBe(200)
    says = () => ({ active: false })
    clock.advance(11_000)
    expect((await ask(short)).status).toBe(401)
  })

  test.each<[string, () => unknown]>([
    ['for nobody in particular', () => ({ ...right(), aud: undefined })],
    ['for another', () => ({ ...right(), aud: 'https://other.example' })],
    ['for the client, where the file does not say so', () => ({ ...right(), aud: provider.clientId })],
    ['of another issuer', () => ({ ...right(), iss: 'https://other.example' })],
    ['without a subject', () => ({ ...right(), sub: undefined })],
    ['with a subject of ours', () => ({ ...right(), sub: 'htpasswd:ada' })],
    ['that is over', () => ({ ...right(), exp: nowS() - 90 })],
    ['whose subject is no text', () => ({ ...right(), sub: 7 })],
    ['that ended by a text', () => ({ ...right(), exp: `${nowS() - 90}` })],
    ['that began by what is no time', () => ({ ...right(), iat: 'today' })],
    ['whose type is no text', () => ({ ...right(), token_type: ['Bearer'] })],
    ['that is not good yet', () => ({ ...right(), nbf: nowS() + 90 })],
    ['that is bound to a key', () => ({ ...right(), cnf: { jkt: 'x' } })],
    ['that is a refresh token', () => ({ ...right(), token_use: 'refresh_token' })],
    ['that is a refresh token, as Keycloak says it', () => ({ ...right(), typ: 'Refresh' })],
    ['of another type', () => ({ ...right(), token_type: 'DPoP' })],
  ])('one %s is none', async (_title, answer) => {
    says = answer
    expect((await ask(fresh())).status).toBe(401)
  })

  test('lets nobody in where the provider does not answer as it has to', async () => {
    for (const answer of [
      () => new Response('no', { status: 500 }),
      () => new Response('{}', { status: 401 }),
      () => ({ active: 'true', sub: 'ada', aud: AUDIENCE }),
      () => ({ sub: 'ada', aud: AUDIENCE }),
      () => new Response('active'),
    ]) {
      says = answer
      expect((await ask(fresh())).status).toBe(503)
    }
  })

  test('of a program in its own name is nobody’s whom any means', async () => {
    says = () => ({ ...right(), sub: 'app' })
    expect((await ask(fresh())).status).toBe(403)
    expect((await ask(fresh(), gate, '/signed-in')).status).toBe(403)
    says = right
    expect((await ask(fresh(), gate, '/signed-in')).status).toBe(200)
  })

  test('is good no longer once its person is pushed as not active, though its provider was asked a moment ago', async () => {
    await using other = await startGate(file(`{ audience = "${AUDIENCE}", introspect = true }\n${SCIM_KEY}`), {
      ports: { now: clock.now },
    })
    says = right
    const token = fresh()
    expect((await ask(token, other)).status).toBe(200)
    const { status } = await push(other, 'POST', '/Users', userOf('ada', { active: false }), { host: 'app.test' })
    expect(status).toBe(201)
    expect((await ask(token, other)).status).toBe(401)
  })

  test('is shown to the provider alone whose tokens begin so; an application’s own key is shown to none, and passes', async () => {
    const second = await startBadProvider(() => Math.floor(clock.now() / 1000))
    const secondAsked: string[] = []
    const secondEndpoint = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        secondAsked.push(new URLSearchParams(await request.text()).get('token') ?? '')
        return Response.json({ ...right(), sub: 'grace' })
      },
    })
    second.behave({ discovery: { introspection_endpoint: `http://127.0.0.1:${secondEndpoint.port}/introspect` } })
    const tokens = (prefix: string) =>
      `access_tokens = { audience = "${AUDIENCE}", introspect = true, introspect_prefix = "${prefix}" }`
    const toml = [
      providerTable(provider, tokens('one_')),
      providerTable(second, tokens('two_'), 'second'),
      portalTable(EVERYONE).replace('["id"]', '["id", "second"]'),
      routeTo(upstream, 'app.test', 'portal = "home"\nheaders = "x-token"\nallow = ["user"]\ntokens = true'),
      routeTo(upstream, 'app.test', 'path = "/own"\nportal = "home"\nallow = "public"\ntokens = true'),
    ].join('\n')
    await using other = await startGate(toml, { ports: { now: clock.now } })
    says = right
    const before = asked.length
    expect(await ask('one_a', other)).toEqual({ status: 200, body: 'ada' })
    expect(await ask('two_b', other)).toEqual({ status: 200, body: 'grace' })
    expect((await ask('ghp_key-of-an-application', other, '/own')).status).toBe(200)
    expect(asked.slice(before).map(({ form }) => form.get('token'))).toEqual(['one_a'])
    expect(secondAsked).toEqual(['two_b'])
    await second.stop()
    await secondEndpoint.stop(true)
  })

  test('that a stranger makes up is soon asked about no more, and holds up no other client’s', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let questions = 0
    await using slow = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        questions++
        const token = new URLSearchParams(await request.text()).get('token') ?? ''
        if (token.startsWith('good')) return Response.json(right())
        await promise
        return Response.json({ active: false })
      },
    })
    const own = keep(await startBadProvider(() => Math.floor(clock.now() / 1000)))
    own.behave({ discovery: { introspection_endpoint: `http://127.0.0.1:${slow.port}/introspect` } })
    const toml = file(`{ audience = "${AUDIENCE}", introspect = true }`).replaceAll(provider.issuer, own.issuer)
    await using other = await startGate(toml, {
      ports: { now: clock.now, ask: patientAsk },
      server: 'trusted_proxies = ["127.0.0.1"]',
    })
    const askFrom = async (client: string, token: string) => {
      const fields = { host: 'app.test', accept: '*/*', authorization: `Bearer ${token}`, 'x-forwarded-for': client }
      const { status, headers } = await fetchFrom(other, '/', fields)
      return [status, headers.get('retry-after')]
    }
    const made = Array.from({ length: 120 }, (_, index) => askFrom('203.0.113.9', `made-up-${index}`))
    await eventually(() => questions >= 40, 'the provider is asked')
    expect(await askFrom('198.51.100.7', 'good')).toEqual([200, null])
    resolve()
    const statuses = (await Promise.all(made)).map(([status]) => status)
    expect([401, 429].map(one => statuses.filter(status => status === one).length)).toEqual([40, 80])
    for (let n = 0; n < 60; n++) expect(await askFrom('198.51.100.7', `good-${n}`)).toEqual([200, null])
    expect(questions).toBe(101)
    expect(await askFrom('203.0.113.9', 'made-up-later')).toEqual([429, '1'])
    clock.advance(1000)
    expect(await askFrom('203.0.113.9', 'made-up-later')).toEqual([401, null])
    expect(questions).toBe(102)
  })

  test('that a stranger makes up, and to which the provider gives an error, is charged like any other', async () => {
    await using other = await startGate(file(`{ audience = "${AUDIENCE}", introspect = true }`), {
      ports: { now: clock.now },
    })
    const before = asked.length
    says = () => new Response('no', { status: 400 })
    const statuses: number[] = []
    for (let n = 0; n < 60; n++) statuses.push((await ask(fresh(), other)).status)
    expect(statuses).toEqual([...Array(40).fill(503), ...Array(20).fill(429)])
    expect(asked.length - before).toBe(40)
    says = right
  })

  test('is asked about for each portal by itself', async () => {
    const away = 'portal = "away"\nheaders = "x-token"\nallow = ["user"]\ntokens = true'
    const toml = [
      file(`{ audience = "${AUDIENCE}", introspect = true }`),
      portalTable(EVERYONE, 'away'),
      routeTo(upstream, 'away.test', away),
    ].join('\n')
    await using other = await startGate(toml, { ports: { now: clock.now } })
    says = right
    for (const hosts of [
      ['app.test', 'away.test', 'app.test', 'away.test'],
      ['away.test', 'app.test', 'away.test', 'app.test'],
    ]) {
      const token = fresh()
      for (const host of hosts) {
        const answer = await fetchFrom(other, '/', { host, accept: '*/*', authorization: `Bearer ${token}` })
        expect([host, answer.status, await answer.text()]).toEqual([host, 200, 'ada'])
      }
    }
  })

  describe('an audience of a route', () => {
    const INTROSPECTED = `{ audience = "${AUDIENCE}", introspect = true }`

    test.each<[string, unknown, number, number]>([
      ['the common one', AUDIENCE, 200, 401],
      ['its own', OWN, 401, 200],
      ['both', [AUDIENCE, OWN], 200, 200],
      ['another', 'https://other.example', 401, 401],
    ])('of a token for %s is held against each route, whichever was asked first', async (_title, aud, common, own) => {
      await using other = await startGate(withOwn(INTROSPECTED), { ports: { now: clock.now } })
      says = () => ({ ...right(), aud })
      const statuses = { '/': common, '/reports': own }
      for (const order of [
        ['/', '/reports', '/', '/reports'],
        ['/reports', '/', '/reports', '/'],
      ] as const) {
        const token = fresh()
        // Twice, since what was said once is remembered.
        for (const path of order) expect([path, (await ask(token, other, path)).status]).toEqual([path, statuses[path]])
        const together = fresh()
        const found = await Promise.all(order.map(path => ask(together, other, path)))
        expect(found.map(({ status }) => status)).toEqual(order.map(path => statuses[path]))
      }
    })
  })

  test('is the application’s own business without introspect, and no provider is asked', async () => {
    await using other = await startGate(file(`{ audience = "${AUDIENCE}" }`), { ports: { now: clock.now } })
    says = right
    const before = asked.length
    expect((await ask(fresh(), other)).status).toBe(401)
    expect(asked.length).toBe(before)
  })
})
