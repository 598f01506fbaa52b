import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { createToken } from '../../kit/commands.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { metricOf } from '../../kit/requests.ts'
import { isOnly, twoWorkers } from '../../kit/sessions/two-workers.ts'
import { routeSaying } from '../../kit/toml.ts'

const HOST = 'app.example'
const TOML = PORTAL + routeSaying('here', HOST, 'portal = "home"\nallow = ["user"]\ntokens = true')

const keep = untilTheEnd()

/** Takes the log in, and overwrites everything behind the first page. */
function damage(path: string, fill: number): void {
  const other = new Database(path)
  other.run('PRAGMA wal_checkpoint(TRUNCATE)')
  other.close()
  const file = openSync(path, 'r+')
  const { size } = statSync(path)
  expect(size).toBeGreaterThan(100_000)
  writeSync(file, Buffer.alloc(size - 4096, fill), 0, size - 4096, 4096)
  closeSync(file)
}

async function status({ port }: Pick<Gate, 'port'>, fields: Record<string, string>): Promise<number> {
  const headers = { host: HOST, accept: 'application/json', ...fields }
  return (await fetch(`http://127.0.0.1:${port}/`, { headers, redirect: 'manual' })).status
}

/** Once it is ready: a machine with much to do may be too slow to say so at first. */
async function readyz({ adminPort }: Gate): Promise<readonly [number, string]> {
  const said = async (): Promise<readonly [number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`)
    return [answer.status, (await answer.text()).trimEnd()]
  }
  await eventually(async () => (await said())[0] === 200, 'it is ready').catch(() => undefined)
  return await said()
}

/** The sessions of a database, in the order of their ids. */
function idsIn(path: string): readonly string[] {
  const database = new Database(path, { readonly: true })
  const rows = database.query<{ id: string }, []>('SELECT id FROM sessions ORDER BY id').all()
  database.close()
  return rows.map(({ id }) => id)
}

function usedIn(path: string): number {
  using database = new Database(path, { readonly: true })
  return database.query<{ n: number }, []>('SELECT count(*) AS n FROM tokens WHERE is_used').get()?.n ?? 0
}

const asides = (folder: string) => readdirSync(folder).filter(name => /\.damaged-\d+$/.test(name))

describe.each([0x00, 0xff, 0x41])('a database of which all but the first page is overwritten by %d', fill => {
  test('costs nobody in memory anything, under a running gate', async () => {
    await using gate = await startGate(TOML)
    const path = join(gate.folder, 'sallyport.db')
    const pad = 'x'.repeat(3000)
    const people = []
    for (let index = 0; index < 40; index++) people.push(await gate.signIn(HOST, { sub: `u${index}`, pad }))
    const [known, stored] = [people.slice(0, 10), people.slice(10)]
    const [{ token: held }, { token: unused }] = [await createToken(gate), await createToken(gate)]
    for (const { cookie } of known) expect(await status(gate, { cookie })).toBe(200)
    const first = { authorization: `Bearer ${held}` }
    expect(await status(gate, first)).toBe(200)
    // Its first use is noted, and it is read once more.
    await eventually(() => usedIn(path) === 1, 'it is noted')
    expect(await status(gate, first)).toBe(200)
    damage(path, fill)

    const seen = new Set<number>()
    for (const { cookie } of stored) {
      seen.add(await status(gate, { cookie }))
      for (const one of known) expect(await status(gate, { cookie: one.cookie })).toBe(200)
    }
    // 503 by whom it is found out, 401 once that is over; the gate may also find it out by itself, before any of them comes.
    expect([...seen].filter(code => code !== 503 && code !== 401)).toEqual([])
    const [damaged = 'none', ...more] = asides(gate.folder)
    expect(more).toEqual([])
    expect(statSync(join(gate.folder, damaged)).size).toBeGreaterThan(100_000)
    await eventually(() => gate.told('Sessions in memory continue').length === 1, 'memory is written')

    const newcomer = await gate.signIn(HOST, { sub: 'new' })
    expect(await status(gate, { cookie: newcomer.cookie })).toBe(200)
    for (const { cookie } of stored) expect(await status(gate, { cookie })).toBe(401)
    expect(await status(gate, { authorization: `Bearer ${held}` })).toBe(200)
    expect(await status(gate, { authorization: `Bearer ${unused}` })).toBe(503)
    expect(idsIn(path)).toEqual([...known, newcomer].map(({ sessionId }) => sessionId).sort())
    expect(await metricOf(gate, 'sallyport_sessions')).toBe(11)
    expect(await readyz(gate)).toEqual([200, `ready\nnote: ${damaged} was damaged: see docs/operations.md`])
    const errors = gate.log.filter(line => JSON.parse(line).level === 'error')
    expect(errors.filter(line => line.includes('session database'))).toHaveLength(1)
    expect(errors.length).toBeLessThan(4)

    // They end as everybody does.
    const [gone, ...rest] = known
    await gate.end(gone?.sessionId ?? '')
    await eventually(async () => (await status(gate, { cookie: gone?.cookie ?? '' })) === 401, 'that one has ended')
    for (const { cookie } of rest) expect(await status(gate, { cookie })).toBe(200)

    mkdirSync(join(gate.folder, 'apart'))
    for (const name of readdirSync(gate.folder).filter(one => one.includes('.damaged-')))
      renameSync(join(gate.folder, name), join(gate.folder, 'apart', name))
    const isUnknown = async () => (await status(gate, { authorization: `Bearer ${unused}` })) === 401
    await eventually(isUnknown, 'the operator has given it up')
    expect(await readyz(gate)).toEqual([200, 'ready'])
  }, 300_000)

  test('lets in who signs in anew, and nobody else, where a gate starts with it', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 's.db')
    const store = `sqlite:${path}`
    const pad = 'x'.repeat(3000)
    const people = []
    let token = ''
    {
      await using gate = await startGate(TOML, { store })
      for (let index = 0; index < 40; index++) people.push(await gate.signIn(HOST, { sub: `u${index}`, pad }))
      token = (await createToken(gate)).token
    }
    damage(path, fill)
    await using gate = await startGate(TOML, { store })
    const seen = new Set<number>()
    for (let round = 0; round < 3; round++) {
      for (const { cookie } of people) seen.add(await status(gate, { cookie }))
      expect(await status(gate, { authorization: `Bearer ${token}` })).toBe(503)
    }
    expect(seen.has(200)).toBe(false)
    const newcomer = await gate.signIn(HOST, { sub: 'new' })
    expect(await status(gate, { cookie: newcomer.cookie })).toBe(200)
    expect(await status(gate, { cookie: people[0]?.cookie ?? '' })).toBe(401)
    expect([asides(folder.path).length, idsIn(path)]).toEqual([1, [newcomer.sessionId]])
    expect(gate.told('is damaged and was moved aside', 'sallyport restore')).toHaveLength(1)
    expect((await readyz(gate))[0]).toBe(200)
  }, 300_000)
})

test('a damaged database costs nobody in memory anything at either of two workers', async () => {
  using folder = temporaryFolder()
  const provider = keep(await startProviderFor([{ sub: 'ada', name: 'Ada', pad: 'x'.repeat(3000) }]))
  const site = await twoWorkers(folder.path, provider, keep(startSaying('let through')))
  const [known, stored] = [[] as string[], [] as string[]]
  {
    await using before = await site.start()
    for (let index = 0; index < 20; index++) (index < 4 ? known : stored).push(await site.signIn())
    // Whoever signs in is in memory.
    await site.killAll(before)
  }
  await using child = await site.start()
  for (const cookie of known) expect(await site.statuses(cookie)).toEqual(new Set([200]))
  damage(join(folder.path, 'sallyport.db'), 0xff)
  let newcomer = ''
  let tries = 0
  await eventually(async () => {
    for (const cookie of known) expect(await site.statuses(cookie)).toEqual(new Set([200]))
    tries++
    newcomer = await site.signIn().catch(() => '')
    return newcomer !== ''
  }, 'who comes anew gets in')
  await eventually(async () => isOnly(await site.statuses(stored[0] ?? ''), 401), 'both have the new one')
  for (const cookie of [...known, newcomer]) expect(await site.statuses(cookie)).toEqual(new Set([200]))
  expect(child.output().split('is damaged and was moved aside')).toHaveLength(2)
  expect(asides(folder.path)).toHaveLength(1)
  const ids = () => idsIn(join(folder.path, 'sallyport.db')).length
  // They are handed back when a worker next hears of changes.
  await eventually(() => ids() > known.length, 'who was in memory is in the new one')
  // A sign-in that was answered 503 may have its row, which no browser has a cookie for.
  expect(ids()).toBeLessThanOrEqual(known.length + tries)
  // Nobody is known to a process alone.
  await site.killAll(child)
  await using again = await site.start()
  for (const cookie of [...known, newcomer]) expect(await site.statuses(cookie)).toEqual(new Set([200]))
  await site.killAll(again)
}, 300_000)
