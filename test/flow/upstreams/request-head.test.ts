import { describe, expect, test } from 'bun:test'
import { MAX_HEAD_BYTES } from '../../../src/server/listen/head-limit.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { FROM_SOURCE, freePort, startChild } from '../../kit/programs/child.ts'
import { routeTo } from '../../kit/toml.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'ok')]))

/** A request whose head has this many bytes. */
function headOf(bytes: number): string {
  const start = 'GET / HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nX-Long: '
  return `${start}${'a'.repeat(bytes - start.length - 4)}\r\n\r\n`
}

describe.each([
  ['compiled', async () => [await compiledBinary()]],
  ['from source', async () => FROM_SOURCE],
])('RFC 6585 §5: the program %s', (_, commandOf) => {
  test('takes a head of up to 64 KiB whole, and answers a longer one with 431', async () => {
    using folder = temporaryFolder()
    const toml = routeTo(upstream, 'app.example', 'allow = "public"')
    const command = await commandOf()
    await using child = await startChild({ command, folder: folder.path, toml, port: await freePort() })
    const before = upstream.connections.length
    for (const bytes of [1000, 20_000, MAX_HEAD_BYTES - 200]) {
      expect((await sendRaw(child.port, headOf(bytes))).status).toBe(200)
      expect(upstream.text).toContain(`X-Long: ${'a'.repeat(bytes - 100)}`)
    }
    const passed = upstream.connections.length
    expect(passed).toBeGreaterThan(before)
    const received = upstream.text.length
    expect((await sendRaw(child.port, headOf(MAX_HEAD_BYTES + 2000))).status).toBe(431)
    expect(upstream.text.length).toBe(received)
  }, 300_000)
})
