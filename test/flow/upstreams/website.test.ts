import { beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { PAGE_LINES } from '../../kit/fields.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const SCRIPT = 'export const answer = 42\n'.repeat(400)
const STYLE = 'body { color: teal }\n'.repeat(400)
const NOISE = crypto.getRandomValues(new Uint8Array(30_000))

const keep = untilTheEnd()
const folder = keep(temporaryFolder()).path
const at = (name: string) => join(folder, 'site', name)
mkdirSync(at('assets/empty'), { recursive: true })
const write = (name: string, content: string | Uint8Array, modifiedS = 1_700_000_000) => {
  writeFileSync(at(name), content)
  utimesSync(at(name), modifiedS, modifiedS)
}
write('index.html', '<h1>app</h1>')
write('assets/app.js', SCRIPT)
write('assets/app.js.br', brotliCompressSync(SCRIPT))
write('assets/app.js.gz', gzipSync(SCRIPT))
write('assets/app.css', STYLE)
write('assets/old.css', STYLE)
write('assets/old.css.gz', gzipSync('what it was'), 1_600_000_000)
write('assets/lured.css', STYLE)
symlinkSync('/etc/passwd', at('assets/lured.css.br'))
write('assets/short.css', 'a {}')
write('assets/noise.txt', NOISE)
write('assets/picture.png', STYLE)
write('assets/picture.png.gz', gzipSync(STYLE))
write('assets/long.txt', STYLE.repeat(200))

const site = (host: string, lines: string, more = 'allow = "public"') =>
  `[[routes]]\nhost = "${host}"\n${more}\n[routes.files]\nfolder = "${at('')}"\n${lines}\n`
const upstream = keep(await startRawUpstream([httpResponse(200, 'FROM THE APPLICATION')]))
const gate = keep(
  await startGate(
    PORTAL +
      site('ending.example', 'endings = [".html", ".txt"]') +
      site(
        'first.example',
        'endings = ".txt"',
        `allow = "public"\nupstream = "http://127.0.0.1:${upstream.port}"\nresponse_headers = { set = { X-By = "gate" } }`,
      ) +
      site(
        'guarded-first.example',
        '',
        `portal = "home"\nallow = ["user"]\nupstream = "http://127.0.0.1:${upstream.port}"`,
      ) +
      `[[routes]]\nhost = "plain.example"\nallow = "public"\nfiles = "${at('')}"\n` +
      site(
        'app.example',
        'try_files = "/index.html"\ncache_control = { "*" = "no-cache", "/assets/*" = "public, max-age=31536000, immutable" }',
      ) +
      site('raw.example', 'compress = false') +
      site('listed.example', 'listing = true\nany_method = true\ncache_control = "no-cache"') +
      site('private.example', 'cache_control = "max-age=60"', 'portal = "home"\nallow = ["user"]'),
  ),
)

async function ask(host: string, path: string, lines: readonly string[] = [], method = 'GET') {
  const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, ...lines, 'Connection: close', '', '']
  const isDone = method === 'HEAD' ? { until: (received: Buffer) => received.includes('\r\n\r\n') } : {}
  return await sendRaw(gate.port, [head.join('\r\n')], isDone)
}
const encoded = (path: string, accept: string, more: readonly string[] = [], method = 'GET') =>
  ask('plain.example', path, [`Accept-Encoding: ${accept}`, ...more], method)

