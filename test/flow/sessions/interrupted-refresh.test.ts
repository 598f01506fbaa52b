/** A process that ends while it asks a slow provider about somebody: that is nobody's word about the person. */
import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { askAsAll, type Belongings } from '../../kit/belongings.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { type Child, freePort, startChild } from '../../kit/programs/child.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { belongingsAt, REFRESHING, takesAll } from '../../kit/sessions/one-person.ts'
import { EVERYONE, portalTable, providerTable } from '../../kit/toml.ts'
import { handOver } from '../../kit/upgrade/succession.ts'

const keep = untilTheEnd()
const upstream = keep(startStreaming())
const bad = keep(await startBadProvider())

interface Stand {
  readonly all: Belongings
  readonly database: Database
  start(): Promise<Child>
  /** One more process on the same database, which listens elsewhere. */
  startBeside(folder: string): Promise<Child>
  /** Has the provider asked about the person at the next request, whatever it knows; whoever runs has to be started after that. */
  makeDue(): void
}

/** Someone who has signed in, with a token and a guest link, at a gate that has ended since. */
async function signedIn(folder: string): Promise<Stand> {
  bad.behave({ givesRefreshToken: true, signsInAtOnce: true })
  const port = await freePort()
  const toml = `drain = "10s"\n${providerTable(bad)}${portalTable(`${EVERYONE}\n${REFRESHING}`)}${takesAll(upstream)}`
  const command = [await compiledBinary()]
  const start = () => startChild({ command, folder, port, toml })
  await using child = await start()
  const all = await belongingsAt(child)
  child.process.kill('SIGTERM')
  expect(await child.process.exited).toBe(0)
  const database = new Database(join(folder, 'sallyport.db'))
  // Whoever runs may be writing.
  database.run('PRAGMA busy_timeout = 30000')
  return {
    all,
    database,
    start,
    startBeside: async beside => {
      const store = `[sessions]\nstore = "sqlite:${join(folder, 'sallyport.db')}"\n`
      return startChild({ command, folder: beside, port: await freePort(), toml: toml.replace('\n', `\n${store}`) })
    },
    makeDue: () => void database.run('UPDATE sessions SET checked_ms = checked_ms - 120000'),
  }
}

/** A provider that says nothing for five seconds is away: on a busy machine it answers before the other process is there. */
const LATEST_MS = 3_000

/** Comes as that person, and waits until the provider is being asked about them. What is returned has it answer. */
async function askSlowly(child: Child, { all }: Stand): Promise<() => void> {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  bad.behave({
    beforeToken() {
      asked.resolve()
      return answer.promise
    },
  })
  expect(await askAsAll(child, all)).toEqual([200, 200, 200])
  await asked.promise
  return answer.resolve
}

