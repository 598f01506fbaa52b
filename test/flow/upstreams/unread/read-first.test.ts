/** Bodies that are read here before anything of them is sent count like those that are sent at once. */
import { expect, test } from 'bun:test'
import { eventually, portalWith, startGate } from '../../../kit/gate.ts'
import { untilTheEnd } from '../../../kit/opened.ts'
import { metricOf } from '../../../kit/requests.ts'
import { standingOf, standsAs } from '../../../kit/standing.ts'
import { routeForUsers, routeTo } from '../../../kit/toml.ts'
import { httpResponse, openWire, startRawUpstream, type Wire } from '../../../kit/wire/wire.ts'

const keep = untilTheEnd()
const app = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const LENGTH = 1_000_000
const PAGE = ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document', 'Accept: text/html']

const KINDS = [
  ['messages that tools judges', 'application/json'],
  ['a form that is kept', 'application/x-www-form-urlencoded'],
] as const

async function start(server: string) {
  const gate = keep(
    await startGate(
      portalWith('') +
        routeTo(app, 'tools.example', 'path = "/mcp"\nallow = "public"\ntools = { allow = ["echo"] }') +
        routeForUsers(app, 'app.example', 'keep_posts = "1MiB"') +
        routeTo(app, 'open.example', 'allow = "public"'),
      { server },
    ),
  )
  const { owner } = await gate.signIn('app.example')
  return { gate, owner }
}

/** Sends the head of a body, and half of it. */
async function begin(port: number, type: string, owner: string): Promise<Wire> {
  const wire = await openWire(port)
  const isForm = type.includes('form')
  const lines = [
    `POST ${isForm ? '/' : '/mcp'} HTTP/1.1`,
    `Host: ${isForm ? 'app.example' : 'tools.example'}`,
    `Content-Type: ${type}`,
    `Content-Length: ${LENGTH}`,
    ...(isForm ? [`Cookie: ${owner}`, 'Sec-Fetch-Site: same-origin', ...PAGE] : []),
  ]
  await wire.send(`${lines.join('\r\n')}\r\n\r\n${'1'.repeat(LENGTH / 2)}`)
  return wire
}

test.each(KINDS)('max_open: %s', async (_kind, type) => {
  const { gate, owner } = await start('max_open = 3')
  const before = await standingOf(gate)
  const wires: Wire[] = []
  for (let count = 1; count <= 3; count++) {
    wires.push(await begin(gate.port, type, owner))
    await eventually(async () => (await metricOf(gate, 'sallyport_uploads_open')) === count, `${count} are open`)
  }
  await eventually(async () => (await metricOf(gate, 'sallyport_untaken_bytes')) === 3 * LENGTH, 'what they hold')
  const fourth = await begin(gate.port, type, owner)
  expect((await fourth.receive()).status).toBe(429)
  for (const wire of [...wires, fourth]) wire.close()
  await standsAs(gate, before)
})

test.each(KINDS)('stall_memory: %s', async (_kind, type) => {
  const { gate, owner } = await start('stall_memory = "10MB"')
  const wires = await Promise.all(Array.from({ length: 16 }, () => begin(gate.port, type, owner)))
  await eventually(async () => (await metricOf(gate, 'sallyport_memory_cut_total')) >= 4, 'some are cut')
  expect(await metricOf(gate, 'sallyport_untaken_bytes')).toBeLessThanOrEqual(10_000_000)
  const good = await openWire(gate.port)
  await good.send('GET / HTTP/1.1\r\nHost: open.example\r\n\r\n')
  expect((await good.receive()).status).toBe(200)
  for (const wire of [...wires, good]) wire.close()
})
