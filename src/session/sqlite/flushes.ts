/** Brings commits onto the disk, off the event loop. */

import { closeSync, fdatasync, openSync } from 'node:fs'
import type { MaybePromise } from '../../base/maybe-promise.ts'

/**
 * Brings what was committed onto the disk, without holding up the event loop: while a disk writes, requests that write nothing go on.
 *
 * SQLite itself would wait for the disk with each commit, on the thread that answers (`synchronous = FULL`). Here it only writes to
 * its log (`NORMAL`), and a thread flushes the log: one flush at a time, for all that was committed before it began. A commit counts
 * once its flush is over, so it survives a power cut as before. SQLite goes on to flush the log itself before a checkpoint and where
 * the log starts again (sqlite.org/pragma.html#pragma_synchronous), which is what keeps the database whole.
 */
export interface Flushes {
  /** Once everything that was committed by now is on the disk. Rejects with what the system says. */
  flushed(): MaybePromise<void>
  /** What waits is flushed all the same. */
  close(): MaybePromise<void>
}

/** Flushes the file of an open descriptor on a thread of the system's pool. */
export type Flush = (descriptor: number) => Promise<void>

const flushNow: Flush = descriptor =>
  new Promise((resolve, reject) => fdatasync(descriptor, error => (error === null ? resolve() : reject(error))))

/**
 * Begins to flush the log of a database that was just opened; `careful` has SQLite flush each commit itself from then on: after a flush
 * that failed, it is unknown what the system still has of the pages before.
 */
export function openFlushes(path: string, careful: () => void, flush: Flush = flushNow): Flushes {
  // Closing it gives up no lock: SQLite holds those on the database and on the index.
  const descriptor = openSync(`${path}-wal`, 'r')
  let current: Promise<void> | null = null
  let next: Promise<void> | null = null
  let hasFailed = false
  let isClosed = false

  async function run(): Promise<void> {
    try {
      await flush(descriptor)
    } catch (error) {
      if (!hasFailed && !isClosed) careful()
      hasFailed = true
      throw error
    }
  }

  function begin(): Promise<void> {
    const running = run().finally(() => {
      if (current === running) current = null
    })
    current = running
    return running
  }

  /**
   * The next begins once this one is over. Where that failed, what waits has failed with it: a log is read up to its first gap
   * (sqlite.org/fileformat.html §4.3), and the system answers the next flush as if nothing were missing.
   */
  async function after(running: Promise<void>): Promise<void> {
    await running.finally(() => {
      next = null
    })
    await begin()
  }

  return {
    flushed() {
      if (hasFailed || isClosed) return
      if (current === null) return begin()
      next ??= after(current)
      return next
    },
    close() {
      isClosed = true
      const last = next ?? current
      if (last === null) return closeSync(descriptor)
      return last.catch(() => undefined).then(() => closeSync(descriptor))
    },
  }
}
