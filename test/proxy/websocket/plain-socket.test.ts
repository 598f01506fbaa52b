/** Connections to upstreams by Bun's own sockets: the order of what is sent, and how they end. */
import { expect, test } from 'bun:test'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { connectByBun } from '../../../src/proxy/websocket/plain-socket.ts'
import { temporaryFolder } from '../../kit/folder.ts'

/** A server, and each connection to it. */
async function listen(onSocket: (socket: Socket) => void): Promise<{ port: number } & AsyncDisposable> {
  const sockets: Socket[] = []
  const server: Server = createServer(socket => {
    socket.on('error', () => undefined)
    sockets.push(socket)
    onSocket(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** What is told of a connection, until it is closed. */
function follow(leg: ReturnType<typeof connectByBun>) {
  const told: string[] = []
  leg.on('error', error => told.push(`error ${'code' in error ? error.code : error.message}`))
  leg.on('end', () => told.push('end'))
  const closed = new Promise<readonly string[]>(resolve => {
    leg.on('close', () => {
      told.push('close')
      // One that comes twice would be there by then.
      setImmediate(resolve, told)
    })
  })
  return { told, closed }
}

test('what does not leave at once leaves in its order, then more is asked for, and an end comes behind all of it', async () => {
  const hasher = new Bun.CryptoHasher('sha256')
  const expected = new Bun.CryptoHasher('sha256')
  const { promise: all, resolve } = Promise.withResolvers<void>()
  let reader: Socket | null = null
  await using server = await listen(socket => {
    socket.pause()
    reader = socket
    socket.on('data', (bytes: Buffer) => hasher.update(bytes))
    socket.on('end', resolve)
  })
  const { promise: connected, resolve: connect } = Promise.withResolvers<void>()
  const leg = connectByBun({ host: '127.0.0.1', port: server.port }, connect)
  await connected
  let drains = 0
  leg.on('drain', () => drains++)
  let mayGoOn = true
  for (let count = 0; mayGoOn; count++) {
    const piece = Buffer.alloc(256 * 1024, `${count} `)
    expected.update(piece)
    mayGoOn = leg.write(piece)
  }
  const last = Buffer.from('behind all others')
  expected.update(last)
  expect(leg.write(last)).toBe(false)
  expect(leg.writableLength).toBeGreaterThan(last.length)
  expect(leg.writableNeedDrain).toBe(true)
  const { promise: drained, resolve: drain } = Promise.withResolvers<void>()
  leg.once('drain', drain)
  const paused: Socket | null = reader
  if (paused === null) throw new Error('nobody connected')
  ;(paused as Socket).resume()
  await drained
  expect([leg.writableLength, leg.writableNeedDrain, drains]).toEqual([0, false, 1])
  ;(paused as Socket).pause()
  for (mayGoOn = true; mayGoOn; ) {
    const piece = Buffer.alloc(256 * 1024, 'more')
    expected.update(piece)
    mayGoOn = leg.write(piece)
  }
  leg.end()
  ;(paused as Socket).resume()
  await all
  expect(hasher.digest('hex')).toBe(expected.digest('hex'))
})

test('a refusal is an error with its code, and closes it once', async () => {
  // Nobody may listen there but root.
  const { closed } = follow(connectByBun({ host: '127.0.0.1', port: 1 }, () => undefined))
  expect(await closed).toEqual(['error ECONNREFUSED', 'close'])
})

test('so is one that the system refuses at once, as for a socket file that is not there', async () => {
  using folder = temporaryFolder()
  const { closed } = follow(connectByBun({ path: join(folder.path, 'none.sock') }, () => undefined))
  expect(await closed).toEqual(['error ENOENT', 'close'])
})

test('one that is destroyed before it is connected is closed, says no more, and does not stay', async () => {
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  await using server = await listen(socket => socket.on('close', () => resolve()))
  let isConnected = false
  const leg = connectByBun({ host: '127.0.0.1', port: server.port }, () => {
    isConnected = true
  })
  const { told, closed } = follow(leg)
  leg.destroy()
  expect(await closed).toEqual(['close'])
  await gone
  expect([isConnected, leg.write(Buffer.from('late')), told]).toEqual([false, false, ['close']])
})

test('what its peer says last is read, and its end closes it', async () => {
  await using server = await listen(socket => void socket.end('last words'))
  const leg = connectByBun({ host: '127.0.0.1', port: server.port }, () => undefined)
  const { closed } = follow(leg)
  let text = ''
  leg.on('data', bytes => {
    text += bytes.toString()
  })
  expect(await closed).toEqual(['end', 'close'])
  expect([text, leg.destroyed]).toEqual(['last words', true])
})
