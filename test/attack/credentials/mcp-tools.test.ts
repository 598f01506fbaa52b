import { describe, expect, test } from 'bun:test'
import { readMessages } from '../../../src/server/request/mcp/judge.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { EVERYONE, portalTable, providerTable, routeTo, SILENT } from '../../kit/toml.ts'

const keep = untilTheEnd()
const seen: string[] = []
const upstream = keep(
  startAnswering(async request => {
    seen.push(await request.text())
    return Response.json({ jsonrpc: '2.0', id: 1, result: {} })
  }),
)
const gate = keep(
  await startGate(
    [
      providerTable(SILENT),
      portalTable(`${EVERYONE}\nurl = "http://auth.test"`),
      routeTo(upstream, 'app.test', 'path = "/mcp"\nallow = "public"\ntools = { allow = ["echo", "get-*"] }'),
      routeTo(upstream, 'app.test', 'allow = "public"'),
      routeTo(upstream, 'app.test', 'path = "/none"\nallow = "public"\ntools = { allow = [] }'),
    ].join('\n'),
  ),
)

const call = (name: string, id: unknown = 1) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: {} },
})
const echoing = (text: string) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text } } })

async function send(
  body: string | Uint8Array<ArrayBuffer>,
  fields: Readonly<Record<string, string>> = {},
  method = 'POST',
  path = '/mcp',
) {
  const before = seen.length
  const headers = { host: 'app.test', 'content-type': 'application/json', ...fields }
  const answer = await fetchFrom(gate, path, headers, { method, body })
  return { status: answer.status, body: await answer.text(), forwarded: seen.slice(before) }
}

