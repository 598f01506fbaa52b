/** The admin listener of several workers: their answers put together. */

import type { AdminSources, ConfigState } from '../../server/observe/admin-listener.ts'
import { type Family, simpleFamily } from '../../server/observe/metric-family.ts'
import { keepCounts, parseMetrics, sumMetrics } from '../../server/observe/prometheus.ts'
import { parseStatusFacts } from '../../server/observe/status.ts'
import type { WorkerPool } from '../worker-pool.ts'
import type { WorkerProcess } from '../worker-process.ts'
import { processFamilies } from './process-metrics.ts'

/** What `/config` says of several processes: of the gate as a whole, and of each. */
interface CrewConfig extends ConfigState {
  readonly workers: readonly (
    | ({ readonly worker: number; readonly pid: number } & ConfigState)
    | { readonly worker: number; readonly pid: number; readonly answers: false }
  )[]
}

/**
 * What the admin listener shows of all workers together. A worker that does not answer in time is not ready.
 *
 * Counts never fall: a worker that does not answer, or is gone, counts with its last numbers. `own` is what the
 * supervisor itself knows of the file.
 */
export function createPoolSources(
  pool: WorkerPool,
  own: () => ConfigState,
  isStopping: () => boolean,
  damaged: AdminSources['damaged'],
): AdminSources {
  const last = new Map<WorkerProcess, readonly Family[]>()
  let gone: readonly Family[] = []

  function ownFamilies(members: readonly WorkerProcess[]): readonly Family[] {
    const running = members.filter(worker => worker.isListening).length
    return [
      simpleFamily('gauge', 'sallyport_workers', 'Worker processes that take requests.', running),
      simpleFamily('gauge', 'sallyport_workers_wanted', 'Worker processes that there should be.', pool.size),
      simpleFamily(
        'counter',
        'sallyport_worker_restarts_total',
        'Workers started in the place of one that died.',
        pool.restarts,
      ),
      ...processFamilies(),
    ]
  }

  return {
    async unready() {
      if (isStopping()) return 'draining'
      const { members } = pool
      const listening = members.filter(worker => worker.isListening)
      if (listening.length < pool.size) return `${listening.length} of ${pool.size} workers listen`
      const answers = await Promise.all(
        listening.map(async worker => [worker.index, await worker.ask('unready')] as const),
      )
      for (const [index, answer] of answers) {
        if (answer === null) continue
        return `worker ${index}: ${typeof answer === 'string' ? answer : 'does not answer'}`
      }
      return null
    },
    damaged,
    async config() {
      const workers = await Promise.all(
        pool.members.map(async worker => {
          const state = parseConfigState(await worker.ask('config'))
          const who = { worker: worker.index, pid: worker.pid }
          return state === null ? ({ ...who, answers: false } as const) : { ...who, ...state }
        }),
      )
      const state = own()
      const refused = workers.map(one => ('refused' in one ? one.refused : null)).find(refusal => refusal !== null)
      const told: CrewConfig = { ...state, refused: state.refused ?? refused ?? null, workers }
      return told
    },
    async metrics() {
      const { members } = pool
      await Promise.all(
        members.map(async worker => {
          const text = await worker.ask('metrics')
          if (typeof text === 'string') last.set(worker, parseMetrics(text))
        }),
      )
      const living = new Set(pool.members)
      for (const [worker, families] of last) {
        if (living.has(worker)) continue
        gone = sumMetrics([gone, keepCounts(families)])
        last.delete(worker)
      }
      return sumMetrics([...last.values(), gone, ownFamilies(pool.members)])
    },
    async status() {
      const answers = await Promise.all(pool.members.map(worker => worker.ask('status')))
      return answers.map(parseStatusFacts).filter(facts => facts !== null)
    },
    workers: () => ({ total: pool.size, listening: pool.members.filter(worker => worker.isListening).length }),
  }
}

function parseConfigState(raw: unknown): ConfigState | null {
  if (typeof raw !== 'object' || raw === null) return null
  const { fingerprint, routes, file, in_force_since, last_read, on_disk, needs_restart, refused } = raw as Partial<
    Record<keyof ConfigState, unknown>
  >
  if (typeof fingerprint !== 'string' || typeof routes !== 'number' || typeof last_read !== 'string') return null
  const state = ON_DISK.find(known => known === on_disk)
  if (typeof file !== 'string' || typeof in_force_since !== 'string' || state === undefined) return null
  return {
    fingerprint,
    routes,
    file,
    in_force_since,
    last_read,
    on_disk: state,
    needs_restart: Array.isArray(needs_restart) ? needs_restart.filter(key => typeof key === 'string') : [],
    refused: typeof refused === 'string' ? refused : null,
  }
}

const ON_DISK = ['in force', 'refused', 'unread', 'lost'] as const satisfies readonly ConfigState['on_disk'][]
