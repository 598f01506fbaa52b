import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import type { Facts } from '../../../src/base/errors.ts'
import { EVERYONE } from '../../../src/session/ended.ts'
import { closePair, createLinePairs } from '../../../src/session/redis/line-pair.ts'
import { listedServers } from '../../../src/session/redis/primary.ts'
import { type Line, openLine, type RedisTls } from '../../../src/session/redis/server-connection.ts'
import { openRedisStore } from '../../../src/session/redis/store.ts'
import { hintOf, troubleOf } from '../../../src/session/store-trouble.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startPair, startRelay } from '../../kit/programs/failover.ts'
import { smallestUser, startValkey, type Valkey } from '../../kit/programs/valkey.ts'
import { type NamedStore, named } from '../../kit/sessions/records.ts'
import { redisAt } from '../../kit/sessions/shared.ts'
import { storedSession } from '../../kit/sessions/stored.ts'

const { test } = needs('valkey-server', 'openssl')

const CONNECTED = 'The session store is back'
const AWAY = 'The session store cannot be reached'

const keep = untilTheEnd()
const folder = keep(temporaryFolder())

interface Node {
  readonly store: NamedStore
  told(words: string): readonly Facts[]
}

function openNode(url: string, tls: RedisTls | null = null): Node {
  const lines: (readonly [string, Facts])[] = []
  const tell = (message: string, facts: Facts = {}) => void lines.push([message, facts])
  const log = { debug: tell, info: tell, warn: tell, error: tell }
  return {
    store: named(openRedisStore({ ...redisAt(url), tls }, { now: Date.now, log })),
    told: words => lines.filter(([message]) => message.includes(words)).map(([, facts]) => facts),
  }
}

async function insert(store: NamedStore, id: string): Promise<void> {
  const nowMs = Date.now()
  const session = storedSession(id, { createdAtMs: nowMs, lastSeenMs: nowMs, expiresAtMs: nowMs + 60_000 })
  await store.insert(session, { hash: `hash-of-${id}`, sessionId: id, host: 'x.example' })
}

function file(name: string, text: string): { readonly path: string; readonly text: string } {
  const path = join(folder.path, name)
  writeFileSync(path, text)
  return { path, text }
}

/** Why a store cannot be used: in words, and what is advised. */
async function troubleAt(url: string, tls: RedisTls | null = null): Promise<readonly unknown[]> {
  const { store, told } = openNode(url, tls)
  try {
    const error: unknown = await Promise.resolve(store.findById('a')).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    const [facts] = told(AWAY)
    expect(JSON.stringify([facts, String(error)])).not.toContain('hunter2')
    return [troubleOf(error), facts?.hint]
  } finally {
    await store.close()
  }
}

test('each cause of a store that cannot be used is told by its name, with what to do, and without a password', async () => {
  const authority = makeAuthority()
  const [server, ours, theirs] = [authority.issue('DNS:localhost'), authority.issue('DNS:gate'), makeAuthority()]
  const ca = file('ca.pem', authority.cert)
  const files = { cert: file('server.pem', server.cert).path, key: file('server.key', server.key).path }
  const own = { cert: file('gate.pem', ours.cert), key: file('gate.key', ours.key) }
  await using plain = await startValkey({ password: 'right' })
  await using secure = await startValkey({ tls: files, clientCa: ca.path })
  await using pair = await startPair()
  await plain.ask(0, 'ACL', 'SETUSER', 'reader', 'on', '>hunter2', '~other:*', '+@all')
  const login = 'see the user and the password in store of [sessions]'
  const at = (scheme: string, { port }: Valkey, who = '', host = '127.0.0.1') => `${scheme}://${who}${host}:${port}/0`
  const wrong = 'it does not take this user and password'
  expect(await troubleAt(at('redis', plain, ':hunter2@'))).toEqual([wrong, `${login}; it is tried again`])
  expect(await troubleAt(at('redis', plain, 'nobody:hunter2@'))).toEqual([wrong, expect.any(String)])
  expect(await troubleAt(at('redis', plain))).toEqual(['it wants a password', expect.any(String)])
  expect(await troubleAt(at('redis', plain, 'reader:hunter2@'))).toEqual([
    'its user may not do this (ACL)',
    expect.stringContaining('On several machines'),
  ])
  expect(troubleOf(new Error(`ERR The user executing the script can't run this command or subcommand script: 1`))).toBe(
    'its user may not do this (ACL)',
  )
  expect(await troubleAt(`redis://:right@127.0.0.1:${plain.port}/2000`)).toEqual([
    'it has no database of this number',
    expect.stringContaining('the number at the end of store'),
  ])
  expect(await troubleAt(at('rediss', secure, '', 'localhost'), { ca: null, own })).toEqual([
    'its certificate is from an authority that is not trusted here',
    expect.stringContaining('store_tls = { ca = "ca.pem" }'),
  ])
  expect(await troubleAt(at('rediss', secure), { ca, own })).toEqual([
    'its certificate is for another name',
    expect.stringContaining('a name that the certificate has'),
  ])
  expect(await troubleAt(at('rediss', secure, '', 'localhost'), { ca, own: null })).toEqual([
    'it wants a certificate of this gate that it trusts',
    expect.stringContaining('cert and key'),
  ])
  const stranger = theirs.issue('DNS:gate')
  const foreign = { cert: file('foreign.pem', stranger.cert), key: file('foreign.key', stranger.key) }
  expect(await troubleAt(at('rediss', secure, '', 'localhost'), { ca, own: foreign })).toEqual([
    'it wants a certificate of this gate that it trusts',
    expect.any(String),
  ])
  expect(await troubleAt(at('redis', secure, '', 'localhost'))).toEqual([
    'it cannot be reached',
    expect.stringContaining('rediss://'),
  ])
  const moved = new Error('MOVED 511 127.0.0.1:7001')
  expect([troubleOf(moved), hintOf(moved)]).toEqual([
    'it is a node of a cluster',
    expect.stringContaining('redis+cluster://'),
  ])
  expect(await troubleAt('redis://no-such-host.invalid')).toEqual(['its name is not known to DNS', expect.any(String)])
  expect(await troubleAt(`redis+unix://${folder.path}/none.sock`)).toEqual([
    'it cannot be reached',
    expect.stringContaining('is it running'),
  ])
  const replica = openNode(`redis://127.0.0.1:${pair.replica.port}`)
  await pair.lag()
  const refused: unknown = await Promise.resolve(replica.store.remove('a')).catch((thrown: unknown) => thrown)
  expect(troubleOf(refused)).toBe('it is a replica, which may only be read')
  await replica.store.close()
}, 300_000)

