import { expect, test } from 'bun:test'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const HOST = 'app.example'
const gate = keep(
  await startGate(
    [
      routeTo(upstream, HOST, 'allow = "public"'),
      `[[routes]]\nhost = "${HOST}"\npath = "/internal"\nrespond = { status = 403, body = "no" }\nallow = "public"\n`,
      `[[routes]]\nhost = "${HOST}"\npath = "/old"\nredirect = "/new"\nallow = "public"\n`,
      `[[routes]]\nhost = "${HOST}"\npath = "/hello"\nrespond = { status = 200, body = "hello" }\nallow = "public"\n`,
    ].join('\n'),
  ),
)

async function statusOf(target: string): Promise<number> {
  return (await sendRaw(gate.port, `GET ${target} HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`)).status
}

test('a path that is refused, or leads elsewhere, reaches no application in another spelling', async () => {
  const before = upstream.text.length
  for (const path of ['/internal', '/old']) {
    for (const spelled of ['%2f', '%2Fx', '%5cx', ';x', '%2f%2fx', '%252fx']) {
      expect([spelled, await statusOf(path + spelled)]).toEqual([spelled, 400])
    }
  }
  expect(upstream.text.slice(before)).toBe('')
  expect([await statusOf('/internal/x'), await statusOf('/old/x')]).toEqual([403, 302])
})

test('what answers everybody well, or looks like a refused path alone, holds nobody up', async () => {
  for (const path of ['/internals%2fx', '/x%2finternal', '/hello%2fx', '/a%2fb']) {
    expect([path, await statusOf(path)]).toEqual([path, 200])
  }
})
