/** Watches the files of a configuration for changes. */

import { type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { type FolderWatch, showsInFolder, watchFolder } from '../../base/folder-watch.ts'
import { codeOf } from '../../config/text/substitute.ts'

/** Pairs with `close`. */
export interface FileWatch {
  /** Watches these files from now on, instead of those before; calls once more where they are others, since they may have changed before that. */
  follow(paths: readonly string[]): void
  /** How the files are now beside how they were when the last call was made. Looks at their stamps, so it is for who asks now and then. */
  state(): WatchState
  close(): void
}

/** `changed`: a call is to follow; `lost`: no change of theirs can be seen any more. */
export type WatchState = 'seen' | 'changed' | 'lost'

/** What a watch says. */
export interface WatchEvents {
  onChange(): void
  /**
   * The file at this path no longer has a name but still exists: it is a separate mount, whose file was replaced
   * outside.
   */
  onLost(path: string): void
}

/** Editors write in several steps; what they do within this time counts as one save. */
const DEBOUNCE_MS = 100

/** How often to look where the system does not tell of everything (network file systems, links, bind mounts of single files). */
const POLL_MS = 1000

/** How often to look where it does: nothing is to be seen then, and an idle machine stays asleep. */
const SELDOM_MS = 60_000

/**
 * Calls `onChange` after any of the files may have changed: saved in place, renamed over, relinked, removed or made again.
 *
 * Watches the folders, since a watch on a file goes deaf once the file is renamed away (Bun 1.4.5), and looks beside it: each second
 * where not everything shows there.
 * May call without a change; the caller compares content. What else is written in those folders costs a look at the files' stamps.
 */
export function watchFiles(paths: readonly string[], { onChange, onLost }: WatchEvents): FileWatch {
  let followed: readonly string[] = []
  let watches: FolderWatch[] = []
  let doAllShow = false
  let poll: Timer | null = null
  let isClosed = false
  let stamps = ''
  let pending: Timer | null = null
  let nameless: readonly string[] = []
  let lost: readonly string[] = []

  /** Only what the files themselves are counts: a log or a database in the same folder is written all the time. */
  function look(): void {
    const now = stampsOf(followed)
    if (now === stamps) return
    stamps = now
    callSoon()
  }

  /** A file that is renamed over just now may look as if it had no name, so that is believed at the second look. */
  function lookForLost(): void {
    const before = nameless
    nameless = followed.filter(path => lookAt(path).stat?.nlink === 0)
    const known = lost
    lost = nameless.filter(path => before.includes(path))
    for (const path of lost) if (!known.includes(path)) onLost(path)
  }

  function callSoon(): void {
    if (pending !== null) clearTimeout(pending)
    pending = setTimeout(() => {
      pending = null
      watchAnew()
      stamps = stampsOf(followed)
      onChange()
    }, DEBOUNCE_MS)
  }

  function close(): void {
    for (const one of watches) one.close()
    watches = []
  }

  function follow(next: readonly string[]): void {
    if (next.join('\n') === followed.join('\n')) return
    if (followed.length > 0) callSoon()
    close()
    followed = next
    watchAnew()
    stamps = stampsOf(followed)
  }

  /** A folder may have been replaced or created by now, or contain a link. */
  function watchAnew(): void {
    close()
    const folders = new Set(followed.map(path => dirname(path)))
    watches = [...folders].map(folder => watchFolder(folder, look))
    doAllShow = followed.every(showsInFolder)
    lookLater()
  }

  function lookLater(): void {
    if (poll !== null) clearTimeout(poll)
    if (isClosed) return
    const isSure = doAllShow && watches.every(one => one.isSure)
    poll = setTimeout(
      () => {
        look()
        lookForLost()
        lookLater()
      },
      isSure ? SELDOM_MS : POLL_MS,
    )
    poll.unref()
  }

  follow(paths)

  return {
    follow,
    state: () => (lost.length > 0 ? 'lost' : pending !== null || stampsOf(followed) !== stamps ? 'changed' : 'seen'),
    close() {
      isClosed = true
      close()
      if (poll !== null) clearTimeout(poll)
      if (pending !== null) clearTimeout(pending)
    },
  }
}

/**
 * A text that differs between two versions of the files, without reading them. It follows links, so a relinked file
 * counts as changed.
 */
function stampsOf(paths: readonly string[]): string {
  return paths
    .map(path => {
      const { stat, why } = lookAt(path)
      return stat === undefined ? why : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`
    })
    .join(' ')
}

/** A file that cannot be looked at, as in a folder that this user may not enter, keeps no other one from being looked at. */
function lookAt(path: string): { readonly stat?: Stats | undefined; readonly why: string } {
  try {
    return { stat: statSync(path, { throwIfNoEntry: false }), why: '-' }
  } catch (error) {
    return { why: String(codeOf(error) ?? '-') }
  }
}
