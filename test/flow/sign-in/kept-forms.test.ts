import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { fakeClock } from '../../kit/clock.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { metricOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { openWire, sendRaw, startRawUpstream, type WireResponse } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      await connection.receive({ until: isWhole, timeoutMs: 300_000 })
      const done = `http://127.0.0.1:${upstream.port}/done`
      await connection.send(`HTTP/1.1 303 See Other\r\nLocation: ${done}\r\nContent-Length: 0\r\n\r\n`)
    }
  }),
)

/** Whether a request is there with the body that its head announces. */
function isWhole(received: Buffer): boolean {
  const end = received.indexOf('\r\n\r\n')
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(received.toString('latin1', 0, end + 2))?.[1] ?? 0)
  return end !== -1 && received.length >= end + 4 + length
}

function routes(): string {
  const route = (host: string, more: string) =>
    `[[routes]]\nhost = "${host}"\nname = "Notes & more"\nupstream = "http://127.0.0.1:${upstream.port}"\nportal = "home"\n${more}\n`
  return [
    PORTAL,
    route('app.test', 'allow = ["user"]\nkeep_posts = "64kB"\nheaders = "x-token"'),
    route('app.test', 'path = "/plain"\nallow = ["user"]'),
    route('app.test', 'path = "/admin"\nallow = ["admin"]\nkeep_posts = "64kB"'),
    route('app.test', 'path = "/fresh"\nallow = [{ roles = ["user"], max_age = "5m" }]\nkeep_posts = "64kB"'),
    route('other.test', 'allow = ["user"]\nkeep_posts = "64kB"'),
  ].join('\n')
}

const PAGE = [
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Dest: document',
  'Sec-Fetch-Site: same-origin',
  'Accept: text/html',
]
const TYPE = 'application/x-www-form-urlencoded'
const BODY = 'title=caf%C3%A9+secret-words&text=1%0D%0A2'

interface Asked {
  readonly method?: string
  readonly host?: string
  readonly path?: string
  readonly type?: string | null
  readonly body?: string
  readonly cookies?: readonly string[]
  readonly fields?: readonly string[]
}

interface Answered extends WireResponse {
  /** What the upstream was sent because of it, as Latin-1. */
  readonly forwarded: string
}

