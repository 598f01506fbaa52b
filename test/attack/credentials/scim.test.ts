/** What comes to the address where a provider pushes its people, and is not that provider. */
import { describe, expect, test } from 'bun:test'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { fakeClock } from '../../kit/clock.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { statusOf } from '../../kit/requests.ts'
import { groupOf, patchOf, push, SCIM_KEY, SCIM_TOKEN, userOf } from '../../kit/scim.ts'
import { providerTable, routeTo, SILENT } from '../../kit/toml.ts'
import { openWire } from '../../kit/wire/wire.ts'

const HOST = 'app.example'
const OTHER_TOKEN = 'pushed-by-another-provider'
const keep = untilTheEnd()
const upstream = keep(startStreaming())
const clock = fakeClock(Date.now())

const FILE = `${providerTable(SILENT, SCIM_KEY)}
${providerTable({ ...SILENT, clientId: 'second' }, `scim = { token = "${OTHER_TOKEN}" }`, 'second')}
${providerTable({ ...SILENT, clientId: 'silent' }, '', 'silent')}
${providerTable({ ...SILENT, clientId: 'away' }, `scim = { token = "${OTHER_TOKEN}" }`, 'away')}
[portals.home]
url = "http://auth.example"
providers = ["id", "second", "silent"]
insecure_cookies = true
roles.user = { any = true }

[portals.far]
url = "http://far.example"
providers = ["away"]
insecure_cookies = true
roles.user = { any = true }

${routeTo(upstream, HOST, 'portal = "home"\nallow = ["user"]\ntokens = true')}
${routeTo(upstream, 'app.far.example', 'portal = "far"\nallow = ["user"]')}`

const gate = keep(await startGate(FILE, { ports: { now: clock.now } }))
const AT = { host: 'auth.example' }

const ask: typeof push = (at, method, path, body, options = {}) => push(at, method, path, body, { ...AT, ...options })

/** Every test has the patience of the gate for itself. */
const calm = () => clock.advance(60 * 60_000)

async function makeUser(sub: string): Promise<string> {
  const { status, body } = await ask(gate, 'POST', '/Users', userOf(sub))
  expect(status).toBe(201)
  return body.id
}

const page = (at: Gate, cookie: string) => statusOf(at, '/', { host: HOST, cookie })

describe('whoever has not the token', () => {
  const TOKENS: readonly (readonly [string, string | null])[] = [
    ['none', null],
    ['an empty one', ''],
    ['a beginning of it', SCIM_TOKEN.slice(0, -1)],
    ['more than it', `${SCIM_TOKEN}x`],
    ['it in other letters', SCIM_TOKEN.toUpperCase()],
    ['another provider’s', OTHER_TOKEN],
    ['two', `${SCIM_TOKEN}, Bearer ${SCIM_TOKEN}`],
  ]

  test.each(TOKENS)('brings %s: RFC 6750 §3, 401, and nothing is read or changed', async (_what, token) => {
    calm()
    const id = await makeUser(`wrong-${_what}`)
    for (const [method, path, body] of [
      ['GET', '/Users', undefined],
      ['POST', '/Users', userOf('eve')],
      ['DELETE', `/Users/${id}`, undefined],
      ['GET', '/ServiceProviderConfig', undefined],
    ] as const) {
      const answer = await ask(gate, method, path, body, { token })
      expect([method, answer.status, answer.body.Resources]).toEqual([method, 401, undefined])
      expect(answer.fields.get('www-authenticate')).toStartWith('Bearer realm="sallyport"')
    }
    expect((await ask(gate, 'GET', `/Users/${id}`)).status).toBe(200)
  })

  test('has not it any more once its body is there: nothing is changed', async () => {
    calm()
    await using own = await startGate(FILE, { ports: { now: clock.now } })
    const { body: made } = await ask(own, 'POST', '/Users', userOf('ada', { active: false }))
    /** Sends a change in two parts, and saves a file between them. */
    async function sendSlowly(file: string) {
      const body = JSON.stringify(userOf('ada', { active: true }))
      const wire = await openWire(own.port)
      const fields = `authorization: Bearer ${SCIM_TOKEN}\r\ncontent-type: application/scim+json\r\ncontent-length: ${body.length}`
      await wire.send(
        `PUT /.sallyport/scim/v2/id/Users/${made.id} HTTP/1.1\r\nhost: auth.example\r\n${fields}\r\n\r\n${body.slice(0, 9)}`,
      )
      // What is asked later is answered after this was begun.
      await statusOf(own, '/', { host: HOST })
      own.save(file)
      await own.server.reload()
      await wire.send(body.slice(9))
      const { status } = await wire.receive()
      wire.close()
      return status
    }
    const other = 'another-token-of-the-provider'
    const renewed = FILE.replace(SCIM_TOKEN, other)
    const without = FILE.replace('providers = ["id", "second", "silent"]', 'providers = ["second", "silent"]')
    const isActive = async (token: string) =>
      (await ask(own, 'GET', `/Users/${made.id}`, undefined, { token })).body.active
    expect([await sendSlowly(renewed), await isActive(other)]).toEqual([401, false])
    own.save(FILE)
    await own.server.reload()
    expect(await sendSlowly(without)).toBe(401)
    own.save(FILE)
    await own.server.reload()
    expect([await isActive(SCIM_TOKEN), await sendSlowly(FILE), await isActive(SCIM_TOKEN)]).toEqual([false, 200, true])
  })

  test('says it elsewhere: in the query, in a form, as Basic or as a cookie', async () => {
    calm()
    const basic = `Basic ${Buffer.from(`scim:${SCIM_TOKEN}`).toString('base64')}`
    for (const [path, fields] of [
      [`/Users?access_token=${SCIM_TOKEN}`, {}],
      ['/Users', { authorization: basic }],
      ['/Users', { cookie: `sallyport=${SCIM_TOKEN}` }],
      ['/Users', { 'x-authorization': `Bearer ${SCIM_TOKEN}` }],
    ] as const) {
      expect((await ask(gate, 'GET', path, undefined, { token: null, fields })).status).toBe(401)
    }
  })

  test('is told to wait after ten tries, is logged no more, and does not hold up whoever has it', async () => {
    calm()
    const logged = () => gate.told('came without the right token').length
    const before = logged()
    const answers: number[] = []
    for (let tries = 0; tries < 20; tries++) {
      answers.push((await ask(gate, 'GET', '/Users', undefined, { token: `guess-number-${tries}-of-many` })).status)
    }
    expect(answers).toEqual([...Array(10).fill(401), ...Array(10).fill(429)])
    expect(logged() - before).toBe(10)
    expect((await ask(gate, 'GET', '/Users')).status).toBe(200)
    const late = await ask(gate, 'GET', '/Users', undefined, { token: 'one-more-guess-of-many' })
    expect([late.status, Number(late.fields.get('retry-after')) > 0]).toEqual([429, true])
  })

  test('waits for no longer than that after a clock that is set back', async () => {
    calm()
    const guess = async () => (await ask(gate, 'GET', '/Users', undefined, { token: 'a-guess-of-many-others' })).status
    for (let tries = 0; tries < 10; tries++) await guess()
    clock.advance(-20 * 60_000)
    expect(await guess()).toBe(429)
    clock.advance(30_000)
    expect([await guess(), await guess()]).toEqual([401, 429])
    clock.advance(20 * 60_000)
  })
})

