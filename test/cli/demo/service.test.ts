import { afterAll, describe, expect, test } from 'bun:test'
import { headerKind, serveDemoService } from '../../../src/cli/demo/service.ts'
import { htmlPage } from '../../kit/html.ts'

const service = serveDemoService('127.0.0.1', 0, [{ label: 'Other', address: 'http://other.localhost:1/' }])
const origin = `http://127.0.0.1:${service.port}`
afterAll(() => service.stop(true))

describe('the page', () => {
  test('greets the person whom the headers name, and lists every header', async () => {
    const headers = { 'x-token-user-name': 'Ada', 'x-token-user-roles': 'user admin', 'x-own': 'thing' }
    const text = await (await fetch(`${origin}/deep/link?q=1`, { headers })).text()
    for (const part of ['<b id="who">Ada</b>', '>user admin</b>', 'GET /deep/link?q=1', 'x-own', '>thing<']) {
      expect(text).toContain(part)
    }
  })

  test('says so when nobody is signed in, and then offers no sign-out', async () => {
    const text = await (await fetch(origin)).text()
    expect(htmlPage(text).text).toContain('The application does not know a user')
    expect(text).not.toContain('/.sallyport/logout')
  })

  test('shows what it received as text, never as markup', async () => {
    const text = await (await fetch(`${origin}/?<b>`, { headers: { 'x-token-user-name': '<i>&' } })).text()
    const page = htmlPage(text)
    expect([page.one('#who').text, page.has('i')]).toEqual(['<i>&', false])
  })

  test('allows exactly its own script', async () => {
    const reply = await fetch(origin)
    const script = htmlPage(await reply.text()).one('script').lines
    const hash = new Bun.CryptoHasher('sha256').update(script).digest('base64')
    expect(reply.headers.get('content-security-policy')).toContain(`script-src 'sha256-${hash}'`)
  })
})

test.each([
  ['x-token-user-email', 'identity'],
  ['x-auth-request-user', 'identity'],
  ['x-forwarded-groups', 'identity'],
  ['remote-user', 'identity'],
  ['x-forwarded-for', 'forwarding'],
  ['forwarded', 'forwarding'],
  ['via', 'forwarding'],
  ['user-agent', 'browser'],
] as const)('%s counts as %s', (name, kind) => expect(headerKind(name)).toBe(kind))

test('an upload is answered with its size in bytes', async () => {
  const upload = async (body: Uint8Array<ArrayBuffer> | null) =>
    await (await fetch(`${origin}/demo/upload`, { method: 'POST', body })).text()
  expect(await upload(new Uint8Array(3_000_017))).toBe('3000017 bytes arrived')
  expect(await upload(null)).toBe('0 bytes arrived')
})

test('the clock is a stream of events that ends when its reader leaves', async () => {
  const leave = new AbortController()
  const reply = await fetch(`${origin}/demo/clock`, { signal: leave.signal })
  expect(reply.headers.get('content-type')).toBe('text/event-stream')
  const reader = reply.body?.getReader()
  const first = await reader?.read()
  expect(new TextDecoder().decode(first?.value)).toMatch(/^data: \d\d:\d\d:\d\d\n\n$/)
  leave.abort()
  await reader?.closed.catch(() => undefined)
})

test('the echo sends every message back', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${service.port}/demo/echo`)
  const reply = await new Promise((resolve, reject) => {
    socket.onopen = () => socket.send('hello')
    socket.onmessage = event => resolve(event.data)
    socket.onerror = reject
  })
  expect(reply).toBe('hello')
  socket.close()
})

test('the echo answers 426 to what is no WebSocket', async () => {
  expect((await fetch(`${origin}/demo/echo`)).status).toBe(426)
})
