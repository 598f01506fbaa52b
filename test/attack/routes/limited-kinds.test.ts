import { expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { askForWebSocket } from '../../kit/wire/websocket.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('in')))
const READINGS = ['/LIVE', '/l%69ve', '/live;x', '/live.', '/live%2fx']

const gate = keep(
  await startGate(
    [
      routeTo(upstream, 'app.example', 'allow = "public"'),
      routeTo(upstream, 'app.example', 'path = "/live"\nallow = "public"\nwebsockets = false\nservice_workers = false'),
    ].join('\n'),
  ),
)

test.each(READINGS)('a route that takes no WebSockets takes none at %s, nor does the one around it', async path => {
  const answer = await sendRaw(gate.port, askForWebSocket('app.example', path))
  expect(answer.status).toBe(400)
  expect((await fetchFrom(gate, path, { host: 'app.example' })).status).toBe(200)
})

test.each(READINGS)('a route that has no service workers has none at %s', async path => {
  const script = { host: 'app.example', 'service-worker': 'script' }
  expect((await fetchFrom(gate, path, script)).status).toBe(403)
  expect((await fetchFrom(gate, '/other', script)).status).toBe(200)
})
