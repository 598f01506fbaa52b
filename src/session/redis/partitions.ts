/**
 * Where things are kept in Redis: all in one place on one server; in a cluster in sixteen, each with its hash tag.
 *
 * A script reads and changes whatever it finds in one partition, and writes it to that partition's stream of
 * changes, in the same step. Every gate reads all streams. So a session is in one partition with its cookies, its place in
 * each index and its changes. Everything else is in the first: tokens, links and their owners, one-time records,
 * rate limits, the audit trail, what all gates share, and changes of more than one session. So a sign-in needs the
 * first and any other: where that of its session is away, the session gets another id (`start.ts`).
 */

import { createHash } from 'node:crypto'
import type { Partition } from '../records.ts'
import type { RedisLink } from './connection.ts'
import type { EndedWhere } from './repeat-after-failover.ts'

/** What is kept under one prefix, and the way to it. */
export type RedisPartition = Omit<RedisLink, 'close'>

/** All of them, in the order of their streams. */
export interface RedisPartitions {
  readonly all: readonly RedisPartition[]
  of(partition: Partition): RedisPartition
  /** Where a cookie is looked for by its hash: with its session, since only such cookies are made (`SessionStore.fits`). */
  ofHandle(hash: string): RedisPartition
}

export function createPartitions(all: readonly [RedisPartition, ...RedisPartition[]]): RedisPartitions {
  const [first] = all
  const at = (index: number) => all[index] ?? first
  return {
    all,
    of: partition => at(indexOf(partition, all.length)),
    ofHandle: hash => at(indexOfName(hash, all.length)),
  }
}

/** One server keeps everything in one place. */
export function onePartition(link: RedisLink): RedisPartitions {
  return createPartitions([link])
}

/** Whether a cookie of this hash is looked for where its session is. */
export function isTogether(hash: string, sessionId: string, count: number): boolean {
  return indexOfName(hash, count) === indexOfName(sessionId, count)
}

/** What may be in the partition of this prefix: a removed session, or token or link; what is known of an owner. */
export function endedIn(prefix: string, index: number, count: number): EndedWhere {
  return { prefix, count, has: (id, isOwner) => index === 0 || (!isOwner && indexOfName(id, count) === index) }
}

function indexOf(partition: Partition, count: number): number {
  return partition !== 'global' && 'session' in partition ? indexOfName(partition.session, count) : 0
}

/** The same for good: what is stored is found by it. */
function indexOfName(name: string, count: number): number {
  if (count === 1) return 0
  const [byte = 0] = createHash('sha256').update(name).digest()
  return byte % count
}

/** Does this for each, whatever becomes of the others; throws what one of them has thrown, once all are done. */
export async function inEach<T, R>(groups: Iterable<T>, act: (group: T) => Promise<R>): Promise<readonly R[]> {
  const done = await Promise.allSettled([...groups].map(act))
  return done.map(one => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}

/** What belongs to sessions, by the partition of each. */
export function grouped<T>(
  partitions: RedisPartitions,
  items: Iterable<T>,
  idOf: (item: T) => string,
): ReadonlyMap<RedisPartition, readonly T[]> {
  const groups = new Map<RedisPartition, T[]>()
  for (const item of items) {
    const partition = partitions.of({ session: idOf(item) })
    const group = groups.get(partition)
    if (group === undefined) groups.set(partition, [item])
    else group.push(item)
  }
  return groups
}
