import { afterAll, beforeAll, expect, setDefaultTimeout } from 'bun:test'
import { describeEachBrowser, readIn, type Tab, untilHeading, untilIn } from '../kit/browser/tab.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { aheadClock } from '../kit/clock.ts'
import { eventually, type Gate, startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { freePort } from '../kit/programs/child.ts'
import { startProvider } from '../kit/provider/provider.ts'
import { metricOf } from '../kit/requests.ts'
import { providerTable, routeTo } from '../kit/toml.ts'

/** Browsers that bind no session, at portals that do: Firefox, WebKit, and a private window of Chromium. */
const { test } = needs('openssl')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const { cert, key } = makeAuthority().issue('DNS:*.localhost')
const securePort = await freePort()
const at = (name: string) => `https://${name}.localhost:${securePort}`
const provider = keep(
  await startProvider({
    host: 'localhost',
    clients: [{ client_id: 'gate', client_secret: 'gate-secret' }],
    accounts: [{ sub: 'ada', name: 'ada', email: 'ada@example.com', email_verified: true, groups: [] }],
  }),
)
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ headers }) =>
      new Response(`<!doctype html><title>App</title><h1>${headers.get('x-token-user-email') ?? 'nobody'}</h1>`, {
        headers: { 'content-type': 'text/html' },
      }),
  }),
)

/** A portal, and an application of it. */
function portalAt(name: string, binding: string): string {
  provider.allowRedirect(`${at(`auth-${name}`)}/.sallyport/callback`)
  return `[portals.${name}]
url = "${at(`auth-${name}`)}"
providers = ["id"]
bind_sessions = ${binding}
roles.user = { any = true }
${routeTo(upstream, `${name}.localhost`, `portal = "${name}"\nallow = ["user"]\nheaders = "x-token"`)}`
}
const TOML = `[tls]
listen = ["127.0.0.1:${securePort}"]
certificates = [{ cert = "app.pem", key = "app.key" }]
${providerTable(provider)}
${portalAt('open', 'true')}
${portalAt('strict', '"required"')}`

describeEachBrowser((_, open) => {
  const clock = aheadClock()
  let gate: Gate
  let tab: Tab
  beforeAll(async () => {
    gate = await startGate(TOML, { files: { 'app.pem': cert, 'app.key': key }, ports: { now: clock.now } })
    tab = await open({ takesAnyCertificate: true })
  })
  afterAll(async () => {
    await tab?.[Symbol.asyncDispose]()
    await gate?.[Symbol.asyncDispose]()
  })

  const served = (path: string) => gate.access.map(line => JSON.parse(line)).filter(record => record.path === path)
  const signIns = () => gate.told('"event":"sign_in"').length

  /** Opens an application, and signs ada in where the provider asks. */
  async function enter(address: string, heading: string): Promise<void> {
    const asks = `document.querySelector('input[name=login]') !== null`
    const isThere = `document.querySelector('h1')?.textContent === ${JSON.stringify(heading)}`
    await tab.open(address)
    if ((await readIn(tab, asks, `${asks} || (${isThere})`)) === true) {
      await tab.evaluate(`void (document.querySelector('input[name=login]').value = 'ada')`)
      await tab.press('form button')
    }
    await untilIn(tab, isThere)
  }

  /** Bound sessions, as metrics count them. */
  const bound = () => metricOf(gate, 'sallyport_sessions_bound_total')

  test('goes on unbound for as long as its session lasts, where a portal binds what it can', async () => {
    await enter(`${at('open')}/deep`, 'ada@example.com')
    clock.advance(11 * 60_000)
    await enter(`${at('open')}/later`, 'ada@example.com')
    const status = `(() => { const asked = new XMLHttpRequest(); asked.open('GET', '/data', false); asked.send(); return asked.status })()`
    expect(await tab.evaluate(status)).toBe(200)
    await tab.open(`${at('auth-open')}/.sallyport/sessions`)
    await untilHeading(tab, 'Your sessions')
    expect(await tab.evaluate(`document.querySelector('main').textContent.includes('Bound to')`)).toBe(false)
    expect([signIns(), await bound(), served('/.sallyport/bind'), gate.told('session.unproven')]).toEqual([
      1,
      0,
      [],
      [],
    ])
  })

  test('gets a page that says why, where a portal requires a device, and not the application', async () => {
    // The provider has its own clock.
    clock.setAhead(0)
    // The page before it looks by itself, once a second, fifteen times.
    await enter(`${at('strict')}/deep`, 'This browser cannot bind your sign-in to this device')
    const looks = () => served('/.sallyport/device').map(({ status }) => status)
    await eventually(() => looks().includes(403), 'the last look is recorded')
    expect(looks().indexOf(403)).toBeGreaterThanOrEqual(15)
    await tab.open(`${at('strict')}/deep`)
    await untilIn(tab, `document.querySelector('h1') !== null && location.origin !== ${JSON.stringify(at('strict'))}`)
    expect([await bound(), served('/.sallyport/bind')]).toEqual([0, []])
    expect(served('/deep').filter(({ host, status }) => host === 'strict.localhost' && status === 200)).toEqual([])
  })
})
