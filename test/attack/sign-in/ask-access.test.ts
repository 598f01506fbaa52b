import { describe, expect, test } from 'bun:test'
import { AUTH, startAsking } from '../../kit/asking.ts'
import { fakeClock } from '../../kit/clock.ts'
import { FORM, PAGE } from '../../kit/fields.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { fetchFrom, sendForm } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'

const asking = untilTheEnd()(startAsking())
const { routes, person, load, ask, decide, requests, listed, page } = asking

const ELSEWHERE: readonly (readonly [what: string, fields: Readonly<Record<string, string>>])[] = [
  ['another site', { 'sec-fetch-site': 'cross-site' }],
  ['another host of the same site', { 'sec-fetch-site': 'same-site' }],
  ['no page at all, typed by hand', { 'sec-fetch-site': 'none' }],
]

describe('a request for access', () => {
  test.each([...ELSEWHERE])('cannot be sent by %s', async (_, fields) => {
    await using gate = await startGate(routes())
    expect(await ask(gate, await person(gate, 'ada'), {}, fields)).toBe(403)
    expect((await listed(gate)).requests).toEqual([])
  })

  test('cannot be sent where a browser says nothing of the page', async () => {
    await using gate = await startGate(routes())
    const { cookie } = await person(gate, 'ada')
    for (const origin of [{}, { origin: 'null' }, { origin: 'http://evil.test' }]) {
      const fields = { host: 'app.test', cookie, 'content-type': FORM['content-type'], ...origin }
      const answer = await sendForm(gate, 'ask', fields, { return: '/', role: 'family' })
      expect([origin, answer.status]).toEqual([origin, 403])
    }
    expect((await listed(gate)).requests).toEqual([])
  })

  test('is for a role that this very route refuses this very person by, and for no other', async () => {
    await using gate = await startGate(routes())
    const ada = await person(gate, 'ada')
    const wrong: readonly Readonly<Record<string, string>>[] = [
      { role: 'nobody-has-this' },
      { role: '' },
      { role: '__proto__' },
      { role: 'user' },
      { role: 'idle' },
      { role: 'staff' },
      { role: 'admin' },
      { role: 'admin', return: '/staff' },
      { role: 'admin', return: '/root' },
      { role: 'family', return: '/staff' },
      { role: 'family', return: '/never' },
      { role: 'staff', return: '//auth.test/staff' },
      { role: 'staff', return: 'http://app.test/staff' },
      { role: 'staff', return: '/a%2f..%2fstaff' },
      { role: 'staff', return: '/.sallyport/admin' },
    ]
    for (const form of wrong) expect([form, await ask(gate, ada, form)]).toEqual([form, 403])
    expect(await ask(gate, await person(gate, 'eve', ['family']), {})).toBe(403)
    expect((await listed(gate)).requests).toEqual([])
  })

  test('is nobody else’s: without a sign-in here, by the cookie of another host, or where nobody asks', async () => {
    await using gate = await startGate(routes())
    expect(await ask(gate, { cookie: 'sallyport=x' })).toBe(401)
    expect(await ask(gate, { cookie: (await person(gate, 'ada')).pageCookie })).toBe(401)
    expect((await listed(gate)).requests).toEqual([])
    await using closed = await startGate(routes(''))
    expect(await ask(closed, await person(closed, 'ada'))).toBe(403)
    expect(await decide(closed, await person(closed, 'root', ['admins']), { act: 'grant', id: 'x', hours: '1' })).toBe(
      404,
    )
  })

  test('is one for each person and role, and a flood of them has its limit', async () => {
    await using gate = await startGate(routes())
    const ada = await person(gate, 'ada')
    const statuses = new Set<number>()
    for (let tries = 0; tries < 600 && !statuses.has(429); tries++) statuses.add(await ask(gate, ada))
    expect([...statuses]).toEqual([303, 429])
    expect((await listed(gate)).requests).toHaveLength(1)
    expect(gate.told('Access was asked for')).toHaveLength(1)
  })

  test('shows what its sender wrote as text, in one line of at most 200 characters', async () => {
    await using gate = await startGate(routes())
    const text = `"><script>alert(1)</script>\r\n\u202e<img src=x onerror=alert(1)>${'x'.repeat(400)}`
    await ask(gate, await person(gate, '<b>ada</b>'), { text })
    const { text: html } = await page(gate, await person(gate, 'root', ['admins']), 'admin')
    expect(html).not.toMatch(/<script>alert|<img|<b>/i)
    expect(htmlPage(html).one('#requests').text).toContain('<script>alert(1)</script>')
    const [request] = (await listed(gate)).requests
    expect(request?.text).toHaveLength(200)
    expect(request?.text).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect((await requests(gate, 'list')).out).not.toContain('\u202e')
  })
})

