/** Providers that answer with good tokens, and with members beside them that are not what RFC 6749 §5.1 says. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { aheadClock } from '../../kit/clock.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { providerTable, routeForUsers } from '../../kit/toml.ts'

const HOST = 'app.example'
const MINUTE = 60_000
/** More than what lies between two attempts after a failure. */
const RETRY_MS = 11_000
const clock = aheadClock()

const keep = untilTheEnd()
const bad = keep(await startBadProvider(clock.nowS))
const upstream = keep(startAnswering(request => new Response(request.headers.get('authorization'))))
beforeEach(() => {
  clock.setAhead(0)
})

const startOdd = (): Promise<Gate> =>
  startGate(
    `
${providerTable(bad)}
[portals.home]
providers = ["id"]
insecure_cookies = true
refresh = "1m"

[portals.home.roles]
user = { any = true }

${routeForUsers(upstream, HOST, 'pass_token = "access"')}`,
    { ports: clock },
  )

const warnings = (gate: Gate) => gate.told('this counts as absent')

const ODD: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ['expires_in that is negative', { expires_in: -1 }],
  ['expires_in that is null', { expires_in: null }],
  ['expires_in as a text', { expires_in: '300' }],
  ['expires_in as an empty text', { expires_in: '' }],
  ['expires_in as prose', { expires_in: 'soon' }],
  ['expires_in as a list', { expires_in: [300] }],
  ['expires_in as an object', { expires_in: {} }],
  ['expires_in that is false', { expires_in: false }],
  ['scope that is null', { scope: null }],
  ['scope that is empty', { scope: '' }],
]

describe.each(ODD)('%s', (_what, over) => {
  test('counts as absent at sign-in and at a refresh, is told once, and is not asked about again and again', async () => {
    await using gate = await startOdd()
    const browser = browserAt(gate, HOST)
    const right = { givesRefreshToken: true, signsInAtOnce: true }
    bad.behave({ ...right, token: over, refresh: { token: over } })
    const page = await browser.open(`http://${HOST}/`)
    expect([page.response.status, page.text]).toEqual([200, 'Bearer access-token-1'])
    expect(warnings(gate)).toHaveLength(1)
    expect(warnings(gate)[0]).toContain(Object.keys(over).join())
    const before = bad.asked.token
    clock.advance(2 * MINUTE)
    const reload = async () => (await browser.open(`http://${HOST}/`)).text
    await eventually(async () => (await reload()) === 'Bearer access-token-2', 'it is refreshed')
    clock.advance(RETRY_MS)
    expect(await reload()).toBe('Bearer access-token-2')
    expect(bad.asked.token).toBe(before + 1)
    expect(warnings(gate)).toHaveLength(1)
    expect(gate.log.join('\n')).not.toContain('could not be checked')
  })
})

test.each([null, ''])('a refresh token that is %p is none: the sign-in lasts for its lifetime', async none => {
  await using gate = await startOdd()
  const browser = browserAt(gate, HOST)
  bad.behave({ signsInAtOnce: true, token: { refresh_token: none } })
  expect((await browser.open(`http://${HOST}/`)).response.status).toBe(200)
  const before = bad.asked.token
  clock.advance(2 * MINUTE)
  expect((await browser.open(`http://${HOST}/`)).response.status).toBe(200)
  expect(bad.asked.token).toBe(before)
})

test.each([null, ''])('a refresh that brings %p in place of a new refresh token keeps the one it has', async none => {
  await using gate = await startOdd()
  const browser = browserAt(gate, HOST)
  bad.behave({
    givesRefreshToken: true,
    signsInAtOnce: true,
    refresh: { token: { refresh_token: none }, idToken: none },
  })
  await browser.open(`http://${HOST}/`)
  clock.advance(2 * MINUTE)
  const reload = async () => (await browser.open(`http://${HOST}/`)).text
  await eventually(async () => (await reload()) === 'Bearer access-token-2', 'it is refreshed')
})

test('what is as it has to be is told to nobody', async () => {
  await using gate = await startOdd()
  for (const expires_in of [0.5, 3600, 1e9, undefined]) {
    bad.behave({ signsInAtOnce: true, token: { expires_in, scope: 'openid' } })
    const browser = browserAt(gate, HOST)
    expect((await browser.open(`http://${HOST}/`)).response.status).toBe(200)
  }
  expect(warnings(gate)).toEqual([])
})

test('a token that is none is refused, whatever lies beside it', async () => {
  await using gate = await startOdd()
  const browser = browserAt(gate, HOST)
  for (const over of [{ access_token: null }, { id_token: null }, { id_token: 7 }, { token_type: null }]) {
    bad.behave({ signsInAtOnce: true, token: { ...over, expires_in: null } })
    expect((await browser.open(`http://${HOST}/`)).response.status).toBe(502)
  }
  expect(warnings(gate)).toEqual([])
})
