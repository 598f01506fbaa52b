import { describe, expect, test } from 'bun:test'
import { untilTheEnd } from '../../kit/opened.ts'
import { askAgain, type Difference, recordingsOf, startSurroundings } from '../../kit/recorded.ts'
import { PROGRAMS } from '../../migrate/recorded.ts'

/** Of the rows of a recording: those that are another way now and told in the report, those that are not told, and those that opened. */
type Others = readonly [told: number, untold: number, opened: number]

/** Where not every row is the same, how many are not, at most: a change here has to be for the better. Null is not imported at all. */
const OTHERS: Readonly<Record<string, Others | null>> = {
  'caddy-security/n01-homelab': [15, 0, 0],
  'caddy-security/n05-api': [2, 0, 0],
  'caddy-security/n11-headers': [22, 0, 0],
  'caddy-security/n13-mixed': [15, 0, 0],
  'caddy-security/seed-live': [30, 0, 0],
  'oauth2-proxy-7.15/p04-jwt': [8, 0, 0],
  'oauth2-proxy-7.15/p09-htpasswd': [6, 0, 0],
  'oauth2-proxy-7.15/p18-asked': [10, 0, 0],
}

/** The share of all rows that has to be the same. */
const SAME = 0.98

const keep = untilTheEnd()
const surroundings = keep(await startSurroundings())
const total = { rows: 0, same: 0 }

for (const program of PROGRAMS) {
  describe(`nothing that ${program} refused is open in what is made of its file`, () => {
    for (const recording of recordingsOf(program)) {
      const name = `${program}/${recording.name}`
      const others = name in OTHERS ? (OTHERS[name] ?? null) : ([0, 0, 0] as const)
      test(recording.name, async () => {
        if (others === null) return expect(askAgain(recording, surroundings)).rejects.toThrow()
        const compared = await askAgain(recording, surroundings)
        const rowsOf = (holds: (one: Difference) => boolean) =>
          compared.differences.filter(holds).map(({ what }) => what)
        const [told, untold, opened] = others
        expect(rowsOf(({ kind }) => kind === 'opened').slice(opened)).toEqual([])
        expect(rowsOf(({ kind, isTold }) => kind !== 'opened' && !isTold).slice(untold)).toEqual([])
        expect(rowsOf(({ kind, isTold }) => kind !== 'opened' && isTold).slice(told)).toEqual([])
        expect(compared.rows).toBeGreaterThan(0)
        total.rows += compared.rows
        total.same += compared.same
      })
    }
  })
}

test('nearly every row is the same', () => {
  expect(total.same / total.rows).toBeGreaterThanOrEqual(SAME)
})
