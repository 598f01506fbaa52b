import { describe, expect, test } from 'bun:test'
import type { ListenAddress } from '../../../src/config/values/listen.ts'
import { parseRedisAddress, showNode } from '../../../src/config/values/redis-address.ts'
import { parseSealKey } from '../../../src/config/values/store.ts'
import { accepts, check, complete } from '../checks.ts'

/** What matters of an address: its place, and who signs in. */
function address(text: string): unknown {
  const parsed = parseRedisAddress(text)
  if (!parsed.ok) return parsed.message
  const { nodes, login, sentinel, shownAs, ...rest } = parsed.value
  return { ...rest, nodes: nodes.map(showNode).join(' '), login: Object.values(login).join(':'), sentinel, shownAs }
}

describe('an address of a Redis or Valkey server', () => {
  const usual = { topology: 'servers', isTls: false, database: 0, prefix: 'sallyport', login: ':', sentinel: null }
  const [one, six] = ['valkey:6379', '[fd00::7]:6380']
  test.each([
    ['redis://valkey', { nodes: one, shownAs: 'redis://valkey:6379/0' }],
    ['redis://valkey/', { nodes: one, shownAs: 'redis://valkey:6379/0' }],
    ['valkey://valkey', { nodes: one, shownAs: 'valkey://valkey:6379/0' }],
    ['valkeys://valkey', { nodes: one, isTls: true, shownAs: 'valkeys://valkey:6379/0' }],
    ['redis://10.0.0.7:6380/3', { nodes: '10.0.0.7:6380', database: 3, shownAs: 'redis://10.0.0.7:6380/3' }],
    ['rediss://[fd00::7]:6380', { nodes: six, isTls: true, shownAs: 'rediss://[fd00::7]:6380/0' }],
    ['redis://:secret@valkey', { nodes: one, login: ':secret', shownAs: 'redis://valkey:6379/0' }],
    ['redis://secret@valkey', { nodes: one, login: ':secret', shownAs: 'redis://valkey:6379/0' }],
    ['redis://gate:secret@valkey', { nodes: one, login: 'gate:secret', shownAs: 'redis://valkey:6379/0' }],
    ['redis://valkey?prefix=gate-b', { nodes: one, prefix: 'gate-b', shownAs: 'redis://valkey:6379/0' }],
    [
      'redis://:a,b?c@one,two:7000,[::1]/2?prefix=x',
      {
        ...{ nodes: 'one:6379 two:7000 [::1]:6379', login: ':a,b?c', database: 2, prefix: 'x' },
        shownAs: 'redis://one:6379,two:7000,[::1]:6379/2',
      },
    ],
    ['unix:/run/v.sock', { nodes: '/run/v.sock', shownAs: 'unix:/run/v.sock' }],
    ['redis+unix:///run/v.sock', { nodes: '/run/v.sock', shownAs: 'redis+unix:///run/v.sock' }],
    [
      'valkey+unix://u:p@ss@/run/v.sock?db=2&prefix=y',
      {
        ...{ nodes: '/run/v.sock', login: 'u:p@ss', database: 2, prefix: 'y' },
        shownAs: 'valkey+unix:///run/v.sock?db=2',
      },
    ],
  ])('%s is complete', (text, expected) => expect(address(text)).toEqual({ ...usual, ...expected }))

  test.each([
    [
      'redis+sentinel://user:pass@s1:26379,s2:26379,[::1]:26379/mymaster/0',
      {
        ...{ nodes: 's1:26379 s2:26379 [::1]:26379', login: 'user:pass' },
        sentinel: { primary: 'mymaster', login: { user: '', password: '' } },
        shownAs: 'redis+sentinel://s1:26379,s2:26379,[::1]:26379/mymaster/0',
      },
    ],
    [
      'rediss+sentinel://s1,s2/m.1?sentinel_user=watch&sentinel_password=p%40ss%25',
      {
        ...{ nodes: 's1:26379 s2:26379', isTls: true },
        sentinel: { primary: 'm.1', login: { user: 'watch', password: 'p@ss%' } },
        shownAs: 'rediss+sentinel://s1:26379,s2:26379/m.1/0',
      },
    ],
  ])('%s is that of sentinels', (text, expected) =>
    expect(address(text)).toEqual({ ...usual, topology: 'sentinel', ...expected }),
  )

  test('redis+cluster:// has some nodes of a cluster', () =>
    expect(address('rediss+cluster://u:p@n1,n2:7000,n3')).toEqual({
      ...{ ...usual, topology: 'cluster', isTls: true, login: 'u:p', nodes: 'n1:6379 n2:7000 n3:6379' },
      shownAs: 'rediss+cluster://n1:6379,n2:7000,n3:6379',
    }))

  test('a password may hold anything, percent-encoded or not', () => {
    for (const login of ['p@ss/w:rd%', 'p%40ss%2Fw%3Ard%25']) {
      expect(address(`redis://:${login}@valkey`)).toMatchObject({
        login: ':p@ss/w:rd%',
        shownAs: 'redis://valkey:6379/0',
      })
    }
  })

  test.each(['p%41ss', 'p%25ss', '%', 'a%zz', 'p@ss/w:rd%40', 'with:colon%2'])(
    'a password that is filled in is taken as it is: %s',
    password => {
      const world = { env: { PASSWORD: password }, files: { '/password': password } }
      for (const reference of ['${PASSWORD}', '${file:/password}']) {
        const toml = `[sessions]\nkey = "${Buffer.alloc(32, 7).toString('base64')}"\nstore = "redis://gate:${reference}@valkey"`
        const { store } = accepts(toml, world).sessions
        expect(store.kind === 'redis' && store.login.password).toBe(password)
      }
    },
  )

  test.each([
    [
      'redis:valkey',
      'it begins with redis:// or valkey://, perhaps with an s for TLS, or with +unix, +sentinel or +cluster',
    ],
    [
      'redis+ring://valkey',
      'it begins with redis:// or valkey://, perhaps with an s for TLS, or with +unix, +sentinel or +cluster',
    ],
    ['redis://', 'it names no server'],
    ['redis://valkey:0', 'the address has a port over 65535, or 0'],
    ['redis://one,two:65536,three:0', 'address 2 of 3 has a port over 65535, or 0'],
    ['redis://one,,three', 'address 2 of 3 is empty'],
    ['redis://one,two,one:6379', 'address 3 of 3 is repeated'],
    ['redis://one,[::g],x', 'address 2 of 3 is none of a Redis or Valkey server, which is HOST:PORT'],
    ['redis://a b', 'the address is none of a Redis or Valkey server, which is HOST:PORT'],
    ['redis://valkey/a', 'the database is a number from 0 to 9999'],
    ['redis://valkey/1/2', 'after the addresses comes one number: the database'],
    ['redis://v?x=1', 'after the ? there may be prefix, and nothing else'],
    ['redis://v?prefix=', 'prefix has one value, and it is not empty'],
    ['redis://v?prefix=a&prefix=b', 'prefix has one value, and it is not empty'],
    ['redis://v?prefix=a*', 'the prefix of a store is up to 64 letters, digits, points, hyphens and underscores'],
    ['redis://v?sentinel_user=a', 'after the ? there may be prefix, and nothing else'],
    ['redis+unix://run/v.sock', 'it names no socket: a path that begins with /'],
    ['rediss+unix:///run/v.sock', 'a socket of this machine has no TLS'],
    [
      'redis+sentinel://s1,s2',
      'after the addresses of the sentinels comes what they call the primary, as in "/mymaster"',
    ],
    ['redis+sentinel://s1,s2:x/m', 'address 2 of 2 is none of a Redis or Valkey server, which is HOST:PORT'],
    ['redis+cluster://n1/1', 'a cluster has one database: number 0'],
  ])('%s is none: %s', (text, why) => expect(address(text)).toBe(why))

  test('the password of sentinels is taken as it is, too', () => {
    const password = 'p@ss&prefix=%41?#'
    const toml = `[sessions]\nkey = "${Buffer.alloc(32, 7).toString('base64')}"\nstore = "redis+sentinel://u:\${PASSWORD}@s1/m?sentinel_password=\${PASSWORD}&prefix=x"`
    const { store } = accepts(toml, { env: { PASSWORD: password } }).sessions
    const { login, sentinel, prefix } = store.kind === 'redis' ? store : expect.unreachable()
    expect([login.password, sentinel?.login.password, prefix]).toEqual([password, password, 'x'])
  })

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
