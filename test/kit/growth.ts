import { expect } from 'bun:test'

/** What one call may take however long its input is: a machine that is busy shows nothing below this. */
const NOTHING_MS = 40
const TIMES_LONGER = 8

/**
 * Fails where work grows faster than its input: eight times as long may take eight times the work, with as much again for a machine
 * that does something else meanwhile, and not sixty-four times. It is the processor's time of this process, the least of three.
 */
export function growsWith(work: (length: number) => void, length: number, what: string): void {
  const least = (of: number) => Math.min(...[1, 2, 3].map(() => costOf(() => work(of))))
  const long = costOf(() => work(length))
  if (long < NOTHING_MS) return
  const short = least(length / TIMES_LONGER)
  expect([
    what,
    Math.min(
      long,
      costOf(() => work(length)),
    ) /
      Math.max(short, NOTHING_MS / TIMES_LONGER) <
      3 * TIMES_LONGER,
  ]).toEqual([what, true])
}

function costOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