async function ask(gate: Gate, asked: Asked): Promise<Answered> {
  const { method = 'POST', host = 'app.test', path = '/notes?a=b', type = TYPE, cookies = [], fields = PAGE } = asked
  const body = asked.body ?? (method === 'POST' ? BODY : '')
  const before = upstream.text.length
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    ...(type === null ? [] : [`Content-Type: ${type}`]),
    ...(method === 'GET' ? [] : [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`]),
    ...(cookies.length === 0 ? [] : [`Cookie: ${cookies.join('; ')}`]),
    ...fields,
  ]
  const answer = await sendRaw(gate.port, `${head.join('\r\n')}\r\n\r\n${body}`)
  return { ...answer, forwarded: upstream.text.slice(before) }
}

/** A browser whose session has run out, and which has just sent a form. */
interface Sender {
  readonly id: string
  /** What the browser has of ours besides a session. */
  readonly cookies: readonly string[]
}

function idIn({ body }: WireResponse): string | null {
  return /kept%3Fform%3D([\w-]{43})/.exec(body.toString())?.[1] ?? null
}

async function sendWithout(gate: Gate, more: Asked = {}, sub = 'ada'): Promise<Sender> {
  const { owner } = await gate.signIn(more.host ?? 'app.test', { sub })
  const answer = await ask(gate, { cookies: [owner], ...more })
  const ask1 = answer.field('set-cookie')?.split(';', 1)[0] ?? ''
  const id = idIn(answer)
  if (answer.status !== 401 || id === null || answer.forwarded !== '') throw new Error(answer.body.toString())
  return { id, cookies: [owner, ask1] }
}

/** Presses the button that sends a form: its own address, and a body that names it. */
const press = (gate: Gate, id: string, cookies: readonly string[], more: Asked = {}) =>
  ask(gate, { body: `sallyport-send=${id}`, cookies, ...more })

const inFlight = (gate: Gate) => metricOf(gate, 'sallyport_requests_in_flight')

/** A live session of someone on a host, as a cookie. */
async function session(gate: Gate, sub = 'ada', host = 'app.test'): Promise<string> {
  return (await gate.signIn(host, { sub })).cookie
}

describe('a form that met an expired session', () => {
  test('is kept, shown after signing in, and sent byte for byte to where it was sent, once, when its sender says so', async () => {
    await using gate = await startGate(routes())
    const type = 'multipart/form-data; boundary=x'
    const body = `--x\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n\r\n\x00\xff\xfe\r\n--x--\r\n`
    const from = [...PAGE, 'Referer: http://app.test/notes/new?draft=1', 'Origin: http://app.test']
    const { id, cookies } = await sendWithout(gate, { type, body, fields: from })
    const own = [...cookies, await session(gate), 'app=theirs']

    const shown = await ask(gate, { method: 'GET', path: `/.sallyport/kept?form=${id}`, cookies: own })
    expect(shown.status).toBe(200)
    const html = shown.body.toString()
    const page = htmlPage(html)
    expect(page.text).toContain('You were sending a form to Notes & more')
    expect(page.form(id ?? '')).toMatchObject({ action: '/notes?a=b', hidden: { 'sallyport-send': id } })
    expect(shown.field('content-security-policy')).toContain("default-src 'none'")
    expect(shown.field('referrer-policy')).toBe('no-referrer')
    expect(html).not.toMatch(/<script|onload|http-equiv/)

    const sent = await press(gate, id, own, { fields: [...PAGE, 'Origin: null', 'User-Agent: now'] })
    expect([sent.status, sent.field('location')]).toEqual([303, 'http://app.test/done'])
    const [head = '', got = ''] = sent.forwarded
      .split('\r\n\r\n', 1)
      .concat(sent.forwarded.slice(sent.forwarded.indexOf('\r\n\r\n') + 4))
    expect(head).toStartWith('POST /notes?a=b HTTP/1.1')
    expect(got).toBe(body)
    const fields = head.toLowerCase()
    for (const line of [
      `content-type: ${type}`,
      `content-length: ${body.length}`,
      'origin: http://app.test',
      'referer: http://app.test/notes/new?draft=1',
      'user-agent: now',
      'x-token-subject: ada',
      'cookie: app=theirs',
    ]) {
      expect(fields).toContain(`\r\n${line}`)
    }
    expect(sent.forwarded).not.toContain('sallyport-send')

    const again = await press(gate, id, own)
    expect([again.status, again.forwarded]).toEqual([404, ''])
    expect((await ask(gate, { method: 'GET', path: `/.sallyport/kept?form=${id}`, cookies: own })).status).toBe(404)
  })

  test('is not taken from the eyes of its sender by a worker of ours that stands in for the application’s', async () => {
    await using gate = await startGate(routes())
    const script = ['Service-Worker: script', 'Sec-Fetch-Dest: serviceworker', 'Sec-Fetch-Site: same-origin']
    const look = (cookies: readonly string[]) =>
      ask(gate, { method: 'GET', path: '/worker.js', cookies, fields: script }).then(({ status }) => status)
    const { owner } = await gate.signIn('app.test', { sub: 'ada' })
    expect(await look([owner])).toBe(200)
    for (const path of ['/notes', '/plain']) {
      const told = await ask(gate, { path, cookies: [owner] })
      const cookies = told.fields
        .filter(([name]) => /^set-cookie$/i.test(name))
        .map(([, line]) => line.split(';', 1)[0] ?? '')
      expect([path, told.status, await look([owner, ...cookies])]).toEqual([path, 401, 401])
    }
  })

  test('pressed many times at once is sent once', async () => {
    await using gate = await startGate(routes())
    const { id, cookies } = await sendWithout(gate)
    const own = [...cookies, await session(gate)]
    const answers = await Promise.all(Array.from({ length: 8 }, () => press(gate, id, own)))
    expect(answers.map(({ status }) => status).sort()).toEqual([303, ...Array<number>(7).fill(404)])
  })

  test('can be discarded, by a form of ours alone; then nothing is left to send', async () => {
    await using gate = await startGate(routes())
    const { id, cookies } = await sendWithout(gate, { fields: [...PAGE, 'Referer: http://app.test/notes/new'] })
    const own = [...cookies, await session(gate)]
    const discard = (fields: readonly string[], body = `act=discard&form=${id}`) =>
      ask(gate, { path: '/.sallyport/kept', body, cookies: own, fields })
    expect((await discard(['Sec-Fetch-Site: cross-site', 'Accept: text/html'])).status).toBe(403)
    expect((await discard(['Origin: http://other.test', 'Accept: text/html'])).status).toBe(403)
    expect((await discard(['Origin: null', 'Accept: text/html'])).status).toBe(403)
    expect((await discard(PAGE, `form=${id}`)).status).toBe(400)
    const gone = await discard(PAGE)
    expect([gone.status, gone.field('location')]).toEqual([303, '/notes/new'])
    expect((await press(gate, id, own)).status).toBe(404)
    expect((await discard(PAGE)).status).toBe(404)
  })

  test('is not sent by looking: GET and HEAD of either address change nothing', async () => {
    await using gate = await startGate(routes())
    const { id, cookies } = await sendWithout(gate)
    const own = [...cookies, await session(gate)]
    for (const method of ['GET', 'HEAD']) {
      await ask(gate, { method, path: `/.sallyport/kept?form=${id}`, cookies: own })
      const looked = await ask(gate, { method, body: '', type: null, cookies: own })
      expect(looked.forwarded).toStartWith(`${method} /notes?a=b HTTP/1.1`)
      expect(looked.forwarded).not.toContain('secret-words')
    }
    expect((await press(gate, id, own)).forwarded).toContain('secret-words')
  })

  test('leaves later forms under the same address alone, and those that look like the button by their length', async () => {
    await using gate = await startGate(routes())
    const { id, cookies } = await sendWithout(gate)
    const own = [...cookies, await session(gate)]
    const later = await press(gate, id, own, { body: 'a=later' })
    expect(later.forwarded).toStartWith('POST /notes?a=b HTTP/1.1')
    expect(later.forwarded).toEndWith('\r\n\r\na=later')
    for (const body of [`sallyport-seen=${id}`, `a=${'b'.repeat(56)}`, `sallyport-send=${id.slice(0, 42)}.`, '']) {
      const like = await press(gate, id, own, { body })
      expect(like.forwarded).toStartWith('POST /notes?a=b HTTP/1.1')
      expect(like.forwarded).toEndWith(`\r\n\r\n${body}`)
    }
    const other = await press(gate, id, own, { type: 'text/plain' })
    expect(other.forwarded).toEndWith(`\r\n\r\nsallyport-send=${id}`)
    expect((await press(gate, id, own)).forwarded).toEndWith(BODY)
  })

  test('is there again when the session is lost before the button is pressed', async () => {
    await using gate = await startGate(routes())
    const { id, cookies } = await sendWithout(gate)
    const lost = await press(gate, id, cookies)
    expect([lost.status, idIn(lost), lost.forwarded]).toEqual([401, id, ''])
    expect(lost.body.toString()).not.toContain('ERROR')
    expect((await press(gate, id, [...cookies, await session(gate)])).status).toBe(303)
  })

  test.each<[string, (gate: Gate, sessionId: string) => Promise<void> | void]>([
    ['the session ends', (gate, sessionId) => gate.end(sessionId)],
    ['a save closes the route', gate => gate.save(routes().replaceAll('allow = ["user"]', 'allow = ["admin"]'))],
  ])('is there again where %s while the button is read', async (_, end) => {
    await using gate = await startGate(routes())
    const { id, cookies } = await sendWithout(gate)
    const { cookie, sessionId } = await gate.signIn('app.test')
    const wire = await openWire(gate.port)
    const body = `sallyport-send=${id}`
    const head = [
      'POST /notes?a=b HTTP/1.1',
      'Host: app.test',
      `Content-Type: ${TYPE}`,
      `Content-Length: ${body.length}`,
    ]
    const fields = [...head, `Cookie: ${[...cookies, cookie].join('; ')}`, ...PAGE]
    await wire.send(`${fields.join('\r\n')}\r\n\r\n${body.slice(0, 20)}`)
    await eventually(async () => (await inFlight(gate)) === 1, 'it is being read')
    await end(gate, sessionId)
    expect((await wire.receive()).status).toBeOneOf([401, 403])
    const before = upstream.text.length
    await wire.send(body.slice(20))
    // What is read to its end by then is not sent, and takes nothing away.
    await eventually(async () => (await inFlight(gate)) === 0, 'it is over')
    gate.save(`${routes()}\n# as before`)
    const next = [...cookies, await session(gate)]
    await eventually(async () => (await press(gate, id, next)).status === 303, 'it is sent')
    expect(upstream.text.slice(before).split(BODY)).toHaveLength(2)
    wire.close()
  })

  test('is kept byte for byte where it is as long as what the button sends', async () => {
    await using gate = await startGate(routes())
    const body = `a=${'b'.repeat(56)}`
    const { id, cookies } = await sendWithout(gate, { body })
    expect((await press(gate, id, [...cookies, await session(gate)])).forwarded).toEndWith(`\r\n\r\n${body}`)
  })

  test('is kept where the session is only too old, and asks for a new one', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await startGate(routes(), { ports: { now: clock.now } })
    const { cookie } = await gate.signIn('app.test')
    clock.advance(6 * 60_000)
    const answer = await ask(gate, { path: '/fresh', cookies: [cookie] })
    expect([answer.status, answer.forwarded]).toEqual([401, ''])
    expect(htmlPage(answer.body.toString()).address('login')).toContain('max_age=300')
    const own = [(answer.field('set-cookie') ?? '').split(';', 1)[0] ?? '', await session(gate)]
    const sent = await press(gate, idIn(answer) ?? '', own, { path: '/fresh' })
    expect(sent.forwarded).toEndWith(BODY)
  })

  test('is forgotten after half an hour', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await startGate(routes(), { ports: { now: clock.now } })
    const { id, cookies } = await sendWithout(gate)
    clock.advance(31 * 60_000)
    expect((await press(gate, id, [...cookies, await session(gate)])).status).toBe(404)
  })
})

