/** Compresses files, and keeps what it made. */

import { promisify } from 'node:util'
import { zlib } from '../../base/zlib.ts'

/** What is shorter gains nothing, and what is longer belongs compressed beside the file. */
const LEAST_BYTES = 1024
const MOST_BYTES = 1024 * 1024

/** What is kept of all files together. */
const KEPT_BYTES = 16 * 1024 * 1024

/** So many at a time: a flood of requests for many files takes no more of the machine. */
const MOST_AT_ONCE = 4

/** Compresses files as they are asked for, on other threads, and keeps what came of it. */
export interface Compressor {
  /**
   * A file by gzip; null where it is too short or too long, gets no shorter, cannot be read, or there is too much to do at the moment.
   * `version` is another one for each content.
   */
  gzip(version: string, bytes: number, read: () => Promise<Uint8Array>): Promise<Uint8Array<ArrayBuffer> | null>
}

/** A Compressor that remembers the versions that were asked for last. */
export function createCompressor(): Compressor {
  /** The one that was asked for last comes last; null: it gets no shorter. */
  const kept = new Map<string, Uint8Array<ArrayBuffer> | null>()
  const underWay = new Map<string, Promise<Uint8Array<ArrayBuffer> | null>>()
  let total = 0

  function keep(version: string, made: Uint8Array<ArrayBuffer> | null): void {
    kept.set(version, made)
    total += costOf(version, made)
    for (const [oldest, one] of kept) {
      if (total <= KEPT_BYTES) return
      kept.delete(oldest)
      total -= costOf(oldest, one)
    }
  }

  async function make(
    version: string,
    bytes: number,
    read: () => Promise<Uint8Array>,
  ): Promise<Uint8Array<ArrayBuffer> | null> {
    const content = await read().catch(() => null)
    // Where it is another length, it was written to meanwhile: what was read is not that version.
    if (content?.length !== bytes) return null
    const made = new Uint8Array(await promisify(zlib().gzip)(content))
    const worth = made.length < bytes ? made : null
    keep(version, worth)
    return worth
  }

  return {
    async gzip(version, bytes, read) {
      if (bytes < LEAST_BYTES || bytes > MOST_BYTES) return null
      const known = kept.get(version)
      if (known !== undefined) {
        kept.delete(version)
        kept.set(version, known)
        return known
      }
      const begun = underWay.get(version)
      if (begun !== undefined) return begun
      if (underWay.size >= MOST_AT_ONCE) return null
      const making = make(version, bytes, read).finally(() => underWay.delete(version))
      underWay.set(version, making)
      return making
    },
  }
}

/** With what the entry itself takes, so that names of files that gain nothing are bounded too. */
function costOf(version: string, made: Uint8Array | null): number {
  return version.length + (made?.length ?? 0) + 256
}
