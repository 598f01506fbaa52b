import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const folder = temporaryFolder()
const site = join(folder.path, 'site')
let gate: Gate

beforeAll(async () => {
  for (const name of ['docs/empty', '.git', 'back\\slash']) mkdirSync(join(site, name), { recursive: true })
  mkdirSync(join(folder.path, 'site-other'))
  const files: Record<string, string> = {
    'site/index.html': '<h1>home</h1>',
    'site/docs/index.html': '<h1>docs</h1>',
    'site/docs/a b ä.txt': '0123456789',
    'site/empty.txt': '',
    'site/.env': 'SECRET',
    'site/.git/config': 'SECRET',
    'secret.txt': 'SECRET',
    'site-other/secret.txt': 'SECRET',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  utimesSync(join(site, 'docs/a b ä.txt'), 1_700_000_000.9, 1_700_000_000.9)
  symlinkSync(join(folder.path, 'secret.txt'), join(site, 'link.txt'))
  symlinkSync(folder.path, join(site, 'up'))
  symlinkSync('../site-other', join(site, 'beside'))
  symlinkSync('.env', join(site, 'hidden.txt'))
  symlinkSync('docs', join(site, 'manual'))
  gate = await startGate(`${PORTAL}
[[routes]]
host = "old.example"
path = "/app"
strip_prefix = "/app"
redirect = "https://new.example:8443/x{path}{query}"
status = 308
allow = "public"

[[routes]]
host = "www.old.example"
redirect = "/moved?from={host}"
allow = "public"
response_headers = { set = { "X-Frame-Options" = "DENY" } }

[[routes]]
host = "closed.example"
respond = { status = 503, body = "Back\\nat noon.", content_type = "text/plain; charset=utf-8" }
allow = "public"

[[routes]]
host = "nothing.example"
respond = { status = 204 }
allow = "public"

[[routes]]
host = "files.example"
files = "${site}"
allow = "public"

[[routes]]
host = "files.example"
path = "/below"
strip_prefix = "/below"
add_prefix = "/docs"
files = "${site}"
allow = "public"

[[routes]]
host = "gone.example"
files = "${site}/none"
allow = "public"

[[routes]]
host = "private.example"
files = "${site}"
portal = "home"
allow = ["user"]

[[routes]]
host = "moved.example"
redirect = "https://new.example{path}"
portal = "home"
allow = ["admin"]
`)
})

afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

async function ask(host: string, path = '/', fields = '', method = 'GET') {
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: */*\r\n${fields}Connection: close\r\n\r\n`
  const isDone = method === 'HEAD' ? { until: (received: Buffer) => received.includes('\r\n\r\n') } : {}
  return await sendRaw(gate.port, Buffer.from(head, 'latin1'), isDone)
}

describe('a redirect', () => {
  test('has the rest of the path and the query, and the status of the file', async () => {
    const response = await ask('old.example', '/app/a%20b/?x=1&y')
    expect([response.status, response.field('location')]).toEqual([308, 'https://new.example:8443/x/a%20b/?x=1&y'])
  })
  test('is 302 unless the file says otherwise, and carries the rules for answers', async () => {
    const response = await ask('www.old.example')
    expect([response.status, response.field('location')]).toEqual([302, '/moved?from=www.old.example'])
    expect(response.field('x-frame-options')).toBe('DENY')
  })
  test('never carries a line break', async () => {
    const response = await ask('old.example', '/app/%E4%BD%A0?x=%0d%0aX-Evil:1')
    expect(response.field('x-evil')).toBeNull()
    expect(response.field('location')).toBe('https://new.example:8443/x/%E4%BD%A0?x=%0d%0aX-Evil:1')
  })
  test('is only for those whom the rules let through', async () => {
    expect((await ask('moved.example')).status).toBe(401)
    const { cookie } = await gate.signIn('moved.example')
    expect((await ask('moved.example', '/', `Cookie: ${cookie}\r\n`)).status).toBe(403)
    const admin = await gate.signIn('moved.example', { sub: 'bob', groups: ['admins'] })
    const response = await ask('moved.example', '/a', `Cookie: ${admin.cookie}\r\n`)
    expect([response.status, response.field('location')]).toEqual([302, 'https://new.example/a'])
  })
})

describe('a fixed answer', () => {
  test('has its status, type and body, to HEAD without the body', async () => {
    const response = await ask('closed.example', '/any/path')
    expect([response.status, response.field('content-type')]).toEqual([503, 'text/plain; charset=utf-8'])
    expect(response.body.toString()).toBe('Back\nat noon.')
    const head = await ask('closed.example', '/', '', 'HEAD')
    expect([head.status, head.body.length]).toEqual([503, 0])
  })
  test('may have no body', async () => {
    const response = await ask('nothing.example')
    expect([response.status, response.field('content-type'), response.body.length]).toEqual([204, null, 0])
  })
})

describe('files', () => {
  test('come with length, type, tag and date', async () => {
    const response = await ask('files.example', '/docs/a%20b%20%C3%A4.txt')
    expect([response.status, response.body.toString()]).toEqual([200, '0123456789'])
    expect(response.field('content-length')).toBe('10')
    expect(response.field('content-type')).toMatch(/^text\/plain;\s*charset=utf-8$/)
    expect(response.field('last-modified')).toBe('Tue, 14 Nov 2023 22:13:20 GMT')
    expect(response.field('etag')).toMatch(/^"[0-9a-z-]+"$/)
    expect(response.field('x-content-type-options')).toBe('nosniff')
    expect((await ask('files.example', '/empty.txt')).field('content-length')).toBe('0')
  })
  test('are index.html for a folder, whose address ends in a slash', async () => {
    expect((await ask('files.example', '/')).body.toString()).toBe('<h1>home</h1>')
    expect((await ask('files.example', '/docs/')).body.toString()).toBe('<h1>docs</h1>')
    const response = await ask('files.example', '/docs?x=1')
    expect([response.status, response.field('location')]).toEqual([301, '/docs/?x=1'])
  })
  test('lie where the prefixes say', async () => {
    expect((await ask('files.example', '/below/')).body.toString()).toBe('<h1>docs</h1>')
    expect((await ask('files.example', '/below/empty')).field('location')).toBe('/below/empty/')
  })
  test('are followed through links that stay inside', async () => {
    expect((await ask('files.example', '/manual/')).body.toString()).toBe('<h1>docs</h1>')
  })
  const hidden = [
    '/none.txt',
    '/docs/empty/',
    '/index.html/',
    '/index.html/x',
    '/.env',
    '/.git/config',
    '/hidden.txt',
    '/link.txt',
    '/up/secret.txt',
    '/up/',
    '/beside/secret.txt',
  ]
  test.each(hidden)('are not shown at %s', async path => {
    const response = await ask('files.example', path)
    expect([400, 404]).toContain(response.status)
    expect(response.raw.toString('latin1')).not.toContain('SECRET')
    expect(response.field('location')).toBeNull()
  })
  test('have no other methods than GET and HEAD', async () => {
    const response = await ask('files.example', '/', 'Content-Length: 0\r\n', 'PUT')
    expect([response.status, response.field('allow')]).toEqual([405, 'GET, HEAD'])
  })
  test('to HEAD have the length and no body, Range or not', async () => {
    const response = await ask('files.example', '/docs/a%20b%20%C3%A4.txt', 'Range: bytes=0-1\r\n', 'HEAD')
    expect([response.status, response.field('content-length'), response.body.length]).toEqual([200, '10', 0])
  })
  test.each([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=8-99', 206, '89', 'bytes 8-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['bytes=-0', 416, '', 'bytes */10'],
  ])('RFC 9110 §14: %s is %i', async (range, status, body, contentRange) => {
    const response = await ask('files.example', '/docs/a%20b%20%C3%A4.txt', `Range: ${range}\r\n`)
    expect([response.status, response.body.toString(), response.field('content-range')]).toEqual([
      status,
      body,
      contentRange,
    ])
    expect(response.field('content-length')).toBe(String(body.length))
  })
  test.each(['bytes=0-1,3-4', 'bytes=4-2', 'lines=0-1', 'bytes=x'])('RFC 9110 §14.2: "%s" is ignored', async range => {
    const response = await ask('files.example', '/docs/a%20b%20%C3%A4.txt', `Range: ${range}\r\n`)
    expect([response.status, response.field('content-range')]).toEqual([200, null])
    expect([response.field('content-length'), response.body.toString()]).toEqual(['10', '0123456789'])
  })
  test('RFC 9110 §13: conditions are judged by tag and date', async () => {
    const path = '/docs/a%20b%20%C3%A4.txt'
    const etag = (await ask('files.example', path)).field('etag') ?? ''
    const status = async (fields: string) => (await ask('files.example', path, fields)).status
    expect(await status(`If-None-Match: "x", W/${etag}\r\n`)).toBe(304)
    expect(await status('If-None-Match: "x"\r\nIf-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n')).toBe(200)
    expect(await status('If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n')).toBe(304)
    expect(await status('If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n')).toBe(200)
    expect(await status('If-Match: "x"\r\n')).toBe(412)
    expect(await status(`If-Match: W/${etag}\r\n`)).toBe(412)
    expect(await status(`If-Match: ${etag}\r\n`)).toBe(200)
    expect(await status('If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n')).toBe(412)
    expect(await status(`Range: bytes=0-1\r\nIf-Range: ${etag}\r\n`)).toBe(206)
    expect(await status('Range: bytes=0-1\r\nIf-Range: "x"\r\n')).toBe(200)
  })
  test('are for those whom the rules let through, and kept by no shared cache', async () => {
    expect((await ask('private.example', '/index.html')).status).toBe(401)
    const { cookie } = await gate.signIn('private.example')
    const response = await ask('private.example', '/index.html', `Cookie: ${cookie}\r\n`)
    expect([response.status, response.field('cache-control')]).toEqual([200, 'private, no-cache'])
  })
  test('of a folder that is not there are an error of ours, with a hint in the log', async () => {
    expect((await ask('gone.example')).status).toBe(500)
    expect(gate.told('files.folder', 'check that files')).not.toEqual([])
  })
})
