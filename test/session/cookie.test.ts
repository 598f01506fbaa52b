import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  COOKIE_USES,
  cookieName,
  isOwnCookie,
  KeptCookies,
  LONGEST_KEPT,
  readCookie,
  readCookies,
  setsOwnCookie,
  stripOwnCookies,
  writeCookie,
} from '../../src/session/cookie.ts'

describe('reading', () => {
  const cases: [string | null, string | null][] = [
    [null, null],
    ['', null],
    ['__Host-sallyport=v', 'v'],
    ['a=1; __Host-sallyport=v; b=2', 'v'],
    ['a=1;__Host-sallyport=v', 'v'],
    ['__Host-sallyport-login=x; __Host-sallyport=v', 'v'],
    ['x__Host-sallyport=v', null],
    ['__host-sallyport=v', null],
    ['__Host-sallyport =v', null],
    ['\u00a0__Host-sallyport=v', null],
    ['__Host-sallyport=first; __Host-sallyport=second', 'first'],
    ['__Host-sallyport', null],
    ['__Host-sallyport=', ''],
  ]
  test.each(cases)('%p has the value %p', (header, value) => {
    expect(readCookie(header, cookieName('session', true))).toBe(value)
  })
})

test('cookies of one use are read with and without their suffix, in order, and no others', () => {
  const header = 'sallyport-ask-abc=1; a=2; sallyport-ask=3;sallyport-ask-abcd=4; xsallyport-ask=5; sallyport-ask-x_-=6'
  expect(readCookies(header, cookieName('ask', false))).toEqual([
    { name: 'sallyport-ask-abc', value: '1' },
    { name: 'sallyport-ask', value: '3' },
    { name: 'sallyport-ask-x_-', value: '6' },
  ])
})

test('every use of a cookie of ours goes no further, and no application sets one', () => {
  for (const isSecure of [true, false]) {
    for (const use of COOKIE_USES) {
      const pair = `${cookieName(use, isSecure)}=x`
      expect([stripOwnCookies(`a=1; ${pair}`), setsOwnCookie(`${pair}; Path=/`)]).toEqual(['a=1', true])
    }
  }
})

describe('what goes upstream', () => {
  const cases: [string, string | null][] = [
    ['__Host-sallyport=v', null],
    ['sallyport=v; __Host-sallyport-ask=x', null],
    ['sallyport-login-a_-=v; __Host-sallyport-ask-xyz=x; __Host-sallyport-rounds=y', null],
    ['sallyport-login-toolong=1; sallyport-rounds-abc=2', 'sallyport-login-toolong=1; sallyport-rounds-abc=2'],
    ['a=1; __Host-sallyport=v; b=2', 'a=1; b=2'],
    ['__Host-sallyport=v;  a="x y"; b', 'a="x y"; b'],
    ['a=1;b=2;  __Host-sallyport=v;c=;;d', 'a=1;b=2;c=;;d'],
    ['sallyports=mine; my__Host-sallyport=2', 'sallyports=mine; my__Host-sallyport=2'],
    ['a=__Host-sallyport=v', 'a=__Host-sallyport=v'],
  ]
  test.each(cases)('of %p is %p', (header, rest) => {
    expect(stripOwnCookies(header)).toBe(rest)
  })

  test('is exactly every other pair, in order', () => {
    const pair = fc.oneof(
      fc.tuple(
        fc.constantFrom('a', 'SALLYPORT', 'sallyport-x', '__Host-sallyportx', 'é'),
        fc.stringMatching(/^[a-z="' ]{0,8}$/),
      ),
      fc.tuple(
        fc.constantFrom('sallyport', '__Host-sallyport', '__Host-sallyport-login', 'sallyport-ask-x-1'),
        fc.constant('secret'),
      ),
    )
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 8 }), pairs => {
        const header = pairs.map(([name, value]) => `${name}=${value}`).join('; ')
        const expected = pairs.filter(([name]) => !isOwnCookie(name)).map(([name, value]) => `${name}=${value}`)
        expect(stripOwnCookies(header)).toBe(expected.length === 0 ? null : expected.join('; '))
      }),
    )
  })
})

describe('what is kept of the field of a browser', () => {
  test('says of each field what was left of it, also of the one before, and of one that is too long', () => {
    const kept = new KeptCookies()
    const long = `a=${'x'.repeat(LONGEST_KEPT)}; sallyport=s`
    const fields = [
      '',
      'sallyport=s',
      'sallyport=s; a=1',
      'sallyport=s; a=2',
      long,
      'sallyport=s; a=2',
      long,
      'a=1',
      '',
    ]
    for (const field of fields.flatMap(one => [one, one])) expect(kept.withoutOwn(field)).toBe(stripOwnCookies(field))
  })
})

test('RFC 6265bis §4.1.3.2: a __Host- cookie is Secure, host-only and for the whole host', () => {
  expect(writeCookie(cookieName('session', true), 'v', true, null)).toBe(
    '__Host-sallyport=v; Path=/; HttpOnly; Secure; SameSite=Lax',
  )
  expect(writeCookie(cookieName('login', false), '', false, 0)).toBe(
    'sallyport-login=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax',
  )
})

test.each([
  ['__Host-sallyport=x; Path=/', true],
  [' sallyport=x', true],
  ['sallyport', true],
  ['sallyport-other=x', false],
  ['theme=sallyport=x', false],
  // Without a name, the value alone comes back: `Cookie: sallyport=x`.
  ['=sallyport=x', true],
  [' = sallyport=x; Path=/', true],
  ['==__Host-sallyport-login-abc=x', true],
  ['=theme=sallyport', false],
  ['', false],
  ['=', false],
  [';sallyport=x', false],
])('an upstream that sets %p sets one of ours: %p', (setCookie, isOurs) => {
  expect(setsOwnCookie(setCookie)).toBe(isOurs)
})
