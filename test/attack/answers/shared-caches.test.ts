/** What a cache in front of the gate, which asks nobody who they are, hands to others of what somebody was given. */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startNginx } from '../../kit/programs/front.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { routeForUsers, routeSaying, routeTo } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { askForWebSocket } from '../../kit/wire/websocket.ts'
import { hasHead, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

/** What an application says of its answer, by the name of its page. */
const SAYS: Readonly<Record<string, readonly string[]>> = {
  nothing: [],
  'max-age': ['Cache-Control: max-age=600'],
  public: ['Cache-Control: public, max-age=600'],
  's-maxage': ['Cache-Control: s-maxage=600'],
  expires: [`Expires: ${new Date(Date.now() + 600_000).toUTCString()}`],
  'x-accel-expires': ['X-Accel-Expires: 600'],
  'x-accel-expires-and-private': ['X-Accel-Expires: 600', 'Cache-Control: private'],
  'surrogate-control': ['Surrogate-Control: max-age=600'],
  'cdn-cache-control': ['CDN-Cache-Control: max-age=600', 'Cloudflare-CDN-Cache-Control: max-age=600'],
  'no-cache-of-a-field': ['Cache-Control: private="set-cookie", max-age=600'],
}

const keep = untilTheEnd()
const folder = keep(temporaryFolder())
mkdirSync(join(folder.path, 'www'))
writeFileSync(join(folder.path, 'www', 'nothing.txt'), 'a page')
let answers = 0
const app = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      const page = /^\S+ \/(?:[A-Za-z]+\/)?([^? ]*)/.exec(raw.toString('latin1'))?.[1] ?? ''
      const body = `page ${answers++}`
      const fields = ['Content-Type: text/plain', `Content-Length: ${body.length}`, ...(SAYS[page] ?? [])]
      await connection.send(`HTTP/1.1 200 OK\r\n${fields.join('\r\n')}\r\n\r\n${body}`)
    }
  }),
)
const gate = keep(
  await startGate(
    [
      PORTAL,
      routeTo(app, 'open.example', 'allow = "public"'),
      routeTo(app, 'open.example', 'path = "/admin"\nportal = "home"\nallow = ["user"]'),
      routeTo(app, 'told.example', 'portal = "home"\nallow = "public"\nheaders = "remote"'),
      routeForUsers(app, 'closed.example'),
      routeForUsers(app, 'ruled.example', 'response_headers = { set = { "Cache-Control" = "public, max-age=600" } }'),
      routeForUsers(app, 'bare.example', 'response_headers = { remove = ["Cache-Control"] }'),
      routeForUsers(app, 'shared.example', 'shared_caches = true'),
      routeTo(app, 'denied.example', 'portal = "home"\nallow = "public"\ndeny = [{ networks = ["203.0.113.0/24"] }]'),
      routeSaying('a page', 'fixed.example', 'portal = "home"\nallow = ["user"]'),
      '[[routes]]\nhost = "moved.example"\nredirect = "https://other.example/"\nstatus = 301\nportal = "home"\nallow = ["user"]\n',
      `[[routes]]\nhost = "files.example"\nfiles = "${folder.path}/www"\nportal = "home"\nallow = ["user"]\n`,
      ...Object.entries({
        'endings.example': `endings = [".txt"]`,
        'fallback.example': `try_files = "/nothing.txt"`,
        'listed.example': 'listing = true',
      }).flatMap(([host, how]) =>
        [
          'allow = "public"\nrate = { requests = 100, per = "1s", by = "user" }',
          'path = "=/nothing.txt"\nallow = ["user"]',
        ].map(
          lines =>
            `[[routes]]\nhost = "${host}"\nportal = "home"\n${lines}\nfiles = { folder = "${folder.path}/www", ${how} }\n`,
        ),
      ),
    ].join('\n'),
    { server: 'trusted_proxies = ["127.0.0.1"]' },
  ),
)
const port = await freePort()
keep(
  await startNginx(
    folder.path,
    port,
    `proxy_cache_path ${folder.path}/cache keys_zone=one:1m;
server {
  listen 127.0.0.1:${port};
  location / {
    proxy_pass http://127.0.0.1:${gate.port};
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_cache one;
    proxy_cache_key $http_host$request_uri;
    proxy_cache_valid any 10m;
    add_header X-Cache $upstream_cache_status always;
  }
}`,
  ),
)
const cookies = new Map<string, string>()

async function ask(host: string, path: string, isSignedIn: boolean) {
  if (isSignedIn && !cookies.has(host)) cookies.set(host, (await gate.signIn(host)).cookie)
  const cookie = isSignedIn ? { cookie: cookies.get(host) ?? '' } : {}
  const answer = await fetchFrom({ port }, path, { host, ...cookie })
  return { status: answer.status, body: await answer.text(), cached: answer.headers.get('x-cache'), answer }
}

