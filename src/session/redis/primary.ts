/**
 * Which server takes writes (the primary): the only one, the one that says so itself, or the one that sentinels name.
 */

import type { RedisNode } from '../../config/values/redis-address.ts'

/** Pairs with `close`. */
export interface Whereabouts {
  /** The servers of which one is the primary. Throws where no server can say now. */
  find(): Promise<readonly RedisNode[]>
  /** Whether a server has to say itself that it is the primary (ROLE) before it is written to. */
  readonly isChecked: boolean
  /** Whether a server is the primary, as far as is known. */
  isAt(node: RedisNode): boolean
  /** Throws `NotPrimary` where this server may not be written to now: another one is the primary, or none says so any more. */
  permitWrite(node: RedisNode): Promise<void> | void
  /** Called when the primary is another one; with an error when for too long none has said which it is. */
  onChange: ((error: unknown) => void) | null
  close(): void
}

/** Nothing was sent, since a server is not known to be the primary. */
export class NotPrimary extends Error {}

/** Those of the config file. */
export function listedServers(nodes: readonly RedisNode[]): Whereabouts {
  return {
    find: async () => nodes,
    isChecked: nodes.length > 1,
    isAt: () => true,
    permitWrite: () => undefined,
    onChange: null,
    close: () => undefined,
  }
}
