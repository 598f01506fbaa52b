import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { runExplain } from '../../../src/cli/explain.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { FORM, PAGE, SCRIPT } from '../../kit/fields.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { AUTH, form, type Made, startBoard } from '../../kit/guest-links.ts'
import { runIn } from '../../kit/io.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { openEvents } from '../../kit/wire/streams.ts'

const board = untilTheEnd()(startBoard())
const { seen, routes, routesWithout, guests, create, ask, open, person } = board

describe('a guest link', () => {
  test('shows who invites to what, and its button opens that place in this browser, with an identity of its own', async () => {
    await using gate = await startGate(routes())
    const made = await create(gate, 'http://app.test/board?view=all')
    expect((await ask(gate, {})).status).toBe(302)
    const page = await ask(gate, { path: `/.sallyport/guest?link=${made.text}` })
    expect(page.status).toBe(200)
    expect(page.text).toContain('You are invited to Board &amp; more')
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.text).not.toMatch(/<script|http-equiv/)
    const opened = await open(gate, made)
    expect([opened.status, opened.headers.get('location')]).toEqual([303, '/board?view=all'])
    expect(opened.line).toMatch(/; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/)
    const inside = await ask(gate, { path: '/board/x?y', cookie: `a=b; ${opened.cookie}` })
    expect([inside.status, inside.text]).toEqual([200, made.id])
    expect(inside.forwarded).toContain('"x-token-user-name":"Guest (Aunt)"')
    expect(inside.forwarded).not.toContain('x-token-user-roles')
    expect(inside.forwarded).not.toContain('sallyport-guest')
    expect(inside.forwarded).not.toContain(made.text)
  })

  test('opens its host and path and nothing else, however that is written', async () => {
    await using gate = await startGate(routes())
    const { cookie } = await open(gate, await create(gate))
    for (const path of ['/board', '/board/', '/board/a/b', '/board?x=/../admin']) {
      expect([path, (await ask(gate, { path, cookie })).status]).toEqual([path, 200])
    }
    const beyond = [
      '/',
      '/boards',
      '/Board',
      '/board..',
      '/admin',
      '/people',
      '/loose',
      '/board/..%2fadmin',
      '/board%2f..%2fadmin',
      '//board/../admin',
      '/board;/../admin',
      '/board/%2e%2e/people',
    ]
    for (const path of beyond) {
      const { status, forwarded } = await ask(gate, { path, cookie })
      expect([path, [302, 400].includes(status), forwarded]).toEqual([path, true, ''])
    }
    expect((await ask(gate, { host: 'other.test', cookie })).status).toBe(302)
    expect((await ask(gate, { path: '/board', cookie: cookie.replace('sallyport-guest', 'sallyport') })).status).toBe(
      302,
    )
  })

  test('never passes where only people may, whatever the rule says of them', async () => {
    await using gate = await startGate(routes())
    const { cookie } = await open(gate, await create(gate, 'http://app.test/'))
    for (const path of ['/people', '/loose'])
      expect([path, (await ask(gate, { path, cookie })).status]).toEqual([path, 302])
    expect((await ask(gate, { path: '/open', cookie })).text).toBe('nobody')
    expect((await ask(gate, { path: '/.sallyport/me', cookie, fields: {} })).status).toBe(401)
    expect((await ask(gate, { path: '/.sallyport/sessions', cookie })).status).toBe(302)
  })

  test('is held to the other keys of its rule: who comes otherwise is told so, not asked for an account', async () => {
    await using gate = await startGate(routes())
    const { cookie } = await open(gate, await create(gate, 'http://app.test/read'))
    expect((await ask(gate, { path: '/read', cookie })).status).toBe(200)
    const posted = await ask(gate, { path: '/read', cookie, method: 'POST', body: 'x', fields: FORM })
    expect([posted.status, posted.forwarded]).toEqual([403, ''])
  })

  test('works below a wildcard for the host that it names', async () => {
    await using gate = await startGate(routes())
    const { cookie } = await open(gate, await create(gate, 'http://one.wild.test/'), { host: 'one.wild.test' })
    expect((await ask(gate, { host: 'one.wild.test', path: '/', cookie })).status).toBe(200)
    expect((await ask(gate, { host: 'two.wild.test', path: '/', cookie })).status).toBe(302)
  })

  test('does not stand in the way of whoever is signed in, and helps those who lack the role', async () => {
    await using gate = await startGate(routes())
    const { cookie } = await gate.signIn('app.test', { sub: 'ada' })
    const guest = await open(gate, await create(gate, 'http://app.test/admin'))
    expect((await ask(gate, { path: '/board', cookie: `${cookie}; ${guest.cookie}` })).text).toBe('ada')
    expect((await ask(gate, { path: '/admin', cookie })).status).toBe(403)
    expect((await ask(gate, { path: '/admin', cookie: `${cookie}; ${guest.cookie}` })).text).toStartWith('guest:')
  })

  test('several of them open several places in one browser, which keeps eight at most', async () => {
    await using gate = await startGate(routes())
    let cookies: string[] = []
    for (let index = 0; index < 10; index++) {
      const opened = await open(gate, await create(gate, `http://app.test/board/${index}`), {
        cookie: cookies.join('; '),
      })
      const dropped = opened.headers.getSetCookie().filter(line => line.includes('Max-Age=0'))
      cookies = cookies.filter(one => !dropped.some(line => line.startsWith(`${one.split('=')[0]}=`)))
      cookies.push(opened.cookie)
    }
    expect(cookies).toHaveLength(8)
    const cookie = cookies.join('; ')
    expect((await ask(gate, { path: '/board/9', cookie })).status).toBe(200)
    expect((await ask(gate, { path: '/board/2', cookie })).status).toBe(200)
    expect((await ask(gate, { path: '/board/0', cookie })).status).toBe(302)
  })
})

