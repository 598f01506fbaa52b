import { expect, test } from 'bun:test'
import { startGate } from '../../kit/gate.ts'
import { routeTo } from '../../kit/toml.ts'
import { rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

test('service_workers = false: no browser is given the script of one, and everything else passes', async () => {
  const upstream = await startRawUpstream([httpResponse(200, 'SCRIPT')])
  const route = (host: string, more: string) => routeTo(upstream, host, `allow = "public"\n${more}`)
  try {
    await using gate = await startGate(
      route('free.example', '') +
        route('held.example', 'service_workers = false') +
        route('held.example', 'path = "/free"'),
    )
    const ask = async (host: string, path: string, fields: readonly string[]) => {
      const { response, received } = await sendThrough(gate.port, upstream, rawRequest(`GET ${path}`, host, fields))
      return [response.status, received !== '']
    }
    const worker = ['Sec-Fetch-Mode: same-origin', 'Sec-Fetch-Dest: serviceworker', 'Accept: */*']
    // What a registration and every update sends (Service Workers §4.2.1); its value is always the same.
    for (const field of [
      'Service-Worker: script',
      'service-worker: script',
      'Service-Worker: other',
      'Service-Worker:',
    ]) {
      expect([field, await ask('held.example', '/sw.js', [...worker, field])]).toEqual([field, [403, false]])
      expect([field, await ask('free.example', '/sw.js', [...worker, field])]).toEqual([field, [200, true]])
    }
    // A browser that says it by Fetch Metadata alone.
    expect(await ask('held.example', '/sw.js', worker)).toEqual([403, false])
    expect(await ask('held.example', '/free/sw.js', [...worker, 'Service-Worker: script'])).toEqual([200, true])
    expect(await ask('held.example', '/sw.js', [])).toEqual([200, true])
    expect(await ask('held.example', '/', ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'])).toEqual([
      200,
      true,
    ])
    expect(await ask('held.example', '/', ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty'])).toEqual([200, true])
  } finally {
    await upstream.close()
  }
})