describe('compressed files', () => {
  test('lie beside the file, and go out as they are, with a length and a tag of their own', async () => {
    const plain = await ask('plain.example', '/assets/app.js')
    expect([plain.field('content-encoding'), plain.body.toString()]).toEqual([null, SCRIPT])
    const tags = new Set([plain.field('etag')])
    for (const [accept, coding, body] of [
      ['gzip, deflate, br, zstd', 'br', brotliCompressSync(SCRIPT)],
      ['gzip, deflate', 'gzip', gzipSync(SCRIPT)],
      ['zstd, gzip', 'gzip', gzipSync(SCRIPT)],
      ['*', 'br', brotliCompressSync(SCRIPT)],
    ] as const) {
      const answer = await encoded('/assets/app.js', accept)
      expect([accept, answer.status, answer.field('content-encoding')]).toEqual([accept, 200, coding])
      expect(answer.body.equals(body)).toBe(true)
      expect(answer.field('content-length')).toBe(String(body.length))
      expect(answer.field('content-type')).toBe(plain.field('content-type'))
      expect(answer.field('vary')).toBe('Accept-Encoding')
      expect(answer.field('last-modified')).toBe(plain.field('last-modified'))
      tags.add(answer.field('etag'))
    }
    expect(plain.field('vary')).toBe('Accept-Encoding')
    expect(tags.size).toBe(3)
  })

  test('are made where none lies there, once', async () => {
    const first = await encoded('/assets/app.css', 'gzip, br')
    expect([first.field('content-encoding'), gunzipSync(first.body).toString()]).toEqual(['gzip', STYLE])
    expect(first.body.length).toBeLessThan(STYLE.length / 10)
    const again = await encoded('/assets/app.css', 'gzip')
    expect([again.field('etag'), again.body.equals(first.body)]).toEqual([first.field('etag'), true])
    write('assets/app.css', STYLE.toUpperCase(), 1_700_000_009)
    expect(gunzipSync((await encoded('/assets/app.css', 'gzip')).body).toString()).toBe(STYLE.toUpperCase())
    rmSync(at('assets/app.css'))
    expect((await encoded('/assets/app.css', 'gzip')).status).toBe(404)
    write('assets/app.css', STYLE)
  })

  test.each([
    ['nobody asks', '/assets/app.js', ''],
    ['gzip is refused', '/assets/app.css', 'gzip;q=0, br;q=0'],
    ['everything but identity is refused', '/assets/app.css', 'identity, *;q=0'],
    ['identity is wanted more', '/assets/app.css', 'gzip;q=0.5, identity'],
    ['it is short', '/assets/short.css', 'gzip'],
    ['it gets no shorter', '/assets/noise.txt', 'gzip'],
    ['it is long, and none lies beside it', '/assets/long.txt', 'gzip'],
    ['it is compressed by itself', '/assets/picture.png', 'gzip'],
  ])('are not for a file where %s', async (_title, path, accept) => {
    const answer = await encoded(path, accept)
    expect([answer.status, answer.field('content-encoding')]).toEqual([200, null])
  })

  test('that are older than their file, or lead out of the folder, are not there', async () => {
    const old = await encoded('/assets/old.css', 'gzip')
    expect(gunzipSync(old.body).toString()).toBe(STYLE)
    const lured = await encoded('/assets/lured.css', 'br')
    expect([lured.field('content-encoding'), lured.body.toString()]).toEqual([null, STYLE])
  })

  test('RFC 9110 §13: are judged by their own tag, and §14: ranges are of the file itself', async () => {
    const etag = (await encoded('/assets/app.js', 'br')).field('etag') ?? ''
    const known = await encoded('/assets/app.js', 'br', [`If-None-Match: ${etag}`])
    expect([known.status, known.field('etag'), known.field('vary')]).toEqual([304, etag, 'Accept-Encoding'])
    expect((await encoded('/assets/app.js', 'gzip', [`If-None-Match: ${etag}`])).status).toBe(200)
    const part = await encoded('/assets/app.js', 'br', ['Range: bytes=0-5'])
    expect([part.status, part.body.toString(), part.field('content-encoding')]).toEqual([206, 'export', null])
    const other = await encoded('/assets/app.js', 'br', ['Range: bytes=0-5', `If-Range: ${etag}`])
    expect([other.status, other.body.toString()]).toEqual([200, SCRIPT])
  })

  test('have to HEAD the fields that GET has', async () => {
    for (const path of ['/assets/app.js', '/assets/app.css']) {
      const [head, get] = [await encoded(path, 'gzip', [], 'HEAD'), await encoded(path, 'gzip')]
      for (const name of ['content-encoding', 'content-length', 'etag', 'vary', 'content-type'])
        expect([name, head.field(name)]).toEqual([name, get.field(name)])
      expect(head.body.length).toBe(0)
    }
  })

  test('are not where the route says so', async () => {
    const answer = await ask('raw.example', '/assets/app.js', ['Accept-Encoding: br, gzip'])
    expect([answer.field('content-encoding'), answer.field('vary'), answer.body.toString()]).toEqual([
      null,
      null,
      SCRIPT,
    ])
  })
})

