import { expect, test } from 'bun:test'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { EVERYONE, portalTable, providerTable, routeTo, SILENT } from '../../kit/toml.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const HOST = 'app.example'
const open = keep(await startRawUpstream([httpResponse(200, 'OPEN')]))
const guarded = keep(await startRawUpstream([httpResponse(200, 'GUARDED')]))
const asked = (when: string) => `portal = "home"\nallow = "authenticated"\nwhen = ${when}`
const gate = keep(
  await startGate(
    [
      providerTable(SILENT),
      portalTable(EVERYONE),
      routeTo(open, HOST, 'allow = "public"'),
      routeTo(guarded, HOST, asked('{ methods = ["POST", "DELETE"] }')),
      routeTo(guarded, HOST, asked('{ path_regexp = "^/item[0-9]+$", ignore_case = true }')),
      routeTo(guarded, HOST, asked('{ query = { edit = "*" } }')),
    ].join('\n'),
  ),
)
const { cookie } = await gate.signIn(HOST, { sub: 'alice' })

async function ask(method: string, target: string, fields: readonly string[] = []): Promise<[number, string]> {
  const head = [`${method} ${target} HTTP/1.1`, `Host: ${HOST}`, 'Connection: close', ...fields].join('\r\n')
  const { status, body } = await sendRaw(gate.port, `${head}\r\n\r\n`)
  return [status, status === 200 ? body.toString() : '']
}

test('a route takes the requests that it is for, and the others are somebody else’s', async () => {
  expect(await ask('GET', '/item')).toEqual([200, 'OPEN'])
  expect(await ask('GET', '/item12')).toEqual([401, ''])
  expect(await ask('GET', '/item12', [`Cookie: ${cookie}`])).toEqual([200, 'GUARDED'])
  expect(await ask('POST', '/')).toEqual([401, ''])
  expect(await ask('POST', '/', [`Cookie: ${cookie}`, 'Content-Length: 0'])).toEqual([200, 'GUARDED'])
  expect(await ask('GET', '/?edit=1')).toEqual([401, ''])
  expect(await ask('GET', '/?edited=1')).toEqual([200, 'OPEN'])
})

test('what may be read as a request of the guarded one goes to neither without a session', async () => {
  const before = [open.text.length, guarded.text.length]
  for (const path of [
    '/ITEM7',
    '/item%37',
    '//item7',
    '/item7;x',
    '/x/%2e%2e/item7',
    '/item7%3b',
    '/?%65dit=1',
    '/?edit',
    '/?edit[]=1',
    '/?edit%5Bx%5D=1',
    '/?Edit=1',
  ]) {
    expect([path, [400, 401, 404].includes((await ask('GET', path))[0])]).toEqual([path, true])
  }
  expect([open.text.length, guarded.text.length]).toEqual(before)
})

test('no field and no parameter makes another method of one that was judged', async () => {
  expect((await ask('GET', '/?_method=DELETE'))[0]).toBe(403)
  const before = open.text.length
  expect(await ask('GET', '/x', ['X-HTTP-Method-Override: DELETE'])).toEqual([200, 'OPEN'])
  expect(open.text.slice(before)).not.toMatch(/override/i)
})
