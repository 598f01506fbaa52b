/** Logs answers that were cut, at most one line in ten seconds. */

import type { Facts } from '../../base/errors.ts'
import type { Log } from '../../base/ports.ts'
import type { CutReason, FlowOwner } from '../../proxy/body/flows.ts'
import type { Deadlines, Waiting } from '../../proxy/lifetime/deadlines.ts'
import { NOWHERE } from '../../proxy/lifetime/roster.ts'

/** Logs answers that were cut. Pairs with `close`, which logs the rest. */
export interface CutLog {
  note(owner: Pick<FlowOwner, 'client' | 'route'>, why: CutReason): void
  close(): void
}

/** Who makes the gate cut answers by the thousand fills no disk with it. */
const INTERVAL_MS = 10_000

/** How many clients and routes a line names. */
const NAMED = 5

/** One line for the first answer that is cut, and then one in ten seconds for all others of that time. */
export function createCutLog(log: Log, deadlines: Deadlines, now: () => number): CutLog {
  const counts = { stalled: 0, memory: 0 }
  const clients = new Set<string>()
  const routes = new Set<string>()
  const pause: Waiting = {
    slot: NOWHERE,
    deadlineMs: 0,
    expire() {
      if (tell()) wait()
    },
  }
  function wait(): void {
    pause.deadlineMs = now() + INTERVAL_MS
    deadlines.add(pause)
  }
  /** Answers whether there was anything to tell. */
  function tell(): boolean {
    const count = counts.stalled + counts.memory
    if (count === 0) return false
    const facts: Facts = { count, ...counts, ...named('clients', clients), ...named('routes', routes) }
    log.info('Answers were cut: their clients took no more of them', facts)
    counts.stalled = 0
    counts.memory = 0
    clients.clear()
    routes.clear()
    return true
  }
  return {
    note({ client, route }, why) {
      counts[why]++
      // One more than are named shows that there are more.
      if (clients.size <= NAMED) clients.add(client)
      if (routes.size <= NAMED) routes.add(route)
      if (pause.slot !== NOWHERE) return
      tell()
      wait()
    },
    close() {
      deadlines.remove(pause)
      tell()
    },
  }
}

/** The first of them by name, and whether there were others. */
function named(what: string, all: ReadonlySet<string>): Facts {
  const few = [...all].slice(0, NAMED)
  return all.size > NAMED ? { [what]: [...few, 'and others'] } : { [what]: few }
}
