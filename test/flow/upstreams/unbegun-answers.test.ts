/** Answers of which a head came and no body yet, from upstreams of several addresses: what becomes of them before anything was sent. */
import { expect, test } from 'bun:test'
import { type AppHandler, startApp } from '../../kit/applications/app.ts'
import { eventually, PORTAL, startGate } from '../../kit/gate.ts'
import { metricsOf } from '../../kit/requests.ts'
import { openWire, sendRaw } from '../../kit/wire/wire.ts'

const REQUEST = 'GET / HTTP/1.1\r\nHost: app.example\r\n\r\n'

function upstream(ports: readonly number[], lines: string, allow: string): string {
  const to = ports.map(port => `"http://127.0.0.1:${port}"`).join(', ')
  return `${PORTAL}[upstreams.pair]\nto = [${to}]\nidle_timeout = "60s"\n${lines}
[[routes]]\nhost = "app.example"\nupstream = "@pair"\nportal = "home"\nallow = ${allow}\n`
}

test('one that a save no longer allows is refused, and asked of no other address', async () => {
  const begin: AppHandler = (_, response) => response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders()
  await using first = await startApp(begin)
  await using second = await startApp(begin)
  const asked = () => first.paths.length + second.paths.length
  const toml = (allow: string) => upstream([first.port, second.port], '', allow)
  await using gate = await startGate(toml('"public"'))
  const wire = await openWire(gate.port)
  await wire.send(REQUEST)
  await eventually(async () => (await metric(gate.adminPort, 'answers_open')) === 1, 'its head is here')
  gate.save(toml('["admin"]'))
  await eventually(() => wire.received.includes('sign_in') || asked() > 1, 'it ends')
  expect(asked()).toBe(1)
  expect(wire.received.toString()).toStartWith('HTTP/1.1 401')
  wire.close()
}, 300_000)

test('one that is lost keeps its place under max_connections while another address is asked', async () => {
  let open = 0
  let most = 0
  await using broken = await startApp((_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders()
    setTimeout(() => response.destroy(), 100)
  })
  await using slow = await startApp((_, response) => {
    most = Math.max(most, ++open)
    setTimeout(() => {
      open--
      response.end('here')
    }, 300)
  })
  const lines = 'max_connections = 1\nqueue = 50\nqueue_timeout = "50s"\n'
  await using gate = await startGate(upstream([broken.port, slow.port], lines, '"public"'))
  const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => sendRaw(gate.port, REQUEST, { timeoutMs: 50_000 })))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
  expect(broken.paths.length).toBeGreaterThan(1)
  expect(most).toBe(1)
}, 300_000)

async function metric(adminPort: number, name: string): Promise<number> {
  const text = await metricsOf({ adminPort })
  return Number(new RegExp(`^sallyport_${name} (\\d+)`, 'm').exec(text)?.[1])
}
