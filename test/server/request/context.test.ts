import { describe, expect, test } from 'bun:test'
import {
  hostField,
  methodOf,
  originOf,
  outerPrefix,
  peerAddress,
  portOf,
  protocolOf,
  type RequestContext,
  schemeOf,
  sessionToken,
} from '../../../src/server/request/context.ts'
import { contextOf } from '../../kit/context.ts'

const portal = (config: Record<string, unknown>) => ({ config }) as unknown as RequestContext['portal']
const target = (context: RequestContext) => context.target ?? expect.unreachable()

describe('the scheme by which clients reach a host', () => {
  const stated = { 'x-forwarded-proto': 'https' }
  test.each<[string, Parameters<typeof contextOf>[0], 'http' | 'https']>([
    ['is the listener’s', {}, 'http'],
    ['is the listener’s own HTTPS', { front: { protocol: 'https' } }, 'https'],
    ['is not what a stranger states', { sent: stated }, 'http'],
    ['is what a trusted proxy states', { sent: stated, isPeerTrusted: true }, 'https'],
    ['is not what no scheme is', { sent: { 'x-forwarded-proto': 'wss' }, isPeerTrusted: true }, 'http'],
    [
      'is what a trusted proxy states by TLS',
      { sent: { 'x-forwarded-proto': 'http' }, isPeerTrusted: true, front: { protocol: 'https' } },
      'http',
    ],
    ['is HTTPS for a portal’s cookies', { portal: portal({ insecureCookies: false, url: null }) }, 'https'],
    [
      'is a portal’s own, whoever states another',
      {
        portal: portal({ insecureCookies: false, url: { scheme: 'https' } }),
        sent: { 'x-forwarded-proto': 'http' },
        isPeerTrusted: true,
      },
      'https',
    ],
    ['is plain where a portal says so', { portal: portal({ insecureCookies: true, url: null }) }, 'http'],
    ['is that of its url', { portal: portal({ insecureCookies: true, url: { scheme: 'https' } }) }, 'https'],
  ])('%s', (_title, said, scheme) => {
    const context = contextOf(said)
    expect(schemeOf(context)).toBe(scheme)
    expect(originOf(context, target(context))).toBe(`${scheme}://app.example`)
  })
})

describe('what a proxy states', () => {
  test.each<
    [field: string, value: string, read: (context: RequestContext) => unknown, trusted: unknown, stranger: unknown]
  >([
    ['x-forwarded-host', 'other.example', hostField, 'other.example', 'app.example'],
    ['x-forwarded-prefix', '/out/a', outerPrefix, '/out/a', ''],
    ['x-forwarded-prefix', '/a'.repeat(16), outerPrefix, '/a'.repeat(16), ''],
    ['x-forwarded-prefix', '/a'.repeat(17), outerPrefix, '', ''],
    ['x-forwarded-prefix', '//evil.example', outerPrefix, '', ''],
    ['x-forwarded-prefix', '/a/../b', outerPrefix, '', ''],
    ['x-forwarded-prefix', '/a/', outerPrefix, '', ''],
    ['x-forwarded-port', '8443', context => portOf(context, target(context), 'https'), '8443', '443'],
    ['x-forwarded-port', '65535', context => portOf(context, target(context), 'http'), '65535', '80'],
    ['x-forwarded-port', '65536', context => portOf(context, target(context), 'http'), '80', '80'],
    ['x-forwarded-port', '080', context => portOf(context, target(context), 'http'), '80', '80'],
  ])('in %s as %j counts from a trusted one alone', (field, value, read, trusted, stranger) => {
    expect(read(contextOf({ sent: { [field]: value }, isPeerTrusted: true }))).toBe(trusted)
    expect(read(contextOf({ sent: { [field]: value } }))).toBe(stranger)
  })

  test('of a port says nothing where Host names one', () => {
    const context = contextOf({ host: 'app.example:8080', sent: { 'x-forwarded-port': '9' }, isPeerTrusted: true })
    expect(portOf(context, target(context), 'http')).toBe('8080')
  })
})

test('HTTP/2 is told by a listener for HTTPS alone that speaks it, and by where Host stands', () => {
  const snapshot = (http2: boolean) => ({ config: { tls: { http2 } } }) as unknown as RequestContext['snapshot']
  const tls = { front: { protocol: 'https' }, snapshot: snapshot(true) } as const
  const last = (said: Parameters<typeof contextOf>[0]) => {
    const context = contextOf(said)
    context.sent = { accept: '*/*', ...context.sent }
    return protocolOf(context)
  }
  expect(last(tls)).toBe('HTTP/2.0')
  expect(protocolOf(contextOf(tls))).toBe('HTTP/1.1')
  expect(last({ ...tls, snapshot: snapshot(false) })).toBe('HTTP/1.1')
  expect(last({ ...tls, front: { protocol: 'http' } })).toBe('HTTP/1.1')
  expect(last({ ...tls, sent: { connection: 'close' } })).toBe('HTTP/1.1')
  expect(last({ ...tls, connection: new Request('http://x/') })).toBe('HTTP/1.1')
})

test('a session’s cookie is the one of the scheme', () => {
  const token = 'a'.repeat(43)
  const cookie = `sallyport=${token}; __Host-sallyport=${token.replace('a', 'b')}`
  expect(sessionToken(contextOf({ sent: { cookie } }))).toBe(token)
  expect(sessionToken(contextOf({ sent: { cookie }, front: { protocol: 'https' } }))).toBe(token.replace('a', 'b'))
  expect(sessionToken(contextOf())).toBeNull()
})

test('the method is that of the target once there is one', () => {
  expect(methodOf(contextOf({ target: null }))).toBe('GET')
  expect(methodOf(contextOf({ target: { ...target(contextOf()), method: 'PUT' } }))).toBe('PUT')
})

test('an address of IPv6 that stands for one of IPv4 is that one, and nobody is trusted whose connection is gone', () => {
  const from = (address: string | undefined, port: number | undefined) =>
    peerAddress(
      { requestIP: () => (address === undefined ? null : { address }), port } as unknown as RequestContext['front'],
      new Request('http://x/'),
    )
  expect(from('192.0.2.7', 80)).toBe('192.0.2.7')
  expect(from('::ffff:192.0.2.7', 80)).toBe('192.0.2.7')
  expect(from('2001:DB8:0::1', 80)).toBe('2001:db8::1')
  expect(from(undefined, 80)).toBeNull()
  expect(from(undefined, undefined)).toBe('127.0.0.1')
})
