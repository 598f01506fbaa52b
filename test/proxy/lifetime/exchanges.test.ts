import { afterAll, beforeAll, describe, expect, spyOn, test } from 'bun:test'
import { join } from 'node:path'
import { GateError } from '../../../src/base/errors.ts'
import { ask, forward as forwardNow } from '../../../src/console/network.ts'
import { createWholeBodies } from '../../../src/proxy/body/buffered-bodies.ts'
import { createEventStreams, isEventStream } from '../../../src/proxy/body/event-streams.ts'
import { createFlows } from '../../../src/proxy/body/flows.ts'
import { type Ending, HttpExchange, makeReady, type Sendable } from '../../../src/proxy/exchange.ts'
import { OWN_PATHS_ONLY } from '../../../src/proxy/fields/response.ts'
import { forward } from '../../../src/proxy/forward.ts'
import type { ForwardTools } from '../../../src/proxy/forwarded.ts'
import { type ClientSide, createClientIdle } from '../../../src/proxy/lifetime/client-idle.ts'
import { openDeadlines } from '../../../src/proxy/lifetime/deadlines.ts'
import { createExchanges, type Exchange, isOvertaken, whileAllowed } from '../../../src/proxy/lifetime/exchanges.ts'
import { NOWHERE } from '../../../src/proxy/lifetime/roster.ts'
import { createUpstreamPool, type Upstream } from '../../../src/proxy/upstream/upstream.ts'
import { parseTarget } from '../../../src/route/target.ts'
import type { Session } from '../../../src/session/session.ts'
import { upstreamConfig } from '../../kit/applications/upstream.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { openWire, type RawUpstream, startRawUpstream } from '../../kit/wire/wire.ts'

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n'

/** What the application answers on each path. */
const ANSWERS: Readonly<Record<string, string>> = {
  '/small': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall',
  '/empty': 'HTTP/1.1 204 No Content\r\n\r\n',
  '/chunked': `${CHUNKED}\r\n5\r\nwhole\r\n0\r\n\r\n`,
  '/events': `${CHUNKED}Content-Type: text/event-stream\r\n\r\n7\r\ndata: 1\r\n0\r\n\r\n`,
  '/switched': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n',
  '/broken': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n',
  '/endless': `${CHUNKED}\r\n5\r\nbegun\r\n`,
  '/long': `HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nbegun${'x'.repeat(70_000)}`,
  '/half': 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun',
  '/silent': '',
}

const exchanges = createExchanges()
const deadlines = openDeadlines(Date.now)
const ports = { ...quietPorts({ now: Date.now }), forward: forwardNow, ask }
const pool = createUpstreamPool(ports)
const tools: ForwardTools = {
  ports,
  deadlines,
  exchanges,
  flows: createFlows({
    deadlines,
    now: Date.now,
    limits: () => ({ maxOpen: null, stallMs: 60_000, memoryBytes: 100_000_000 }),
    onCut: () => undefined,
    connections: null,
    unseen: null,
    onWait: () => undefined,
    reclaim: () => undefined,
  }),
  streams: createEventStreams(),
  meter: null,
  wholeBodies: createWholeBodies({ unsent: () => 0, deadlines, now: Date.now, waitMs: undefined }),
  clientIdle: createClientIdle(deadlines, Date.now, { idleTimeoutS: 255, offersHttp2: false }),
  noteTruncated: () => undefined,
}

let app: RawUpstream
const folder = temporaryFolder()

beforeAll(async () => {
  app = await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: got => got.includes('\r\n\r\n'), timeoutMs: 300_000 })
      await connection.send(ANSWERS[/^\S+ (\S+)/.exec(raw.toString('latin1'))?.[1] ?? ''] ?? '')
    }
  })
})
afterAll(async () => {
  deadlines.close()
  pool.close()
  await app.close()
  folder[Symbol.dispose]()
})

/** What came to a front, ready to go to this upstream. */
function readyToGo(request: Request, front: ClientSide, upstream: Upstream): Sendable {
  const route = {
    config: { id: 'app', hostHeader: { kind: 'upstream' as const }, timeoutMs: 60_000, keepLengthBytes: null },
    upstream,
    bounds: OWN_PATHS_ONLY,
    privateBounds: OWN_PATHS_ONLY,
  }
  const target = parseTarget(request.method, '/', 'app.example')
  const asked = { target, route, isClientProven: true, isPrivate: false }
  const ready: Parameters<typeof makeReady>[0] = Object.assign(new HttpExchange(request, front, {}, '127.0.0.1'), asked)
  makeReady(ready, upstream, request.headers, request.url.slice(request.url.indexOf('/', 8)))
  return ready
}

