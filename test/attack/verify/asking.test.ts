import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { APP, askersOf, forwarded, type Lines, OTHERS, original, send, startAsked } from '../../kit/verify.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
/** Behind a proxy on this machine that is trusted; and one that trusts another machine alone. */
const trusting = keep(await startAsked())
const direct = keep(await startAsked('192.0.2.1'))

const { relayed, toNginx, cookieOf } = askersOf(() => trusting)

describe('an untrusted peer', () => {
  const statements: Lines[] = [
    forwarded('/open'),
    original('/open'),
    forwarded('/'),
    [],
    ['X-Forwarded-For: 192.0.2.1', ...forwarded('/open')],
  ]
  test.each(statements.map(lines => [lines] as const))('gets no verdict for %p, not even of its own', async lines => {
    const cookie = await askersOf(() => direct).cookieOf(['admins'])
    for (const path of ['/.sallyport/verify', '/.sallyport/verify/nginx']) {
      for (const own of [[], [cookie]]) {
        const answer = await send(direct.verifyPort, path, [...lines, ...own])
        expect(answer.status).toBe(403)
        expect(answer.field('x-token-subject')).toBeNull()
      }
    }
  })

  test('changes nothing by stating another request beside its own', async () => {
    for (const lines of [forwarded('/open'), original('/open'), ['X-Rewrite-URL: /open']]) {
      expect((await send(direct.port, '/', lines)).status).toBe(401)
    }
  })

  test('is not told what the application of such a route is', async () => {
    expect((await send(direct.port, '/open/x', [])).status).toBe(404)
  })
})

test('a local socket may be where proxies ask, and counts as 127.0.0.1', async () => {
  using folder = temporaryFolder()
  const socket = join(folder.path, 'verify.sock')
  const route = '[[routes]]\nhost = "app.example"\nverify = true\nallow = "public"\n'
  for (const [trusted, status] of [
    ['127.0.0.1', 204],
    ['192.0.2.1', 403],
  ]) {
    await using gate = await startGate(route, { server: `trusted_proxies = ["${trusted}"]\nverify = "unix:${socket}"` })
    const head = ['GET /.sallyport/verify HTTP/1.1', 'Host: sallyport', 'Connection: close', ...forwarded('/')]
    expect((await sendRaw(socket, `${head.join('\r\n')}\r\n\r\n`)).status).toBe(Number(status))
    expect(gate.server.verifyAddresses).toEqual([`unix:${socket}`])
  }
})

describe('where clients reach it', () => {
  const paths = ['/.sallyport/verify', '/.sallyport/verify/nginx', '/.sallyport/verify/', '/.sallyport/verify?x']

  test.each(paths)('%s is nothing, for anyone: what a script would read in the answer is not there', async path => {
    const cookie = await cookieOf(['admins'])
    for (const lines of [forwarded('/', [cookie]), original('/', [cookie]), [cookie]]) {
      for (const host of [APP, 'open.example', 'nowhere.example']) {
        const answer = await send(trusting.port, path, lines, host)
        expect([host, answer.status, answer.field('x-token-subject')]).toEqual([host, 404, null])
      }
    }
  })
})

describe('where proxies ask', () => {
  test.each([
    '/',
    '/open',
    '/.sallyport/',
    '/.sallyport/login',
    '/.sallyport/me',
    '/.sallyport/jwks.json',
    '/.sallyport/verify/x',
  ])('%s is nothing: no page of ours and no application is there', async path => {
    const cookie = await cookieOf(['admins'])
    for (const lines of [[], [cookie], forwarded('/', [cookie])]) {
      expect((await send(trusting.verifyPort, path, lines)).status).toBe(404)
    }
  })

  test('ids of requests there and elsewhere are never the same', async () => {
    await relayed(forwarded('/open'))
    await send(trusting.port, '/own', [])
    const ids = () => trusting.access.map(line => JSON.parse(line).id)
    await eventually(() => trusting.access.some(line => line.includes('"/own"')), 'the access log has both')
    expect(ids().length).toBeGreaterThan(1)
    expect(new Set(ids()).size).toBe(ids().length)
  })
})

describe('a route that no proxy in front has the application of', () => {
  test.each(OTHERS)('%s: no verdict is given about it, though everybody may go there', async host => {
    expect((await send(trusting.port, '/', [], host)).status).not.toBe(401)
    for (const answer of [
      await relayed(forwarded('/', [], 'GET', host)),
      await toNginx(original('/', [], 'GET', host)),
      await relayed(forwarded('/', [await cookieOf(['admins'])], 'GET', host)),
    ]) {
      expect(answer.status).toBeGreaterThanOrEqual(400)
    }
  })

  test('nor is one given about a path that may be read as one of its paths', async () => {
    const cookie = await cookieOf(['admins'])
    expect((await relayed(forwarded('/own', [cookie]))).status).toBe(404)
    for (const uri of ['/OWN', '/%6fwn', '//own/x', '/;x/own', '/%2fown']) {
      expect([uri, (await relayed(forwarded(uri, [cookie]))).status]).toEqual([uri, 400])
    }
  })
})

test('a rate counts what is asked about', async () => {
  expect((await relayed(forwarded('/few'))).status).toBe(204)
  const second = await relayed(forwarded('/few'))
  expect([second.status, Number(second.field('retry-after')) > 0]).toEqual([429, true])
  expect((await toNginx(original('/few'))).status).toBe(403)
})

test('nothing of a cookie or a token is in the log', async () => {
  const cookie = await cookieOf()
  await relayed(forwarded('/admin', [cookie]))
  await toNginx(original('/admin', [cookie]))
  const secret = cookie.slice(cookie.indexOf('=') + 1)
  for (const line of [...trusting.log, ...trusting.access]) expect(line).not.toContain(secret)
})
