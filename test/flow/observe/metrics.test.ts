import { expect, test } from 'bun:test'
import { usualCacheBytes } from '../../../src/process/resources.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startProvider } from '../../kit/provider/provider.ts'
import { fetchFrom, metricOf, metricsOf, statusOf } from '../../kit/requests.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, routeSaying, routeTo } from '../../kit/toml.ts'

const APP = 'http://app.example'
const PUBLIC = 'allow = "public"'

const keep = untilTheEnd()
const upstream = keep(
  startAnswering(async request => {
    await request.arrayBuffer()
    const { pathname } = new URL(request.url)
    if (pathname === '/missing') return new Response('gone!', { status: 404 })
    if (pathname !== '/pieces') return new Response('x'.repeat(1000))
    const pieces = ['a'.repeat(70_000), 'b'.repeat(30_000)]
    return new Response(
      new ReadableStream({
        async pull(controller) {
          await Bun.sleep(5)
          const piece = pieces.shift()
          if (piece === undefined) controller.close()
          else controller.enqueue(new TextEncoder().encode(piece))
        },
      }),
    )
  }),
)

async function take(gate: Gate, path: string, init: RequestInit = {}): Promise<number> {
  return (await (await fetchFrom(gate, path, { host: 'app.example' }, init)).arrayBuffer()).byteLength
}

test('requests, bytes and time are told by route and status class', async () => {
  await using gate = await startGate(
    routeTo(upstream, 'app.example', `name = "App"\n${PUBLIC}`) + routeSaying('here', 'own.example', PUBLIC),
  )
  expect([await take(gate, '/'), await take(gate, '/'), await take(gate, '/missing')]).toEqual([1000, 1000, 5])
  expect(await take(gate, '/pieces')).toBe(100_000)
  await take(gate, '/', { method: 'HEAD' })
  await take(gate, '/', { method: 'POST', body: 'y'.repeat(77) })
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(200_000))
      controller.close()
    },
  })
  await take(gate, '/', { method: 'POST', body: stream })
  expect(await statusOf(gate, '/', { host: 'own.example' })).toBe(200)
  const [route, name] = ['route="app.example/"', (await metricsOf(gate)).match(/upstream="([^"]+)"/)?.[1]]
  const expected = {
    [`sallyport_requests_total{${route},class="2xx"}`]: 6,
    [`sallyport_requests_total{${route},class="4xx"}`]: 1,
    'sallyport_requests_total{route="own.example/",class="2xx"}': 1,
    [`sallyport_request_duration_seconds_count{${route}}`]: 7,
    [`sallyport_request_duration_seconds_bucket{${route},le="+Inf"}`]: 7,
    [`sallyport_response_body_bytes_total{${route},class="2xx"}`]: 104_000,
    [`sallyport_response_body_bytes_total{${route},class="4xx"}`]: 5,
    [`sallyport_request_body_bytes_total{${route}}`]: 200_077,
    [`sallyport_upstream_duration_seconds_count{upstream="${name}"}`]: 7,
  }
  const found: Record<string, number> = {}
  for (const series of Object.keys(expected)) found[series] = await metricOf(gate, series)
  expect(found).toEqual(expected)
})

test('what strangers make up never makes a series', async () => {
  await using gate = await startGate(
    PORTAL + routeTo(upstream, 'app.example', PUBLIC) + routeForUsers(upstream, '*.in.example'),
  )
  // Whatever is told of once is told of from here on.
  const ask = async (index: number) => {
    await statusOf(gate, `/a${index}?b=${index}`, { host: 'app.example' })
    await statusOf(gate, `/${index}`, { host: `h${index}.evil.example` })
    await statusOf(gate, `/.sallyport/callback?state=${index}&code=${index}`, { host: `h${index}.in.example` })
    await statusOf(gate, `/.sallyport/x${index}`, { host: `h${index}.in.example` })
    await statusOf(gate, '/', { host: `h${index}.in.example`, cookie: `sallyport=${'a'.repeat(43)}` })
  }
  const series = async () => (await metricsOf(gate)).split('\n').map(line => line.replace(/ [^ ]+$/, ''))
  await ask(0)
  const before = await series()
  for (let index = 1; index < 30; index++) await ask(index)
  expect(await series()).toEqual(before)
  expect(await metricOf(gate, 'sallyport_requests_total{route="(none)",class="4xx"}')).toBeGreaterThanOrEqual(60)
})

