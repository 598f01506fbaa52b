import { describe, expect, test } from 'bun:test'
import { upstreamConfig } from '../../kit/applications/upstream.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { needs } from '../../kit/needs.ts'
import { accepts, check, complete } from '../checks.ts'

const route = (upstream: string) =>
  `[[routes]]\nhost = "app.example.com"\nallow = "public"\nportal = "home"\nupstream = ${upstream}\n`

function upstreamOf(text: string, files: Readonly<Record<string, string>> = {}) {
  return accepts(text, { files }).routes[0]?.upstream
}

describe('an upstream', () => {
  test('of addresses alone has every default', () => {
    expect(upstreamOf(route('"http://app"'))).toEqual(upstreamConfig('http://app'))
    expect(upstreamOf(route('["http://a", "http://b"]'))).toEqual(upstreamConfig(['http://a', 'http://b']))
  })
  test('is the same as a table in its place', () => {
    expect(upstreamOf(route('{ to = "http://app" }'))).toEqual(upstreamConfig('http://app'))
  })
  test('is a table of [upstreams] by its name, for any number of routes', () => {
    const text = `${route('"@app"')}${route('"@app"').replace('app.', 'two.')}[upstreams.app]\nto = "http://app"\nqueue = 3`
    const expected = upstreamConfig('http://app', { name: 'app', queue: 3 })
    expect(accepts(text).routes.map(({ upstream }) => upstream)).toEqual([expected, expected])
  })
  test('has every key', () => {
    const keys = `to = ["https://a", "https://b"]
balance = "hash"
hash = "header:X-Tenant"
http2 = true
connect_timeout = "2s"
idle_timeout = "30s"
max_connections = 10
queue = 0
queue_timeout = "1s"
health = { path = "/up?x=1", host = "app.example", interval = "1s", timeout = "500ms", unhealthy_after = 1, healthy_after = 4, status = [200, 204] }`
    expect(upstreamOf(`${route('"@app"')}[upstreams.app]\n${keys}`)).toEqual(
      upstreamConfig(['https://a', 'https://b'], {
        name: 'app',
        balance: 'hash',
        hash: { kind: 'header', name: 'x-tenant' },
        http2: true,
        connectTimeoutMs: 2000,
        idleTimeoutMs: 30_000,
        maxConnections: 10,
        queue: 0,
        queueTimeoutMs: 1000,
        health: {
          path: '/up?x=1',
          host: 'app.example',
          intervalMs: 1000,
          timeoutMs: 500,
          unhealthyAfter: 1,
          healthyAfter: 4,
          status: [200, 204],
        },
      }),
    )
  })
})

needs('openssl').describe('PEM files of an upstream', () => {
  const authority = makeAuthority()
  const { cert, key } = authority.issue('DNS:gate')
  const text = route(
    '{ to = "https://app", tls = { ca = "/pki/ca.pem", server_name = "App.internal", cert = "gate.pem", key = "gate.key" } }',
  )
  const files = { '/pki/ca.pem': authority.cert, '/etc/sallyport/gate.pem': cert, '/etc/sallyport/gate.key': key }

  test('are read from the folder of the config file, or where their path begins', () => {
    expect(upstreamOf(text, files)?.tls).toEqual({
      ca: authority.cert,
      serverName: 'app.internal',
      own: { cert, key },
      insecureSkipVerify: false,
    })
  })
  test('are watched, and another content is another configuration', () => {
    const before = check(complete(text), { files })
    const after = check(complete(text), { files: { ...files, '/pki/ca.pem': makeAuthority().cert } })
    expect(before.files).toEqual(Object.keys(files))
    expect(after.ok).toBe(true)
    expect(after.fingerprint).not.toBe(before.fingerprint)
  })
  test('that are not there are still watched, so that their coming is noticed', () => {
    const result = check(complete(text))
    expect(result.ok).toBe(false)
    expect(result.files).toEqual(Object.keys(files))
  })
})