describe('its uses', () => {
  test('are counted by browsers that press the button, and by nothing else', async () => {
    await using gate = await startGate(routes())
    const made = await create(gate, undefined, '--uses', '2')
    const path = `/.sallyport/guest?link=${made.text}`
    for (const [method, fields] of [
      ['HEAD', PAGE],
      ['GET', PAGE],
      ['GET', { ...PAGE, 'sec-purpose': 'prefetch;prerender' }],
      ['GET', { 'user-agent': 'link preview' }],
      ['OPTIONS', PAGE],
      ['PUT', PAGE],
    ] as const) {
      await ask(gate, { path, method, fields })
    }
    expect((await ask(gate, { path, method: 'POST', fields: FORM })).status).toBe(404)
    const first = await open(gate, made)
    const again = await open(gate, made, { cookie: first.cookie })
    expect([again.status, again.cookie]).toEqual([303, ''])
    const second = await open(gate, made)
    expect(second.status).toBe(303)
    const third = await open(gate, made)
    expect([third.status, third.cookie]).toEqual([404, ''])
    expect((await ask(gate, { path })).text).toContain('not good any more')
    expect((await ask(gate, { path, cookie: first.cookie })).status).toBe(200)
    for (const { cookie } of [first, second]) expect((await ask(gate, { cookie })).status).toBe(200)
    expect(JSON.parse((await guests(gate, 'list', '--json')).out)).toMatchObject([{ id: made.id, uses: 2, used: 2 }])
  })

  test('are never more than allowed, however many press at once', async () => {
    await using gate = await startGate(routes())
    const made = await create(gate, undefined, '--uses', '3')
    const opened = await Promise.all(Array.from({ length: 20 }, () => open(gate, made)))
    expect(opened.filter(({ status }) => status === 303)).toHaveLength(3)
  })

  test('are not had by another site, on another host, or with an invented secret', async () => {
    await using gate = await startGate(routes())
    const made = await create(gate)
    expect((await open(gate, made, { fields: { ...FORM, 'sec-fetch-site': 'cross-site' } })).status).toBe(403)
    expect((await open(gate, made, { host: 'other.test' })).status).toBe(404)
    for (const text of ['', 'sg_', `sg_${'A'.repeat(43)}`, `${made.text}x`, made.text.toLowerCase(), made.id]) {
      expect((await open(gate, { ...made, text })).status).toBe(404)
    }
    const { cookie } = await open(gate, made)
    const changed = `${cookie.slice(0, -1)}${cookie.endsWith('A') ? 'B' : 'A'}`
    for (const forged of [
      changed,
      `sallyport-guest-abc=${made.text}`,
      `sallyport-guest-abc=${made.id}`,
      'sallyport-guest-abc=',
    ]) {
      expect((await ask(gate, { cookie: forged })).status).toBe(302)
    }
  })
})

