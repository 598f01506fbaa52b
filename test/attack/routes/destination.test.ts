/**
 * Addresses that a request mentions besides its own (RFC 4918): what Destination names is written to, what If names is asked about.
 *
 * Each case is sent raw; of what is refused the application sees nothing.
 */
import { describe, expect, test } from 'bun:test'
import { createToken } from '../../kit/commands.ts'
import { portalWith, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { guestCookie } from '../../kit/sessions/joined.ts'
import { linesOf, rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const APP = 'app.example'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(201)]))
const other = keep(await startRawUpstream([httpResponse(201)]))
const to = `upstream = "http://127.0.0.1:${upstream.port}"`
const route = (path: string, allow: string, more = to, host = APP) =>
  `[[routes]]\nhost = "${host}"\npath = "${path}"\nportal = "home"\nallow = ${allow}\n${more}\n`
const gate = keep(
  await startGate(
    [
      portalWith('url = "http://auth.example"\nguest_links = { allow = ["admin"] }'),
      route('/', '["user"]', `${to}\ntokens = true`),
      route('/private', '["admin"]'),
      route('/read', '["user"]', `${to}\nmethods = ["GET", "PROPFIND", "COPY"]`),
      route('/kept', '["user"]', `${to}\ndeny = [{ methods = ["DELETE"] }]`),
      route('/other', '["user"]', `upstream = "http://127.0.0.1:${other.port}"`),
      route('/ours', '["user"]', 'respond = { body = "ours" }'),
      route('/guests', '["user", { guest_link = true }]'),
      route('/stripped', '["user"]', `${to}\nstrip_prefix = "/stripped"\nadd_prefix = "/dav"`),
      route('/meddling', '["user"]', `${to}\nrequest_headers = { set = { Overwrite = "T" } }`),
      route('/named', '["user"]', `${to}\nhost_header = "files.internal"`),
      route('/own', '["user"]', `${to}\nhost_header = "upstream"`),
      route('/based', '["user"]', `upstream = "http://127.0.0.1:${upstream.port}/base"`),
      route('/', '["user"]', `upstream = "http://127.0.0.1:${upstream.port}"`, 'second.example'),
      route('/', '["user"]', 'verify = true\ntokens = true', 'asked.example'),
      route('/private', '["admin"]', 'verify = true', 'asked.example'),
      route('/proxied', '["user"]', to, 'asked.example'),
    ].join('\n'),
    { server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"' },
  ),
)
const user = `Cookie: ${(await gate.signIn(APP, { sub: 'bob' })).cookie}`
const admin = `Cookie: ${(await gate.signIn(APP, { sub: 'ada', groups: ['admins'] })).cookie}`

/** The answer's status, and the lines of these fields that the application got; none where it saw nothing. */
async function ask(line: string, ...fields: readonly string[]) {
  const before = other.text.length
  const { response, received } = await sendThrough(gate.port, upstream, rawRequest(line, APP, fields))
  expect(other.text.length).toBe(before)
  const got = [...linesOf(received, 'destination'), ...linesOf(received, 'if')].map(text => text.replace(/^\w+: /, ''))
  return { status: response.status, got, isSeen: received !== '' }
}

const REFUSED = { status: 403, got: [], isSeen: false }

describe('Destination', () => {
  const inside: [destination: string, becomes: string][] = [
    ['http://app.example/b', 'http://app.example/b'],
    ['/b', 'http://app.example/b'],
    ['https://app.example/b', 'http://app.example/b'],
    ['http://app.example:8443/b', 'http://app.example/b'],
    ['HTTP://APP.example./b?x=%20y', 'http://app.example/b?x=%20y'],
    ['http://app.example/caf%C3%A9,%20b', 'http://app.example/caf%C3%A9,%20b'],
    ['http://app.example/stripped/b', 'http://app.example/dav/b'],
    ['http://app.example/named/b', 'http://app.example/named/b'],
  ]
  test.each(inside)('%s goes on as the application knows it: %s', async (destination, becomes) => {
    for (const method of ['COPY', 'MOVE']) {
      expect(await ask(`${method} /a`, user, `Destination: ${destination}`)).toEqual({
        status: 201,
        got: [becomes],
        isSeen: true,
      })
    }
  })

  test('its host is the one that the application is asked by', async () => {
    const sent = async (path: string) => (await ask(`MOVE ${path}/a`, user, `Destination: http://${APP}${path}/b`)).got
    expect(await sent('/named')).toEqual(['http://files.internal/named/b'])
    expect(await sent('/own')).toEqual([`http://127.0.0.1:${upstream.port}/own/b`])
    expect(await sent('/based')).toEqual([`http://${APP}/base/based/b`])
    expect(await sent('/stripped')).toEqual([`http://${APP}/dav/b`])
  })

  const outside: [why: string, destination: string][] = [
    ['a route that is closed to them', 'http://app.example/private/b'],
    ['the same in other letters', 'http://app.example/PRIVATE/b'],
    ['the same, escaped', 'http://app.example/%70rivate/b'],
    ['the same, by a path alone', '/private/b'],
    ['a route that may only be read', 'http://app.example/read/b'],
    ['a route where nothing may be deleted', 'http://app.example/kept/b'],
    ['another host', 'http://second.example/b'],
    ['another host by scheme alone', '//second.example/b'],
    ['another host of nobody', 'http://elsewhere.example/b'],
    ['another application', 'http://app.example/other/b'],
    ['a page of ours', 'http://app.example/.sallyport/login'],
    ['an answer of ours', 'http://app.example/ours/b'],
    ['no path', 'http://app.example'],
    ['another scheme', 'ftp://app.example/b'],
    ['a relative path', 'b'],
    ['nothing', ''],
    ['a name that is no ASCII', '/b\xe9'],
  ]
  test.each(outside)('%s: 403, and the application sees nothing', async (_, destination) => {
    expect(await ask('COPY /a', user, `Destination: ${destination}`)).toEqual(REFUSED)
    // Some applications take the method from elsewhere.
    expect(await ask('POST /a', user, `Destination: ${destination}`)).toEqual(REFUSED)
  })

  const unreadable = [
    '/a/../private/b',
    '/a/%2e%2e/private/b',
    '/b%zz',
    '/b#/private',
    'http://x@app.example/b',
    '/private;/b',
  ]
  test.each(unreadable)('%s: not carried out', async destination => {
    const { status, isSeen } = await ask('COPY /a', user, `Destination: ${destination}`)
    expect([status === 400 || status === 403, isSeen]).toEqual([true, false])
  })

  test('two are none', async () => {
    const fields = ['Destination: http://app.example/b', 'Destination: http://app.example/private/b']
    expect(await ask('COPY /a', user, ...fields)).toEqual(REFUSED)
    expect(await ask('COPY /a', user, ...fields.toReversed())).toEqual(REFUSED)
  })

  test('who may go there may write there, and what overwrites nothing deletes nothing', async () => {
    expect((await ask('MOVE /a', admin, 'Destination: /private/b')).status).toBe(201)
    expect((await ask('COPY /a', user, 'Destination: /kept/b', 'Overwrite: F')).status).toBe(201)
    expect(await ask('COPY /a', user, 'Destination: /kept/b', 'Overwrite: T')).toEqual(REFUSED)
    expect((await ask('COPY /a', 'Destination: /b')).status).toBe(401)
  })

  test('what was judged as overwriting nothing overwrites nothing', async () => {
    const overwrites = async (path: string, ...fields: readonly string[]) => {
      const raw = rawRequest(`COPY ${path}`, APP, [user, 'Destination: /kept/b', ...fields])
      const { received } = await sendThrough(gate.port, upstream, raw)
      return linesOf(received, 'overwrite')
    }
    expect(await overwrites('/a', 'Overwrite: F', 'Connection: overwrite')).toEqual(['overwrite: F'])
    expect(await overwrites('/a', 'Overwrite: F', 'Connection: keep-alive, OVERWRITE')).toEqual(['overwrite: F'])
    expect(await overwrites('/meddling/a', 'Overwrite: F')).toEqual(['overwrite: F'])
  })

  test.each(['f', '"F"', 'F, F', 'false', ''])(
    'Overwrite: %s is not read alike by all: as if it overwrote',
    async value => {
      expect(await ask('COPY /a', user, 'Destination: /kept/b', `Overwrite: ${value}`)).toEqual(REFUSED)
    },
  )

  test('a token holds there as it does here', async () => {
    const create = async (...more: string[]) => `Authorization: Bearer ${(await createToken(gate, more)).token}`
    const [any, below, copies] = [await create(), await create('--path', '/in'), await create('--methods', 'COPY,GET')]
    expect((await ask('COPY /in/a', any, 'Destination: /b')).status).toBe(201)
    // This route takes no tokens.
    expect(await ask('COPY /in/a', any, 'Destination: /named/b')).toEqual(REFUSED)
    expect((await ask('COPY /in/a', below, 'Destination: /in/b')).status).toBe(201)
    expect(await ask('COPY /in/a', below, 'Destination: /b')).toEqual(REFUSED)
    expect(await ask('COPY /in/a', copies, 'Destination: /in/b')).toEqual(REFUSED)
  })

  test('a guest writes nowhere but within their link', async () => {
    const guest = `Cookie: ${await guestCookie(gate, APP, '/guests/in')}`
    expect((await ask('COPY /guests/in/a', guest, 'Destination: /guests/in/b')).status).toBe(201)
    expect(await ask('COPY /guests/in/a', guest, 'Destination: /guests/b')).toEqual(REFUSED)
    expect(await ask('COPY /guests/in/a', guest, 'Destination: /b')).toEqual(REFUSED)
  })
})

describe('If', () => {
  test('is no word about what may be overwritten', async () => {
    const raw = rawRequest('COPY /a', APP, [user, 'Destination: /b', 'If: </a> (["e"])'])
    const { response, received } = await sendThrough(gate.port, upstream, raw)
    expect([response.status, linesOf(received, 'overwrite')]).toEqual([201, []])
  })

  test('conditions about the request’s own address pass as they are', async () => {
    for (const value of ['(<opaquelocktoken:1>)', '(Not <DAV:no-lock> ["a)<b"])(["c"])', '"x"']) {
      expect(await ask('PUT /a', user, `If: ${value}`)).toEqual({ status: 201, got: [value], isSeen: true })
    }
  })

  test('those about others name them as the application knows them', async () => {
    const value = '<http://app.example/stripped/b> (<opaquelocktoken:1> ["e"]) </c>  (Not ["f"])'
    expect((await ask('PUT /a', user, `If: ${value}`)).got).toEqual([
      '<http://app.example/dav/b> (<opaquelocktoken:1> ["e"]) <http://app.example/c>  (Not ["f"])',
    ])
  })

  test.each([
    '</private/b> (["e"])',
    '</a> (["e"]) </private/b> (["e"])',
    '<http://second.example/b> (["e"])',
    '</other/b> (["e"])',
  ])('%s: nothing is told of what is closed', async value => {
    expect(await ask('PUT /a', user, `If: ${value}`)).toEqual(REFUSED)
  })

  test.each(['<', '</a> ((["e"])', '</a> ["e"]<', '(<a>', '</a> (["e"]), </private/b> (["e"])'])(
    '%s: is no list of conditions',
    async value => {
      expect(await ask('PUT /a', user, `If: ${value}`)).toEqual({ status: 400, got: [], isSeen: false })
    },
  )
})

describe('forward auth', () => {
  async function verdicts(method: string, ...fields: readonly string[]) {
    const { cookie } = await gate.signIn('asked.example', { sub: 'bob' })
    const relayed = ['X-Forwarded-Uri: /a', `X-Forwarded-Method: ${method}`, 'X-Forwarded-Host: asked.example']
    const nginx = ['X-Original-URL: http://asked.example/a', `X-Original-Method: ${method}`]
    const ask = async (path: string, stated: readonly string[]) => {
      const raw = rawRequest(`GET ${path}`, 'sallyport', [...stated, `Cookie: ${cookie}`, ...fields])
      return (await sendRaw(gate.verifyPort, raw)).status
    }
    return [await ask('/.sallyport/verify', relayed), await ask('/.sallyport/verify/nginx', nginx)]
  }

  test('a verdict is about what is mentioned, too', async () => {
    expect(await verdicts('COPY', 'Destination: http://asked.example/b')).toEqual([204, 204])
    expect(await verdicts('COPY', 'Destination: https://asked.example/b')).toEqual([204, 204])
    for (const destination of ['/private/b', '/PRIVATE/b', 'http://app.example/b', '/proxied/b', 'b']) {
      const field = `Destination: ${destination}`
      expect([destination, await verdicts('MOVE', field)]).toEqual([destination, [403, 403]])
    }
    expect(await verdicts('PUT', 'If: </private/b> (["e"])')).toEqual([403, 403])
    expect(await verdicts('PUT', 'If: </b> (["e"])')).toEqual([204, 204])
  })
})
