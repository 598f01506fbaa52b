import { expect, test } from 'bun:test'
import { momentsOf } from '../../src/session/lifetimes.ts'

const [HOUR, DAY] = [3_600_000, 24 * 3_600_000]
const RULES = { lifetimeMs: 12 * HOUR, idleMs: HOUR, rememberMs: 30 * DAY, refreshMs: null, refreshLimitMs: 0 }
const ROW = { createdAtMs: 0, expiresAtMs: 100 * DAY, checkedAtMs: 0, isRefreshable: false }

test.each<[isRemembered: boolean, rememberMs: number | null, overAtMs: number, idleMs: number]>([
  [true, 30 * DAY, 30 * DAY, 30 * DAY],
  [false, 30 * DAY, 12 * HOUR, HOUR],
  [true, null, 12 * HOUR, HOUR],
  [false, null, 12 * HOUR, HOUR],
])(
  'a session that was to be remembered, %p, where people may have that for %p, is over at %p or %p after its last use',
  (isRemembered, rememberMs, overAtMs, idleMs) => {
    expect(momentsOf({ ...ROW, isRemembered }, { ...RULES, rememberMs })).toMatchObject({ overAtMs, idleMs })
  },
)
