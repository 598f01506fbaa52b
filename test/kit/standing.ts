import { expect } from 'bun:test'
import { eventually } from './gate.ts'
import { metricsOf } from './requests.ts'

/** What a gate says of itself that is over with each answer, as it is written: its gauges, how many requests had to wait, and what is no number. */
type Standing = Readonly<Record<string, string>>

/** Counts that say that requests are held up, whatever they ask for. */
const HELD_UP: ReadonlySet<string> = new Set(['sallyport_waited_total'])

const NO_NUMBER = 'series that are no number'

interface Admin {
  readonly adminPort: number
}

export async function standingOf({ adminPort }: Admin): Promise<Standing> {
  const text = await metricsOf({ adminPort })
  const standing: Record<string, string> = { [NO_NUMBER]: '' }
  let isTold = false
  for (const line of text.trimEnd().split('\n')) {
    const [, name = '', kind] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (name !== '') isTold = HELD_UP.has(name) || (kind === 'gauge' && name.startsWith('sallyport_'))
    if (line.startsWith('#')) continue
    const end = line.lastIndexOf(' ')
    const value = line.slice(end + 1)
    if (!Number.isFinite(Number(value))) standing[NO_NUMBER] += `${line}; `
    if (isTold) standing[line.slice(0, end)] = value
  }
  return standing
}

/** Waits until a gate stands as it did; fails with what is different. */
export async function standsAs(gate: Admin, before: Standing): Promise<void> {
  let now: Standing = {}
  const isSame = async () => {
    now = await standingOf(gate)
    return Bun.deepEquals(now, before)
  }
  await eventually(isSame, 'the gate stands as it did').catch(() => expect(now).toEqual(before))
}
