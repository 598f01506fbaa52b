/** Measures the calls of a store. */

import { delegateTo, type Run } from './sqlite/delegate.ts'
import type { SessionStore } from './store.ts'

/** `poll` is the look at what other processes did, each second. */
export type StoreCall = 'read' | 'write' | 'poll'

/** Observes each call of a store. */
export interface StoreWatch {
  /** In milliseconds, by a clock that is never set. */
  tick(): number
  done(call: StoreCall, tookMs: number): void
  failed(call: StoreCall): void
}

/** The same store with an observer of each call. A call that throws or rejects counts as finished. */
export function watchStore(store: SessionStore, watch: StoreWatch): SessionStore {
  function running(call: StoreCall): Run {
    return act => {
      const begunMs = watch.tick()
      const over = <T>(result: T): T => {
        watch.done(call, watch.tick() - begunMs)
        return result
      }
      const failed = (error: unknown): never => {
        over(null)
        watch.failed(call)
        throw error
      }
      let result: ReturnType<typeof act>
      try {
        result = act(store)
      } catch (error) {
        return failed(error)
      }
      return result instanceof Promise ? result.then(over, failed) : over(result)
    }
  }
  const reads = delegateTo(running('read'))
  const polling = running('poll')
  return {
    ...delegateTo(running('write')),
    countSessions: reads.countSessions,
    findHosts: reads.findHosts,
    findByHash: reads.findByHash,
    findById: reads.findById,
    findBySubject: reads.findBySubject,
    findBySid: reads.findBySid,
    list: reads.list,
    listAudit: reads.listAudit,
    peek: reads.peek,
    readShared: reads.readShared,
    findRecord: reads.findRecord,
    listRecords: reads.listRecords,
    clock: reads.clock,
    changesSince: () => polling(one => one.changesSince()),
    onWritten: store.onWritten,
    ...(store.fits === undefined ? {} : { fits: store.fits }),
    ...(store.doubt === undefined ? {} : { doubt: store.doubt }),
    close: () => store.close(),
  }
}
