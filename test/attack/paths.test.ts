import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Gate, PORTAL, startGate } from '../kit/gate.ts'
import { httpResponse, type RawUpstream, sendRaw, startRawUpstream } from '../kit/wire.ts'

/** One host split by path: anyone, those who signed in, admins. The signed-in person here is no admin. */
const RULES: readonly (readonly [path: string, allow: string])[] = [
  ['/', 'public'],
  ['/app', 'user'],
  ['/admin', 'admin'],
  ['/app/public', 'public'],
  ['/Secret', 'admin'],
]

let upstream: RawUpstream
let gate: Gate
let cookie: string

beforeAll(async () => {
  upstream = await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      await connection.receive({ until: received => received.includes('\r\n\r\n'), timeoutMs: 60_000 })
      await connection.send(httpResponse(200, 'UPSTREAM'))
    }
  })
  const routes = RULES.map(
    ([path, allow]) => `[[routes]]
host = "app.example"
path = "${path}"
upstream = "http://127.0.0.1:${upstream.port}"
${allow === 'public' ? 'allow = "public"' : `portal = "home"\nallow = ["${allow}"]`}
`,
  )
  gate = await startGate(PORTAL + routes.join('\n'))
  cookie = (await gate.signIn('app.example', { sub: 'bob' })).cookie
})

afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await upstream.close()
})

/** Sends a raw target; answers the status and the target that the upstream received, if it did. */
async function ask(target: string, isSignedIn: boolean): Promise<{ status: number; received: string | null }> {
  const before = upstream.text.length
  const fields = isSignedIn ? `Cookie: ${cookie}\r\n` : ''
  const answer = await sendRaw(
    gate.port,
    Buffer.from(`GET ${target} HTTP/1.1\r\nHost: app.example\r\n${fields}Connection: close\r\n\r\n`, 'latin1'),
  )
  const seen = /^GET (\S+) HTTP/m.exec(upstream.text.slice(before))
  return { status: answer.status, received: seen?.[1] ?? null }
}

/** Every path that some backend may make of a received target. */
function readings(target: string): Set<string> {
  const found = new Set<string>()
  const grow = (text: string, depth: number) => {
    if (found.has(text) || depth > 6) return
    found.add(text)
    const steps = [
      text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      text.replace(/\/{2,}/g, '/'),
      text.replaceAll('\\', '/'),
      text.replace(/;[^/]*/g, ''),
      text.replace(/#.*|%23.*|\0.*|%00.*/s, ''),
      text.toLowerCase(),
      resolveDots(text),
    ]
    for (const step of steps) grow(step, depth + 1)
  }
  grow(target.split('?')[0] ?? '', 0)
  return found
}

function resolveDots(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
  }
  return `/${kept.filter((segment, index) => index > 0 || segment !== '').join('/')}`
}

/** What a path needs, by the longest rule at a segment boundary, for a backend that may or may not ignore case. */
function needs(path: string): string[] {
  const fold = (text: string) => text.toLowerCase()
  return [(text: string) => text, fold].map(spell => {
    const under = RULES.filter(
      ([rule]) => rule === '/' || spell(path) === spell(rule) || spell(path).startsWith(`${spell(rule)}/`),
    )
    return under.reduce((longest, rule) => (rule[0].length > longest[0].length ? rule : longest))[1]
  })
}

/** The oracle: nothing that a backend could make of what it received is beyond this person. */
function mayReach(received: string, isSignedIn: boolean): boolean {
  const allowed = isSignedIn ? ['public', 'user'] : ['public']
  return [...readings(received)].every(
    path => !/^\/\.sallyport(\/|$)/i.test(path) && needs(path).every(need => allowed.includes(need)),
  )
}

const FIXED = [
  '/',
  '/app',
  '/app/',
  '/apple',
  '/app/x',
  '/app/public',
  '/app/public/x',
  '/admin',
  '/admin/',
  '/administrator',
  '/%61dmin',
  '/admin%2f',
  '/admin%2F',
  '/admin%2fx',
  '/app%2fpublic',
  '/app/public%2f..%2fx',
  '/app/public/..%2f..%2fadmin',
  '/app/public/../../admin',
  '/app/public/%2e%2e/%2e%2e/admin',
  '/app/public/%252e%252e/admin',
  '/app/public/..;/admin',
  '/app/public;/../x',
  '//admin',
  '///admin',
  '/./admin',
  '/x/../admin',
  '/x/%2e%2e/admin',
  '/app//public',
  '/app/public//../x',
  '\\admin',
  '/\\admin',
  '/%5cadmin',
  '/app/public%5c..%5c..%5cadmin',
  '/ADMIN',
  '/Admin/x',
  '/aDmIn%2fx',
  '/secret',
  '/SECRET/x',
  '/Secret',
  '/admin;x',
  '/admin;x=1/y',
  '/;/admin',
  '/app;/public',
  '/admin#x',
  '/x#/admin',
  '/app%23/public',
  '/admin%23',
  '/admin%00',
  '/app/public%00/../../admin',
  '/%zz',
  '/%',
  '/admin%',
  '/%2',
  '/%2e%2e/admin',
  '/..',
  '/../admin',
  '/%2e./admin',
  '/app/public/.%2e/x',
  '/.sallyport/../admin',
  '/.sallyport/%2e%2e/admin',
  '/.sallyport%2f..%2fadmin',
  '/.sallyport;/../admin',
  '/.SALLYPORT/login',
  '/%2esallyport/login',
  '/x?/../admin',
  '/x?path=/admin',
  '/admin?x',
  '/app?/public',
  '/%c0%ae%c0%ae/admin',
  '/%e0%80%af/admin',
  '/app/public/%ff',
  '/admin%20',
  '/ad%6din',
  '/%2561dmin',
  '/%25%36%31dmin',
  '/app%252fpublic',
  '/;%5cadmin%23',
  '/x;%2fadmin%23y',
  '/%3b%5cADMIN%2523',
  '/admin/%2e',
  '/admin/.',
  '/app/public/%2E%2E%2Fx',
]

describe.each([true, false])('signed in: %p', isSignedIn => {
  test.each(FIXED)('%s reaches the upstream only where every reading of it may', async target => {
    const { status, received } = await ask(target, isSignedIn)
    if (received === null) expect([302, 303, 400, 401, 403, 404, 421, 505]).toContain(status)
    else expect([received, mayReach(received, isSignedIn)]).toEqual([received, true])
  })

  test('so does any other target', async () => {
    const piece = fc.constantFrom(
      'admin',
      'app',
      'public',
      'ADMIN',
      'x',
      '/',
      '//',
      '.',
      '..',
      '%2e',
      '%2f',
      '%2F',
      '%5c',
      '\\',
      ';',
      '%3b',
      '%23',
      '%00',
      '%25',
      '2e',
      '2f',
      '%61',
      '?',
      '.sallyport',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 7 }), async pieces => {
        const { received } = await ask(`/${pieces.join('')}`, isSignedIn)
        if (received !== null) expect([received, mayReach(received, isSignedIn)]).toEqual([received, true])
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})

test('ordinary paths do pass: the rules above are not met by refusing everything', async () => {
  for (const target of [
    '/x',
    '/app/x?y=/admin',
    '/app/public/Mixed/Case',
    '/static/a%20b.js',
    '/app/%C3%A9',
    '/x%2Fy',
  ]) {
    expect([target, (await ask(target, true)).received]).toEqual([target, target])
  }
})
