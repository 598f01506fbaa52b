import { expect } from 'bun:test'
import { startApp } from '../../kit/applications/app.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

needs('::1').test('an upstream that is found at another address of its name is followed', async () => {
  const before = await startApp('over IPv4')
  await using gate = await startGate(
    `[[routes]]\nhost = "app.example"\nupstream = "http://localhost:${before.port}"\nallow = "public"\n`,
  )
  const ask = async () => {
    const response = await sendRaw(gate.port, 'GET / HTTP/1.1\r\nHost: app.example\r\n\r\n')
    return response.raw.toString('latin1')
  }
  expect(await ask()).toContain('over IPv4')
  await before.stop()
  expect(await ask()).toContain('502')
  const after = Bun.serve({ hostname: '::1', port: before.port, fetch: () => new Response('over IPv6') })
  await eventually(async () => (await ask()).includes('over IPv6'), 'the other address is used')
  await after.stop(true)
  await using back = await startApp('over IPv4 again', { port: before.port })
  await eventually(async () => (await ask()).includes('over IPv4 again'), 'the first address is used again')
  expect(back.paths.length).toBeGreaterThan(0)
})
