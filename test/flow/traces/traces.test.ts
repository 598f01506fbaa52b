import { expect, test } from 'bun:test'
import { ask } from '../../../src/console/network.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, type GateOptions, startGate } from '../../kit/gate.ts'
import { plant } from '../../kit/log/planted.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort, PROGRAMS, startChild } from '../../kit/programs/child.ts'
import { startReceiver } from '../../kit/programs/otlp.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, routeTo } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const QUERY = 'QUERY-SECRET'
const RECEIVERS = 'RECEIVER-SECRET'
for (const secret of [QUERY, RECEIVERS]) plant(secret, 'a secret of traces.test.ts')

/** What the application is told of traces; it answers so. */
interface Told {
  readonly traceparent: string | null
  readonly tracestate: string | null
}

const toldIn = (field: string | null): Told => JSON.parse(field ?? '{}')

const keep = untilTheEnd()
const upstream = keep(
  startAnswering(({ headers }) => {
    const told: Told = { traceparent: headers.get('traceparent'), tracestate: headers.get('tracestate') }
    return new Response('hello', { headers: { 'x-told': JSON.stringify(told) } })
  }),
)
const provider = keep(await startBadProvider())

/** A port on which nobody listens. */
const NOBODYS = 1

const OPEN = routeTo(upstream, 'open.example', 'allow = "public"')

const telemetry = (endpoint: string, more = '') => `[telemetry]\nendpoint = "${endpoint}"\n${more}\n`

const THEIRS = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** A gate, and requests of an open route with these fields. */
async function open(toml: string, options: GateOptions = {}) {
  const gate = await startGate(`${toml}${OPEN}`, options)
  const ask = async (...fields: string[]) => {
    const answer = await sendRaw(gate.port, rawRequest(`GET /x?q=${QUERY}`, 'open.example', fields))
    return { status: answer.status, told: toldIn(answer.field('x-told')) }
  }
  return Object.assign(gate, { ask })
}

function browserOf(gate: Gate): BrowserLite {
  return new BrowserLite({
    transport(address, { headers, ...init }) {
      headers.set('host', address.host)
      const isGate = address.host === 'app.example'
      const to = isGate ? `http://127.0.0.1:${gate.port}${address.pathname}${address.search}` : address.href
      return fetch(to, { ...init, headers })
    },
  })
}

