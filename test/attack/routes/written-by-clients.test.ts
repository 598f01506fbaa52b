import { describe, expect, test } from 'bun:test'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { linesOf, rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const route = (host: string, lines: string) => routeTo(upstream, host, `portal = "home"\n${lines}`)
const gate = keep(
  await startGate(
    PORTAL +
      route('bots.example', 'allow = "public"\ndeny = [{ headers = { User-Agent = "*bot*" } }]') +
      route(
        'debug.example',
        'allow = "public"\ndeny = [{ query = { debug = "*", "a b" = "1" } }, { query = { trace = "1" } }]',
      ) +
      route('app.example', 'allow = [{ roles = ["user"], headers = { X-App = "mine" } }]') +
      route('mine.example', 'allow = "public"\ndeny = [{ headers = { X-App = "mine" } }]') +
      route('not.example', 'allow = "public"\ndeny = [{ not = { headers = { X-App = "mine" } } }]'),
  ),
)
const { cookie } = await gate.signIn('app.example', { sub: 'bob' })

/** What the application got. */
async function got(fields: readonly string[], at: Gate = gate, host = 'app.example'): Promise<string> {
  const request = Buffer.from(rawRequest('GET /', host, fields), 'latin1')
  return (await sendThrough(at.port, upstream, request)).received
}

async function isOpen(host: string, target: string, fields: readonly string[] = []): Promise<boolean> {
  const request = Buffer.from(rawRequest(`GET ${target}`, host, fields), 'latin1')
  const { response, received } = await sendThrough(gate.port, upstream, request)
  expect([200, 401, 403]).toContain(response.status)
  expect(received !== '').toBe(response.status === 200)
  return response.status === 200
}

describe('a rule by a field that closes', () => {
  const cases: readonly (readonly [fields: readonly string[], isLetIn: boolean])[] = [
    [[], true],
    [['User-Agent: curl'], true],
    [['User-Agent: a bot'], false],
    [['user-agent: a bot'], false],
    [['User-Agent: curl', 'User-Agent: a bot'], false],
    [['User-Agent: a bot', 'User-Agent: curl'], false],
    [['User-Agent:'], true],
    [['User_Agent: bot'], true],
  ]
  test.each(cases)('%p passes: %p', async (fields, isLetIn) => {
    expect(await isOpen('bots.example', '/', fields)).toBe(isLetIn)
  })

  test('counts for each line, also where others open and close a quote or a bracket around it', async () => {
    for (const [opens, closes] of [
      ['"', '"'],
      ['(', ')'],
    ]) {
      const lines = [`X-App: ${opens}`, 'X-App: mine', `X-App: ${closes}`]
      expect(await isOpen('mine.example', '/', lines)).toBeFalse()
    }
    expect(await isOpen('mine.example', '/', ['X-App: (his, hers)'])).toBeTrue()
  })

  test('and under not, where every value of a repeated field has to be as it says', async () => {
    expect(await isOpen('not.example', '/', ['X-App: mine'])).toBeTrue()
    expect(await isOpen('not.example', '/', ['X-App: mine', 'X-App: mine'])).toBeFalse()
    expect(await isOpen('not.example', '/', ['X-App: mine', 'X-App: other'])).toBeFalse()
    expect(await isOpen('not.example', '/')).toBeFalse()
  })
})

describe('a rule by a query that closes', () => {
  const cases: readonly (readonly [target: string, isLetIn: boolean])[] = [
    ['/', true],
    ['/?', true],
    ['/?debugger=1', true],
    ['/?debug', true],
    ['/?debug&a+b=1', false],
    ['/?debug&a%20b=1', false],
    ['/?trace=1', false],
    ['/?trace=0', true],
    ['/?trace=0&trace=1', false],
    ['/?%74race=1', false],
    ['/?trace=%31', false],
    ['/?x;trace=1', false],
    ['/?x=trace=1', true],
    ['/?trace[]=1', false],
    ['/?trace%5B%5D=1', false],
    ['/?trace=0&trace[0]=1', false],
    ['/?[trace]=1', false],
    ['/?Trace=1', false],
    ['/?%20trace=1', false],
    ['/?trace%00x=1', false],
    ['/?debug&a.b=1', false],
    ['/?debug&a_b=1', false],
    ['/?debug&a[b=1', false],
    ['/?trace[]=2', true],
    ['/?tracer[]=1', true],
    ['/?x[trace]=1', true],
  ]
  test.each(cases)('%s passes: %p', async (target, isLetIn) => {
    expect(await isOpen('debug.example', target)).toBe(isLetIn)
  })
})

describe('a rule by a field that opens', () => {
  const mine = [`Cookie: ${cookie}`, 'X-App: mine']

  test('is asked for each request of a session, whatever the one before said', async () => {
    for (let turn = 0; turn < 3; turn++) {
      expect(await isOpen('app.example', '/', mine)).toBeTrue()
      expect(await isOpen('app.example', '/', [`Cookie: ${cookie}`])).toBeFalse()
      expect(await isOpen('app.example', '/', [`Cookie: ${cookie}`, 'X-App: other'])).toBeFalse()
    }
  })

  test('lets nobody in who is not signed in', async () => {
    expect(await isOpen('app.example', '/', ['X-App: mine'])).toBeFalse()
  })

  test('holds only where each value of a repeated field does', async () => {
    expect(await isOpen('app.example', '/', [...mine, 'X-App: other'])).toBeFalse()
  })

  test('reaches the application as it was looked at: Connection takes it away from nobody', async () => {
    for (const options of ['X-App', 'close, x-app', 'keep-alive , X-APP']) {
      const received = await got([...mine, 'X-Other: 1', `Connection: ${options}, X-Other`])
      expect([options, linesOf(received, 'x-app'), linesOf(received, 'x-other')]).toEqual([
        options,
        ['X-App: mine'],
        [],
      ])
    }
  })

  test('and no other spelling of it does, which an application may read in its place', async () => {
    for (const name of ['X_App', 'x.app', 'HTTP_X_APP', 'X~App']) {
      const received = await got([...mine, `${name}: other`])
      expect([name, received.includes('mine'), received.includes('other')]).toEqual([name, true, false])
    }
    expect(linesOf(await got([...mine, 'X_Other: 1']), 'x_other')).toEqual(['X_Other: 1'])
  })
})

test('a rule by a field that trusted proxies alone may set believes nobody else', async () => {
  const lines = 'portal = "home"\nallow = [{ roles = ["user"], headers = { X-Verified = "yes" } }]'
  const head = (proxy: string) => `trusted_proxies = ["${proxy}"]\ntrusted_fields = ["X-Verified"]`
  const toml = PORTAL + routeTo(upstream, 'app.example', lines)
  for (const [proxy, isBelieved] of [
    ['10.9.9.9', false],
    ['127.0.0.1', true],
  ] as const) {
    await using at = await startGate(toml, { server: head(proxy) })
    const fields = [`Cookie: ${(await at.signIn('app.example', { sub: 'bob' })).cookie}`, 'X-Verified: yes']
    const received = await got(fields, at)
    expect([proxy, linesOf(received, 'x-verified')]).toEqual([proxy, isBelieved ? ['X-Verified: yes'] : []])
    expect([proxy, received !== '']).toEqual([proxy, isBelieved])
  }
})