describe('try_files', () => {
  test.each([
    ['an address of the application', '/users/7', []],
    ['an address with a dot that a page is loaded from', '/users/jane.doe', PAGE_LINES],
    ['a folder without an index', '/assets/empty/', []],
    ['a page load below a file', '/index.html/x', PAGE_LINES],
  ])('is what is shown at %s', async (_title, path, lines) => {
    const answer = await ask('app.example', path, lines)
    expect([answer.status, answer.body.toString(), answer.field('cache-control')]).toEqual([
      200,
      '<h1>app</h1>',
      'no-cache',
    ])
  })

  test.each([
    ['a script that is missing', '/assets/gone.js', []],
    ['a script of a browser that is missing', '/gone', ['Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: script']],
    ['what a script of a page asks for', '/users/7', ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty']],
    ['what begins with a dot', '/.env', PAGE_LINES],
    ['what leads nowhere', '/a%2fb', []],
  ])('is not for %s', async (_title, path, lines) => {
    expect([400, 404]).toContain((await ask('app.example', path, lines)).status)
  })

  test('has no other methods either, and leaves what is there alone', async () => {
    expect((await ask('app.example', '/users/7', ['Content-Length: 0'], 'POST')).status).toBe(405)
    expect((await ask('app.example', '/assets/app.js')).body.toString()).toBe(SCRIPT)
    expect((await ask('app.example', '/assets')).field('location')).toBe('/assets/')
    expect((await ask('plain.example', '/users/7')).status).toBe(404)
  })
})

describe('a list', () => {
  test('stands for a folder without an index, and names what may be opened and nothing else', async () => {
    const odd = 'a "b" <c> &#; 50%?.txt'
    write(`assets/${odd}`, 'odd')
    write('assets/.hidden', 'x')
    symlinkSync('/etc', at('assets/away'))
    const answer = await ask('listed.example', '/assets/')
    expect([answer.status, answer.field('content-type'), answer.field('cache-control')]).toEqual([
      200,
      'text/html; charset=utf-8',
      'no-cache',
    ])
    const links = htmlPage(answer.body.toString()).all('a')
    const names = links.map(({ text }) => text)
    expect(names).toEqual(expect.arrayContaining(['a "b" <c> &#; 50%?.txt', 'app.js', 'empty/', 'picture.png']))
    expect(names.filter(name => /hidden|away|lured\.css\.br/.test(name))).toEqual([])
    for (const link of links) {
      const opened = await ask('listed.example', new URL(link.attribute('href') ?? '', 'http://x/assets/').pathname)
      expect([link.text, opened.status]).toEqual([link.text, 200])
    }
    expect((await ask('listed.example', '/')).body.toString()).toBe('<h1>app</h1>')
    expect((await ask('plain.example', '/assets/')).status).toBe(404)
    expect((await ask('listed.example', '/assets/.hidden')).status).toBe(404)
  })

  test('and the files in it are there for every method where the route says so', async () => {
    for (const method of ['POST', 'DELETE', 'PUT']) {
      const file = await ask('listed.example', '/assets/short.css', ['Content-Length: 0'], method)
      expect([method, file.status, file.body.toString()]).toEqual([method, 200, 'a {}'])
      const list = await ask('listed.example', '/assets/empty/', ['Content-Length: 0'], method)
      expect([method, list.status, list.body.toString()]).toEqual([method, 200, expect.stringContaining('<pre>')])
    }
    expect((await ask('listed.example', '/assets/short.css')).body.toString()).toBe('a {}')
    const [head, get] = [await ask('listed.example', '/assets/', [], 'HEAD'), await ask('listed.example', '/assets/')]
    expect([head.status, head.body.length]).toEqual([200, 0])
    expect(head.field('content-length')).toBe(get.field('content-length'))
  })
})

describe('cache_control', () => {
  test('is by path, the longest pattern first, and of a 304 too', async () => {
    const answer = await ask('app.example', '/assets/app.js')
    expect(answer.field('cache-control')).toBe('public, max-age=31536000, immutable')
    const known = await ask('app.example', '/assets/app.js', [`If-None-Match: ${answer.field('etag')}`])
    expect([known.status, known.field('cache-control')]).toEqual([304, 'public, max-age=31536000, immutable'])
    expect((await ask('app.example', '/')).field('cache-control')).toBe('no-cache')
    expect((await ask('plain.example', '/')).field('cache-control')).toBeNull()
  })

  describe('never lets a cache on the way keep what is for some', () => {
    let cookie = ''
    beforeAll(async () => {
      cookie = (await gate.signIn('private.example')).cookie
    })
    test('whatever it says', async () => {
      const answer = await ask('private.example', '/assets/app.js', [`Cookie: ${cookie}`])
      expect([answer.status, answer.field('cache-control')]).toEqual([200, 'private, max-age=60'])
    })
  })
})

describe('an ending that an address leaves out', () => {
  test('is found where no file has the name, and makes no page of a folder', async () => {
    expect((await ask('ending.example', '/index')).body.toString()).toBe('<h1>app</h1>')
    expect((await ask('ending.example', '/assets/noise')).status).toBe(200)
    expect((await ask('ending.example', '/assets')).status).toBe(301)
    for (const path of ['/index.ht', '/index/', '/assets/noise/', '/assets/app', '/.index'])
      expect([path, (await ask('ending.example', path)).status]).toEqual([path, 404])
  })
})

describe('files before an application', () => {
  const bodyOf = async (path: string, method = 'GET', lines: readonly string[] = []) => {
    const { status, body, field } = await ask('first.example', path, lines, method)
    return [status, body.toString(), field('x-by')]
  }

  test('are served, and whatever is no file comes from there', async () => {
    expect(await bodyOf('/index.html')).toEqual([200, '<h1>app</h1>', 'gate'])
    expect((await bodyOf('/assets/noise'))[0]).toBe(200)
    expect(upstream.text).toBe('')
    for (const path of [
      '/',
      '/assets',
      '/assets/',
      '/index.html/',
      '/index',
      '/.env',
      '/assets/lured.css.br',
      '/x/../../y',
    ])
      expect([path, (await bodyOf(path))[1]]).toEqual([path, 'FROM THE APPLICATION'])
    expect(await bodyOf('/form', 'POST', ['Content-Length: 0'])).toEqual([200, 'FROM THE APPLICATION', 'gate'])
    expect(upstream.text).toContain('POST /form ')
  })

  test('take no other method, and nobody who may not pass', async () => {
    const before = upstream.text.length
    expect((await bodyOf('/index.html', 'DELETE'))[0]).toBe(405)
    expect((await ask('guarded-first.example', '/index.html')).status).toBe(401)
    expect((await ask('guarded-first.example', '/x')).status).toBe(401)
    expect(upstream.text.length).toBe(before)
  })
})
