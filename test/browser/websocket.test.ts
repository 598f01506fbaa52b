import { expect, setDefaultTimeout } from 'bun:test'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Browser } from 'playwright-core'
import { WebSocketServer } from 'ws'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { eventually, type Gate, PORTAL, startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'

const { afterAll, beforeAll, test } = needs('chromium')

setDefaultTimeout(300_000)

let browser: Browser
let gate: Gate
const app = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<title>app</title>'))
const sockets = new WebSocketServer({
  server: app,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: offered => [...offered].at(-1) ?? false,
})

beforeAll(async () => {
  sockets.on('connection', socket =>
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (String(data) === 'drop') socket.terminate()
      else if (String(data) === 'close') socket.close(4321, 'as you say')
      else socket.send(data, { binary: isBinary })
    }),
  )
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  const address = app.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  gate = await startGate(
    `${PORTAL}
[[routes]]
host = "app.localhost"
upstream = "http://127.0.0.1:${port}"
portal = "home"
allow = ["user"]
websocket_compression = true
`,
  )
  browser = await openChromium()
})
afterAll(async () => {
  await browser?.close()
  await gate?.[Symbol.asyncDispose]()
  for (const client of sockets.clients) client.terminate()
  app.close()
})

test('Chromium agrees on compression and a subprotocol, gets every message back as it was, and hears why it ends', async () => {
  const { cookie } = await gate.signIn('app.localhost')
  const { context, complaints, open } = await watchedContext(browser)
  const [name = '', value = ''] = cookie.split('=', 2)
  await context.addCookies([{ name, value, url: `http://app.localhost:${gate.port}` }])
  const page = await open(`http://app.localhost:${gate.port}/`)
  const told = await page.evaluate(async address => {
    const socket = new WebSocket(address, ['soap', 'wamp'])
    socket.binaryType = 'arraybuffer'
    const received: (string | number)[] = []
    socket.onmessage = ({ data }) => {
      received.push(typeof data === 'string' ? data.length : -data.byteLength)
      if (received.length === 4) socket.send('close')
    }
    const ended = new Promise<CloseEvent>(resolve => {
      socket.onclose = resolve
    })
    await new Promise(resolve => {
      socket.onopen = resolve
    })
    const { extensions, protocol } = socket
    socket.send('short')
    socket.send('over and over '.repeat(20_000))
    socket.send(new Uint8Array(100_000))
    socket.send('ß'.repeat(1_000_000))
    const { code, reason } = await ended
    return { extensions, protocol, received, code, reason }
  }, `ws://app.localhost:${gate.port}/`)
  expect(told).toEqual({
    extensions: 'permessage-deflate; client_no_context_takeover; server_no_context_takeover',
    protocol: 'wamp',
    received: [5, 280_000, -100_000, 1_000_000],
    code: 4321,
    reason: 'as you say',
  })
  expect(complaints).toEqual([])
  await context.close()
})

test('a page that connects again only after an unclean close, as ntfy’s does, survives its session and its application', async () => {
  const { cookie, sessionId } = await gate.signIn('app.localhost')
  const { context, open } = await watchedContext(browser)
  const address = `http://app.localhost:${gate.port}`
  const enter = async (pair: string) => {
    const [name = '', value = ''] = pair.split('=', 2)
    await context.addCookies([{ name, value, url: address }])
  }
  await enter(cookie)
  const page = await open(`${address}/`)
  await page.evaluate(
    socketAddress => {
      const told: unknown[] = []
      const connect = () => {
        const socket = new WebSocket(socketAddress)
        let wasOpen = false
        socket.onopen = () => {
          wasOpen = true
          told.push('open')
        }
        socket.onclose = ({ code, wasClean }) => {
          if (wasOpen) told.push([code, wasClean])
          if (!wasClean) setTimeout(connect, 100)
        }
        Object.assign(globalThis, { socket })
      }
      Object.assign(globalThis, { told })
      connect()
    },
    `${address.replace('http', 'ws')}/`,
  )
  const told = () => page.evaluate<unknown[]>('window.told')
  await eventually(async () => (await told()).length === 1, 'it is open')
  await page.evaluate(`window.socket.send('drop')`)
  const lost = [1006, false]
  await eventually(async () => (await told()).length === 3, 'it is open again after its application has dropped it')
  expect(await told()).toEqual(['open', lost, 'open'])
  await gate.end(sessionId)
  await eventually(async () => (await told()).length === 4, 'its session has ended')
  await eventually(() => gate.access.some(line => JSON.parse(line).status === 401), 'it is told to sign in')
  await enter((await gate.signIn('app.localhost')).cookie)
  await eventually(async () => (await told()).length === 5, 'it is open again after the next sign-in')
  expect(await told()).toEqual(['open', lost, 'open', lost, 'open'])
  await context.close()
})