describe('nobody else gets it', () => {
  const attempts: readonly (readonly [string, (gate: Gate, sender: Sender) => Promise<Answered>])[] = [
    [
      'another person in the same browser',
      async (gate, { id, cookies }) => press(gate, id, [...cookies, await session(gate, 'eve')]),
    ],
    ['the person in another browser', async (gate, { id }) => press(gate, id, [await session(gate)])],
    [
      'the person with an invented binding',
      async (gate, { id, cookies: [owner = ''] }) =>
        press(gate, id, [owner, `sallyport-ask-abc=${'A'.repeat(43)}`, await session(gate)]),
    ],
    [
      'another host',
      async (gate, { id, cookies }) =>
        press(gate, id, [...cookies, await session(gate, 'ada', 'other.test')], { host: 'other.test' }),
    ],
    [
      'another path',
      async (gate, { id, cookies }) => press(gate, id, [...cookies, await session(gate)], { path: '/other?a=b' }),
    ],
    [
      'another query',
      async (gate, { id, cookies }) => press(gate, id, [...cookies, await session(gate)], { path: '/notes?a=c' }),
    ],
    [
      'a changed id',
      async (gate, { id, cookies }) =>
        press(gate, `${id.startsWith('A') ? 'B' : 'A'}${id.slice(1)}`, [...cookies, await session(gate)]),
    ],
    [
      'a page of another site',
      async (gate, { id, cookies }) =>
        press(gate, id, [...cookies, await session(gate)], {
          fields: [...PAGE.filter(line => !line.includes('Site')), 'Sec-Fetch-Site: cross-site'],
        }),
    ],
    [
      'a page of another host of ours',
      async (gate, { id, cookies }) =>
        press(gate, id, [...cookies, await session(gate)], {
          fields: ['Accept: text/html', 'Origin: http://other.test'],
        }),
    ],
  ]
  test.each([...attempts])('%s', async (_, attempt) => {
    await using gate = await startGate(routes())
    const sender = await sendWithout(gate)
    const { status, forwarded, body } = await attempt(gate, sender)
    expect([403, 404]).toContain(status)
    expect(forwarded).toBe('')
    expect(body.toString()).not.toContain('secret-words')
    const page = await ask(gate, {
      method: 'GET',
      path: `/.sallyport/kept?form=${sender.id}`,
      cookies: [...sender.cookies, await session(gate, 'eve')],
    })
    expect(page.status).toBe(404)
    expect(page.body.toString()).not.toContain('/notes')
    // It is still there for whom it is.
    expect((await press(gate, sender.id, [...sender.cookies, await session(gate)])).status).toBe(303)
  })

  test('whoever may no longer pass sends nothing', async () => {
    await using gate = await startGate(routes())
    const { id, cookies } = await sendWithout(gate, { path: '/admin' })
    const denied = await press(gate, id, [...cookies, await session(gate)], { path: '/admin' })
    expect([denied.status, denied.forwarded]).toEqual([403, ''])
  })

  test('no log, no address of ours and no database holds what was sent', async () => {
    await using gate = await startGate(routes(), { server: 'log_level = "debug"' })
    const { id, cookies } = await sendWithout(gate)
    await press(gate, id, [...cookies, await session(gate)])
    await sendWithout(gate)
    const files = ['sallyport.db', 'sallyport.db-wal'].map(name => readFileSync(`${gate.folder}/${name}`, 'latin1'))
    for (const text of [...gate.log, ...gate.access, ...files]) {
      expect(text).not.toContain('secret-words')
      expect(text).not.toContain(Buffer.from('secret-words').toString('base64').slice(2, 12))
      expect(text).not.toContain(id)
    }
  })
})

