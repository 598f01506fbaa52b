import { describe, expect, test } from 'bun:test'
import { HOST_WIDE } from '../../../src/config/values/headers.ts'
import {
  type AnswerBounds,
  cleanResponseFields,
  OWN_PATHS_ONLY,
  widestScope,
} from '../../../src/proxy/fields/response.ts'
import { codeOf } from '../../kit/thrown.ts'

const UPSTREAM = { kind: 'unix', path: '/run/app' } as never

/** What is left of an answer's fields. */
function cleaned(sent: Record<string, string> | [string, string][], bounds: Partial<AnswerBounds> = {}) {
  const headers = new Headers(sent)
  cleanResponseFields(headers, { ...OWN_PATHS_ONLY, ...bounds }, null, UPSTREAM)
  return headers
}

const left = (sent: Record<string, string>, bounds: Partial<AnswerBounds> = {}) => [...cleaned(sent, bounds).keys()]

test.each([false, true])('an application’s own fields pass, for one person as for all (%p)', isPrivate => {
  const own = { 'content-type': 'text/html', etag: '"1"', 'x-own': '1', vary: 'accept', age: '3', 'x-sally': '1' }
  const headers = cleaned(own, { isPrivate })
  for (const [name, value] of Object.entries(own)) expect([name, headers.get(name)]).toEqual([name, value])
  expect(headers.get('cache-control')).toBe(isPrivate ? 'private' : null)
})

test.each(['X-Sallyport-Sign-In', 'x-sallyport-anything'])('%s is ours alone to say', name => {
  expect(left({ [name]: '1' })).toEqual([])
})

describe('RFC 9110 §7.6.1', () => {
  test.each(['Keep-Alive', 'Proxy-Connection', 'Proxy-Authenticate', 'Trailer', 'Upgrade'])('%s ends here', name => {
    expect(left({ [name]: '1', 'x-own': '1' })).toEqual(['x-own'])
  })
  test.each<[string, string[]]>([
    ['keep-alive', ['x-hop', 'x-own']],
    ['close', ['x-hop', 'x-own']],
    ['close, X-Hop', ['x-own']],
    ['x-hop, x own', ['x-own']],
  ])('Connection: %s leaves %j', (connection, names) => {
    expect(left({ connection, 'x-hop': '1', 'x-own': '1' })).toEqual(names)
  })
})

test.each<[string, string]>([
  ['chunked', 'none'],
  ['Chunked', 'none'],
  ['identity', 'none'],
  ['gzip', 'upstream.broken'],
  ['gzip, chunked', 'upstream.broken'],
  ['chunkedx', 'upstream.broken'],
])('RFC 9112 §6.1: a transfer coding of %s comes to %s, and a length beside it goes', (coding, code) => {
  const sent = { 'transfer-encoding': coding, 'content-length': '5' }
  expect(codeOf(() => cleaned(sent))).toBe(code)
  if (code === 'none') expect(left(sent)).toEqual([])
})

test.each(HOST_WIDE.filter(name => name !== 'Service-Worker-Allowed'))(
  '%s passes where a route says so alone',
  name => {
    expect(left({ [name]: '1' })).toEqual([])
    expect(left({ [name]: '1' }, { passed: new Set([name.toLowerCase()]) })).toEqual([name.toLowerCase()])
  },
)

describe('Service Workers §4.6: the widest scope', () => {
  const below = '/app/'
  test.each<[string, boolean]>([
    ['/app/', true],
    ['/app/deep', true],
    ['/app/../', false],
    ['/app', false],
    ['/', false],
    ['//app/app/', false],
    ['/\\app/app/', false],
    ['app/', false],
    ['https://app.example/app/', false],
  ])('of %s below /app/ passes: %p', (scope, passes) => {
    expect(left({ 'service-worker-allowed': scope }, { below })).toEqual(passes ? ['service-worker-allowed'] : [])
    const passed = new Set(['service-worker-allowed'])
    expect(left({ 'service-worker-allowed': scope }, { below, passed })).toEqual(['service-worker-allowed'])
    expect([widestScope({ ...OWN_PATHS_ONLY, below }), widestScope({ ...OWN_PATHS_ONLY, below, passed })]).toEqual([
      below,
      '/',
    ])
  })
})

test('a cookie that would be ours is dropped, and the others keep their order', () => {
  const cookies = ['a=1; Path=/', 'sallyport=x', '__Host-sallyport=x; Secure', 'b=2']
  expect(cleaned(cookies.map((value): [string, string] => ['set-cookie', value])).getSetCookie()).toEqual([
    'a=1; Path=/',
    'b=2',
  ])
})
