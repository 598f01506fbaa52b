import { describe, expect, test } from 'bun:test'
import { runExplain } from '../../../src/cli/explain.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { FORM, PAGE } from '../../kit/fields.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { AUTH, form, type Made, startBoard } from '../../kit/guest-links.ts'
import { htmlPage } from '../../kit/html.ts'
import { runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'

const board = untilTheEnd()(startBoard())
const { share, route, routes, routesWithout, guests, create, ask, open, person } = board

describe('a guest link', () => {
  test('shows who invites to what, and its button opens that place in this browser, with an identity of its own', async () => {
    await using gate = await startGate(routes())
    const made = await create(gate, 'http://app.test/board?view=all')
    expect((await ask(gate, {})).status).toBe(302)
    const page = await ask(gate, { path: `/.sallyport/guest?link=${made.text}` })
    expect(page.status).toBe(200)
    expect(htmlPage(page.text).one('h1').text).toBe('You are invited to Board & more')
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.text).not.toMatch(/http-equiv|location\.|submit\(/)
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
    expect((await ask(gate, { path })).text).toContain('no longer valid')
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
  test('comes with its time, or when it is revoked, for those too who have not opened it', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await startGate(routes(), { ports: { now: clock.now } })
    const [made, revoked] = [await create(gate, undefined, '--expires', '1h'), await create(gate)]
    expect((await guests(gate, 'revoke', revoked.id)).code).toBe(0)
    await eventually(async () => (await open(gate, revoked)).status === 404, 'it opens nothing')
    clock.advance(59 * 60_000)
    expect((await open(gate, made)).status).toBe(303)
    clock.advance(2 * 60_000)
    expect((await open(gate, made)).status).toBe(404)
  })

  test('comes at once when the file no longer lets guests in', async () => {
    await using gate = await startGate(routes())
    const made = await create(gate)
    const { cookie } = await open(gate, made)
    gate.save(routesWithout())
    await eventually(async () => (await ask(gate, { cookie })).status === 302, 'the guest is out')
    expect((await open(gate, made)).status).toBe(404)
  })
})

describe('whoever has the role', () => {
  test('makes links of what they may open themselves; an admin sees and revokes all, and makes none', async () => {
    await using gate = await startGate(routes())
    const [ada, root] = await Promise.all([person(gate, 'ada', ['admins']), person(gate, 'root', ['roots'])])
    const answer = await ada.send(form())
    expect(answer.status).toBe(200)
    const { link, links } = JSON.parse(answer.text)
    expect(links).toMatchObject([{ name: 'Aunt', host: 'app.test', path: '/board', made_by: 'ada', uses: 2, used: 0 }])
    const made: Made = { link, id: links[0].id, text: new URL(link).searchParams.get('link') ?? '' }
    expect((await ask(gate, { path: `/.sallyport/guest?link=${made.text}` })).text).toContain('ADA lets you open it')
    const { cookie } = await open(gate, made)
    expect((await ask(gate, { cookie })).status).toBe(200)
    expect((await root.list()).links).toHaveLength(1)
    expect((await root.send(form())).status).toBe(403)
    expect(JSON.parse((await root.send(`act=revoke&id=${made.id}`)).text)).toEqual({ revoked: true })
    expect((await ask(gate, { cookie })).status).toBe(302)
  })

  test('has links that nobody opens while they lack the role', async () => {
    await using gate = await startGate(routes())
    const made = await share(await person(gate, 'ada', ['admins']), 'http://app.test/board')
    await person(gate, 'ada', ['users'])
    await eventually(async () => (await open(gate, made)).status === 404, 'it opens nothing')
    await person(gate, 'ada', ['admins'])
    await eventually(async () => (await open(gate, made)).status === 303, 'it opens again')
  })

  test('alone finds the page, and makes any: neither others nor guests', async () => {
    await using gate = await startGate(routes())
    const eve = await person(gate, 'eve', ['users'])
    const page = { host: AUTH, path: '/.sallyport/guests', cookie: eve.pageCookie }
    expect([(await eve.send(form())).status, (await ask(gate, page)).status]).toEqual([403, 403])
    expect(htmlPage((await ask(gate, { ...page, path: '/.sallyport/' })).text).link('Guest links')).toBeNull()
    const { cookie } = await open(gate, await create(gate, 'http://app.test/'))
    expect((await ask(gate, { path: '/.sallyport/guests', cookie })).status).toBe(302)
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

  test('is offered the routes that they may share, and none of a single path', async () => {
    const exact = route('app.test', 'path = "/exact"\nexact = true\nallow = ["user", { guest_link = true }]')
    await using gate = await startGate(`${routes()}\n${exact}`)
    const { pageCookie } = await person(gate, 'ada', ['admins'])
    const page = htmlPage((await ask(gate, { host: AUTH, path: '/.sallyport/guests', cookie: pageCookie })).text)
    const places = page.all('#application option').map(one => one.attribute('value'))
    // The last is any other address.
    expect(places).toEqual(['http://app.test/', 'http://app.test/admin', 'http://other.test/', ''])
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