describe('it is not kept, and the page says so,', () => {
  const lost: readonly (readonly [string, Asked])[] = [
    ['on a route that does not say so', { path: '/plain' }],
    ['from another site', { fields: [...PAGE.filter(line => !line.includes('Site')), 'Sec-Fetch-Site: cross-site'] }],
    [
      'from another host of the portal',
      { fields: [...PAGE.filter(line => !line.includes('Site')), 'Sec-Fetch-Site: same-site'] },
    ],
    ['from a page that hides where it is', { fields: ['Accept: text/html', 'Origin: null'] }],
    ['from no page at all', { fields: ['Accept: text/html'] }],
    ['of another type', { type: 'application/json' }],
    ['without a type', { type: null }],
    ['when it is too long', { body: `a=${'x'.repeat(64_000)}` }],
    ['without anyone whose page it was', { cookies: [] }],
    ['with an invented owner', { cookies: [`sallyport-owner=${'A'.repeat(120)}`] }],
  ]
  test.each([...lost])('%s', async (_, asked) => {
    await using gate = await startGate(routes())
    const { owner } = await gate.signIn('app.test')
    const answer = await ask(gate, { cookies: [owner], ...asked })
    expect([answer.status, answer.forwarded, idIn(answer)]).toEqual([401, '', null])
    expect(htmlPage(answer.body.toString()).text).toContain('not kept')
    expect(answer.field('location')).toBeNull()
  })

  test('when its announced length is a lie', async () => {
    await using gate = await startGate(routes())
    const { owner } = await gate.signIn('app.test')
    const head = [
      'POST /notes HTTP/1.1',
      'Host: app.test',
      `Content-Type: ${TYPE}`,
      'Transfer-Encoding: chunked',
      `Cookie: ${owner}`,
      ...PAGE,
    ]
    const chunk = `ffff\r\n${'x'.repeat(65_535)}\r\n`
    const answer = await sendRaw(gate.port, `${head.join('\r\n')}\r\n\r\n${chunk}${chunk}0\r\n\r\n`)
    expect([answer.status, idIn(answer)]).toEqual([401, null])
  })

  test('and a script that posts gets problem details, as ever', async () => {
    await using gate = await startGate(routes())
    const { owner } = await gate.signIn('app.test')
    const fields = ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty', 'Sec-Fetch-Site: same-origin']
    const answer = await ask(gate, { cookies: [owner], fields })
    expect([answer.status, answer.field('content-type')]).toEqual([401, 'application/problem+json'])
  })
})

