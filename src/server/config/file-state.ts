/** Whether the file on disk is the one in use. */

import type { Config } from '../../config/resolve/config.ts'
import { type Live, restartKeys, type StartValues, startValues } from './reload.ts'
import type { WatchState } from './watch.ts'

/**
 * The file on disk compared with the current one: the same (except what is read at the start), with mistakes, saved
 * and not read yet, or hidden: another file replaced it, which this process cannot see.
 */
type OnDisk = 'in force' | 'refused' | 'unread' | 'lost'

/** Which file is followed, and how far. */
export interface FileState {
  /** Absolute. */
  readonly path: string
  readonly onDisk: OnDisk
  /** Keys of the current file that need a restart. */
  readonly needsRestart: readonly string[]
}

/** What has to be known of a file that is followed. */
export interface Following {
  readonly path: string
  /** What was read at start. */
  readonly started: StartValues
  watched(): WatchState
}

/** Looks at the stamps of the files, and reads nothing: for who asks now and then. */
export function fileStateOf(
  {
    current,
    state,
    isReading,
  }: Pick<Live<{ readonly fingerprint: string; readonly config: Config }>, 'current' | 'state' | 'isReading'>,
  { path, started, watched }: Following,
): FileState {
  return {
    path,
    onDisk: onDiskOf(watched(), isReading, state.refusal !== null),
    needsRestart: restartKeys(startValues(current.config), started),
  }
}

function onDiskOf(watched: WatchState, isReading: boolean, isRefused: boolean): OnDisk {
  if (watched === 'lost') return 'lost'
  if (watched === 'changed' || isReading) return 'unread'
  return isRefused ? 'refused' : 'in force'
}