needs('opentelemetry-proto').describe('to a receiver', () => {
  test.concurrent('a request of somebody who signs in is told of as spans, down to the provider and the application', async () => {
    await using receiver = await startReceiver()
    const toml = [
      telemetry(receiver.endpoint, `service_name = "gate-1"\nheaders = { authorization = "Bearer ${RECEIVERS}" }`),
      providerTable(provider),
      portalTable(EVERYONE),
      routeForUsers(upstream, 'app.example'),
    ].join('\n')
    await using gate = await startGate(toml)
    provider.behave({ signsInAtOnce: true })
    const browser = browserOf(gate)
    const page = await browser.open(`http://app.example/deep/page?q=${QUERY}`)
    expect(page.text).toBe('hello')
    const { spans } = receiver
    await eventually(
      () => spans.some(({ attributes }) => attributes['sallyport.upstream'] !== undefined),
      'the last span',
    )

    const last = spans.find(({ attributes }) => attributes['sallyport.upstream'] !== undefined)
    if (last === undefined) throw new Error('there is one')
    expect(last).toMatchObject({
      name: 'GET app.example/',
      kind: 'SPAN_KIND_SERVER',
      parentId: '',
      isError: false,
      resource: { 'service.name': 'gate-1', 'service.version': expect.any(String) },
      attributes: {
        'http.request.method': 'GET',
        'http.response.status_code': 200,
        'http.response.body.size': 5,
        'url.path': '/deep/page',
        'server.address': 'app.example',
        'http.route': 'app.example/',
      },
    })
    const below = spans.filter(({ parentId }) => parentId === last.spanId)
    expect(below.map(({ name, kind }) => [name, kind])).toEqual([
      ['session', 'SPAN_KIND_INTERNAL'],
      ['policy', 'SPAN_KIND_INTERNAL'],
      ['GET', 'SPAN_KIND_CLIENT'],
    ])
    for (const span of below) {
      expect(span.traceId).toBe(last.traceId)
      expect(span.startNs >= last.startNs && span.endNs >= span.startNs && span.endNs <= last.endNs).toBe(true)
    }
    const asked = below.find(({ kind }) => kind === 'SPAN_KIND_CLIENT')
    expect(asked?.attributes['server.address']).toBe(`127.0.0.1:${upstream.port}`)
    const told = toldIn(page.response.headers.get('x-told'))
    expect(told.traceparent).toBe(`00-${last.traceId}-${asked?.spanId}-01`)

    const callback = spans.find(({ attributes }) => attributes['url.path'] === '/.sallyport/callback')
    const calls = spans.filter(({ parentId }) => parentId === callback?.spanId)
    expect(calls.filter(({ kind }) => kind === 'SPAN_KIND_CLIENT').map(({ name }) => name)).toContain(
      `POST ${new URL(provider.issuer).host}`,
    )
    expect(receiver.fields[0]).toMatchObject({ authorization: `Bearer ${RECEIVERS}` })

    const all = JSON.stringify(spans, (_, value) => (typeof value === 'bigint' ? String(value) : value))
    const cookies = browser.cookiesLike('app.example', 'sallyport').map(({ value }) => value)
    for (const secret of [QUERY, RECEIVERS, 'access-token-1', 'code-', 'eyJhbGci', ...cookies].filter(
      one => one !== '',
    ))
      expect([secret, all.includes(secret)]).toEqual([secret, false])
    expect(all).not.toContain('?')
  })

  test.concurrent('strangers choose no names of spans, and no more of a path than its beginning', async () => {
    await using receiver = await startReceiver()
    await using gate = await open(telemetry(receiver.endpoint))
    for (const host of ['one.example', 'other.example'])
      await sendRaw(gate.port, rawRequest(`GET /${'x'.repeat(5000)}`, host, []))
    await eventually(() => receiver.spans.length > 1, 'spans')
    expect(receiver.spans.map(({ name }) => name)).toEqual(['GET', 'GET'])
    expect(receiver.spans.map(({ attributes }) => String(attributes['url.path']).length)).toEqual([1024, 1024])
  })

  test.concurrent("a stranger's traceparent is not continued, and does not reach the application", async () => {
    await using receiver = await startReceiver()
    await using gate = await open(telemetry(receiver.endpoint))
    const { told } = await gate.ask(`traceparent: ${THEIRS}`, 'tracestate: x=1')
    expect(told.tracestate).toBeNull()
    expect(told.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(told.traceparent).not.toContain(THEIRS.slice(3, 35))
    await eventually(() => receiver.spans.length > 2, 'spans')
    expect(new Set(receiver.spans.map(({ traceId }) => traceId)).size).toBe(1)
    expect(receiver.spans.find(({ kind }) => kind === 'SPAN_KIND_SERVER')?.parentId).toBe('')
  })

  test.concurrent('that of a trusted proxy is, with its tracestate and its choice of what is sampled', async () => {
    await using receiver = await startReceiver()
    await using gate = await open(telemetry(receiver.endpoint, 'sample = 0'), {
      server: 'trusted_proxies = ["127.0.0.1"]',
    })
    const unsampled = await gate.ask(`traceparent: ${THEIRS.replace(/1$/, '0')}`)
    expect(unsampled.told.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/)
    const sampled = await gate.ask(`traceparent: ${THEIRS}`, 'tracestate: x=1')
    expect(sampled.told.tracestate).toBe('x=1')
    expect(sampled.told.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/)
    await eventually(() => receiver.spans.some(({ kind }) => kind === 'SPAN_KIND_SERVER'), 'spans')
    expect(receiver.spans.filter(({ kind }) => kind === 'SPAN_KIND_SERVER').map(({ parentId }) => parentId)).toEqual([
      'b7ad6b7169203331',
    ])
    const wrong = await gate.ask('traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01')
    expect(wrong.told.traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  })

  test.concurrent('without [telemetry] the field is handed on', async () => {
    await using gate = await open('')
    const { told } = await gate.ask(`traceparent: ${THEIRS}`, 'tracestate: x=1')
    expect(told).toEqual({ traceparent: THEIRS, tracestate: 'x=1' })
  })

  test.concurrent('an application that fails is an error of its span and of the request, with why', async () => {
    await using receiver = await startReceiver()
    await using gate = await open(
      `${telemetry(receiver.endpoint)}${routeTo({ port: NOBODYS }, 'gone.example', 'allow = "public"')}`,
    )
    await sendRaw(gate.port, rawRequest('GET /', 'gone.example'))
    await eventually(() => receiver.spans.some(({ kind }) => kind === 'SPAN_KIND_SERVER'), 'spans')
    const failed = receiver.spans.filter(({ isError }) => isError)
    expect(failed.map(({ kind }) => kind).sort()).toEqual(['SPAN_KIND_CLIENT', 'SPAN_KIND_SERVER'])
    expect(failed.find(({ kind }) => kind === 'SPAN_KIND_SERVER')?.attributes).toMatchObject({
      'http.response.status_code': 502,
      'error.type': 'upstream.refused',
    })
  })

  test.concurrent.each([
    ['nobody listens', async () => `http://127.0.0.1:${NOBODYS}`],
    ['it refuses', async () => (await refusing(401)).endpoint],
    ['it is silent', async () => (await refusing(null)).endpoint],
  ])('requests go on where %s, and that is said at most once', async (_, endpointOf) => {
    const endpoint = await endpointOf()
    let tried = 0
    const counting: typeof ask = (...asked) => ask(...asked).finally(() => tried++)
    await using gate = await open(telemetry(endpoint, `headers = { authorization = "Bearer ${RECEIVERS}" }`), {
      ports: { ask: counting },
    })
    const answers = await Promise.all(Array.from({ length: 50 }, () => gate.ask()))
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200))
    if (endpoint !== silent) {
      await eventually(() => gate.told('Traces cannot be sent').length > 0, 'that traces are lost')
      const before = tried
      await gate.ask()
      await eventually(() => tried > before, 'the next ones are tried')
      expect(gate.told('Traces cannot be sent')).toHaveLength(1)
    }
    expect(gate.log.join('')).not.toContain(RECEIVERS)
  })

  let silent = ''

  async function refusing(status: number | null) {
    const receiver = keep(await startReceiver())
    receiver.answer(status)
    if (status === null) silent = receiver.endpoint
    return receiver
  }

  test.concurrent('once a receiver is there again it is said how many spans are missing, and the next ones come', async () => {
    await using receiver = await startReceiver()
    receiver.answer(503)
    await using gate = await open(telemetry(receiver.endpoint))
    await gate.ask()
    await eventually(() => gate.told('Traces cannot be sent').length > 0, 'that traces are lost')
    receiver.answer(200)
    await gate.ask()
    await eventually(() => gate.told('Traces are sent again').length > 0, 'that they are sent again')
    expect(JSON.parse(gate.told('Traces are sent again')[0] ?? '')).toMatchObject({ missed: expect.any(Number) })
    expect(receiver.spans.length).toBeGreaterThan(0)
  })

  test.concurrent.each(PROGRAMS)('%s send traces, and the last ones before they end', async (_, program) => {
    await using receiver = await startReceiver()
    using folder = temporaryFolder()
    const port = await freePort()
    const toml = `${OPEN}${telemetry(receiver.endpoint)}`
    const child = await startChild({ command: await program(), folder: folder.path, port, toml })
    await using _child = child
    await sendRaw(port, rawRequest('GET /last', 'open.example'))
    child.process.kill('SIGTERM')
    expect(await child.process.exited).toBe(0)
    // What it sent before may be read here after that.
    await eventually(() => receiver.spans.some(({ attributes }) => attributes['url.path'] === '/last'), 'the last span')
  })

  test.concurrent('a save begins and ends it', async () => {
    await using receiver = await startReceiver()
    await using gate = await open('')
    await gate.ask()
    gate.save(telemetry(receiver.endpoint) + OPEN)
    await gate.server.reload()
    await gate.ask()
    await eventually(() => receiver.spans.length > 2, 'spans')
    const count = receiver.spans.length
    gate.save(OPEN)
    await gate.server.reload()
    const { told } = await gate.ask(`traceparent: ${THEIRS}`)
    expect(told.traceparent).toBe(THEIRS)
    expect(receiver.spans).toHaveLength(count)
  })
})
