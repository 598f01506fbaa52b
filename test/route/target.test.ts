import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { GateError } from '../../src/base/errors.ts'
import { originAt, parseTarget, portAt } from '../../src/route/target.ts'
import { codeOf } from '../kit/thrown.ts'

function target(path: string, host: string | null = 'app.example') {
  return parseTarget('GET', `http://app.example${path}`, host)
}

test('an address in the query of a target without a host is no part of the path', () => {
  expect(parseTarget('GET', '/admin?next=http://x/open', 'app.example')).toMatchObject({
    path: '/admin',
    query: '?next=http://x/open',
  })
})

describe('host', () => {
  const same: [string, string, string][] = [
    ['app.example', 'app.example', 'app.example'],
    ['APP.Example', 'app.example', 'app.example'],
    ['app.example.', 'app.example', 'app.example'],
    ['app.example:8080', 'app.example', 'app.example:8080'],
    ['App.Example.:8080', 'app.example', 'app.example:8080'],
    ['[::1]:80', '[::1]', '[::1]:80'],
    ['my_host.lan', 'my_host.lan', 'my_host.lan'],
  ]
  test.each(same)('%s is the host %s', (field, host, authority) => {
    expect(target('/', field)).toMatchObject({ host, authority })
  })

  const refused = [
    '',
    'a, b',
    'a b',
    'user@app.example',
    'a/b',
    'a?b',
    'a#b',
    '%61pp.example',
    'app..example',
    '.app',
    '-',
    'app.example:x',
    'app.example:99999',
    'a\tb',
    '[::1',
    'é.example',
    'app.example..',
  ]
  test.each(refused)('RFC 9112 §3.2: "%s" is not a host', field => {
    expect(codeOf(() => target('/', field))).toBe('target.host')
  })

  test('RFC 9112 §3.2: a request without Host is refused', () => {
    expect(codeOf(() => target('/', null))).toBe('target.host')
  })
})

test.each<['http' | 'https', string, string, number]>([
  ['http', 'app.example', 'http://app.example', 80],
  ['https', 'app.example', 'https://app.example', 443],
  ['http', 'app.example:80', 'http://app.example', 80],
  ['https', 'app.example:443', 'https://app.example', 443],
  ['http', 'app.example:443', 'http://app.example:443', 443],
  ['https', 'app.example:80', 'https://app.example:80', 80],
  ['https', '[::1]:8443', 'https://[::1]:8443', 8443],
])('RFC 6454 §6.1: by %s, %s has the origin %s', (scheme, field, origin, port) => {
  const asked = { scheme, target: target('/', field) }
  expect([originAt(asked), portAt(asked)]).toEqual([origin, port])
})