describe('a page that somebody who is signed in looks at', () => {
  test('pushes nothing in their name, whatever it sends along', async () => {
    calm()
    const { cookie } = await gate.signIn(HOST, { sub: 'ada' })
    for (const fields of [
      { cookie, 'sec-fetch-site': 'same-origin', origin: `http://${HOST}` },
      { cookie, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example', 'content-type': 'text/plain' },
    ]) {
      const answer = await ask(gate, 'POST', '/Users', userOf('ada', { active: false }), { token: null, fields })
      expect([answer.status, answer.fields.get('access-control-allow-origin')]).toEqual([401, null])
    }
    const preflight = { origin: 'https://evil.example', 'access-control-request-method': 'DELETE' }
    const answer = await ask(gate, 'OPTIONS', '/Users', undefined, { token: null, fields: preflight })
    expect([answer.status, answer.fields.get('access-control-allow-origin')]).toEqual([401, null])
    expect(await page(gate, cookie)).toBe(200)
  })
})

describe('another provider', () => {
  test('sees and ends nobody but its own, though both are the same issuer', async () => {
    const { cookie } = await gate.signIn(HOST, { sub: 'mine' })
    const id = await makeUser('mine')
    const second = { provider: 'second', token: OTHER_TOKEN }
    expect((await ask(gate, 'GET', `/Users/${id}`, undefined, second)).status).toBe(404)
    expect((await ask(gate, 'DELETE', `/Users/${id}`, undefined, second)).status).toBe(404)
    expect((await ask(gate, 'GET', '/Users', undefined, second)).body.totalResults).toBe(0)
    expect((await ask(gate, 'POST', '/Users', userOf('mine', { active: false }), second)).status).toBe(201)
    expect((await ask(gate, 'POST', '/Groups', groupOf('x', ['nobody-here']), second)).status).toBe(400)
    expect(await page(gate, cookie)).toBe(200)
    expect((await ask(gate, 'DELETE', `/Users/${id}`)).status).toBe(204)
    expect(await page(gate, cookie)).toBe(401)
  })

  test.each([
    ['that pushes nothing', { provider: 'silent' }],
    ['of another portal', { provider: 'away', token: OTHER_TOKEN }],
    ['that there is not', { provider: 'nobody' }],
    ['of no name', { provider: '' }],
    ['at an application’s host', { host: HOST }],
    ['at another portal’s host', { host: 'far.example' }],
  ])('%s: nothing is there, with any token', async (_what, options) => {
    for (const token of [SCIM_TOKEN, OTHER_TOKEN]) {
      expect((await ask(gate, 'GET', '/Users', undefined, { token, ...options })).status).toBe(404)
    }
  })
})

describe('the right token, and something that is not meant', () => {
  test.each([
    ['X-HTTP-Method-Override', { 'x-http-method-override': 'DELETE' }],
    ['X-HTTP-Method', { 'x-http-method': 'DELETE' }],
    ['X-Method-Override', { 'x-method-override': 'DELETE' }],
  ])('%s: a method is the method and nothing else', async (_what, fields) => {
    const id = await makeUser(`override-${_what}`)
    expect((await ask(gate, 'GET', `/Users/${id}?_method=DELETE`, undefined, { fields })).status).toBe(200)
    expect((await ask(gate, 'POST', `/Users/${id}`, '{}', { fields })).status).toBe(405)
    expect((await ask(gate, 'GET', `/Users/${id}`)).status).toBe(200)
  })

  test('a body that is too long is not read to its end', async () => {
    const long = userOf('long', { displayName: 'x'.repeat(2 * 1024 * 1024) })
    expect((await ask(gate, 'POST', '/Users', long)).status).toBe(413)
    const wire = await openWire(gate.port)
    const head = [
      'POST /.sallyport/scim/v2/id/Users HTTP/1.1',
      'Host: auth.example',
      `Authorization: Bearer ${SCIM_TOKEN}`,
      'Content-Type: application/scim+json',
      'Transfer-Encoding: chunked',
    ]
    await wire.send(`${head.join('\r\n')}\r\n\r\n`)
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    for (let sent = 0; sent < 40 && !wire.isClosed && !wire.received.includes(' 413 '); sent++) await wire.send(chunk)
    while (!wire.isClosed && !wire.received.includes(' 413 ')) await Bun.sleep(5)
    expect(wire.received.toString('latin1')).toContain(' 413 ')
    wire.close()
  })

  test.each([
    ['lists within lists', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['objects within objects', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`],
    ['what is never closed', '['.repeat(500_000)],
    ['a text that never ends', `{"a":"${'\\'.repeat(100_001)}`],
  ])('%s are refused, and nothing else is', async (_what, body) => {
    expect((await ask(gate, 'POST', '/Users', body)).status).toBe(400)
    expect((await ask(gate, 'GET', '/Users?count=0')).status).toBe(200)
  })

  test.each([
    ['two words for active', '"active": true, "ACTIVE": false', 400],
    ['a prototype', '"__proto__": { "active": false }, "constructor": { "prototype": {} }', 201],
    ['brackets in a text', `"displayName": ${JSON.stringify('[{'.repeat(200))}`, 201],
    ['a line break in a name', '"displayName": "a\\nlevel=error"', 400],
    ['a name that is too long', `"displayName": "${'x'.repeat(1001)}"`, 400],
  ])('%s', async (_what, member, status) => {
    const body = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"externalId":"m-${_what}","userName":"m",${member}}`
    const answer = await ask(gate, 'POST', '/Users', body)
    expect([_what, answer.status]).toEqual([_what, status])
    if (status === 201) expect([answer.body.active, ({} as { active?: boolean }).active]).toEqual([true, undefined])
  })

  test('filters and ids that mean something elsewhere mean nothing here', async () => {
    await makeUser('o\'hara" or 1=1 --')
    const find = async (filter: string) => ask(gate, 'GET', `/Users?filter=${encodeURIComponent(filter)}`)
    for (const filter of [
      "userName eq 'x' or '1'='1'",
      'userName eq "x" or userName pr',
      'userName eq "x"; DROP TABLE pushed; --',
      'userName[type eq "x"',
      `${'('.repeat(1000)}userName eq "x"`,
      'userName eq "\\u00"',
      '__proto__ eq "x"',
      'constructor.name eq "Object"',
    ]) {
      expect([filter, (await find(filter)).status]).toEqual([filter, 400])
    }
    expect((await find("userName eq \"x' OR '1'='1\"")).body.totalResults).toBe(0)
    expect((await find(`userName eq ${JSON.stringify('o\'hara" or 1=1 --')}`)).body.totalResults).toBe(1)
    for (const id of ["x'%20OR%20'1'='1", '%25', '*', 'user:x', '..%2f..%2fpeople', 'a'.repeat(5000)]) {
      expect((await ask(gate, 'DELETE', `/Users/${id}`)).status).toBeOneOf([400, 404])
    }
  })

  test('somebody else’s sub is not taken over by a change', async () => {
    const id = await makeUser('bob-of-old')
    const { cookie } = await gate.signIn(HOST, { sub: 'victim' })
    const asVictim = userOf('victim', { active: false })
    expect((await ask(gate, 'PUT', `/Users/${id}`, asVictim)).body.scimType).toBe('mutability')
    const patch = patchOf(
      { op: 'replace', path: 'externalId', value: 'victim' },
      { op: 'replace', path: 'active', value: false },
    )
    expect((await ask(gate, 'PATCH', `/Users/${id}`, patch)).body.scimType).toBe('mutability')
    expect(await page(gate, cookie)).toBe(200)
  })
})