/** A front that forwards everything, where it is told to listen. */
function startFront(where: { readonly port: number; readonly hostname: string } | { readonly unix: string }) {
  const upstream = pool.upstream(upstreamConfig(`http://127.0.0.1:${app.port}`))
  return Bun.serve({
    ...where,
    async fetch(request: Request, front: Bun.Server<unknown>): Promise<Response> {
      return forward(readyToGo(request, front, upstream), tools).catch(() => new Response(null, { status: 502 }))
    },
  } as Parameters<typeof Bun.serve>[0])
}

/** One connection, of which nobody sees an end. */
const SIDE: ClientSide = {
  requestIP: () => ({ address: '127.0.0.1', port: 1, family: 'IPv4' }),
  port: 80,
  protocol: 'http',
  timeout: () => undefined,
}

function count(): number {
  return [...exchanges.owners()].length
}

describe('nothing is kept of an exchange that is over,', () => {
  for (const kind of ['tcp', 'unix'] as const) {
    for (const path of Object.keys(ANSWERS)) {
      test(`by ${kind}: ${path}, whether it ended or its client left`, async () => {
        const at = join(folder.path, `${path.slice(1)}.sock`)
        const front = startFront(kind === 'unix' ? { unix: at } : { port: 0, hostname: '127.0.0.1' })
        const wire = await openWire(kind === 'unix' ? at : (front.port ?? 0))
        await wire.send(`GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`)
        if (path === '/silent') await eventually(() => count() === 1, 'the exchange is there')
        else await eventually(() => wire.received.includes('HTTP/1.1 '), 'an answer begins')
        wire.close()
        await eventually(() => count() === 0, 'the exchange has left')
        await front.stop(true)
      })
    }
  }
})

/** What recorded it, of a request that is recorded from when its promise is here. */
function recorded(one: Sendable, asked: ForwardTools, answered: Ending['answered'] = () => undefined) {
  const told: string[] = []
  const answer = forward(one, asked)
  one.ending = {
    answered(response, of) {
      told.push(`answered ${response.status}`)
      answered(response, of)
    },
    failed(error) {
      told.push(error instanceof GateError ? error.code : String(error))
      return new Response(null, { status: 502 })
    },
  }
  return { answer, told }
}

describe('a request that cannot even be begun is recorded as failed, leaves nothing behind, and is no fault of its upstream:', () => {
  const fail = () => {
    throw new TypeError('this cannot be done')
  }
  const busyFails: ForwardTools['exchanges'] = {
    ...exchanges,
    add(one) {
      exchanges.add(one)
      fail()
    },
  }
  const cases: readonly [path: string, title: string, asked: ForwardTools][] = [
    ['busy', 'nobody can be told that it is under way', { ...tools, exchanges: busyFails }],
    ['fetch', 'nothing can be fetched for it', { ...tools, ports: { ...ports, forward: fail } }],
  ]
  test.each(cases)('%s: %s', async (path, _title, asked) => {
    const upstream = pool.upstream(upstreamConfig(`http://127.0.0.1:${app.port}/${path}`))
    const one = readyToGo(new Request('http://app.example/small'), SIDE, upstream)
    const { answer, told } = recorded(one, asked)
    expect((await answer).status).toBe(502)
    expect(told).toEqual(['TypeError: this cannot be done'])
    expect([one.slot, one.place]).toEqual([NOWHERE, NOWHERE])
    const { inFlight, failures, restsUntilMs } = upstream.first
    expect({ inFlight, failures, restsUntilMs }).toEqual({ inFlight: 0, failures: -1, restsUntilMs: 0 })
  })
})

test('a good answer is given as it is, and recorded once, though recording it throws', async () => {
  const thrown = new RangeError('this cannot be recorded')
  const strays: unknown[] = []
  const fetchHeard: typeof forwardNow = (...given) => {
    const fetched = forwardNow(...given)
    const then = fetched.then.bind(fetched)
    // What is thrown behind it, which the process would hear of.
    spyOn(fetched, 'then').mockImplementation(((...steps: Parameters<typeof then>) =>
      then(...steps).catch(error => strays.push(error))) as typeof then)
    return fetched
  }
  const upstream = pool.upstream(upstreamConfig(`http://127.0.0.1:${app.port}`))
  const one = readyToGo(new Request('http://app.example/small'), SIDE, upstream)
  const { answer, told } = recorded(one, { ...tools, ports: { ...ports, forward: fetchHeard } }, () => {
    throw thrown
  })
  expect(await (await answer).text()).toBe('small')
  await eventually(() => strays.length > 0, 'the process hears of it')
  expect([told, strays]).toEqual([['answered 200'], [thrown]])
})