test('a server by TLS lets in a gate that shows a certificate, and a renewed one counts for the next connection', async () => {
  const authority = makeAuthority()
  const [server, ours] = [authority.issue('DNS:localhost'), authority.issue('DNS:gate')]
  const ca = file('tls-ca.pem', authority.cert)
  const expired = authority.issue('DNS:gate', { isExpired: true })
  const own = { cert: file('own.pem', expired.cert), key: file('own.key', expired.key) }
  const files = { cert: file('tls.pem', server.cert).path, key: file('tls.key', server.key).path }
  await using secure = await startValkey({ tls: files, clientCa: ca.path })
  const { store, told } = openNode(`valkeys://localhost:${secure.port}/3`, { ca, own })
  try {
    await eventually(() => told(AWAY).length > 0, 'the old one is refused')
    file('own.pem', ours.cert)
    file('own.key', ours.key)
    await eventually(() => told(CONNECTED).length > 0, 'the new one is taken')
    await insert(store, 'a')
    expect((await store.findById('a'))?.id).toBe('a')
    expect(await secure.ask(3, 'EXISTS', 'sallyport:1:session:a')).toBe('1')
  } finally {
    await store.close()
  }
}, 300_000)

test('a socket with a user, a password and a database is as good as an address', async () => {
  const path = join(folder.path, 'v.sock')
  await using valkey = await startValkey({ settings: ['--unixsocket', path] })
  await valkey.ask(0, 'ACL', 'SETUSER', 'gate', 'on', '>p@ss/w:rd%', ...smallestUser('sallyport'))
  const { store } = openNode(`redis+unix://gate:p@ss/w:rd%@${path}?db=5`)
  await insert(store, 'a')
  expect(await valkey.ask(5, 'EXISTS', 'sallyport:1:session:a')).toBe('1')
  await store.close()
})

test('of several addresses the one that says that it is the primary is written to, and none where two say so', async () => {
  await using pair = await startPair()
  const url = `redis://127.0.0.1:1,127.0.0.1:${pair.replica.port},127.0.0.1:${pair.primary.port}`
  const { store, told } = openNode(url)
  try {
    await insert(store, 'a')
    expect(await pair.primary.ask(0, 'EXISTS', 'sallyport:1:session:a')).toBe('1')
    await pair.failOver()
    await eventually(() => told(CONNECTED).length > 0, 'the other has taken over')
    await eventually(
      () =>
        insert(store, 'b').then(
          () => true,
          () => false,
        ),
      'it is written to',
    )
    expect(await pair.replica.ask(0, 'EXISTS', 'sallyport:1:session:b')).toBe('1')
    // The one before comes back as it was.
    await pair.primary.start()
    expect(await troubleAt(url)).toEqual(['several servers say that they are its primary', expect.any(String)])
    expect(await pair.primary.ask(0, 'EXISTS', 'sallyport:1:session:b')).toBe('0')
  } finally {
    await store.close()
  }
}, 300_000)

