import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { providerTable, routeSaying } from '../../kit/toml.ts'
import { ATTACK_RUNS } from '../../kit/wire/odd-targets.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const HOST = 'app.example'
const MARK = 'xss7<svg onload=alert(7)>"\'`'

let cookie: string

const keep = untilTheEnd()
const provider = keep(await startBadProvider())
const gate = keep(
  await startGate(
    `${providerTable(provider)}${providerTable(provider, '', 'two')}[portals.home]
providers = ["id", "two"]
insecure_cookies = true
personal_tokens = true
admin_role = "admin"
remember = "30d"
guest_links = { allow = ["admin"] }
roles.admin = { any = true }
${routeSaying('in', HOST, 'portal = "home"\nallow = ["admin", { guest_link = true }]')}`,
  ),
)
cookie = (await gate.signIn(HOST, { sub: 'ada', name: MARK, email: `${MARK}@x` })).cookie

const PAGES = [
  '',
  'login',
  'callback',
  'enter',
  'logout',
  'signed-out',
  'me',
  'address',
  'sessions',
  'tokens',
  'guests',
  'guest',
  'kept',
  'admin',
  'jwks.json',
  'client-jwks.json',
  'provider-logout',
  'backchannel-logout',
  'frontchannel-logout',
  'verify',
  'verify/nginx',
  'icons/x',
  'icons/',
  'nothing',
  'login/',
  'LOGIN',
]
const NAMES = [
  'return',
  'to',
  'switch',
  'provider',
  'remember',
  'max_age',
  'acr_values',
  'amr_values',
  'ticket',
  'code',
  'state',
  'iss',
  'sid',
  'error',
  'error_description',
  'response',
  'next',
  'form',
  'link',
  'all',
  'q',
  'after',
  'id',
  'act',
  'name',
  'days',
  'hours',
  'uses',
  'address',
  'proof',
  'logout_token',
  '__proto__',
  'constructor',
  'toString',
  '',
]
const T = 'A'.repeat(43)
const VALUES = [
  '',
  '1',
  '0',
  '-1',
  '99999999999999999999',
  'true',
  MARK,
  `/${MARK}`,
  '//evil.example',
  '/x',
  '/\\evil.example',
  'javascript:alert(7)',
  T,
  `sg_${T}`,
  `sp_${T}`,
  'end-all',
  'end',
  'create',
  'revoke',
  'discard',
  'id',
  'two',
  'three',
  '\u0000',
  '\r\nX-Evil: 1',
  '%0d%0aX-Evil:1',
  '\ud800',
  '☃',
  "' OR 1=1 --",
  '../../etc/passwd',
  '${7*7}',
  '{{7*7}}',
  'eyJhbGciOiJub25lIn0.e30.',
  'a.b.c',
  '1.x',
  `${Number.MAX_SAFE_INTEGER}.${T}`,
  'x'.repeat(5000),
]
const COOKIES = [
  'sallyport',
  'sallyport-login-abc',
  'sallyport-ask-abc',
  'sallyport-rounds',
  'sallyport-owner',
  'sallyport-guest-abc',
  '__Host-sallyport',
]

test('whatever our own pages are sent, they answer it, in order, and repeat none of it as markup', async () => {
  const pairs = fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES)), { maxLength: 4 })
  const request = fc.record({
    page: fc.constantFrom(...PAGES),
    method: fc.constantFrom('GET', 'GET', 'GET', 'POST', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'),
    query: pairs,
    body: pairs,
    cookies: fc.array(fc.tuple(fc.constantFrom(...COOKIES), fc.constantFrom(...VALUES.slice(0, 20))), { maxLength: 3 }),
    isSignedIn: fc.boolean(),
    isPage: fc.boolean(),
    isOwnForm: fc.boolean(),
    type: fc.constantFrom(
      'application/x-www-form-urlencoded',
      'application/json',
      'multipart/form-data; boundary=x',
      MARK,
    ),
    isJunk: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(
      request,
      async ({ page, method, query, body, cookies, isSignedIn, isPage, isOwnForm, type, isJunk }) => {
        const encode = (list: readonly (readonly [string, string])[]) =>
          list
            .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value.toWellFormed())}`)
            .join('&')
        const content = isJunk ? '%zz&&=&=x&a%00=\xff' : encode(body)
        const jar = cookies.map(([name, value]) => `${name}=${value.replace(/[^\x20-\x7e]/g, '').slice(0, 200)}`)
        const fields = [
          `Cookie: ${[...(isSignedIn ? [cookie] : []), ...jar].join('; ')}`,
          ...(isPage ? ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'] : []),
          ...(isOwnForm ? ['Sec-Fetch-Site: same-origin', `Origin: http://${HOST}`] : ['Origin: https://evil.example']),
          `User-Agent: ${MARK}`,
          `Referer: http://${HOST}/${MARK}`,
          ...(method === 'POST' || method === 'PUT'
            ? [`Content-Type: ${type}`, `Content-Length: ${content.length}`]
            : []),
        ]
        const line = `${method} /.sallyport/${page}${query.length === 0 ? '' : `?${encode(query)}`}`
        const raw = rawRequest(line, HOST, fields) + (method === 'POST' || method === 'PUT' ? content : '')
        const response = await sendRaw(gate.port, Buffer.from(raw, 'latin1'))
        const text = response.raw.toString('latin1')
        expect([line, response.status >= 200 && response.status < 500]).toEqual([line, true])
        expect([line, response.field('x-evil')]).toEqual([line, null])
        const location = response.field('location')
        if (location !== null) {
          const to = new URL(location, `http://${HOST}`).origin
          expect([line, to === `http://${HOST}` || to === provider.issuer]).toEqual([line, true])
        }
        if (response.field('content-type')?.startsWith('text/html') === true) {
          expect([
            line,
            /xss7<|alert\(7\)>["'`]|<script[^>]*>[^<]*(?:xss7|alert\(7\))|(?:href|action|src|url)=["']?javascript/i.exec(
              text,
            ),
          ]).toEqual([line, null])
          expect([
            line,
            /xss7<|alert\(7\)>["'`]|<script[^>]*>[^<]*(?:xss7|alert\(7\))|(?:href|action|src|url)=["']?javascript/i.exec(
              text,
            ),
          ]).toEqual([line, null])
          expect([line, response.field('content-security-policy')?.startsWith("default-src 'none'")]).toEqual([
            line,
            true,
          ])
          expect([line, response.field('cache-control')]).toEqual([line, 'no-store'])
        }
        // Whoever is asked to go has gone: the next one begins with a session again.
        if (isSignedIn && isOwnForm && method === 'POST')
          cookie = (await gate.signIn(HOST, { sub: 'ada', name: MARK })).cookie
      },
    ),
    { numRuns: ATTACK_RUNS },
  )
  expect(gate.told('"level":"error"')).toEqual([])
}, 600_000)
