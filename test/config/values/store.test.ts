import { describe, expect, test } from 'bun:test'
import type { ListenAddress } from '../../../src/config/values/listen.ts'
import { parseSealKey, parseStore } from '../../../src/config/values/store.ts'
import { accepts, check, complete } from '../checks.ts'

function store(text: string): unknown {
  const parsed = parseStore(text)
  return parsed.ok ? parsed.value('/etc/sallyport') : parsed.code
}

describe('an address of a Redis or Valkey server', () => {
  const redis = (url: string, shownAs = url) => ({ kind: 'redis', url, shownAs })
  test.each([
    ['redis://valkey', redis('redis://valkey:6379/0')],
    ['redis://valkey/', redis('redis://valkey:6379/0')],
    ['redis://10.0.0.7:6380/3', redis('redis://10.0.0.7:6380/3')],
    ['rediss://[fd00::7]:6380', redis('rediss://[fd00::7]:6380/0')],
    ['redis://:secret@valkey', redis('redis://:secret@valkey:6379/0', 'redis://valkey:6379/0')],
    ['redis://gate:secret@valkey', redis('redis://gate:secret@valkey:6379/0', 'redis://valkey:6379/0')],
  ])('%s is complete', (text, expected) => expect(store(text)).toEqual(expected))

  test('a password may hold anything, percent-encoded or not', () => {
    const expected = redis('redis://:p%40ss%2Fw%3Ard%25@valkey:6379/0', 'redis://valkey:6379/0')
    expect(store('redis://:p@ss/w:rd%@valkey')).toEqual(expected)
    expect(store('redis://:p%40ss%2Fw%3Ard%25@valkey')).toEqual(expected)
  })

  test.each(['p%41ss', 'p%25ss', '%', 'a%zz', 'p@ss/w:rd%40', 'with:colon%2'])(
    'a password that is filled in is taken as it is: %s',
    password => {
      const world = { env: { PASSWORD: password }, files: { '/password': password } }
      for (const reference of ['${PASSWORD}', '${file:/password}']) {
        const toml = `[sessions]\nkey = "${Buffer.alloc(32, 7).toString('base64')}"\nstore = "redis://gate:${reference}@valkey"`
        const { store } = accepts(toml, world).sessions
        expect(store.kind === 'redis' && decodeURIComponent(new URL(store.url).password)).toBe(password)
      }
    },
  )

  test.each([
    'redis:valkey',
    'redis://valkey:0',
    'redis://valkey:65536',
    'redis://valkey/a',
    'redis://a b',
    'redis://v?x=1',
  ])('%s is none', text => expect(store(text)).toBe('store.invalid'))

  test('that is not one is never repeated, since it may hold a password', () => {
    const result = check(complete('[sessions]\nstore = "redis://:hunter2@valkey/first"'))
    expect(result.ok).toBe(false)
    expect(JSON.stringify('diagnostics' in result && result.diagnostics)).not.toContain('hunter2')
  })

  test.each([
    'postgres://gate:hunter2@db',
    'postgres://gate:hunter2/with@signs@db',
    `mysql://gate:${'hunter2'.repeat(20)}@db`,
  ])('nor is the login of an address of another kind: %s', address => {
    const result = check(complete(`[sessions]\nstore = "${address}"`))
    const [found] = 'diagnostics' in result ? result.diagnostics : []
    expect(found?.message).toMatch(/^"\w+:\/\/…@db" is not a session store$/)
    expect(JSON.stringify(found)).not.toContain('hunter2')
  })
})

describe('a key', () => {
  const bytes = Buffer.alloc(32, 0xfb)
  test.each([bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('base64').replace('=', '')])(
    '%s is one',
    text => expect(parseSealKey(text)).toEqual({ ok: true, value: bytes.toString('base64url') }),
  )

  test.each(['', 'short', `${bytes.toString('base64')}=`, bytes.toString('hex'), Buffer.alloc(33).toString('base64')])(
    '%j is none',
    text => expect(parseSealKey(text).ok).toBe(false),
  )

  test('is read from a file, with Redis and with SQLite, and never shown', () => {
    const files = { '/etc/sallyport/k': `${bytes.toString('base64')}\n` }
    for (const where of ['redis://valkey', 'sqlite:x.db']) {
      const { sessions } = accepts(`[sessions]\nstore = "${where}"\nkey = "\${file:k}"`, { files })
      expect(sessions.keys).toEqual([bytes.toString('base64url')])
    }
    const two = ['hunter2-hunter2-hunter2-hunter2-hunter2-hun', bytes.toString('base64')]
    expect(accepts(`[sessions]\nkey = ${JSON.stringify(two)}`).sessions.keys).toHaveLength(2)
    const twice = check(complete(`[sessions]\nkey = ${JSON.stringify([two[0], two[0]])}`))
    expect('diagnostics' in twice && twice.diagnostics.map(({ code }) => code)).toEqual(['list.repeated'])
    expect(JSON.stringify(twice)).not.toContain('hunter2')
    const bad = check(complete('[sessions]\nkey = "hunter2-hunter2"'))
    expect(JSON.stringify('diagnostics' in bad && bad.diagnostics)).not.toContain('hunter2')
  })
})

describe('what the environment says for a file that says nothing', () => {
  const image = { SALLYPORT_DATA: '/data', SALLYPORT_ADMIN: '127.0.0.1:9464' }
  const admin: ListenAddress = { kind: 'tcp', host: '127.0.0.1', port: 9464 }

  test('is where the database belongs, and where the admin listener is', () => {
    const { sessions, server } = accepts('', { env: image })
    expect([sessions.store, server.admin]).toEqual([{ kind: 'sqlite', path: '/data/sallyport.db' }, admin])
  })

  test.each([{}, { SALLYPORT_DATA: '', SALLYPORT_ADMIN: '' }])(
    'is nothing: beside the file, and no listener: %j',
    env => {
      const { sessions, server } = accepts('', { env })
      expect([sessions.store, server.admin]).toEqual([{ kind: 'sqlite', path: '/etc/sallyport/sallyport.db' }, null])
    },
  )

  test('gives way to the file, whose own relative path starts at its folder', () => {
    const own = '[server]\nadmin = "unix:/run/admin"\n[sessions]\nstore = "sqlite:own.db"'
    const { sessions, server } = accepts(own, { env: image })
    expect(sessions.store).toEqual({ kind: 'sqlite', path: '/etc/sallyport/own.db' })
    expect(server.admin).toEqual({ kind: 'unix', path: '/run/admin' })
  })

  test('is a mistake where it is no address, and is not repeated', () => {
    const result = check(complete(''), { env: { SALLYPORT_ADMIN: 'hunter2' } })
    const said = 'diagnostics' in result ? result.diagnostics : []
    expect(said.map(({ code, message }) => [code, message])).toEqual([
      ['listen.invalid', 'the environment variable SALLYPORT_ADMIN is not an address'],
    ])
    expect(JSON.stringify(said)).not.toContain('hunter2')
  })
})
