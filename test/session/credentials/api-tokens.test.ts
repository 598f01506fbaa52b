import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { makeIdentity } from '../../../src/identity/identity.ts'
import {
  type ApiTokens,
  createApiTokens,
  type HeldApiToken,
  type NewApiToken,
} from '../../../src/session/credentials/api-tokens.ts'
import { memoryOf } from '../../../src/session/session-cache.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'

const LIMITS = { host: null, path: null, methods: null, networks: null }
const ADA = makeIdentity('id', 'https://id.example', 'ada', {
  auth_time: 1,
  acr: 'phr',
  amr: ['mfa'],
  sid: 's',
  department: 'it',
})
const REST_MS = 500
const NEW: NewApiToken = {
  portal: 'home',
  name: 'n',
  lifetimeMs: 1000,
  identity: { ...ADA, roles: ['user'] },
  limits: LIMITS,
}

/** What one takes in memory. */
const TOKEN_BYTES = memoryOf(JSON.stringify(NEW.identity).length)

/** Tokens over a real database; `reads` counts look-ups that reached it. */
function openTokens(folder: string, capacity = 10) {
  const clock = fakeClock()
  const store = openSqliteStore(join(folder, 's.db'), quietPorts(clock))
  let reads = 0
  const counted: SessionStore = {
    ...store,
    findRecord(kind, key) {
      if (kind === 'token' && 'hash' in key) reads++
      return store.findRecord(kind, key)
    },
  }
  return {
    clock,
    store,
    tokens: createApiTokens(counted, quietPorts(clock), {
      maxBytes: () => capacity * TOKEN_BYTES,
      restMs: () => REST_MS,
      trustedIdentity: ({ identity }) => identity,
    }),
    reads: () => reads,
  }
}

/** A short token of another, kept. */
async function shortOf(tokens: Pick<ApiTokens, 'newShort'>, held: HeldApiToken, lifetimeMs: number): Promise<string> {
  const { text, keep } = await tokens.newShort(held, lifetimeMs)
  await keep()
  return text
}

test('a token is read once, and the same session value stands for it until it is evicted', async () => {
  using folder = temporaryFolder()
  const { tokens, reads, store } = openTokens(folder.path, 2)
  const made = await Promise.all([1, 2, 3].map(() => tokens.create(NEW)))
  const [first, second, third] = made.map(({ text }) => text)
  const one = await tokens.find(first ?? '')
  expect(await tokens.find(first ?? '')).toBe(one)
  expect(reads()).toBe(1)
  await tokens.find(second ?? '')
  await tokens.find(third ?? '')
  expect((await tokens.find(first ?? ''))?.session.id).toBe(one?.session.id ?? '')
  expect(reads()).toBe(4)
  await store.close()
})

test('junk of another shape reaches no database, and unknown tokens are not remembered', async () => {
  using folder = temporaryFolder()
  const { tokens, reads, store } = openTokens(folder.path)
  for (const text of ['', 'sp_', `sp_${'a'.repeat(44)}`, `sp_${'!'.repeat(43)}`, `SP_${'a'.repeat(43)}`])
    expect(await tokens.find(text)).toBeNull()
  expect(reads()).toBe(0)
  const unknown = `sp_${'a'.repeat(43)}`
  expect(await tokens.find(unknown)).toBeNull()
  expect(await tokens.find(unknown)).toBeNull()
  expect(reads()).toBe(2)
  await store.close()
})

test('a token that is revoked while it is being read does not come back from that reading', async () => {
  using folder = temporaryFolder()
  const clock = fakeClock()
  const store = openSqliteStore(join(folder.path, 's.db'), quietPorts(clock))
  const { promise, resolve } = Promise.withResolvers<void>()
  let isSlow = true
  const slow: SessionStore = {
    ...store,
    findRecord(kind, key) {
      const found = store.findRecord(kind, key)
      return isSlow && 'hash' in key ? promise.then(() => found) : found
    },
  }
  const tokens = createApiTokens(slow, quietPorts(clock), {
    maxBytes: () => 1e6,
    restMs: () => REST_MS,
    trustedIdentity: ({ identity }) => identity,
  })
  const { text, held } = await tokens.create(NEW)
  const reading = tokens.find(text)
  expect(await tokens.revoke(held.session.id)).toBe(true)
  isSlow = false
  resolve()
  expect(await reading).toBeNull()
  expect(await tokens.find(text)).toBeNull()
  await store.close()
})

