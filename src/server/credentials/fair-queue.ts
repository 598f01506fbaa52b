import { afterLimit } from '../../base/time-limit.ts'

/** Gives a place back; more than once is the same as once. */
export type Leave = () => void

/** Places for work that takes a core, and a bounded queue in which many requests of one client do not delay others. */
export interface FairQueue {
  readonly waiting: number
  /**
   * A place at once, or in turn. `groups` says who asks, the widest group first: groups beside each other have their turns equally
   * often, however many wait in one. Null where the wait takes too long, or the queue is full and theirs is the largest group.
   */
  enter(groups: readonly string[]): Promise<Leave | null>
}

export interface FairQueueLimits {
  readonly places: number
  readonly waiting: number
  readonly waitMs: number
}

interface Waiter {
  readonly groups: readonly string[]
  settle(leave: Leave | null): void
}

/** A group, whose groups have their turns in the order of the map; the narrowest ones have waiters. */
interface Group {
  readonly within: Map<string, Group>
  readonly waiters: Waiter[]
  size: number
}

/** A queue of which no place is taken. */
export function createFairQueue({ places, waiting: most, waitMs }: FairQueueLimits): FairQueue {
  const root = emptyGroup()
  let taken = 0

  /** From the widest group to the narrowest, each with its name in the one before; a group that is not there is made. */
  function pathTo(groups: readonly string[]): readonly Group[] {
    const path = [root]
    for (const name of groups) {
      const last = path.at(-1) ?? root
      const next = last.within.get(name) ?? emptyGroup()
      last.within.set(name, next)
      path.push(next)
    }
    return path
  }

  function remove(waiter: Waiter): void {
    const path = pathTo(waiter.groups)
    const waiters = path.at(-1)?.waiters ?? []
    waiters.splice(waiters.indexOf(waiter), 1)
    for (const group of path) group.size--
    waiter.groups.forEach((name, depth) => {
      if (path[depth + 1]?.size === 0) path[depth]?.within.delete(name)
    })
  }

  /** Whose turn it is; every group that led there goes to the end of its row. */
  function next(): Waiter | undefined {
    let group = root
    for (;;) {
      const [first] = group.within
      if (first === undefined) return group.waiters[0]
      const [name, within] = first
      group.within.delete(name)
      group.within.set(name, within)
      group = within
    }
  }

  /** The newest one of the largest group; of groups of the same size, of the one that came last. */
  function surplus(): Waiter | undefined {
    let group = root
    for (;;) {
      let largest: Group | undefined
      for (const within of group.within.values()) if (within.size >= (largest?.size ?? 0)) largest = within
      if (largest === undefined) return group.waiters.at(-1)
      group = largest
    }
  }

  function place(): Leave {
    let isLeft = false
    return () => {
      if (isLeft) return
      isLeft = true
      const waiter = next()
      if (waiter === undefined) taken--
      else waiter.settle(place())
    }
  }

  return {
    get waiting() {
      return root.size
    },
    enter(groups) {
      if (taken < places) {
        taken++
        return Promise.resolve(place())
      }
      return new Promise(resolve => {
        const stopWaiting = afterLimit(waitMs, () => waiter.settle(null))
        const waiter: Waiter = {
          groups,
          settle(leave) {
            stopWaiting()
            remove(waiter)
            resolve(leave)
          },
        }
        const path = pathTo(groups)
        path.at(-1)?.waiters.push(waiter)
        for (const group of path) group.size++
        if (root.size > most) surplus()?.settle(null)
      })
    },
  }
}

function emptyGroup(): Group {
  return { within: new Map(), waiters: [], size: 0 }
}
