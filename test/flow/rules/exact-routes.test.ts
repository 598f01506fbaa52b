import { describe, expect, test } from 'bun:test'
import { startApp } from '../../kit/applications/app.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const app = keep(await startApp('here'))
const route = (lines: string) => routeTo(app, 'app.example', lines)
const gate = keep(
  await startGate(
    PORTAL +
      route('portal = "home"\nallow = ["admin"]') +
      route('path = "/up"\nexact = true\nallow = "public"') +
      route('path = "/open"\nallow = "public"') +
      route('path = "/open"\nexact = true\nportal = "home"\nallow = ["admin"]'),
  ),
)

describe('a route with exact = true is for its path alone', () => {
  test.each([
    ['/up', 200],
    ['/up?x=/y', 200],
    ['/up/', 401],
    ['/up/x', 401],
    ['/up//', 401],
    ['/up/.', 401],
    ['/up;x', 401],
    ['/up%2fx', 401],
    ['/UP', 401],
    ['/open/x', 200],
    ['/open', 401],
    ['/open/', 200],
    ['/OPEN', 401],
    ['/open;x', 401],
    ['/x/../open', 401],
    ['/open/x/../../open', 401],
  ])('%s is %d for nobody', async (path, status) => {
    const request = `GET ${path} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n`
    expect((await sendRaw(gate.port, [request])).status).toBe(status)
  })
})