describe('its end', () => {
  test('comes with its time, for whoever has opened it too', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await startGate(routes(), { ports: { now: clock.now } })
    const made = await create(gate, undefined, '--expires', '1h')
    const { cookie } = await open(gate, made)
    clock.advance(59 * 60_000)
    expect((await ask(gate, { cookie })).status).toBe(200)
    clock.advance(2 * 60_000)
    expect((await ask(gate, { cookie })).status).toBe(302)
    expect((await open(gate, made)).status).toBe(404)
  })

  test('comes when it is revoked, on a running server, and closes what is open', async () => {
    await using gate = await startGate(routes(), { recheckMs: 20 })
    const made = await create(gate)
    const { cookie } = await open(gate, made)
    using events = await openEvents(gate, 'app.test', [`Cookie: ${cookie}`], '/board/events')
    await Bun.sleep(100)
    expect(events.isOver()).toBe(false)
    expect((await guests(gate, 'revoke', made.id)).code).toBe(0)
    await eventually(async () => (await ask(gate, { cookie })).status === 302, 'the guest is out')
    await eventually(events.isOver, 'the stream is closed')
    expect((await open(gate, made)).status).toBe(404)
    expect((await guests(gate, 'revoke', made.id)).code).toBe(1)
  })

  test('comes at once when the file no longer lets guests in', async () => {
    await using gate = await startGate(routes())
    const made = await create(gate)
    const { cookie } = await open(gate, made)
    gate.save(routesWithout())
    await eventually(async () => (await ask(gate, { cookie })).status === 302, 'the guest is out')
    expect((await open(gate, made)).status).toBe(404)
  })

  needs('valkey-server').test('is known to every machine', async () => {
    await using valkey = await startValkey()
    await using one = await startGate(routes(), shared(valkey.url()))
    await using other = await startGate(routes(), shared(valkey.url()))
    const made = await create(one, undefined, '--uses', '1')
    const { cookie } = await open(other, made)
    for (const gate of [one, other]) expect((await ask(gate, { cookie })).status).toBe(200)
    expect((await open(one, made)).status).toBe(404)
    expect((await guests(one, 'revoke', made.id)).code).toBe(0)
    for (const gate of [one, other]) {
      await eventually(async () => (await ask(gate, { cookie })).status === 302, 'the guest is out')
    }
  })
})

