import { describe, expect, test } from 'bun:test'
import { createToken } from '../../kit/commands.ts'
import { OWN_FORM } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom, sendForm } from '../../kit/requests.ts'
import { EVERYONE, portalTable, providerTable, routeTo, SILENT } from '../../kit/toml.ts'
import { linesOf, rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

/** Two portals whose roles have the same names and other people: Ada is a `user` of the first, Bob of the second. */
const PORTALS =
  providerTable(SILENT) +
  portalTable('roles = { user = { subjects = ["ada"] }, admin = { subjects = ["ada"] } }', 'one') +
  portalTable('roles = { user = { subjects = ["bob"] }, admin = { any = true } }', 'two')

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const gate = keep(await startGate(routes()))

function routes(ofOne = 'one'): string {
  const route = (host: string, portal: string, more = '') =>
    routeTo(upstream, host, `portal = "${portal}"\nallow = ["user"]\nheaders = "x-token"\ntokens = true\n${more}`)
  return PORTALS + route('one.example', ofOne) + route('two.example', 'two') + route('*.example', 'two')
}

/** A cookie of somebody's session at a portal, for a host. */
const signIn = async (at: Gate, portal: string, host: string, sub: string) =>
  `Cookie: ${(await at.signIn(host, { sub }, portal)).cookie}`

async function ask(at: Gate, host: string, field: string) {
  const { response, received } = await sendThrough(at.port, upstream, rawRequest('GET /', host, [field]))
  return { status: response.status, subject: linesOf(received, 'x-token-subject')[0]?.split(': ')[1] ?? null }
}

test('one person has the roles of each portal there, and nowhere else, in whatever order they ask', async () => {
  const cookies = new Map<string, string>()
  for (const sub of ['ada', 'bob']) {
    for (const [portal, host] of [
      ['one', 'one.example'],
      ['two', 'two.example'],
      ['two', 'wild.example'],
    ] as const)
      cookies.set(`${sub} ${host}`, await signIn(gate, portal, host, sub))
  }
  for (let round = 0; round < 3; round++) {
    for (const [who, cookie] of round % 2 === 0 ? [...cookies] : [...cookies].toReversed()) {
      const [sub = '', host = ''] = who.split(' ')
      const may = (sub === 'ada') === (host === 'one.example')
      expect([who, await ask(gate, host, cookie)]).toEqual([
        who,
        may ? { status: 200, subject: sub } : { status: 403, subject: null },
      ])
    }
  }
})

test('a session of another portal, or of another host, is none, though its cookie is good', async () => {
  for (const [portal, host, asked] of [
    ['two', 'one.example', 'one.example'],
    ['one', 'two.example', 'two.example'],
    ['one', 'wild.example', 'wild.example'],
    ['one', 'one.example', 'two.example'],
    ['two', 'wild.example', 'other.example'],
    ['two', 'two.example', 'wild.example'],
  ] as const) {
    const sub = asked === 'one.example' ? 'ada' : 'bob'
    const answer = await ask(gate, asked, await signIn(gate, portal, host, sub))
    expect([portal, host, asked, answer]).toEqual([portal, host, asked, { status: 401, subject: null }])
  }
})

test('an admin of one portal ends no session of another, by its page or by its id', async () => {
  const own = portalTable(
    'url = "http://auth.one"\nadmin_role = "admin"\nroles = { everyone = { any = true }, admin = { subjects = ["ada"] } }',
    'one',
  )
  const other = portalTable(
    'url = "http://auth.two"\nadmin_role = "admin"\nroles = { everyone = { any = true }, admin = { subjects = ["bob"] } }',
    'two',
  )
  const route = (name: string) => routeTo(upstream, `app.${name}`, `portal = "${name}"\nallow = ["everyone"]`)
  for (const url of ['both have one', 'neither has one']) {
    const file = providerTable(SILENT) + own + other + route('one') + route('two')
    await using at = await startGate(url === 'both have one' ? file : file.replaceAll(/url = .*\n/g, ''))
    const host = url === 'both have one' ? 'auth' : 'app'
    const admin = await at.signIn(`${host}.one`, { sub: 'ada' }, 'one')
    // The very same person's too: she is no admin there.
    for (const sub of ['bob', 'ada']) {
      const { cookie, sessionId } = await at.signIn(`${host}.two`, { sub }, 'two')
      for (const more of [{}, { all: '1' }] as Readonly<Record<string, string>>[]) {
        const fields = { ...OWN_FORM, host: `${host}.one`, cookie: admin.cookie }
        const answer = await sendForm(at, 'sessions', fields, { act: 'end', id: sessionId, ...more })
        expect([url, sub, answer.status]).toEqual([url, sub, 200])
      }
      const still = await fetchFrom(at, '/.sallyport/sessions', { host: `${host}.two`, cookie })
      const { sessions } = (await still.json()) as { sessions: { is_this: boolean }[] }
      expect([url, sub, sessions.some(one => one.is_this)]).toEqual([url, sub, true])
    }
    expect(at.told('An admin ended a session')).toEqual([])
    expect(at.told('signed out')).toEqual([])
  }
})

test('a token of one portal is none at the other, before and after it was good', async () => {
  const create = async (portal: string) => {
    const { token } = await createToken(gate, ['--portal', portal, '--roles', 'user,admin'])
    return `Authorization: Bearer ${token}`
  }
  const [one, two] = [await create('one'), await create('two')]
  for (let round = 0; round < 2; round++) {
    expect((await ask(gate, 'two.example', one)).status).toBe(401)
    expect((await ask(gate, 'one.example', one)).status).toBe(200)
    expect((await ask(gate, 'one.example', two)).status).toBe(401)
    expect((await ask(gate, 'two.example', two)).status).toBe(200)
  }
})

describe('a host that is given to another portal', () => {
  test('knows nobody from before, and everybody again once it is given back', async () => {
    await using other = await startGate(routes())
    const ada = await signIn(other, 'one', 'one.example', 'ada')
    const bob = await signIn(other, 'two', 'one.example', 'bob')
    const statuses = async () => [
      (await ask(other, 'one.example', ada)).status,
      (await ask(other, 'one.example', bob)).status,
    ]
    expect(await statuses()).toEqual([200, 401])
    other.save(routes('two'))
    await eventually(async () => (await statuses()).join() === '401,200', 'the other portal is in force')
    other.save(routes())
    await eventually(async () => (await statuses()).join() === '200,401', 'the first is in force again')
  })
})

test('a callback is answered where people sign in; elsewhere that path is the application’s own, under its own rules', async () => {
  const route = (host: string, more: string) => routeTo(upstream, host, `portal = "home"\n${more}`)
  await using other = await startGate(
    providerTable(SILENT) +
      portalTable(`${EVERYONE}\nurl = "http://auth.localhost"\ncallback_path = "/oauth2/callback"`) +
      route('app.localhost', 'allow = "public"') +
      route('closed.localhost', 'allow = ["user"]'),
  )
  const at = (host: string) =>
    sendThrough(other.port, upstream, rawRequest('GET /oauth2/callback?code=x&state=y', host))
  expect((await at('auth.localhost')).received).toBe('')
  expect((await at('app.localhost')).received).toStartWith('GET /oauth2/callback?code=x&state=y HTTP/1.1')
  const closed = await at('closed.localhost')
  expect([closed.response.status, closed.received]).toEqual([401, ''])
})

test('the host where people sign in is served by no wildcard above it, unless a route names it', async () => {
  const file = (more = '') =>
    providerTable(SILENT) +
    portalTable(`${EVERYONE}\nurl = "http://auth.localhost"`) +
    routeTo(upstream, '*.localhost', 'allow = "public"') +
    more
  await using other = await startGate(file())
  const at = async (host: string, path = '/x') => {
    const { response, received } = await sendThrough(other.port, upstream, rawRequest(`GET ${path}`, host))
    return [response.status, received !== '']
  }
  expect(await at('app.localhost')).toEqual([200, true])
  expect(await at('auth.localhost')).toEqual([404, false])
  expect(await at('AUTH.localhost.', '/x/y')).toEqual([404, false])
  expect(await at('auth.localhost', '/')).toEqual([401, false])
  expect(await at('nothing.example', '/')).toEqual([404, false])
  expect(await at('auth.localhost', '/.sallyport/me')).toEqual([401, false])
  other.save(file(routeTo(upstream, 'auth.localhost', 'path = "/x"\nallow = "public"')))
  await eventually(async () => (await at('auth.localhost'))[0] === 200, 'the route is in force')
  expect(await at('auth.localhost', '/y')).toEqual([404, false])
})

test('whoever says where they come from has no more of a rate for it', async () => {
  await using limited = await startGate(
    `[[routes]]\nhost = "few.example"\nrespond = { body = "x" }\nallow = "public"\nrate = { requests = 1, per = "1h", burst = 3, by = "client" }\n`,
  )
  const statuses: number[] = []
  for (let count = 0; count < 8; count++) {
    const fields = [
      `X-Forwarded-For: 198.51.100.${count}`,
      `X-Real-IP: 10.0.0.${count}`,
      `Forwarded: for=10.0.1.${count}`,
      `Client-IP: 10.0.2.${count}`,
    ]
    const { response } = await sendThrough(limited.port, upstream, rawRequest('GET /', 'few.example', fields))
    statuses.push(response.status)
  }
  expect(statuses).toEqual([200, 200, 200, 429, 429, 429, 429, 429])
})
