import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { isOfPastEra } from '../../../src/session/credentials/owners.ts'
import { openSessions } from '../../../src/session/open.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { ANY_PROVIDER, LIFETIMES } from '../../kit/sessions/lifetimes.ts'

const NOW = { password: 'p2', tokens: 2 }

test.each<[made: Parameters<typeof isOfPastEra>[0], kind: 'client' | 'token', isOver: boolean]>([
  [NOW, 'client', false],
  [NOW, 'token', false],
  [{ ...NOW, password: 'p1' }, 'client', true],
  [{ ...NOW, password: 'p1' }, 'token', false],
  [{ ...NOW, tokens: 1 }, 'client', true],
  [{ ...NOW, tokens: 1 }, 'token', true],
  [undefined, 'client', true],
  [undefined, 'token', true],
])('of %j a %s has ended by the password and the epoch of tokens that count now: %p', (made, kind, isOver) => {
  expect(isOfPastEra(made, NOW, kind)).toBe(isOver)
  expect(isOfPastEra(made, undefined, kind)).toBe(false)
})

test('with another password the tokens of MCP clients end, and those that a person made stay', async () => {
  using folder = temporaryFolder()
  const ports = quietPorts(fakeClock())
  const sessions = openSessions({
    store: openSqliteStore(join(folder.path, 's.db'), ports),
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits: { ...LIFETIMES, cacheBytes: 500_000, providerTrust: ANY_PROVIDER },
    ports,
  })
  const ada = (era: typeof NOW) => ({ ...makeIdentity('id', 'https://id.example', 'ada', {}), era })
  const signIn = (era: typeof NOW) => {
    const secrets = { idToken: 'i', refreshToken: null }
    return sessions.start({ portal: 'home', host: 'app.example', identity: ada(era), secrets })
  }
  const make = async (more: object) => {
    const limits = { host: null, path: null, methods: null, networks: null, ...more }
    const wanted = { portal: 'home', name: 'n', lifetimeMs: 1e6, identity: ada(NOW), limits, follows: true }
    return (await sessions.tokens.create(wanted)).text
  }
  try {
    await signIn(NOW)
    const made = [await make({}), await make({ resource: 'https://app.example/mcp' })]
    const areFound = () => Promise.all(made.map(async text => (await sessions.tokens.find(text)) !== null))
    expect(await areFound()).toEqual([true, true])
    await signIn({ ...NOW, password: 'p3' })
    expect(await areFound()).toEqual([true, false])
    await signIn({ password: 'p3', tokens: 3 })
    expect(await areFound()).toEqual([false, false])
  } finally {
    await sessions.close()
  }
})