describe('whoever has the role', () => {
  test('makes links of what they may open themselves, sees and revokes their own; an admin sees and revokes all', async () => {
    await using gate = await startGate(routes())
    const [ada, bob, root] = await Promise.all([
      person(gate, 'ada', ['admins']),
      person(gate, 'bob', ['admins']),
      person(gate, 'root', ['roots']),
    ])
    const answer = await ada.send(form())
    expect(answer.status).toBe(200)
    const { link, links } = JSON.parse(answer.text)
    expect(links).toMatchObject([{ name: 'Aunt', host: 'app.test', path: '/board', made_by: 'ada', uses: 2, used: 0 }])
    const made: Made = { link, id: links[0].id, text: new URL(link).searchParams.get('link') ?? '' }
    expect((await ask(gate, { path: `/.sallyport/guest?link=${made.text}` })).text).toContain('ADA lets you open it')
    const { cookie } = await open(gate, made)
    expect((await bob.list()).links).toEqual([])
    expect(JSON.parse((await bob.send(`act=revoke&id=${made.id}`)).text)).toEqual({ revoked: false })
    expect((await ask(gate, { cookie })).status).toBe(200)
    expect((await root.list()).links).toHaveLength(1)
    expect((await root.send(form())).status).toBe(403)
    expect(JSON.parse((await root.send(`act=revoke&id=${made.id}`)).text)).toEqual({ revoked: true })
    expect((await ask(gate, { cookie })).status).toBe(302)
  })

  test('has links that follow them: gone with the role, or while an admin has ended a session of theirs', async () => {
    await using gate = await startGate(routes(), { recheckMs: 20 })
    const ada = await person(gate, 'ada', ['admins'])
    const { link, links } = JSON.parse((await ada.send(form({ uses: '3' }))).text)
    const made: Made = { link, id: links[0].id, text: new URL(link).searchParams.get('link') ?? '' }
    const { cookie } = await open(gate, made)
    using events = await openEvents(gate, 'app.test', [`Cookie: ${cookie}`], '/board/events')
    const isIn = async (status: number) => (await ask(gate, { cookie })).status === status
    // A sign-in is when the gate hears of somebody anew, as a refresh is.
    await person(gate, 'ada', ['users'])
    await eventually(() => isIn(302), 'the guest is out')
    await eventually(events.isOver, 'the stream is closed')
    expect((await open(gate, made)).status).toBe(404)
    await person(gate, 'ada', ['admins'])
    await eventually(() => isIn(200), 'the guest is in again')
    expect((await open(gate, made)).status).toBe(303)

    const root = await person(gate, 'root', ['roots'])
    const page = { host: AUTH, cookie: root.pageCookie }
    const all = { ...page, path: '/.sallyport/sessions?all=1', fields: { accept: 'application/json' } }
    const listed: { sessions: { id: string; subject: string }[] } = JSON.parse((await ask(gate, all)).text)
    const [own] = listed.sessions.filter(({ subject }) => subject === 'ada')
    const body = `act=end&all=1&id=${own?.id}`
    const ended = await ask(gate, { ...page, path: '/.sallyport/sessions', method: 'POST', body, fields: SCRIPT })
    expect(ended.status).toBe(200)
    await eventually(() => isIn(302), 'the guest is out')
    expect((await root.list()).links).toHaveLength(1)
  })

  test('cannot share what they may not open, what no guest may, or what is not there', async () => {
    await using gate = await startGate(routes())
    const ada = await person(gate, 'ada', ['admins'])
    for (const address of [
      'http://app.test/people',
      'http://app.test/read',
      'http://nowhere.test/',
      'http://evil.example/',
      'https://app.test/board',
      'http://app.test/.sallyport/sessions',
      'http://app.test/board/..%2fadmin',
      'http://app.test/board;x',
      'http://me@app.test/board',
      'javascript:alert(1)',
      '//',
      '',
    ]) {
      expect([address, (await ada.send(form({ address }))).status]).toEqual([address, 400])
    }
    expect((await ada.list()).links).toEqual([])
  })

  test('is held to the portal’s limits', async () => {
    await using gate = await startGate(routes('guest_links = { allow = ["admin"], max_uses = 5, max_lifetime = "1d" }'))
    const ada = await person(gate, 'ada', ['admins'])
    const wrong = [
      { uses: '6' },
      { uses: '0' },
      { uses: '1.5' },
      { uses: '' },
      { hours: '168' },
      { hours: '2' },
      { name: ' ' },
      { name: 'n'.repeat(101) },
      { act: 'other' },
    ]
    for (const one of wrong) expect([one, (await ada.send(form(one))).status]).toEqual([one, 400])
    expect((await ada.send(form({ uses: '5' }))).status).toBe(200)
    const url = ['create', '--name', 'n', '--url', 'http://app.test/board']
    expect((await guests(gate, ...url, '--uses', '6')).code).toBe(1)
    expect((await guests(gate, ...url, '--expires', '25h')).code).toBe(1)
  })

  test('makes them on pages of ours alone; others make none', async () => {
    await using gate = await startGate(routes())
    const ada = await person(gate, 'ada', ['admins'])
    expect((await ada.send(form(), { ...SCRIPT, 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await ada.send(form(), { accept: 'application/json', origin: 'http://other.test' })).status).toBe(403)
    const eve = await person(gate, 'eve', ['users'])
    expect((await eve.send(form())).status).toBe(403)
    const page = { host: AUTH, path: '/.sallyport/guests' }
    expect((await ask(gate, { ...page, cookie: eve.pageCookie })).status).toBe(403)
    expect((await ask(gate, page)).status).toBe(302)
    const away = await ask(gate, { path: '/.sallyport/guests', cookie: ada.cookie })
    expect([away.status, away.headers.get('location')]).toEqual([302, `http://${AUTH}/.sallyport/guests`])
    const { cookie } = await open(gate, await create(gate, 'http://app.test/'))
    expect((await ask(gate, { path: '/.sallyport/guests', cookie })).status).toBe(302)
  })

  test('finds the page in the menu, and nobody else does', async () => {
    await using gate = await startGate(routes())
    const [ada, eve] = await Promise.all([person(gate, 'ada', ['admins']), person(gate, 'eve', ['users'])])
    const menu = async (cookie: string) => (await ask(gate, { host: AUTH, path: '/.sallyport/', cookie })).text
    expect(await menu(ada.pageCookie)).toContain('href="/.sallyport/guests"')
    expect(await menu(eve.pageCookie)).not.toContain('/.sallyport/guests')
  })

  test('has no such page where the portal has no links', async () => {
    await using gate = await startGate(routesWithout())
    const ada = await person(gate, 'ada', ['admins'])
    expect((await ask(gate, { path: '/.sallyport/guests', cookie: ada.cookie })).status).toBe(404)
  })
})

test('no log, no list, no database and no upstream has the secret of a link', async () => {
  await using gate = await startGate(routes(), { server: 'log_level = "debug"' })
  const made = await create(gate)
  await ask(gate, { path: `/.sallyport/guest?link=${made.text}` })
  await ask(gate, { path: `/.sallyport/guest?link=${made.text}&link=x` })
  const { cookie } = await open(gate, made)
  await ask(gate, { cookie })
  await eventually(() => gate.access.length >= 4, 'four access records')
  const files = ['sallyport.db', 'sallyport.db-wal'].map(name => readFileSync(`${gate.folder}/${name}`, 'latin1'))
  const lists = [(await guests(gate, 'list')).out, (await guests(gate, 'list', '--json')).out]
  for (const text of [...gate.log, ...gate.access, ...files, ...lists, ...seen]) {
    expect(text).not.toContain(made.text)
    expect(text).not.toContain(cookie.slice(cookie.indexOf('=') + 1))
  }
  expect(gate.access.some(line => line.includes(made.id))).toBe(true)
})

test('explain says what a guest may', async () => {
  await using gate = await startGate(routes())
  const explain = (path: string, ...more: string[]) =>
    runIn(gate.folder, io =>
      runExplain([`http://app.test${path}`, '--as', 'guest', ...more], io, {
        ...io,
        ...quietPorts({ now: Date.now }),
      }),
    )
  const allowed = await explain('/board')
  expect([allowed.code, allowed.out]).toEqual([0, expect.stringContaining('guests by a link: holds')])
  expect(allowed.out).toContain('a guest, by a link for this address')
  const denied = await explain('/people')
  expect([denied.code, denied.out]).toEqual([4, expect.stringContaining('guest.none')])
  expect((await explain('/loose')).out).toContain('this is not for guests who came by a link (guest.none)')
  expect((await explain('/read', '--method', 'POST', '--ip', '192.0.2.1')).code).toBe(4)
})

test('guests create refuses what would open something else than was meant', async () => {
  await using gate = await startGate(routes())
  const wrong: readonly (readonly [number, ...string[]])[] = [
    [2, 'create', '--name', 'n'],
    [2, 'create', '--url', 'http://app.test/'],
    [2, 'create', '--name', 'n', '--url', 'http://app.test/a/..%2fb'],
    [2, 'create', '--name', 'n', '--url', 'ftp://app.test/'],
    [2, 'create', '--name', 'n', '--url', 'http://app.test/', '--uses', '0'],
    [2, 'create', '--name', 'n', '--url', 'http://app.test/', '--expires', '5'],
    [2, 'make'],
    [2, 'revoke'],
    [1, 'create', '--name', 'n', '--url', 'http://app.test/people'],
    [1, 'create', '--name', 'n', '--url', 'http://nowhere.test/'],
    [1, 'revoke', 'guest:0'],
  ]
  for (const [code, ...argv] of wrong) expect([argv, (await guests(gate, ...argv)).code]).toEqual([argv, code])
  expect((await guests(gate, 'list')).out).toBe('There are no guest links.\n')
})
