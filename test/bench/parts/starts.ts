import { type Findings, median, target } from '../report.ts'
import type { Stand } from '../stand.ts'
import type { Effort } from './part.ts'

const MOST_STARTS = 10

/** From starting the program to its first answer through to the upstream. One more start comes first: it warms the page cache. */
export async function starts(stand: Stand, { rounds }: Effort): Promise<Findings> {
  const count = Math.min(MOST_STARTS, rounds * 2)
  console.error(`bench: ${count} starts`)
  const gate = await stand.anotherGate('starts')
  const taken: number[] = []
  for (let index = -1; index < count; index++) {
    const began = performance.now()
    const child = gate.start()
    const served = await gate.untilServed()
    if (index >= 0) taken.push(served - began)
    await child.stop()
  }
  return {
    tables: [],
    targets: [target(`start to first answer, median of ${count}`, median(taken), 100, 'ms')],
    figures: taken,
  }
}