/** What somebody is given, and what is given to whoever asks for the same after that. */
async function askTwice(host: string, path: string) {
  const first = await ask(host, path, true)
  expect(first.cached).toBe('MISS')
  return { first, second: await ask(host, path, false) }
}

needs('nginx').describe('nginx with proxy_cache', () => {
  for (const page of Object.keys(SAYS)) {
    test(`keeps a page of a closed route for nobody, where the application says ${page}`, async () => {
      const { first, second } = await askTwice('closed.example', `/${page}`)
      expect([first.status, second.status, second.cached]).toEqual([200, 401, 'MISS'])
      expect(second.body).not.toBe(first.body)
      expect((await ask('closed.example', `/${page}`, true)).status).toBe(200)
    })
  }

  test.each(['max-age', 'public', 'x-accel-expires', 'expires', 'nothing'])(
    'keeps a page of a public route as the application says: %s',
    async page => {
      const { first, second } = await askTwice('open.example', `/${page}`)
      expect([second.status, second.body, second.cached]).toEqual([200, first.body, 'HIT'])
    },
  )

  test('keeps what a closed route says to be for shared caches', async () => {
    const { first, second } = await askTwice('shared.example', '/max-age')
    expect([second.status, second.body, second.cached]).toEqual([200, first.body, 'HIT'])
  })

  test.each([
    ['is not for everybody by a network', 'denied.example', '/max-age', 200],
    ['has a fixed answer', 'fixed.example', '/nothing', 401],
    ['leads elsewhere', 'moved.example', '/nothing', 401],
    ['serves files', 'files.example', '/nothing.txt', 401],
    ['writes Cache-Control itself', 'ruled.example', '/max-age', 401],
    ['takes Cache-Control away', 'bare.example', '/max-age', 401],
    ['is public, and tells its application who is there', 'told.example', '/max-age', 200],
    ['is public, where another reading of the path is not', 'open.example', '/Admin/max-age', 400],
    ['is public, where the file is not by its whole name', 'endings.example', '/nothing', 404],
    ['is public, where the file for all other addresses is not', 'fallback.example', '/none', 404],
    ['is public, where a file of the list is not', 'listed.example', '/', 200],
  ])('keeps nothing for others of a route that %s', async (_what, host, path, status) => {
    const { first, second } = await askTwice(host, path)
    expect(first.status).toBe(host === 'moved.example' ? 301 : 200)
    expect([second.status, second.cached]).toEqual([status, 'MISS'])
    if (first.body !== '') expect(second.body).not.toBe(first.body)
  })

  test('keeps of such a public route what nobody in particular was given', async () => {
    const first = await ask('told.example', '/max-age?anyone', false)
    const second = await ask('told.example', '/max-age?anyone', false)
    expect([first.cached, second.cached, second.body]).toEqual(['MISS', 'HIT', first.body])
  })
})

describe('the answer of a closed route', () => {
  const control = (page: string) =>
    gate.signIn('closed.example').then(({ cookie }) => fetchFrom(gate, `/${page}`, { host: 'closed.example', cookie }))

  test('says private beside what the application says to browsers', async () => {
    expect((await control('max-age')).headers.get('cache-control')).toBe('private, max-age=600')
    expect((await control('public')).headers.get('cache-control')).toBe('private, max-age=600')
    expect((await control('s-maxage')).headers.get('cache-control')).toBe('private')
    expect((await control('nothing')).headers.get('cache-control')).toBe('private')
  })

  test('has no field that speaks to shared caches alone', async () => {
    for (const page of ['x-accel-expires', 'surrogate-control', 'cdn-cache-control']) {
      const { headers } = await control(page)
      const names = [...headers.keys()].filter(name => /accel|surrogate|cdn/.test(name))
      expect([page, names]).toEqual([page, []])
    }
  })

  test('is as good where it refuses a WebSocket', async () => {
    const { cookie } = await gate.signIn('closed.example')
    const answer = await sendRaw(
      gate.port,
      askForWebSocket('closed.example', '/x-accel-expires', [`Cookie: ${cookie}`, 'Origin: http://closed.example']),
    )
    expect([answer.status, answer.field('cache-control'), answer.field('x-accel-expires')]).toEqual([
      200,
      'private',
      null,
    ])
    const plain = await sendRaw(gate.port, rawRequest('HEAD /public', 'closed.example', [`Cookie: ${cookie}`]), {
      until: hasHead,
    })
    expect(plain.field('cache-control')).toBe('private, max-age=600')
  })
})