/** A process that is to stop says with each answer that it is the last of its connection, and then takes none. */
async function isStopping({ port }: Child): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`).then(
    ({ headers }) => headers.get('connection') === 'close',
    () => true,
  )
}

/** Whether the person is known by another check than before: its next refresh token was good. */
async function isAskedAgain(stand: Stand): Promise<void> {
  stand.makeDue()
  await using child = await stand.start()
  const before = bad.asked.token
  bad.behave({})
  expect(await askAsAll(child, stand.all)).toEqual([200, 200, 200])
  await eventually(() => bad.asked.token > before, 'the provider is asked again')
  const checked = () => stand.database.query<{ at: number }, []>('SELECT checked_ms AS at FROM sessions').get()?.at ?? 0
  await eventually(() => checked() > Date.now() - 60_000, 'its answer is kept')
  expect(await askAsAll(child, stand.all)).toEqual([200, 200, 200])
  child.process.kill('SIGTERM')
  expect(await child.process.exited).toBe(0)
}

test('SIGTERM waits for the answer, and nobody is signed out by it', async () => {
  using folder = temporaryFolder()
  const stand = await signedIn(folder.path)
  stand.makeDue()
  await using child = await stand.start()
  const answer = await askSlowly(child, stand)
  setTimeout(answer, LATEST_MS)
  child.process.kill('SIGTERM')
  await eventually(() => isStopping(child), 'it is to stop')
  answer()
  expect(await child.process.exited).toBe(0)
  expect(child.output()).not.toContain('could not be checked')
  await isAskedAgain(stand)
  stand.database.close()
}, 300_000)

needs('/proc').test(
  'a process that gives way by SIGUSR2 waits for the answer, and the next one has it',
  async () => {
    using folder = temporaryFolder()
    const stand = await signedIn(folder.path)
    stand.makeDue()
    const child = await stand.start()
    const answer = await askSlowly(child, stand)
    setTimeout(answer, LATEST_MS)
    {
      await using successor = await handOver(child)
      expect(successor.pid).not.toBe(child.process.pid)
      expect(await askAsAll(child, stand.all)).toEqual([200, 200, 200])
      answer()
      expect(await child.process.exited).toBe(0)
      expect(child.output()).not.toContain('Database has closed')
      expect(child.output()).not.toContain('could not be checked')
      expect(await askAsAll(child, stand.all)).toEqual([200, 200, 200])
    }
    await isAskedAgain(stand)
    stand.database.close()
  },
  300_000,
)

test('kill -9 costs the person a sign-in, and their tokens and links nothing: they rest by the last good word', async () => {
  using folder = temporaryFolder()
  const stand = await signedIn(folder.path)
  const { database, all } = stand
  const rowOf = () => database.query<{ lease_ms: number }, []>('SELECT lease_ms FROM sessions').get()
  const notedAt = () =>
    database.query<{ standing: string; noted_ms: number }, []>('SELECT standing, noted_ms FROM owners').get()
  stand.makeDue()
  const before = notedAt()
  const child = await stand.start()
  const answer = await askSlowly(child, stand)
  child.process.kill('SIGKILL')
  await child.process.exited
  // What it was asked with is used up, and its answer reaches nobody.
  answer()
  expect(rowOf()?.lease_ms).toBeGreaterThan(Date.now())
  // Half a minute later.
  database.run('UPDATE sessions SET lease_ms = lease_ms - 60000')
  await using next = await stand.start()
  await eventually(async () => (await askAsAll(next, all))[0] === 401, 'the session is over')
  expect(await askAsAll(next, all)).toEqual([401, 200, 200])
  expect([notedAt(), before?.standing]).toEqual([before, 'good'])
  expect(next.output()).toContain('may have used up the refresh token')
  // Somebody signs in again, and is asked about as anybody.
  bad.behave({ givesRefreshToken: true, signsInAtOnce: true })
  const again = await belongingsAt(next)
  expect(await askAsAll(next, again)).toEqual([200, 200, 200])
  database.close()
}, 300_000)

test('a process that is stopped for longer than its lease costs nobody a sign-in: its answer counts once it goes on', async () => {
  using folder = temporaryFolder()
  using beside = temporaryFolder()
  const stand = await signedIn(folder.path)
  const { database, all } = stand
  const rowOf = () => database.query<{ lease_ms: number }, []>('SELECT lease_ms FROM sessions').get()
  stand.makeDue()
  await using stopped = await stand.start()
  await using next = await stand.startBeside(beside.path)
  const answer = await askSlowly(stopped, stand)
  stopped.process.kill('SIGSTOP')
  // Its answer lies there, and what it was asked with is used up.
  answer()
  expect(rowOf()?.lease_ms).toBeGreaterThan(Date.now())
  // Half a minute later the other one asks with the same, and is refused: not before the first one goes on.
  database.run('UPDATE sessions SET lease_ms = lease_ms - 60000')
  const refuse = await askSlowly(next, stand)
  stopped.process.kill('SIGCONT')
  const checked = () => database.query<{ at: number }, []>('SELECT checked_ms AS at FROM sessions').get()?.at ?? 0
  await eventually(() => checked() > Date.now() - 60_000, 'the answer of the first one is kept')
  refuse()
  // It ends once it knows what came of its own question.
  next.process.kill('SIGTERM')
  expect(await next.process.exited).toBe(0)
  expect(await askAsAll(stopped, all)).toEqual([200, 200, 200])
  expect(database.query('SELECT standing FROM owners').get()).toEqual({ standing: 'good' })
  stopped.process.kill('SIGTERM')
  expect(await stopped.process.exited).toBe(0)
  await isAskedAgain(stand)
  database.close()
}, 300_000)