describe('on a route that names tools', () => {
  test.each([
    ['a tool by its name', call('echo')],
    ['a tool by a pattern', call('get-sum')],
    ['a batch of such', [call('echo', 1), call('get-sum', 2)]],
    ['another method', { jsonrpc: '2.0', id: 1, method: 'tools/list' }],
    ['a notification', { jsonrpc: '2.0', method: 'notifications/initialized' }],
    ['an answer to the server', { jsonrpc: '2.0', id: 7, result: { name: 'delete' } }],
    ['any name in the arguments', { ...call('echo'), params: { name: 'echo', arguments: { Method: 'x', NAME: 'y' } } }],
  ])('%s passes, byte for byte', async (_title, message) => {
    const text = `${JSON.stringify(message, null, 1)}\n`
    const { status, forwarded } = await send(text)
    expect([status, forwarded]).toEqual([200, [text]])
  })

  test('a long call passes as it is, and a longer one is 413', async () => {
    const long = echoing('x'.repeat(300_000))
    expect((await send(long)).forwarded).toEqual([long])
    const { status, forwarded } = await send(echoing('x'.repeat(1_100_000)))
    expect([status, forwarded]).toEqual([413, []])
  })

  test('another tool is an error of JSON-RPC to its client, and never reaches the application', async () => {
    for (const name of ['delete', 'ECHO', 'echo2', 'xecho', ' echo', '', 'ge', 'get', 'echo\u0000']) {
      const { status, body, forwarded } = await send(JSON.stringify(call(name, 'i')))
      expect([name, status, forwarded]).toEqual([name, 200, []])
      expect(JSON.parse(body)).toMatchObject({ jsonrpc: '2.0', id: 'i', error: { code: -32602 } })
    }
    expect((await send(JSON.stringify(call('echo')), {}, 'POST', '/none')).forwarded).toEqual([])
    expect(gate.told('tool.other').length).toBeGreaterThan(0)
  })

  test('a batch with one such is refused whole, and so is a call that waits for no answer', async () => {
    const silent = { jsonrpc: '2.0', method: 'tools/call', params: { name: 'delete' } }
    for (const message of [[call('echo'), call('delete', 2)], silent]) {
      const { status, forwarded } = await send(JSON.stringify(message))
      expect([status, forwarded]).toEqual([403, []])
    }
  })

  test.each<[string, string | Uint8Array<ArrayBuffer>]>([
    ['no JSON', '{'],
    ['nothing', ''],
    ['an empty batch', '[]'],
    ['text', '"tools/call"'],
    ['a batch in a batch', JSON.stringify([[call('delete')]])],
    ['two methods', '{"id":1,"method":"tools/list","method":"tools/call","params":{"name":"delete"}}'],
    ['two methods, the other way', '{"id":1,"method":"tools/call","params":{"name":"delete"},"method":"ping"}'],
    ['two methods, one escaped', '{"id":1,"m\\u0065thod":"tools/call","method":"ping","params":{"name":"delete"}}'],
    ['two names', '{"id":1,"method":"tools/call","params":{"name":"echo","name":"delete"}}'],
    ['two parameters', '{"id":1,"method":"tools/call","params":{"name":"echo"},"params":{"name":"delete"}}'],
    ['a method in other letters', '{"id":1,"method":"ping","Method":"tools/call","params":{"name":"delete"}}'],
    ['a long s', '{"id":1,"method":"tools/call","params":{"name":"echo"},"param\u017f":{"name":"delete"}}'],
    ['a name in other letters', '{"id":1,"method":"tools/call","params":{"name":"echo","NAME":"delete"}}'],
    ['a method in capitals', '{"id":1,"method":"Tools/Call","params":{"name":"delete"}}'],
    ['a method with a blank', '{"id":1,"method":"tools/call ","params":{"name":"delete"}}'],
    ['a method that is no text', '{"id":1,"method":["tools/call"],"params":{"name":"delete"}}'],
    ['a name that is no text', '{"id":1,"method":"tools/call","params":{"name":["echo"]}}'],
    ['parameters in a list', '{"id":1,"method":"tools/call","params":["delete"]}'],
    ['no parameters', '{"id":1,"method":"tools/call"}'],
    ['a mark of byte order', new Uint8Array([0xef, 0xbb, 0xbf, ...Buffer.from(echoing('x'))])],
    ['no UTF-8', new Uint8Array(Buffer.from('{"id":1,"method":"ping","x":"\xff"}', 'latin1'))],
    ['two messages in a row', `${echoing('x')}\n${JSON.stringify(call('delete'))}`],
  ])('%s is refused, and never reaches the application', async (_title, body) => {
    const { status, forwarded } = await send(body)
    expect([status, forwarded]).toEqual([400, []])
  })

  test('no other kind of body, coding or method is let through unread; a stream is', async () => {
    const bad = JSON.stringify(call('delete'))
    for (const [method, fields] of [
      ['POST', { 'content-type': 'text/plain' }],
      ['POST', { 'content-type': 'application/json; charset=utf-16' }],
      ['POST', { 'content-type': 'application/json, text/plain' }],
      ['POST', { 'content-encoding': 'gzip' }],
      ['PUT', {}],
      ['PATCH', {}],
      ['DELETE', {}],
    ] as const) {
      const { status, forwarded } = await send(bad, fields, method)
      expect([method, fields, status, forwarded]).toEqual([method, fields, 400, []])
    }
    expect((await fetchFrom(gate, '/mcp', { host: 'app.test' })).status).toBe(200)
  })

  test.each(['/MCP', '/%6dcp', '/mcp;a', '/mcp%2fx', '/mcp.', '/none;a', '/x;/../mcp;'])(
    'an address that may be read as its own (%s) leads around it nowhere',
    async path => {
      const { status, forwarded } = await send(JSON.stringify(call('delete')), {}, 'POST', path)
      expect([status, forwarded]).toEqual([400, []])
    },
  )

  test('another route of its host is judged by no tools', async () => {
    expect((await send(JSON.stringify(call('delete')), {}, 'POST', '/other')).status).toBe(200)
  })
})

test('a text of very many members, or a very deep one, is read or refused, and breaks nothing', () => {
  const many = `{"method":"ping","params":{${Array.from({ length: 50_000 }, (_, n) => `"k${n}":"\\"v"`).join(',')}}}`
  expect(readMessages(Buffer.from(many))).toEqual({ kind: 'messages', tools: [], id: null })
  const deep = `{"method":"ping","params":${'['.repeat(400_000)}${']'.repeat(400_000)}}`
  expect(['messages', 'unclear']).toContain(readMessages(Buffer.from(deep)).kind)
})
