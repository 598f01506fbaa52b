import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { makeIdentity } from '../../src/identity/identity.ts'
import { openSessions } from '../../src/session/open.ts'
import { createSealer } from '../../src/session/seal.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { ANY_PROVIDER, LIFETIMES } from '../kit/sessions/lifetimes.ts'

test('a token of the provider counts as memory from the first time that an application is to have it', async () => {
  using folder = temporaryFolder()
  const ports = quietPorts(fakeClock())
  const sessions = openSessions({
    store: openSqliteStore(join(folder.path, 's.db'), ports),
    sealer: createSealer(new Uint8Array(32).fill(7), ports),
    limits: { ...LIFETIMES, cacheBytes: 500_000, providerTrust: ANY_PROVIDER },
    ports,
  })
  try {
    const token = 'x'.repeat(3_000)
    const identity = makeIdentity('id', 'https://id.example', 'ada', {})
    const secrets = { idToken: '', refreshToken: null, access: { token, expiresAtMs: null } }
    const { session } = await sessions.start({ portal: 'home', host: 'app.example', identity, secrets })
    const { bytes } = sessions.cacheSize()
    for (let time = 0; time < 2; time++) {
      expect(await sessions.providerTokens.find(session, 'access')).toBe(token)
      expect(sessions.cacheSize().bytes).toBe(bytes + token.length)
    }
  } finally {
    await sessions.close()
  }
})
