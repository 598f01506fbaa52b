import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { readUsers } from '../../../src/config/values/users-file.ts'
import { personOf } from '../../../src/identity/passwords/users.ts'
import { openSessions } from '../../../src/session/open.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { ANY_PROVIDER, LIFETIMES } from '../../kit/sessions/lifetimes.ts'

const DAY = 24 * 3_600_000
const HASH = '$2y$12$abcdefghijklmnopqrstuuVYVvCVmZNqhpgWzXvWoK2gXkzC4kCqS'
const { entries } = readUsers('users.toml', `[[users]]\nid = "id-of-ada-1"\nname = "ada"\nhash = "${HASH}"\n`)
const ADA = personOf({ name: 'family', users: { entries, groups: [], totp: new Map() } }, 'ada')

test('an invitation is good for a day, and not a moment longer', async () => {
  using folder = temporaryFolder()
  const clock = fakeClock()
  const ports = quietPorts(clock)
  const limits = { ...LIFETIMES, cacheBytes: 500_000, providerTrust: ANY_PROVIDER }
  const store = openSqliteStore(join(folder.path, 's.db'), ports)
  const sessions = openSessions({ store, sealer: createSealer(new Uint8Array(32).fill(7), ports), limits, ports })
  try {
    const { invitations } = sessions
    if (ADA === null) throw new Error('there is no ada')
    const { text, expiresAtMs } = await invitations.make(ADA, { portal: 'home', by: '' })
    expect(expiresAtMs).toBe(clock.now() + DAY)
    clock.advance(DAY - 1)
    expect(await invitations.find(text)).toMatchObject({ portal: 'home', provider: 'family', expiresAtMs })
    clock.advance(1)
    expect([await invitations.find(text), await invitations.use(text)]).toEqual([null, null])
  } finally {
    await sessions.close()
  }
})
