import { describe, expect, test } from 'bun:test'
import { startApp } from '../../kit/applications/app.ts'
import { eventually, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeForUsers, routeTo } from '../../kit/toml.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const app = keep(await startApp('here'))
const gate = keep(
  await startGate(
    PORTAL +
      routeForUsers(app, 'app.example') +
      routeTo(app, 'app.example', 'path = ["/status", "/api/push", "=/sw.js", "/team/open"]\nallow = "public"') +
      routeForUsers(app, 'app.example', 'path = ["/status/admin", "=/api/push"]') +
      routeTo(app, 'one.example", "two.example', 'allow = "public"')
        .replace('"one', '["one')
        .replace('two.example"', 'two.example"]') +
      `[[routes]]
host = ["rated.example", "other.example"]
path = ["/a", "/b"]
respond = { body = "rated" }
allow = "public"
rate = { requests = 2, per = "1h" }
`,
  ),
)

const statusOf = async (host: string, path: string): Promise<number> =>
  (await sendRaw(gate.port, [`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`])).status

describe('each path of a list has its own place among all of its host', () => {
  test.each([
    ['/', 401],
    ['/status', 200],
    ['/status/home', 200],
    ['/statusx', 401],
    ['/status/admin', 401],
    ['/status/admin/x', 401],
    ['/api', 401],
    ['/api/push', 401],
    ['/api/push/x', 200],
    ['/sw.js', 200],
    ['/sw.js/', 401],
    ['/sw.js/x', 401],
    ['/SW.JS', 401],
    ['/sw.js;x', 401],
    ['/team', 401],
    ['/team/open/x', 200],
  ])('%s is %d for nobody', async (path, status) => {
    expect(await statusOf('app.example', path)).toBe(status)
  })
})

test('each host of a list is served', async () => {
  expect([
    await statusOf('one.example', '/x'),
    await statusOf('two.example', '/'),
    await statusOf('no.example', '/'),
  ]).toEqual([200, 200, 404])
})

test('a rate is one allowance for all hosts and paths of its table', async () => {
  expect([
    await statusOf('rated.example', '/a'),
    await statusOf('other.example', '/b'),
    await statusOf('rated.example', '/b'),
    await statusOf('other.example', '/a/x'),
  ]).toEqual([200, 200, 429, 429])
})

test('the record of a request names the address that it went by', async () => {
  const isTold = (id: string) => gate.access.some(line => line.includes(`"route":"${id}"`))
  await eventually(
    () => isTold('app.example/team/open') && isTold('app.example/sw.js (exact)'),
    'both addresses in the access log',
  )
})