test('those that are to end end once, whatever place each had', () => {
  const all = createExchanges()
  const ended: string[] = []
  const add = (routeId: string): void => {
    const one: Exchange = {
      owner: {
        routeId,
        session: null,
        elsewhere: null,
        sent: {},
        method: 'GET',
        client: null,
        target: parseTarget('GET', '/', 'app.example'),
        isWebSocket: false,
      },
      place: NOWHERE,
      end() {
        ended.push(routeId)
        all.remove(one)
      },
    }
    all.add(one)
  }
  for (const routeId of ['a', 'b', 'a', 'c', 'a']) add(routeId)
  all.endWhere(({ routeId }) => routeId === 'a', 'of a test', null)
  all.endWhere(({ routeId }) => routeId === 'a', 'of a test', null)
  expect(ended).toEqual(['a', 'a', 'a'])
  expect([...all.owners()].map(({ routeId }) => routeId).sort()).toEqual(['b', 'c'])
})

test('RFC 9110 §8.3.1: events are events in any case and with any parameter, and nothing else is', () => {
  for (const type of [
    'text/event-stream',
    'Text/Event-Stream',
    'TEXT/EVENT-STREAM;charset=utf-8',
    'text/event-stream ; x=y',
  ]) {
    expect([type, isEventStream(type)]).toEqual([type, true])
  }
  for (const type of [null, '', 'text/event-streams', 'text/plain; a=text/event-stream']) {
    expect([type, isEventStream(type)]).toEqual([type, false])
  }
})

describe('what has changed since a decision', () => {
  const session = { id: 'a', follows: 'owner' } as Session

  test('is told by the session, by whom it follows, and for everybody', () => {
    const all = createExchanges()
    const changed = (since: number) => [all.hasChanged(since, session), all.hasChanged(since, null)]
    const begun = all.moment
    expect(changed(begun)).toEqual([false, false])
    all.note('b')
    expect(changed(begun)).toEqual([false, false])
    all.note('owner')
    expect(changed(begun)).toEqual([true, false])
    const later = all.moment
    expect(changed(later)).toEqual([false, false])
    all.endWhere(() => false, 'of a test', 'a')
    expect(changed(later)).toEqual([true, false])
    all.note(null)
    expect(changed(later)).toEqual([true, true])
    expect(changed(all.moment)).toEqual([false, false])
  })

  test('is never forgotten, however many others change: then it counts for everybody', () => {
    const all = createExchanges()
    const begun = all.moment
    all.note('a')
    for (let n = 0; n < 5000; n++) all.note(`other-${n}`)
    expect(all.hasChanged(begun, session)).toBe(true)
    const later = all.moment
    all.note('other-1')
    expect(all.hasChanged(later, session)).toBe(false)
  })
})

describe('what is waited for', () => {
  const owner = {
    routeId: 'a',
    session: null,
    elsewhere: null,
    sent: {},
    method: 'GET',
    client: null,
    target: parseTarget('GET', '/', 'app.example'),
    isWebSocket: false,
  }

  test('is an exchange until the very turn in which it goes on', async () => {
    const all = createExchanges()
    const { promise, resolve } = Promise.withResolvers<number>()
    const during: number[] = []
    const made = whileAllowed(all, owner, promise, found => {
      during.push([...all.owners()].length)
      return found + 1
    })
    expect([...all.owners()]).toEqual([owner])
    resolve(1)
    expect([...all.owners()]).toEqual([owner])
    expect(await made).toBe(2)
    expect(during).toEqual([0])
  })

  test('ends where what allows it does, even once its work is done, and what came of that is given up', async () => {
    for (const isDone of [false, true]) {
      const all = createExchanges()
      const { promise, resolve } = Promise.withResolvers<number>()
      const steps: string[] = []
      const made = whileAllowed(all, owner, promise, () => void steps.push('went on'), {
        onEnd: () => steps.push('ended'),
        discard: found => steps.push(`gave up ${found}`),
      })
      if (isDone) resolve(1)
      all.endWhere(() => true, 'of a test', null)
      resolve(1)
      expect(isOvertaken(await made.catch((error: unknown) => error))).toBe(true)
      expect(steps).toEqual(['ended', 'gave up 1'])
      expect([...all.owners()]).toEqual([])
    }
  })

  test('leaves with what its work, or its next step, throws', async () => {
    const all = createExchanges()
    const failing = () => Promise.reject(new Error('work'))
    await expect(whileAllowed(all, owner, failing(), () => 1)).rejects.toThrow('work')
    const throwing = () => {
      throw new Error('step')
    }
    await expect(whileAllowed(all, owner, Promise.resolve(1), throwing)).rejects.toThrow('step')
    expect([...all.owners()]).toEqual([])
  })
})
