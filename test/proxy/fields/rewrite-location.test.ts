import { describe, expect, test } from 'bun:test'
import { parseUpstream, type UpstreamAddress } from '../../../src/config/values/address.ts'
import type { HostHeader } from '../../../src/config/values/host.ts'
import { rewriteCookie } from '../../../src/proxy/fields/response.ts'
import { compileOwnAddresses, rewriteAddress, rewriteRefresh } from '../../../src/proxy/fields/rewrite-location.ts'
import { parseTarget } from '../../../src/route/target.ts'

interface Set {
  readonly upstream?: string
  readonly strip?: string
  readonly add?: string
  readonly hostHeader?: HostHeader
  readonly public?: string
  readonly prefix?: string
  readonly cookiePath?: boolean
}

function setUp(given: Set) {
  const origin = new URL(given.public ?? 'https://app.example')
  const parsed = parseUpstream(given.upstream ?? 'http://app:3000')
  if (!parsed.ok) throw new Error(parsed.message)
  const address: UpstreamAddress = parsed.value
  const own = compileOwnAddresses(
    given.strip ?? null,
    given.add ?? null,
    given.hostHeader ?? { kind: 'pass' },
    true,
    given.cookiePath ?? true,
  )
  const target = parseTarget('GET', '/', origin.host)
  const scheme: 'http' | 'https' = origin.protocol === 'https:' ? 'https' : 'http'
  return [own, { scheme, target, prefix: given.prefix ?? '' }, address] as const
}

function rewrites(raw: string, given: Set = {}): string {
  return rewriteAddress(raw, ...setUp(given))
}

describe("the application's own address becomes the public one", () => {
  test.each<[string, Set, string]>([
    ['http://app:3000/login?a=b#c', {}, 'https://app.example/login?a=b#c'],
    ['HTTP://APP:3000/x', {}, 'https://app.example/x'],
    ['https://app:3000/x', {}, 'https://app.example/x'],
    ['//app:3000/x', {}, 'https://app.example/x'],
    ['http://app:3000', {}, 'https://app.example/'],
    ['http://app:3000?x', {}, 'https://app.example/?x'],
    ['http://app:3000/x', { public: 'http://app.example:8080' }, 'http://app.example:8080/x'],
    ['http://app:3000/x', { public: 'https://app.example:8443' }, 'https://app.example:8443/x'],
    ['http://app/x', { upstream: 'http://app' }, 'https://app.example/x'],
    ['https://app/x', { upstream: 'http://app' }, 'https://app.example/x'],
    ['http://app:80/x', { upstream: 'http://app' }, 'https://app.example/x'],
    ['http://[::1]:3000/x', { upstream: 'http://[::1]:3000' }, 'https://app.example/x'],
    ['http://[0:0:0:0:0:0:0:1]:3000/x', { upstream: 'http://[::1]:3000' }, 'https://app.example/x'],
    ['http://10.0.0.5:3000/x', { upstream: 'http://10.0.0.5:3000' }, 'https://app.example/x'],
    ['http://app.internal:81/x', { hostHeader: { kind: 'name', name: 'app.internal:81' } }, 'https://app.example/x'],
    ['http://localhost/x', { upstream: 'unix:/run/app', hostHeader: { kind: 'upstream' } }, 'https://app.example/x'],
    // Bytes that are not ASCII go on as they came.
    ['http://app:3000/caf\u00c3\u00a9', {}, 'https://app.example/caf\u00c3\u00a9'],
  ])('%s', (raw, given, made) => {
    expect(rewrites(raw, given)).toBe(made)
  })
})

describe('the public host gets the public scheme and port', () => {
  test.each<[string, Set, string]>([
    ['http://app.example/x', {}, 'https://app.example/x'],
    ['http://APP.example:80/x', {}, 'https://app.example/x'],
    ['http://app.example:3000/x', {}, 'https://app.example/x'],
    ['https://app.example:3000/x', {}, 'https://app.example/x'],
    ['http://app.example/x', { public: 'https://app.example:8443' }, 'https://app.example:8443/x'],
    ['http://app.example:8443/x', { public: 'https://app.example:8443' }, 'https://app.example:8443/x'],
    ['https://app.example/x', { public: 'https://app.example:8443' }, 'https://app.example:8443/x'],
    ['http://[::2]/x', { public: 'https://[::2]' }, 'https://[::2]/x'],
  ])('%s', (raw, given, made) => {
    expect(rewrites(raw, given)).toBe(made)
  })
})

describe('a path is the one that browsers know', () => {
  const strip = { strip: '/a' }
  const add = { add: '/in' }
  const both = { strip: '/a', add: '/in' }
  test.each<[string, Set, string]>([
    ['/login', strip, '/a/login'],
    ['/', strip, '/a/'],
    ['/?x=/../y', strip, '/a/?x=/../y'],
    ['http://app:3000/login', strip, 'https://app.example/a/login'],
    ['http://app.example/login', strip, 'https://app.example/a/login'],
    ['https://app.example/login', strip, 'https://app.example/a/login'],
    // An application that knows its prefix.
    ['/a/login', strip, '/a/login'],
    ['/a?x', strip, '/a?x'],
    ['http://app:3000/a/login', strip, 'https://app.example/a/login'],
    ['/ab', strip, '/a/ab'],
    ['/in/login', add, '/login'],
    ['/in', add, '/'],
    ['/in?x', add, '/?x'],
    ['/inside', add, '/inside'],
    ['http://app:3000/other', add, 'https://app.example/other'],
    ['/in/login', both, '/a/login'],
    ['/in', both, '/a'],
    ['/a/login', both, '/a/login'],
    ['/other', both, '/other'],
    ['/base/in/x', { ...both, upstream: 'http://app:3000/base' }, '/a/x'],
    ['/base/x', { upstream: 'http://app:3000/base' }, '/x'],
    // The longer of two that both fit.
    ['/a/v2/x', { strip: '/a', add: '/a/v2' }, '/a/x'],
    ['/a/b/x', { strip: '/a/b', add: '/a' }, '/a/b/x'],
    // A proxy in front has taken something off before.
    ['/login', { strip: '/a', prefix: '/out' }, '/out/a/login'],
    ['/out/a/login', { strip: '/a', prefix: '/out' }, '/out/a/login'],
    ['/login', { prefix: '/out' }, '/out/login'],
  ])('%s', (raw, given, made) => {
    expect(rewrites(raw, given)).toBe(made)
  })
})

