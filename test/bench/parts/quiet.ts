import type { Field } from '../field.ts'
import { type Child, cpuUs, wakeUps } from '../process.ts'
import { type Findings, type Target, target } from '../report.ts'
import type { Stand } from '../stand.ts'
import type { SubjectKey } from '../subject.ts'
import type { Effort } from './part.ts'

/**
 * What a start and a sign-in bring about is over by then: the log of the session database is taken in a minute after the last write,
 * and Bun 1.4.5 looks after its memory twice a minute instead of each second.
 */
const SETTLE_MS = 80_000
const LOOK_S = 20

/** How much more often the gate may be woken in a second than a bare server of the same Bun. */
const AT_MOST = 2

interface Row {
  readonly key: SubjectKey
  readonly name: string
  readonly wakeUpsPerS: number
  readonly cpuMsPerS: number
}

/** What each does while nobody asks: how often it wakes the processor, and for how long. All are looked at together. */
export async function quiet(_: Stand, __: Effort, field: Field): Promise<Findings> {
  // The same process answers for both ways through the gate.
  const subjects = field.offering('app').filter(({ key }) => key !== 'public')
  console.error(`bench: ${SETTLE_MS / 1000 + LOOK_S} s of silence`)
  for (const subject of subjects) await field.with(subject, async () => undefined)
  await Bun.sleep(SETTLE_MS)
  const begun = new Map<SubjectKey, { readonly child: Child; readonly wakes: number; readonly cpu: number }>()
  for (const subject of subjects) {
    await field.with(subject, async child => {
      begun.set(subject.key, { child, wakes: wakeUps(child), cpu: cpuUs(child) })
    })
  }
  await Bun.sleep(LOOK_S * 1000)
  const rows = subjects.flatMap(({ key, name }): Row[] => {
    const before = begun.get(key)
    if (before === undefined) return []
    const { child, wakes, cpu } = before
    return [
      {
        key,
        name,
        wakeUpsPerS: (wakeUps(child) - wakes) / LOOK_S,
        cpuMsPerS: (cpuUs(child) - cpu) / 1000 / LOOK_S,
      },
    ]
  })
  return {
    tables: [
      [
        [`nobody asks, ${LOOK_S} s`, 'wake-ups/s', 'CPU ms/s'],
        ...rows.map(row => [row.name, row.wakeUpsPerS.toFixed(1), row.cpuMsPerS.toFixed(2)]),
      ],
    ],
    targets: judge(rows),
    figures: rows,
  }
}

function judge(rows: readonly Row[]): Target[] {
  const of = (key: SubjectKey) => rows.find(row => row.key === key)?.wakeUpsPerS
  const [own, bare] = [of('private'), of('bun')]
  if (own === undefined || bare === undefined) return []
  return [target('wake-ups while nobody asks, beyond bare Bun', own - bare, AT_MOST, '/s')]
}
