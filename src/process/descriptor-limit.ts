/** Watches the limit of open files: what is closed, and no longer accepted, before there are none left. */

import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { errorFacts } from '../base/errors.ts'
import type { Log } from '../base/ports.ts'
import type { Crowd } from '../server/listen/connection-limit.ts'

/** Often enough for a client that waits for the admin listener. */
const EVERY_MS = 2000

/** While few are open and none comes or goes: an idle machine stays asleep. */
const SELDOM_MS = 15_000

/** So many are few: far from any limit that a server has. */
const FEW = 128

/** Descriptors that are kept for when there are no others: for the admin listener, and for what is under way. */
const RESERVE = 32

/** How many more have to come free before the shortage is over, so that it is not logged for each single one. */
const SPARE = 16

/** What is done about clients with more connections than they may have; `most` null: nothing. */
export interface CrowdWatch {
  most(): number | null
  close(most: number): readonly Crowd[]
}

const NO_CROWDS: CrowdWatch = { most: () => null, close: () => [] }

/** Pairs with `close`. */
export interface DescriptorWatch {
  /** Nothing can be opened but from the reserve. */
  readonly areOut: boolean
  close(): void
}

/**
 * Checks whether this process may open one more file or connection. While it may not, it logs that once and accepts no
 * new connection, so that the reserve is left for everything else. `pause` makes new connections wait until its result
 * is called. Pairs with `close`.
 */
export function watchDescriptors(log: Log, pause: () => () => void, crowds: CrowdWatch = NO_CROWDS): DescriptorWatch {
  let reserve = open(RESERVE) ?? []
  let resume: (() => void) | null = null

  function begin(): void {
    closeAll(reserve)
    reserve = []
    try {
      resume = pause()
    } catch (error) {
      resume = () => undefined
      log.warn('New connections could not be left waiting', errorFacts(error))
    }
    shed()
    log.error('No file or connection can be opened any more: new clients wait', {
      hint: 'raise the limit of open files (LimitNOFILE of the unit, ulimits in compose); max_client_connections in [server] bounds what one client may have open, idle or not',
    })
  }

  function shed(): void {
    const most = crowds.most()
    if (most === null) return
    try {
      for (const { network, closed } of crowds.close(most)) {
        log.warn('Connections of a client were closed: it had more open than it may', {
          client: network,
          closed,
          hint: 'if these are honest, raise max_client_connections in [server]; behind a proxy, see that trusted_proxies names it',
        })
      }
    } catch (error) {
      log.warn('Connections of clients could not be counted', errorFacts(error))
    }
  }

  function end(goOn: () => void): void {
    const free = open(RESERVE + SPARE)
    if (free === null) return
    reserve = free.splice(0, RESERVE)
    closeAll(free)
    goOn()
    resume = null
    log.info('Files and connections can be opened again')
  }

  /** The lowest free number, which the system gives to the next that is opened; it says whether any came or went. */
  let lowest = -1

  /** Returns how long no check is needed. */
  function look(): number {
    if (resume !== null) {
      shed()
      end(resume)
      return EVERY_MS
    }
    const one = open(1)
    if (one === null) {
      begin()
      return EVERY_MS
    }
    const [next = FEW] = one
    closeAll(one)
    const isStill = next === lowest && FEW > next
    // Where one client has more connections than it may have, at least that many descriptors are open: the lowest free
    // one is seldom below that.
    if (next > (crowds.most() ?? Number.POSITIVE_INFINITY)) shed()
    lowest = next
    return isStill ? SELDOM_MS : EVERY_MS
  }

  let timer: Timer
  function lookIn(waitMs: number): void {
    timer = setTimeout(() => lookIn(look()), waitMs)
    timer.unref()
  }

  lookIn(EVERY_MS)
  return {
    get areOut() {
      return resume !== null
    },
    close() {
      clearTimeout(timer)
      closeAll(reserve)
      reserve = []
    },
  }
}

/** So many descriptors, or none where that is too many. */
function open(count: number): number[] | null {
  const found: number[] = []
  try {
    while (found.length < count) found.push(openSync(devNull, 'r'))
    return found
  } catch {
    closeAll(found)
    return null
  }
}

function closeAll(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor)
}
