/** A fair queue of requests: the client with the least under way comes first. */

import { networkOf } from '../../base/net.ts'

/** Who waits, by the network of their client. */
export interface Waiting<One> {
  readonly length: number
  /** Waits from now on; call what is answered where that ends otherwise. */
  add(one: One): () => void
  /**
   * Removes and returns the request whose client has least under way, and has waited for longest among those.
   * Undefined where none waits.
   */
  take(): One | undefined
  /** All that are so, in the order in which each client's came; they wait no more. It looks at every one. */
  takeWhere(isSo: (one: One) => boolean): readonly One[]
  noteLess(client: string): void
}

interface Group<One> {
  readonly client: string
  /** In the order in which they came, each with its number. */
  readonly members: Map<number, One>
  /** Its only entry that counts; null once it is gone. */
  entry: Entry<One> | null
}

/** A client's claim to be next, as it was when it was put in its place: by now its client may have more. */
interface Entry<One> {
  readonly group: Group<One>
  readonly count: number
  /** When the first of the group came. */
  readonly number: number
}

/**
 * A queue of clients, each with its waiting requests. Taking one costs the logarithm of the number of waiting clients,
 * for any number of requests. A scan of all requests for each would cost a hundred million looks where ten thousand
 * wait.
 *
 * A client whose count has grown since it was placed moves to another place once its turn seems to have come. A client
 * whose count has fallen has to be reported to the queue.
 */
export function createWaiting<One extends { readonly client: string }>(
  countOf: (client: string) => number,
): Waiting<One> {
  const groups = new Map<string, Group<One>>()
  const heap: Entry<One>[] = []
  let length = 0
  let lastNumber = 0

  function firstOf({ members }: Group<One>): number {
    return members.keys().next().value ?? Number.POSITIVE_INFINITY
  }

  function place(group: Group<One>): void {
    group.entry = { group, count: countOf(group.client), number: firstOf(group) }
    heap.push(group.entry)
    rise(heap)
  }

  function drop(group: Group<One>): void {
    group.entry = null
    groups.delete(networkOf(group.client))
  }

  return {
    get length() {
      return length
    },
    add(one) {
      const network = networkOf(one.client)
      let group = groups.get(network)
      if (group === undefined) {
        group = { client: one.client, members: new Map(), entry: null }
        groups.set(network, group)
      }
      const own = group
      const number = ++lastNumber
      own.members.set(number, one)
      length++
      if (own.entry === null) place(own)
      return () => {
        if (!own.members.delete(number)) return
        length--
        if (own.members.size === 0) drop(own)
      }
    },
    take() {
      for (let entry = heap[0]; entry !== undefined; entry = heap[0]) {
        const { group } = entry
        const isCurrent = group.entry === entry
        const isRight = isCurrent && entry.count === countOf(group.client) && entry.number === firstOf(group)
        pop(heap)
        if (!isCurrent) continue
        if (!isRight) {
          place(group)
          continue
        }
        const one = group.members.get(entry.number)
        group.members.delete(entry.number)
        length--
        if (group.members.size === 0) drop(group)
        else place(group)
        return one
      }
      return undefined
    },
    takeWhere(isSo) {
      const taken: One[] = []
      for (const group of groups.values()) {
        for (const [number, one] of group.members) {
          if (!isSo(one)) continue
          group.members.delete(number)
          taken.push(one)
        }
        if (group.members.size === 0) drop(group)
      }
      length -= taken.length
      return taken
    },
    noteLess(client) {
      if (length === 0) return
      const group = groups.get(networkOf(client))
      if (group?.entry != null && countOf(client) < group.entry.count) place(group)
    },
  }
}

type Ordered = Pick<Entry<unknown>, 'count' | 'number'>

function isBefore(one: Ordered, other: Ordered): boolean {
  return one.count < other.count || (one.count === other.count && one.number < other.number)
}

/** Brings the last entry of a heap to its place. */
function rise(heap: Ordered[]): void {
  for (let at = heap.length - 1; at > 0; ) {
    const above = (at - 1) >> 1
    if (!swapIfBefore(heap, at, above)) return
    at = above
  }
}

/** Takes the first entry out of a heap. */
function pop(heap: Ordered[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  heap[0] = last
  for (let at = 0; ; ) {
    const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]]
    if (left === undefined) return
    const below = right !== undefined && isBefore(right, left) ? 2 * at + 2 : 2 * at + 1
    if (!swapIfBefore(heap, below, at)) return
    at = below
  }
}

/** Swaps two entries where the one below is before the one above; answers whether it did. */
function swapIfBefore(heap: Ordered[], below: number, above: number): boolean {
  const [one, other] = [heap[below], heap[above]]
  if (one === undefined || other === undefined || !isBefore(one, other)) return false
  heap[above] = one
  heap[below] = other
  return true
}
