import { expect, test } from 'bun:test'
import { askBy } from '../../../../src/base/http-client.ts'
import { createLog } from '../../../../src/base/log.ts'
import { createExporter } from '../../../../src/server/observe/tracing/exporter.ts'
import type { Span } from '../../../../src/server/observe/tracing/otlp.ts'
import { formatTraceparent, isAmong, parseTraceparent } from '../../../../src/server/observe/tracing/tracer.ts'
import { eventually } from '../../../kit/gate.ts'

const ID = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'

test.each([
  [`00-${ID}-${PARENT}-01`, true],
  [`00-${ID}-${PARENT}-00`, false],
  [`00-${ID}-${PARENT}-03`, true],
  [`cc-${ID}-${PARENT}-01-what-comes-later`, true],
])('W3C Trace Context §3.2.2: %s is read', (text, isSampled) => {
  expect(parseTraceparent(text)).toEqual({ traceId: ID, spanId: PARENT, isSampled })
})

test.each([
  undefined,
  '',
  `ff-${ID}-${PARENT}-01`,
  `00-${ID}-${PARENT}-01-more`,
  `00-${ID.toUpperCase()}-${PARENT}-01`,
  `00-${'0'.repeat(32)}-${PARENT}-01`,
  `00-${ID}-${'0'.repeat(16)}-01`,
  `00-${ID}-${PARENT}`,
  `00-${ID}-${PARENT}-01, 00-${ID}-${PARENT}-01`,
])('W3C Trace Context §4.3: %j begins a new trace', text => {
  expect(parseTraceparent(text)).toBeNull()
})

test('what is written is read as it was', () => {
  const context = { traceId: ID, spanId: PARENT, isSampled: false }
  expect(parseTraceparent(formatTraceparent(context))).toEqual(context)
})

test('by its id, a trace is among a part of all, and among more of them too', () => {
  const ids = Array.from({ length: 4000 }, () =>
    Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex'),
  )
  const tenth = ids.filter(id => isAmong(id, 0.1))
  expect(tenth.length).toBeGreaterThan(250)
  expect(tenth.length).toBeLessThan(600)
  expect(tenth.every(id => isAmong(id, 0.2))).toBe(true)
  expect([ids.some(id => isAmong(id, 0)), ids.every(id => isAmong(id, 1))]).toEqual([false, true])
})

/** An exporter whose receiver answers so, and a span for it. */
function exporterTo(answer: () => Promise<Response>) {
  return createExporter({
    ports: { ask: askBy(answer), log: createLog({ now: () => 0, style: 'json', write: () => undefined }) },
    config: () => ({ endpoint: 'http://127.0.0.1:1/v1/traces', headers: new Map(), sample: 1, serviceName: 'x' }),
    version: '1',
    instance: 'a',
  })
}

const SPAN: Span = {
  name: 'a',
  kind: 'server',
  traceId: ID,
  spanId: PARENT,
  parentId: null,
  isParentRemote: false,
  startMs: 0,
  endMs: 1,
  attributes: {},
  isError: false,
}

test('while a receiver does not answer, no more than a few thousand spans wait for it', async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  let asked = 0
  const exporter = exporterTo(async () => {
    asked++
    await answered
    return new Response()
  })
  for (let count = 0; count < 100_000; count++) exporter.add(SPAN)
  await eventually(() => asked === 1, 'that the first of them are sent')
  answer()
  await exporter.close()
  expect(asked).toBeGreaterThan(10)
  expect(asked).toBeLessThan(20)
})

test('a receiver that never answers keeps nobody from ending', async () => {
  const exporter = exporterTo(() => new Promise(() => undefined))
  exporter.add(SPAN)
  await exporter.close()
})
