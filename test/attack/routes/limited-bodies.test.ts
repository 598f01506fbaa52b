import { describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(startAnswering(async request => new Response(`took ${(await request.arrayBuffer()).byteLength}`)))
const READINGS = ['/UPLOAD', '/u%70load', '/upload;x', '/upload.', '/upload%2fx', '/Upload/x']

const route = (host: string, more: string) => routeTo(upstream, host, `allow = "public"\n${more}`)

const gate = keep(
  await startGate(
    [
      route('app.example', ''),
      route('app.example', 'path = "/upload"\nmax_body = "1KiB"'),
      route('forms.example', 'keep_length = "64KiB"'),
      route('forms.example', 'path = "/upload"\nmax_body = "1KiB"'),
      route('*.wild.example', ''),
      route('*.wild.example', 'path = "=/upload"\nmax_body = "1KiB"'),
    ].join('\n'),
  ),
)

const send = (host: string, path: string, bytes: number) =>
  fetchFrom(gate, path, { host }, { method: 'POST', body: 'x'.repeat(bytes) })

/** A body without a length, in one chunk. */
async function inChunks(host: string, path: string, bytes: number): Promise<number> {
  const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`
  const { status } = await sendRaw(gate.port, `${head}${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n0\r\n\r\n`)
  return status
}

describe.each(['app.example', 'forms.example'])('where a route of %s takes short bodies alone', host => {
  test.each(['/upload', ...READINGS])('no longer one gets in at %s, however it comes', async path => {
    expect((await send(host, path, 1025)).status).toBe(413)
    expect(await inChunks(host, path, 1025)).toBe(413)
    const short = await send(host, path, 1024)
    expect([short.status, await short.text()]).toEqual([200, 'took 1024'])
  })

  test('one does elsewhere', async () => {
    expect((await send(host, '/other', 5000)).status).toBe(200)
    expect(await inChunks(host, '/other', 5000)).toBe(200)
  })
})

test('so it is for a path alone, on any host of a wildcard', async () => {
  for (const path of ['/upload', '/UPLOAD'])
    expect([path, (await send('a.wild.example', path, 1025)).status]).toEqual([path, 413])
  // `check` says so: most applications take it for the same page.
  expect((await send('a.wild.example', '/upload/', 1025)).status).toBe(200)
})