test('signing in, being refused, and a provider that is away are told by provider', async () => {
  const port = await freePort()
  const ada = { sub: 'ada', name: 'Ada' }
  const provider = await startProvider({
    port,
    accounts: [ada],
    clients: [{ client_id: 'gate', client_secret: 'gate-secret', redirect_uris: [`${APP}/.sallyport/callback`] }],
  })
  await using gate = await startGate(
    providerTable(provider) + portalTable(EVERYONE) + routeForUsers(upstream, 'app.example'),
  )
  const signIns = async () => {
    const results = ['completed', 'refused', 'failed']
    return Promise.all(
      results.map(result => metricOf(gate, `sallyport_sign_ins_total{provider="id",result="${result}"}`)),
    )
  }
  // They are there before the first one, so that it shows as an increase.
  expect(await signIns()).toEqual([0, 0, 0])
  expect(await metricOf(gate, 'sallyport_sessions')).toBe(0)
  expect(await metricOf(gate, 'sallyport_session_cache_bytes')).toBe(0)
  const browser = browserAt(gate, 'app.example')
  expect((await browser.signIn(`${APP}/`, 'ada')).response.status).toBe(200)
  expect(await signIns()).toEqual([1, 0, 0])
  expect(await metricOf(gate, 'sallyport_sessions')).toBe(1)
  expect(await metricOf(gate, 'sallyport_session_cache_bytes')).toBeGreaterThan(1_000)
  expect(await metricOf(gate, 'sallyport_session_cache_max_bytes')).toBe(usualCacheBytes(1))
  expect(await metricOf(gate, 'sallyport_store_duration_seconds_count{call="write"}')).toBeGreaterThan(1)
  expect(await metricOf(gate, 'sallyport_provider_duration_seconds_count{provider="id",call="sign_in"}')).toBe(1)

  // The provider's word for somebody who does not want to.
  const other = browserAt(gate, 'app.example')
  expect((await comeBack(other, `${APP}/`, 'error=access_denied', provider.issuer)).status).toBe(403)
  expect(await signIns()).toEqual([1, 1, 0])

  const third = browserAt(gate, 'app.example')
  const failing = comeBack(third, `${APP}/`, 'code=wrong', provider.issuer, () => provider.stop())
  expect((await failing).status).toBe(503)
  expect(await signIns()).toEqual([1, 1, 1])
  expect(await metricOf(gate, 'sallyport_provider_errors_total{provider="id",code="down"}')).toBe(1)
})

test('where nobody can ask, nothing is measured, and everything is served', async () => {
  await using gate = await startGate(routeTo(upstream, 'app.example', PUBLIC), { admin: null })
  expect(await take(gate, '/pieces')).toBe(100_000)
  const names = (await gate.server.sources.metrics()).map(({ name }) => name)
  expect(names).toContain('sallyport_responses_total')
  expect(names.filter(name => /duration|route|lag|sign_ins_total|store/.test(name))).toEqual([])
})

/** Begins a sign-in, and comes back from the provider with this answer in place of its own. */
async function comeBack(
  browser: BrowserLite,
  address: string,
  answer: string,
  issuer: string,
  between = async () => undefined as unknown,
): Promise<Response> {
  const { trail } = await browser.open(address)
  const state = trail.map(step => new URL(step).searchParams.get('state')).find(one => one !== null) ?? ''
  await between()
  return browser.visit(`${APP}/.sallyport/callback?${answer}&state=${state}&iss=${encodeURIComponent(issuer)}`)
}