test('two installations on one server have their own keys, and a user of one can neither list nor read nor flush those of the other', async () => {
  await using valkey = await startValkey()
  for (const name of ['gate-a', 'gate-b']) {
    await valkey.ask(0, 'ACL', 'SETUSER', name, 'on', `>${name}`, ...smallestUser(name))
  }
  const at = (name: string) => `redis://${name}:${name}@127.0.0.1:${valkey.port}?prefix=${name}`
  const [a, b] = [openNode(at('gate-a')), openNode(at('gate-b'))]
  await using line = await asDisposable(
    openLine(
      { host: '127.0.0.1', port: valkey.port },
      { login: { user: 'gate-a', password: 'gate-a' }, database: 0, tls: null, limitMs: 5000 },
    ),
  )
  try {
    await insert(a.store, 'same')
    await insert(b.store, 'same')
    await b.store.remove('same')
    expect((await a.store.findById('same'))?.id).toBe('same')
    await insert(b.store, 'other')
    const keys = (await valkey.ask(0, 'KEYS', '*')).split('\n')
    expect(keys.filter(key => !key.startsWith('gate-a:1:') && !key.startsWith('gate-b:1:'))).toEqual([])
    expect(keys).toContain('gate-b:1:session:other')

    const theirs = 'gate-b:1:session:other'
    const commands = [
      ...[
        ['FLUSHALL'],
        ['FLUSHDB'],
        ['SCRIPT', 'FLUSH'],
        ['SCRIPT', 'KILL'],
        ['FUNCTION', 'FLUSH'],
        ['FUNCTION', 'LIST'],
      ],
      ...[
        ['FUNCTION', 'LOAD', '#!lua name=x\nredis.register_function("x", function() return 1 end)'],
        ['FUNCTION', 'DELETE', 'x'],
      ],
      ...[
        ['SCAN', '0'],
        ['KEYS', '*'],
        ['RANDOMKEY'],
        ['DBSIZE'],
        ['SWAPDB', '0', '1'],
        ['CONFIG', 'GET', '*'],
        ['INFO'],
      ],
      ...[
        ['ACL', 'LIST'],
        ['CLIENT', 'LIST'],
        ['CLIENT', 'KILL', 'TYPE', 'normal'],
        ['CLIENT', 'PAUSE', '1'],
        ['MONITOR'],
      ],
      ...[['SHUTDOWN'], ['SAVE'], ['REPLICAOF', 'NO', 'ONE'], ['PUBLISH', 'x', 'y']],
      ...[
        ['HGETALL', theirs],
        ['TYPE', theirs],
        ['DUMP', theirs],
        ['OBJECT', 'ENCODING', theirs],
        ['DEL', theirs],
      ],
      ...[
        ['COPY', theirs, 'gate-a:1:copy'],
        ['RENAME', 'gate-a:1:changes', 'gate-b:1:changes'],
        ['MOVE', theirs, '1'],
      ],
      ...[
        ['SORT', 'gate-a:1:expires', 'BY', 'gate-b:*', 'GET', 'gate-b:*'],
        ['EXISTS', theirs],
      ],
    ]
    for (const [name = '', ...args] of commands) {
      const answer = await line.send(name, args).catch((error: unknown) => String(error))
      expect([name, ...args, answer]).toEqual([name, ...args, expect.stringMatching(/NOPERM|denied/)])
      const script = `return redis.call(${[name, ...args].map(word => JSON.stringify(word)).join(', ')})`
      const inScript = await line.send('EVAL', [script, '0']).catch((error: unknown) => String(error))
      expect([name, ...args, inScript]).toEqual([
        name,
        ...args,
        expect.stringMatching(/NOPERM|ACL failure|The user executing the script can't|not allowed from script|denied/),
      ])
    }
    const [reading] = await Promise.allSettled([line.send('EVAL', [`return redis.call("HGETALL", "${theirs}")`, '0'])])
    expect(reading.status === 'rejected' && troubleOf(reading.reason)).toBe('its user may not do this (ACL)')
    expect(await line.send('HGET', ['gate-a:1:session:same', 'portal'])).toBeString()
    expect((await b.store.findById('other'))?.id).toBe('other')
  } finally {
    await a.store.close()
    await b.store.close()
  }
}, 300_000)

async function asDisposable(opening: Promise<Line>): Promise<Line & AsyncDisposable> {
  const line = await opening
  return Object.assign(line, { [Symbol.asyncDispose]: async () => line.close() })
}

test('what was on its way when a connection broke is not sent again', async () => {
  await using valkey = await startValkey()
  await using relay = await startRelay(valkey.port)
  const store = openRedisStore(redisAt(`redis://127.0.0.1:${relay.port}`), quietPorts({ now: Date.now }))
  const changes = async () => Number(await valkey.ask(0, 'XLEN', 'sallyport:1:changes'))
  try {
    await store.changesSince()
    const before = await changes()
    relay.cutAnswers()
    const told = await Promise.allSettled([1, 2, 3, 4, 5].map(() => store.tellEnded(EVERYONE)))
    expect(told.filter(({ status }) => status === 'fulfilled')).toEqual([])
    await eventually(
      async () =>
        Promise.resolve(store.changesSince()).then(
          () => true,
          () => false,
        ),
      'it is back',
    )
    const reached = (await changes()) - before
    expect([reached > 0, reached <= 5]).toEqual([true, true])
  } finally {
    await store.close()
  }
}, 300_000)

test('a connection that is closed here is over at the server', async () => {
  await using valkey = await startValkey()
  const options = { login: { user: '', password: '' }, database: 0, tls: null, limitMs: 30_000 }
  const line = await openLine({ host: '127.0.0.1', port: valkey.port }, options)
  const id = String(await line.send('CLIENT', ['ID']))
  const isThere = async () => (await valkey.ask(0, 'CLIENT', 'LIST', 'ID', id)) !== ''
  expect(await isThere()).toBe(true)
  line.close()
  await eventually(async () => !(await isThere()), 'the server has let it go')
})

test('a connection for writes that is lost alone has another one after it', async () => {
  await using valkey = await startValkey()
  const node = { host: '127.0.0.1', port: valkey.port }
  const options = { login: { user: '', password: '' }, database: 0, tls: null }
  const pairs = createLinePairs(
    { whereabouts: listedServers([node]), prefix: '', line: options, greet: async () => undefined },
    30_000,
  )
  const pair = await pairs.open(false)
  const idOfWrites = () => pairs.sendBy(pair, 'CLIENT', ['ID']).catch(() => null)
  const before = await idOfWrites()
  expect(before).toBeNumber()
  expect(await valkey.ask(0, 'CLIENT', 'KILL', 'ID', String(before))).toBe('1')
  await eventually(async () => {
    const now = await idOfWrites()
    return now !== null && now !== before
  }, 'something is written again')
  expect(await pairs.sendBy(pair, 'PING', [])).toBe('PONG')
  closePair(pair)
})

test('no connection that has come while this process was held up itself is late', async () => {
  await using server = await startValkey()
  const options = { login: { user: '', password: '' }, database: 0, tls: null, limitMs: 200 }
  // Loaded before: it is a connection that has its turns so late. A name takes a turn of its own to look up.
  await import('@redis/client')
  const open = () => openLine({ host: 'localhost', port: server.port }, options)
  const opening = [open()]
  let isOver = false
  const hold = () => {
    Bun.sleepSync(250)
    if (opening.length < 10) opening.push(open())
    if (!isOver) setImmediate(hold)
  }
  setImmediate(hold)
  while (opening.length < 10) await opening.at(-1)
  const lines = await Promise.all(opening).finally(() => {
    isOver = true
  })
  for (const line of lines) line.close()
})

test.each([
  ['without a login', ''],
  ['with a login', 'hunter2'],
])(
  'a connection %s that comes after it was given up is closed',
  async (_what, password) => {
    const authority = makeAuthority()
    const shown = authority.issue('DNS:localhost')
    using server = listening(
      createTlsServer(shown, socket => {
        socket.on('error', () => undefined)
        socket.on('data', () => socket.write('+OK\r\n'))
      }),
    )
    const late = Promise.withResolvers<void>()
    let isGone = false
    // What comes late is the handshake: where a server's queue is full, the system tries again after seconds.
    using front = listening(
      createServer(client => {
        client.on('error', () => undefined)
        client.on('close', () => {
          isGone = true
        })
        void late.promise.then(async () => {
          const behind = connect(await server.port, '127.0.0.1')
          behind.on('error', () => undefined)
          client.on('close', () => behind.destroy())
          client.pipe(behind).pipe(client)
        })
      }),
    )
    const tls = { ca: file('late-ca.pem', authority.cert), own: null }
    const options = { login: { user: '', password }, database: 0, tls, limitMs: 1000 }
    const opening = openLine({ host: 'localhost', port: await front.port }, options)
    await expect(opening).rejects.toThrow('no connection within 1000 ms')
    expect(isGone).toBe(false)
    late.resolve()
    await eventually(() => isGone, 'it is closed')
  },
  300_000,
)

/** A server on a port of its own, gone at the end of the scope. */
function listening(server: Server): Disposable & { readonly port: Promise<number> } {
  const { promise: port, resolve } = Promise.withResolvers<number>()
  server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  return { port, [Symbol.dispose]: () => void server.close() }
}
