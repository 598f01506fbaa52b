import { describe, expect, test } from 'bun:test'
import { startApp } from '../../kit/applications/app.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { hasHead, httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const app = keep(await startApp('here'))
const gate = keep(
  await startGate(
    PORTAL +
      routeTo(
        app,
        'app.example',
        `portal = "home"
allow = ["admin", { paths = ["/public*", "*.css", "*/assets/*"], anonymous = true }]
deny = [{ paths = "*.secret" }]`,
      ) +
      routeTo(app, 'app.example', 'path = "/admin"\nportal = "home"\nallow = ["admin"]'),
  ),
)

describe('a rule with paths is for those paths alone', () => {
  test.each([
    ['/', 401],
    ['/public', 200],
    ['/publicx', 200],
    ['/public/x?y=z', 200],
    ['/xpublic', 401],
    ['/a.css', 200],
    ['/a.css?x', 200],
    ['/a?x.css', 401],
    ['/x/assets/y', 200],
    ['/assets', 401],
    ['/public.secret', 403],
    ['/public.SECRET', 401],
    ['/public.secre%74', 401],
  ])('%s is %d for nobody', async (path, status) => expect(await statusOf(path)).toBe(status))
})

describe('and lets nobody in by a path that somebody reads as another', () => {
  test.each([
    ['/settings;.css', 401],
    ['/settings%3b.css', 401],
    ['/settings%3f.css', 401],
    ['/settings%23.css', 401],
    ['/settings%00.css', 400],
    ['/settings.css.', 401],
    ['/public/../settings', 401],
    ['/public/..%2fsettings', 400],
    ['/PUBLIC', 401],
    ['/%70ublic', 401],
    ['/admin/a.css', 401],
    ['//admin/a.css', 401],
    ['/x/assets/../settings', 401],
    ['/x/assets/..;/settings', 400],
    ['/admin%2fassets%2fx', 401],
    ['/Admin/assets/x', 400],
  ])('%s is %d for nobody', async (path, status) => {
    const got = await statusOf(path)
    expect([got, got < 400]).toEqual([status, false])
  })
})

async function statusOf(path: string): Promise<number> {
  const request = `GET ${path} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n`
  return (await sendRaw(gate.port, [request])).status
}

test('of what has no place in a path, all is percent-encoded on the way but |, as docs/limits.md has it', async () => {
  await using upstream = await startRawUpstream(async connection => {
    const request = await connection.receive({ until: hasHead })
    await connection.send(httpResponse(200, /^GET (\S+)/.exec(request.raw.toString('latin1'))?.[1] ?? ''))
  })
  await using plain = await startGate(routeTo(upstream, 'app.example', 'allow = "public"'))
  const answer = await sendRaw(plain.port, 'GET /^{}"<>`| HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n')
  expect([answer.status, String(answer.body)]).toEqual([200, '/%5E%7B%7D%22%3C%3E%60|'])
})