test('whoever has forms kept in a row has to wait like whoever signs in in a row', async () => {
  // What time gives back would be enough for a machine that is slow.
  await using gate = await startGate(routes(), { ports: { now: fakeClock(Date.now()).now } })
  const { owner } = await gate.signIn('app.test')
  const answers = await Promise.all(Array.from({ length: 320 }, () => ask(gate, { cookies: [owner], body: 'a=b' })))
  const limited = answers.filter(({ status }) => status === 429)
  expect(limited.length).toBeGreaterThan(0)
  expect(limited[0]?.field('retry-after')).toBe('1')
  expect(answers.every(({ forwarded }) => forwarded === '')).toBe(true)
})

test('one person keeps eight forms at most: the oldest make room, nobody else’s', async () => {
  await using gate = await startGate(routes())
  const eve = await sendWithout(gate, {}, 'eve')
  const forms: Sender[] = []
  for (let index = 0; index < 9; index++) forms.push(await sendWithout(gate))
  const sent = async ({ id, cookies }: Sender, sub: string) =>
    (await press(gate, id, [...cookies, await session(gate, sub)])).status
  const [first, second] = forms
  if (first === undefined || second === undefined) throw new Error('nine forms were sent')
  expect(await sent(first, 'ada')).toBe(404)
  expect(await sent(second, 'ada')).toBe(303)
  expect(await sent(eve, 'eve')).toBe(303)
})

