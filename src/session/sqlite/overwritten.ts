/** Takes over a database that somebody copied over the one in use, once it is complete. */

import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { fileAt } from './companion-files.ts'
import { moveApart, type OpenFile } from './open-file.ts'
import { discardDraft, type MakeDraft, putDraft, stampOf } from './replacement.ts'

/** Somebody who copies over the database may pause; what does not hold together after so many looks, half a second apart, is damaged. */
const LOOKS_BEFORE_DAMAGED = 10

/** What a file looked like at the last look, since somebody copied over it. */
interface Look {
  readonly stamp: string
  /** For how many looks it has been like that. */
  readonly looks: number
  readonly isTried: boolean
}

/** A database over which another one is being copied. It serves no request meanwhile. */
export interface Overwritten {
  readonly isNoticed: boolean
  notice(): void
  /** Continues with the copied database, once it is complete and no longer changes. */
  look(file: OpenFile): void
  /** Another one has taken the place of the file. */
  forget(): void
  /** Until then something reads from the file's descriptor; null where nothing does. */
  readonly reading: Promise<void> | null
}

export interface OverwrittenTools {
  readonly ports: Pick<Ports, 'now' | 'log'>
  /** How all of a file is looked at. */
  readonly makeDraft: MakeDraft
  /** Whether a file is the one that is served from, still. */
  isOpen(file: OpenFile): boolean
  /** Opens the database at the path after `prepare` has put it there, if `prepare` returns true. */
  reopen(prepare: () => boolean): void
}

/** Looks after the database at `path`; nothing is read before the first look. */
export function createOverwritten(path: string, { ports, makeDraft, isOpen, reopen }: OverwrittenTools): Overwritten {
  let last: Look | null = null
  let reading: Promise<void> | null = null

  function read({ descriptor }: OpenFile, draft: string): ReturnType<MakeDraft> {
    const result = makeDraft(descriptor, draft)
    if (!(result instanceof Promise)) return result
    const over = () => {
      reading = null
    }
    reading = result.then(over, over)
    return result
  }

  function take(file: OpenFile, look: Look, draft: string): MaybePromise<void> {
    return andThen(read(file, draft), found => {
      if (!isOpen(file)) return
      reopen(() => {
        // Another process has done so already, and may have written to it.
        if (fileAt(path) !== file.identity) return true
        // Somebody has written to it while all of it was looked at.
        if (stampOf(file.descriptor) !== look.stamp) return false
        if (found === 'whole') {
          putDraft(draft, path, ports)
          return true
        }
        last = { ...look, isTried: true }
        const isLast = look.looks >= LOOKS_BEFORE_DAMAGED
        if (isLast) moveApart(path, ports)
        return isLast
      })
    })
  }

  return {
    get isNoticed() {
      return last !== null
    },
    notice() {
      last ??= { stamp: '', looks: 0, isTried: false }
    },
    look(file) {
      const stamp = stampOf(file.descriptor)
      if (last?.stamp !== stamp) {
        last = { stamp, looks: 0, isTried: false }
        return
      }
      if (reading !== null) return
      last = { ...last, looks: last.looks + 1 }
      if (last.isTried && last.looks < LOOKS_BEFORE_DAMAGED) return
      // Others look at it too, each for itself: only who has locked the database puts one in place.
      const draft = `${path}.overwritten.${crypto.randomUUID()}.new`
      finish(() => take(file, last ?? { stamp, looks: 0, isTried: false }, draft), draft)
    },
    forget() {
      last = null
    },
    get reading() {
      return reading
    },
  }

  /** Every error is reported as the reason why the database cannot be opened, and the draft is removed. */
  function finish(act: () => MaybePromise<void>, draft: string): void {
    const failed = (error: unknown) =>
      reopen(() => {
        throw error
      })
    const discard = () => discardDraft(draft)
    try {
      const result = act()
      if (result instanceof Promise) void result.catch(failed).finally(discard)
      else discard()
    } catch (error) {
      discard()
      failed(error)
    }
  }
}
