import { expect } from 'bun:test'
import { createServer } from 'node:net'
import { libc } from '../../src/base/libc.ts'
import { addressOfSocket, listeningDescriptors } from '../../src/server/listen/inherited/descriptors.ts'
import { needs } from '../kit/needs.ts'

needs('/proc').test(
  'Bun.serve takes no socket that is open already: when this fails, serveAt has no purpose any more',
  async () => {
    const held = createServer()
    await new Promise<void>(resolve => held.listen(0, '127.0.0.1', resolve))
    const { port } = held.address() as { readonly port: number }
    const system = libc()
    if (system === null) throw new Error('this is no Linux')
    const fd = listeningDescriptors([]).descriptors.find(one => Object(addressOfSocket(one, system)).port === port)
    const server = Bun.serve({ fd, port: 0, hostname: '127.0.0.1', fetch: () => new Response() } as never)
    expect(fd).toBeGreaterThan(2)
    expect(server.port).not.toBe(port)
    await server.stop(true)
    held.close()
  },
)