describe('path', () => {
  test('path and query are kept as they are', () => {
    expect(target('/a/b%20c?x=/../%zz&y')).toMatchObject({
      path: '/a/b%20c',
      query: '?x=/../%zz&y',
      readings: expect.anything(),
    })
  })

  test('a plain path has no other readings', () => {
    expect(target('/a/b-c_d/e.f~g').readings).toEqual([])
  })

  test('a run of leading slashes is one, since it is sent as one', () => {
    expect(target('//evil/x').path).toBe('/evil/x')
    expect(target('///x').path).toBe('/x')
  })

  const refusedAs = (bytes: string): [string, string] => [`/x${bytes}y`, 'target.malformed']
  const refused: [string, string][] = [
    ['/a/..%2fb', 'target.ambiguous'],
    ['/a/%252e%252e/b', 'target.ambiguous'],
    ['/a/..%5cb', 'target.ambiguous'],
    ['/a/..;x/b', 'target.ambiguous'],
    ['/a/..', 'target.ambiguous'],
    ['/a/%2e%2e%00', 'target.malformed'],
    ['/%zz', 'target.malformed'],
    ['/a%', 'target.malformed'],
    ['/a%00b', 'target.malformed'],
    ['/a%0d%0aX: y', 'target.malformed'],
    ['/a#b', 'target.malformed'],
    ['/a?b#c', 'target.malformed'],
    ['/a\uFFFDb', 'target.malformed'],
    ['/a?b=%EF%BF%BD', 'target.malformed'],
    ['/a/%E2%80%A5/b', 'target.ambiguous'],
    ['/a/..%20/b', 'target.ambiguous'],
    ['/a/. ./b', 'target.ambiguous'],
    ['/.sallyport./login', 'target.ambiguous'],
    ['/.sallyport%20/login', 'target.ambiguous'],
    ['/.%C5%BFallyport/login', 'target.ambiguous'],
    ['/a%2525252e', 'target.ambiguous'],
    // RFC 3629 §10: "a" in two to six bytes, at either end of what each length may hold too much of.
    ...['%c1%a1', '%e0%81%a1', '%f0%80%81%a1', '%f8%80%80%81%a1', '%fc%80%80%80%81%a1'].map(refusedAs),
    ...['%e0%80%80', '%e0%9f%bf', '%f0%80%80%80', '%f0%8f%bf%bf', '%f8%87%bf%bf%bf', '%fc%83%bf%bf%bf%bf'].map(
      refusedAs,
    ),
    ...['%25e0%2581%25a1', '%25f0%2580%2581%25a1'].map(refusedAs),
    ['/x/%85%a0/y', 'target.ambiguous'],
    ['/.SALLYPORT/login', 'target.ambiguous'],
    ['/%2esallyport/login', 'target.ambiguous'],
    ['/x/..%2f.sallyport/', 'target.ambiguous'],
    ['/.sallyport;a/login', 'target.ambiguous'],
  ]
  test.each(refused)('%s is refused', (path, code) => {
    expect(codeOf(() => target(path))).toBe(code)
  })

  test('the reserved path is known at segment boundaries only', () => {
    expect(target('/.sallyport').isReserved).toBe(true)
    expect(target('/.sallyport/login').isReserved).toBe(true)
    expect(target('/.sallyportx').isReserved).toBe(false)
  })

  test('every reading that a backend may have is named', () => {
    expect(target('/A/b%2Fc').readings).toEqual(expect.arrayContaining(['/a/b%2fc', '/A/b/c', '/a/b/c']))
    expect(target('/a;x/b').readings).toContain('/a/b')
    expect(target('/a//b').readings).toContain('/a/b')
    expect(target('/a%23b').readings).toContain('/a')
  })

  test('so is what Unicode and Windows make of it', () => {
    expect(target('/%E2%84%AAate').readings).toEqual(expect.arrayContaining(['/Kate', '/kate']))
    expect(target('/%EF%BC%AB%C5%BFs').readings).toEqual(expect.arrayContaining(['/kss']))
    expect(target('/a./b%20/c').readings).toContain('/a/b/c')
    expect(target('/a::$INDEX_ALLOCATION/b').readings).toContain('/a/b')
    expect(target('/a:$I30:$INDEX_ALLOCATION').readings).toContain('/a')
    expect(target('/a.b/c-d:e/$f').readings).toEqual([])
  })

  test('so is what a reader makes of it for whom a byte is a character', () => {
    expect(target('/%25AAdmin/%AA').readings).toContain('/admin/a')
    expect(target('/%aa%ba%b2%b3%b9').readings).toContain('/ao231')
    expect(target('/ma%dfe/x%99').readings).toEqual(expect.arrayContaining(['/masse/xtm', '/ma\xdfe/xTM']))
    expect(target('/a%85/b%a0/c').readings).toContain('/a/b/c')
    expect(target('/a%adb').readings).toContain('/ab')
    // As small letters these are the bytes of a wide slash.
    expect(target('/a%CF%BC%8Fb').readings).toContain('/a/b')
  })

  test('the first character that takes each number of bytes is not overlong', () => {
    expect(target('/A%2f').readings).not.toContain('/A%2f')
    for (const bytes of ['%c2%80', '%e0%a0%80', '%f0%90%80%80']) expect(target(`/x${bytes}`).path).toBe(`/x${bytes}`)
  })

  test('names of many languages have few readings', () => {
    for (const path of [
      'Đặng Thị Hồng/Nguyễn Văn À.docx',
      'Россия/Отчёт ГОСТ.PDF',
      'ไทย/เอกสาร.pdf',
      '한국어/보고서.PDF',
      '日本語/テスト・ファイル（１）.PDF',
      'Íslenska/Þjóð.PDF',
      'Straße ß. ª à./É à. x/Ü à.y',
    ])
      expect(target(`/${path.split('/').map(encodeURIComponent).join('/')}`).readings.length).toBeLessThan(64)
  })

  // What took the square of a path's length would not end within the patience of a test.
  test.each(['. ', '.', '%20.', ':$', '::$a', '%C3%A4', '%EF%B7%BA', 'e%CC%81', '%EF%BC%8E'])(
    'a million characters of %j are refused in no time',
    piece => {
      const path = `/A${piece.repeat(1_000_000 / piece.length)}x./b`
      expect(codeOf(() => target(path))).toBe('target.ambiguous')
    },
  )

  test('%2F and %2f have the same readings apart from their own spelling', () => {
    const decoded = (path: string) => target(path).readings.filter(reading => !reading.includes('%'))
    expect(decoded('/a%2Fb')).toEqual(decoded('/a%2fb'))
  })

  test('whatever passes has no dot segment in any reading', () => {
    const piece = fc.constantFrom(
      'a',
      'B',
      '/',
      '.',
      '..',
      '%2e',
      '%2F',
      '%5c',
      '\\',
      ';',
      '%3b',
      '%25',
      '2e',
      '//',
      '%',
      '#',
      '~',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        try {
          const { path, readings } = target(`/${pieces.join('')}`)
          for (const reading of [path, ...readings]) expect(reading).not.toMatch(/(^|\/)\.\.?(\/|$)/)
        } catch (error) {
          expect(error).toBeInstanceOf(GateError)
        }
      }),
    )
  })
})

describe('method', () => {
  test.each(['TRACE', 'CONNECT', 'FOO', 'get', '', 'X'.repeat(30)])('%s is not forwarded', method => {
    expect(codeOf(() => parseTarget(method, 'http://a/', 'a'))).toBe('target.method')
    expect(() => parseTarget(method, 'http://a/', 'a')).toThrow(`method ${method.slice(0, 20)} is not forwarded`)
  })

  test.each(['GET', 'PROPFIND', 'REPORT', 'PATCH'])('%s is', method => {
    expect(parseTarget(method, 'http://a/', 'a').method).toBe(method)
  })
})