describe('granting', () => {
  test('takes the admin role, on the portal’s own host, and a form of its own page', async () => {
    await using gate = await startGate(routes())
    const ada = await person(gate, 'ada')
    const root = await person(gate, 'root', ['admins'])
    await ask(gate, ada)
    const [{ id } = { id: '' }] = (await listed(gate)).requests
    const form = { act: 'grant', id, hours: 'always' }
    expect(await decide(gate, ada, form)).toBe(403)
    for (const [, fields] of ELSEWHERE) expect(await decide(gate, root, form, fields)).toBe(403)
    expect(await decide(gate, { pageCookie: root.cookie }, form, { host: 'app.test' })).toBe(403)
    expect(await decide(gate, { pageCookie: '' }, form)).toBe(401)
    for (const hours of ['', '2', '-1', '1e9', 'Infinity', 'null']) {
      expect([hours, await decide(gate, root, { ...form, hours })]).toEqual([hours, 400])
    }
    const loaded = await fetchFrom(gate, `/.sallyport/admin?${new URLSearchParams(form)}`, {
      ...PAGE,
      host: AUTH,
      cookie: root.pageCookie,
    })
    expect(loaded.status).toBe(200)
    expect(await listed(gate)).toMatchObject({ requests: [{ id }], grants: [] })
    expect((await load(gate, ada)).status).toBe(403)
  })

  test('is not one’s own: an admin neither grants what they asked for, nor by the link of a message', async () => {
    await using gate = await startGate(routes())
    const root = await person(gate, 'root', ['admins'])
    expect(await ask(gate, root)).toBe(303)
    const [{ id } = { id: '' }] = (await listed(gate)).requests
    expect(htmlPage((await page(gate, root, 'admin')).text).text).toContain('another admin has to decide')
    expect(await decide(gate, root, { act: 'grant', id, hours: '1' })).toBe(403)
    expect((await load(gate, root)).status).toBe(403)
    expect(await decide(gate, await person(gate, 'other', ['admins']), { act: 'grant', id, hours: '1' })).toBe(303)
    expect((await load(gate, root)).status).toBe(200)
  })

  needs('valkey-server').test.each(['sqlite', 'redis'])(
    'of an admin for an hour lasts no longer than theirs, by %s, and they edit no file',
    async kind => {
      await using valkey = kind === 'redis' ? await startValkey() : null
      const clock = fakeClock(Date.now())
      await using gate = await startGate(routes('requests = { roles = ["family", "staff", "admin"] }'), {
        server: 'edit = true',
        ports: { now: clock.now },
        ...(valkey === null ? {} : shared(valkey.url())),
      })
      const requestOf = async (role: string) => (await listed(gate)).requests.find(one => one.role === role)?.id ?? ''
      const [eve, second] = [await person(gate, 'eve'), await person(gate, 'second')]
      const root = await person(gate, 'root', ['admins'])
      expect(await ask(gate, eve, { role: 'admin', return: '/root' })).toBe(303)
      expect(await decide(gate, root, { act: 'grant', id: await requestOf('admin'), hours: '1' })).toBe(303)
      const [own] = (await listed(gate)).grants
      clock.advance(60_000)
      for (const [role, hours, path] of [
        ['staff', '24', '/staff'],
        ['family', '1', '/'],
        ['admin', 'always', '/root'],
      ] as const) {
        expect([role, await ask(gate, second, { role, return: path })]).toEqual([role, 303])
        expect(await decide(gate, eve, { act: 'grant', id: await requestOf(role), hours })).toBe(303)
      }
      const { grants } = await listed(gate)
      expect(grants.map(({ until }) => until)).toEqual(Array.from({ length: 4 }, () => own?.until ?? ''))
      expect(gate.told('A role was granted', own?.until ?? 'no time')).toHaveLength(4)
      for (const one of [eve, second]) {
        const edited = await page(gate, one, 'edit')
        expect([edited.status, htmlPage(edited.text).has('textarea')]).toEqual([403, false])
        const fields = { ...FORM, host: AUTH, cookie: one.pageCookie }
        const saved = await sendForm(gate, 'edit', fields, { act: 'check', text: '' })
        expect(saved.status).toBe(403)
      }
      expect(htmlPage((await page(gate, root, 'edit')).text).has('textarea')).toBe(true)
      expect((await load(gate, second, '/root')).status).toBe(200)
      // The second one prolongs nothing either.
      expect(await ask(gate, await person(gate, 'third'), { role: 'admin', return: '/root' })).toBe(303)
      expect(await decide(gate, second, { act: 'grant', id: await requestOf('admin'), hours: 'always' })).toBe(303)
      expect((await listed(gate)).grants.at(-1)?.until).toBe(own?.until ?? '')
      clock.advance(59 * 60_000)
      await eventually(async () => (await load(gate, second, '/root')).status === 403, 'the hour is over')
      expect((await page(gate, second, 'admin')).status).toBe(403)
    },
  )

  test('of somebody who was made an admin for good is for good', async () => {
    await using gate = await startGate(routes('requests = { roles = ["family", "admin"] }'), { server: 'edit = true' })
    const [eve, second] = [await person(gate, 'eve'), await person(gate, 'second')]
    expect(await ask(gate, eve, { role: 'admin', return: '/root' })).toBe(303)
    const form = async () => ({ act: 'grant', id: (await listed(gate)).requests[0]?.id ?? '', hours: 'always' })
    expect(await decide(gate, await person(gate, 'root', ['admins']), await form())).toBe(303)
    expect(await ask(gate, second)).toBe(303)
    expect(await decide(gate, eve, await form())).toBe(303)
    expect((await listed(gate)).grants.map(({ until }) => until)).toEqual([null, null])
    expect(htmlPage((await page(gate, eve, 'edit')).text).has('textarea')).toBe(true)
  })

  test('is to a subject at a provider: neither an address, a name nor a claim of that name brings it', async () => {
    await using gate = await startGate(routes())
    const claims = { sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true }
    const { cookie } = await gate.signIn('app.test', claims)
    await ask(gate, { cookie })
    const [{ id } = { id: '' }] = (await listed(gate)).requests
    await requests(gate, 'grant', id, '--for', 'always')
    await eventually(async () => (await load(gate, { cookie })).status === 200, 'the role counts')
    const others = [
      { ...claims, sub: 'eve' },
      { ...claims, sub: 'ADA' },
      { ...claims, sub: 'ada ' },
      { sub: 'eve', roles: ['family'], granted: ['family'], 'granted roles': ['family'] },
    ]
    for (const other of others) {
      const eve = await gate.signIn('app.test', other)
      expect([other.sub, (await load(gate, eve)).status]).toEqual([other.sub, 403])
    }
  })

  test('leaves what shuts somebody out in force', async () => {
    await using gate = await startGate(routes())
    const ada = await person(gate, 'ada')
    await ask(gate, ada)
    const [{ id } = { id: '' }] = (await listed(gate)).requests
    await requests(gate, 'grant', id, '--for', 'always')
    await eventually(async () => (await load(gate, ada)).status === 200, 'the role counts')
    expect((await load(gate, ada, '/never')).status).toBe(403)
    expect((await load(gate, ada, '/staff')).status).toBe(403)
  })
})

test('the webhook goes to the address of the file alone: not where that redirects, nor where anybody writes', async () => {
  const reached: string[] = []
  const told: string[] = []
  using inner = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      reached.push(request.url)
      return new Response()
    },
  })
  const away = `http://127.0.0.1:${inner.port}/secrets`
  using hook = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      told.push(new URL(request.url).pathname)
      return new Response(null, { status: told.length === 1 ? 307 : 204, headers: { location: away } })
    },
  })
  await using gate = await startGate(routes(`requests = { webhook = "http://127.0.0.1:${hook.port}/hook" }`))
  const ada = await person(gate, 'ada')
  expect(await ask(gate, ada, { text: away, webhook: away, return: '/', role: 'family' })).toBe(303)
  await eventually(() => told.length === 2, 'it is told again')
  expect([told, reached]).toEqual([['/hook', '/hook'], []])
})