needs('valkey-server').test(
  'on several machines, a form that one keeps is sent by another, and once by all of them',
  async () => {
    await using valkey = await startValkey()
    await using one = await startGate(routes(), shared(valkey.url()))
    await using other = await startGate(routes(), shared(valkey.url()))
    const { id, cookies } = await sendWithout(one)
    const own = [...cookies, await session(other)]
    expect((await press(other, id, own)).forwarded).toEndWith(BODY)
    expect((await press(one, id, own)).status).toBe(404)
  },
)

needs('valkey-server').test(
  'a kept form stays where a save closes its route while the store is slow to give it up',
  async () => {
    await using valkey = await startValkey()
    await using gate = await startGate(routes(), shared(valkey.url()))
    const { id, cookies } = await sendWithout(gate)
    const own = [...cookies, await session(gate)]
    expect((await ask(gate, { method: 'GET', cookies: own })).status).toBe(303)
    await valkey.ask(0, 'CLIENT', 'PAUSE', '60000', 'WRITE')
    const pressed = press(gate, id, own)
    await eventually(async () => (await inFlight(gate)) === 1, 'it is waited for')
    await eventually(
      async () => /blocked_clients:[1-9]/.test(await valkey.ask(0, 'INFO', 'clients')),
      'the store waits',
    )
    gate.save(routes().replaceAll('allow = ["user"]', 'allow = ["admin"]'))
    expect([(await pressed).status, (await pressed).forwarded]).toEqual([403, ''])
    await valkey.ask(0, 'CLIENT', 'UNPAUSE')
    gate.save(`${routes()}\n# as before`)
    const before = upstream.text.length
    await eventually(async () => (await press(gate, id, own)).status === 303, 'it is sent')
    expect(upstream.text.slice(before).split(BODY)).toHaveLength(2)
    expect((await press(gate, id, own)).forwarded).toBe('')
  },
)