test('a token keeps who someone is, and nothing of how or when they signed in', async () => {
  using folder = temporaryFolder()
  const { tokens, store } = openTokens(folder.path)
  const { held } = await tokens.create(NEW)
  expect(held.session.identity.claims).toEqual({ department: 'it' })
  await store.close()
})

test('a stored token of nobody, or with neither an owner nor roles of its own, is none', async () => {
  using folder = temporaryFolder()
  const { tokens, store } = openTokens(folder.path)
  const { text, held } = await tokens.create(NEW)
  const row = await store.findRecord('token', { id: held.session.id })
  if (row === null) throw new TypeError('it was made')
  const { identity, ...rest } = JSON.parse(row.grant)
  const isFound = async (grant: object) => {
    await store.changeRecord('token', { id: row.id }, () => ({ ...row, grant: JSON.stringify(grant) }))
    const other = openTokens(folder.path)
    const found = await other.tokens.find(text)
    await other.store.close()
    return found !== null
  }
  const { subject: _, ...nobody } = identity
  const { roles: __, ...without } = identity
  const grants = [
    { ...rest, identity },
    { ...rest, identity: nobody },
    { ...rest, identity: nobody, owner: 'person:a' },
    { ...rest, identity: without },
    { ...rest, identity: { ...without, roles: 'user' } },
  ]
  const found: boolean[] = []
  for (const grant of grants) found.push(await isFound(grant))
  expect(found).toEqual([true, false, false, false, false])
  await store.close()
})

test('a token ends with its time, from memory too', async () => {
  using folder = temporaryFolder()
  const { tokens, store, clock } = openTokens(folder.path)
  const { text, held } = await tokens.create(NEW)
  clock.advance(999)
  expect(await tokens.find(text)).not.toBeNull()
  expect((await tokens.current(held.session.id))?.id).toBe(held.session.id)
  clock.advance(1)
  expect(await tokens.find(text)).toBeNull()
  expect(await tokens.current(held.session.id)).toBeNull()
  expect(await tokens.list('home')).toEqual([])
  await store.close()
})

test('of a token that is renewed again and again the latest two short ones work, and none is in a list', async () => {
  using folder = temporaryFolder()
  const { tokens, store } = openTokens(folder.path)
  const { held } = await tokens.create(NEW)
  const texts: string[] = []
  for (let round = 0; round < 20; round++) {
    const text = await shortOf(tokens, held, 600)
    texts.push(text)
    expect((await tokens.find(text))?.session.id).toBe(held.session.id)
  }
  const works = await Promise.all(texts.map(async text => (await tokens.find(text)) !== null))
  expect(works).toEqual([...Array.from({ length: 18 }, () => false), true, true])
  expect((await tokens.list('home')).map(({ session }) => session.id)).toEqual([held.session.id])
  await tokens.revoke(held.session.id)
  for (const text of texts) expect(await tokens.find(text)).toBeNull()
  await store.close()
})

test('a short token that was used ends after its ten minutes, from memory too, and never after the one that it stands for', async () => {
  using folder = temporaryFolder()
  const { tokens, store, clock, reads } = openTokens(folder.path)
  const long = await tokens.create({ ...NEW, lifetimeMs: 90 * 24 * 3_600_000 })
  const short = await shortOf(tokens, long.held, 600_000)
  expect((await tokens.find(short))?.session.id).toBe(long.held.session.id)
  clock.advance(599_999)
  const before = reads()
  expect((await tokens.find(short))?.session.id).toBe(long.held.session.id)
  expect(reads()).toBe(before)
  clock.advance(1)
  expect(await tokens.find(short)).toBeNull()
  expect((await tokens.find(long.text))?.session.id).toBe(long.held.session.id)

  const brief = await tokens.create({ ...NEW, lifetimeMs: 1000 })
  const outlasting = await shortOf(tokens, brief.held, 600_000)
  expect(await tokens.find(outlasting)).not.toBeNull()
  clock.advance(1000)
  expect(await tokens.find(outlasting)).toBeNull()
  await store.close()
})
