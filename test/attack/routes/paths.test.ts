import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { ATTACK_RUNS } from '../../kit/wire/odd-targets.ts'
import { isOwn, linesOfRule, needsOf, readingsOf, SPLIT_HOST } from '../../kit/wire/readings.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const routes = SPLIT_HOST.map(rule => routeTo(upstream, 'app.example', linesOfRule(rule)))
const gate = keep(await startGate(PORTAL + routes.join('\n')))
const cookie = (await gate.signIn('app.example', { sub: 'bob' })).cookie

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

/** The oracle: nothing that a backend could make of what it received is beyond this person. */
function mayReach(received: string, isSignedIn: boolean): boolean {
  const allowed = isSignedIn ? ['public', 'user'] : ['public']
  return [...readingsOf(received)].every(
    path => !isOwn(path) && needsOf(SPLIT_HOST, path).every(need => need !== null && allowed.includes(need)),
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
  '/admin%3fx',
  '/admin%3Fx/y',
  '/admin%253fx',
  '/x%3f/../admin',
  '/ad%09min',
  '/ad%0bmin',
  '/admin%7f',
  '/%2500/admin',
  '/admin%2500',
  '/%c0%afadmin',
  '/x/%c0%ae%c0%ae/admin',
  '/x/%25c0%25ae%25c0%25ae/admin',
  '/%c1%a1dmin',
  '/%e0%81%a1dmin',
  '/%f0%80%81%a1dmin',
  '/%f8%80%80%81%a1dmin',
  '/%fc%80%80%80%81%a1dmin',
  '/%25f0%2580%2581%25a1dmin',
  '/x/%e0%80%ae%e0%80%ae/admin',
  '/x/%f0%80%80%ae%f0%80%80%ae/admin',
  '/%u0061dmin',
  '/x/%u002e%u002e/admin',
  '/%uff0fadmin',
  '/x\t/../admin',
  '/\tadmin',
  '/admin\x0b',
  '/\xc0\xafadmin',
  '/\xe1dmin',
  'http://app.example/admin',
  'http://app.example//admin',
  'http://app.example/x/..;/admin',
  'http://app.example\\admin',
  'http://app.example/%2e%2e/admin',
  'http://evil.example/admin?x',
  'http:///admin',
  'http:/admin',
  '/admin/../..//.//admin;x/%2e',
  '/%61%64%6d%69%6e',
  '/%2561%2564%256d%2569%256e',
  '/ADMIN%2F..;x%5C%23',
  '/app/public/;/..;/..;/admin',
  '/app/public/.;/..;/../admin',
  '/.%09./admin',
  '/..%00/admin',
  '/..%3b/admin',
  '/.%3b/admin',
  '/x/.%252e/admin',
  // The Kelvin sign, the long s, wide letters, and an ellipsis of two.
  '/%E2%84%AAate',
  '/%e2%84%aaate/x',
  '/%25E2%2584%25AAate',
  '/\xe2\x84\xaaate',
  '/%C5%BFecret',
  '/adm%C4%B1n',
  '/%EF%BD%81dmin',
  '/%EF%BC%A1%EF%BC%A4min',
  '/x%EF%BC%8Fadmin',
  '/%EF%BC%8F..%EF%BC%8Fadmin',
  '/app/public/%E2%80%A5/admin',
  '/app/public/%E2%80%A4%E2%80%A4/%E2%80%A4%E2%80%A4/admin',
  '/%EF%BC%8561dmin',
  // What a reader without regard for marks that nobody sees leaves out: a joiner, a soft hyphen, a byte order mark.
  '/ad%E2%80%8Cmin',
  '/ad%e2%80%8dmin/x',
  '/adm%C2%ADin',
  '/adm%25C2%25ADin',
  '/%EF%BB%BFadmin',
  '/admin%EF%B8%8F',
  '/%E2%80%8B%E2%84%AAate',
  '/admin%EF%BC%9Bx',
  // For whom a byte is a character, some of them are letters, dots and blanks in another form.
  '/%25AAdmin/%AA',
  '/%aadmin',
  '/%25aadmin/x',
  '/admin%a0',
  '/admin%85/x',
  '/%ba/..%a0/admin',
  '/k%E2%80%8B%AAte',
  '/app%CF%BC%8Fpublic',
  // What Windows leaves out.
  '/admin.',
  '/admin...',
  '/admin./x',
  '/admin%2e',
  '/admin%20',
  '/admin%20/x',
  '/admin%20.%20.',
  '/admin::$INDEX_ALLOCATION',
  '/admin:$',
  '/%25ad%2fkate/%AA',
  '/k%ADate',
  '/%AD/kate',
  '/ADMIN:$x',
  '/admin:a:b:$DATA',
  '/admin:$I30:$INDEX_ALLOCATION/x',
  '/admin%3A%3a$index_allocation',
  '/admin.::$DATA',
  '/admin%E3%80%80',
  '/app/public/..%20/..%20./admin',
  '/app/public/...%20/admin',
  '/.sallyport./login',
  '/.sallyport%20/login',
  '/.sallyport::$INDEX_ALLOCATION/login',
  '/.%C5%BFallyport/login',
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
      '%3f',
      '%09',
      '%c0%af',
      '%c0%ae',
      '%00',
      '%25',
      '2e',
      '2f',
      '%61',
      '?',
      '.sallyport',
      '%20',
      '::$INDEX_ALLOCATION',
      ':$i30:$a',
      '%E2%84%AAate',
      '%25e2%2584%25aa',
      'kate',
      '%EF%BD%81',
      '%EF%BC%8F',
      '%E2%80%A5',
      '%E2%80%8D',
      '%c2%ad',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 7 }), async pieces => {
        const { received } = await ask(`/${pieces.join('')}`, isSignedIn)
        if (received !== null) expect([received, mayReach(received, isSignedIn)]).toEqual([received, true])
      }),
      { numRuns: ATTACK_RUNS },
    )
  }, 600_000)
})

test('ordinary paths do pass: the rules above are not met by refusing everything', async () => {
  for (const target of [
    '/x',
    '/app/x?y=/admin',
    '/app/public/Mixed/Case',
    '/static/a%20b.js',
    '/app/%C3%A9',
    '/x%2Fy',
    '/app/Men%C3%BC.%20Caf%C3%A9/IMG%201.JPG',
    '/app/%E5%86%99%E7%9C%9F/e%CC%81.txt',
    '/app/Kelvin:300.5%E2%84%AA',
    '/app/%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB%EF%B8%8F.txt',
    '/x./y',
    '/...',
  ]) {
    expect([target, (await ask(target, true)).received]).toEqual([target, target])
  }
})
