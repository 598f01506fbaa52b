/** The bodies that are under way in this process, and the memory that they may take. */

import { openConnections } from '../base/connections.ts'
import { errorFacts, type GateError } from '../base/errors.ts'
import type { Config } from '../config/resolve/config.ts'
import { createWholeBodies } from '../proxy/body/buffered-bodies.ts'
import { createEventStreams } from '../proxy/body/event-streams.ts'
import { createFlows } from '../proxy/body/flows.ts'
import { createClientIdle } from '../proxy/lifetime/client-idle.ts'
import { openDeadlines } from '../proxy/lifetime/deadlines.ts'
import type { Metrics } from '../server/observe/counts.ts'
import { createCutLog } from '../server/observe/cut-log.ts'
import { memoryFor, reclaimMemory } from './resources.ts'
import type { ServeOptions } from './serve-options.ts'

/** What bodies are watched and bounded by. */
export interface BodiesTools {
  readonly metrics: Metrics
  /** The current file. */
  readonly current: () => Config
  /** How many requests have not been answered to their end. */
  readonly pendingRequests: () => number
}

/** All that looks after requests and answers while they are on their way, by one clock. Pairs with `close`. */
export function openBodies(options: ServeOptions, config: Config, { metrics, current, pendingRequests }: BodiesTools) {
  const { ports, idleTimeoutS = MOST_IDLE_S } = options
  const deadlines = openDeadlines(ports.now)
  const streams = createEventStreams()
  const cutLog = createCutLog(ports.log, deadlines, ports.now)
  const usualBytes = usualStallMemory(config.server.workers)
  const flows = createFlows({
    deadlines,
    now: ports.now,
    limits() {
      const { maxOpen, stallTimeoutMs: stallMs, stallMemoryBytes: memoryBytes } = current().server
      return { maxOpen, stallMs, memoryBytes: memoryBytes ?? usualBytes }
    },
    onCut(owner, why) {
      metrics.cut[why]++
      if (owner.kind === 'answer') cutLog.note(owner, why)
    },
    connections: openConnections(),
    unseen: options.unseen ?? null,
    onWait: () => metrics.waited++,
    reclaim: reclaimMemory,
  })
  return {
    deadlines,
    streams,
    flows,
    wholeBodies: createWholeBodies({
      unsent: () => pendingRequests() - streams.size,
      deadlines,
      now: ports.now,
      waitMs: options.bodyWaitMs,
    }),
    clientIdle: createClientIdle(deadlines, ports.now, { idleTimeoutS, offersHttp2: config.tls?.http2 === true }),
    noteTruncated(error: GateError): void {
      metrics.truncated++
      ports.log.warn('An upstream ended in the middle of its answer', errorFacts(error))
    },
    close(): void {
      flows.close()
      cutLog.close()
      deadlines.close()
    },
  }
}

/** As long as Bun lets a connection be silent. */
export const MOST_IDLE_S = 255

/** The default of `stall_memory`, in bytes: a quarter of the memory that each process may use. */
function usualStallMemory(workers: number | 'auto'): number {
  return Math.max(LEAST_BYTES, Math.floor(memoryFor(workers) / 4))
}

/** Four bodies without a reader. */
const LEAST_BYTES = 10_000_000