describe('nothing else is touched', () => {
  const strip = { strip: '/a' }
  test.each<[string, Set]>([
    ['https://elsewhere.example/x', {}],
    ['http://app:3001/x', {}],
    ['http://app/x', {}],
    ['http://app.example:9000/x', {}],
    ['https://app.example/x', {}],
    ['HTTPS://App.Example/x', {}],
    ['//app.example/x', {}],
    ['https://app.example', {}],
    ['https://app.example/x', { public: 'http://app.example' }],
    ['https://sub.app.example/x', {}],
    ['https://app.example.evil.test/x', {}],
    ['https://app:3000.evil.test/x', {}],
    ['http://me@app:3000/x', {}],
    ['http://app:3000@evil.test/x', {}],
    ['http://app:3000\\@evil.test/x', {}],
    ['http:/app:3000/x', {}],
    ['http:app:3000/x', {}],
    ['http:///app:3000/x', {}],
    ['ftp://app:3000/x', {}],
    ['http://app:/x', {}],
    ['http://localhost/x', { upstream: 'unix:/run/app' }],
    ['http://app:3000/x, http://app:3000/y', {}],
    ['', strip],
    ['login', strip],
    ['../login', strip],
    ['?x', strip],
    ['#x', strip],
    ['/x/../y', strip],
    ['/%2E./y', strip],
    ['/..', strip],
    ['/\\evil.test', strip],
    ['/\t/evil.test', strip],
    ['//evil.test/x', strip],
    ['/in//evil.test', { add: '/in' }],
    ['/in/\\evil.test', { add: '/in' }],
  ])('%s', (raw, given) => {
    expect(rewrites(raw, given)).toBe(raw)
  })
})

test.each([
  ['5; url=http://app:3000/x', '5; url=https://app.example/x'],
  ['0;URL="http://app:3000/x" ', '0;URL="https://app.example/x" '],
  ["1.5 , url = 'http://app:3000/x'; more", "1.5 , url = 'https://app.example/x'; more"],
  ['0; http://app:3000/x', '0; https://app.example/x'],
  ['0 /x', '0 /x'],
  ['5', '5'],
  ['5; url=https://elsewhere.example/x', '5; url=https://elsewhere.example/x'],
  ['url=http://app:3000/x', 'url=http://app:3000/x'],
  [`5;${' '.repeat(60_000)}x`, `5;${' '.repeat(60_000)}x`],
])('HTML §4.2.5.3: Refresh %p', (raw, made) => {
  expect(rewriteRefresh(raw, address => rewrites(address))).toBe(made)
})

describe('Set-Cookie', () => {
  test.each<[string, Set, string]>([
    ['a=b; Path=/; Secure', { strip: '/a' }, 'a=b; Path=/a; Secure'],
    ['a=b;path=/x/', { strip: '/a' }, 'a=b;path=/a/x/'],
    ['a=b; Path=/a', { strip: '/a' }, 'a=b; Path=/a'],
    ['a=b; Path=/in', { add: '/in' }, 'a=b; Path=/'],
    ['a=b; Path=/in/x', { strip: '/a', add: '/in' }, 'a=b; Path=/a/x'],
    ['a=b; Path=/', { strip: '/a', cookiePath: false }, 'a=b; Path=/'],
    ['a=b; Path="/"; Path=', { strip: '/a' }, 'a=b; Path="/"; Path='],
    ['a=b', { strip: '/a' }, 'a=b'],
    ['path=/; Path=/', { strip: '/a' }, 'path=/; Path=/a'],
    ['a=b; Domain=app; HttpOnly', {}, 'a=b; HttpOnly'],
    ['a=b; domain = .APP ;Path=/', {}, 'a=b;Path=/'],
    ['a=b; Domain=app.internal', { hostHeader: { kind: 'name', name: 'app.internal:81' } }, 'a=b'],
    ['a=b; Domain=app.example', { upstream: 'http://app.example:3000' }, 'a=b; Domain=app.example'],
    ['a=b; Domain=example', { upstream: 'http://example:3000' }, 'a=b; Domain=example'],
    ['a=b; Domain=elsewhere.example', {}, 'a=b; Domain=elsewhere.example'],
    ['__Host-a=b; Path=/; Secure', { strip: '/a' }, '__Host-a=b; Path=/; Secure'],
    ['__host-a=b; Domain=app', {}, '__host-a=b; Domain=app'],
  ])('%s', (raw, given, made) => {
    expect(rewriteCookie(raw, ...setUp(given))).toBe(made)
  })
})
