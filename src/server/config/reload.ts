/** Reloads: takes a new snapshot over, and says what it changes. */

import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { ShownLines } from '../../base/ports.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { Diagnostic } from '../../config/text/diagnostic.ts'
import type { Snapshot } from './snapshot.ts'

/** What is made of a file; equal fingerprints are the same content. */
interface Versioned {
  readonly fingerprint: string
}

/** What became of the last attempt to read the file. */
export interface ReloadState {
  /** Milliseconds since the epoch. */
  readonly atMs: number
  /** The mistakes for which the file was refused, as text for people; null when it is in use. */
  readonly refusal: string | null
  /** The same mistakes one by one, each a sentence with its line; nothing of the file around them. */
  readonly mistakes: readonly string[]
  /** When the current snapshot was taken over. */
  readonly inForceSinceMs: number
}

/** What one attempt to read the file came to. */
export type Loaded<S extends Versioned = Snapshot> =
  | {
      readonly ok: true
      readonly snapshot: S
      /** The text of each file, by its absolute path. */
      readonly texts: ReadonlyMap<string, string>
      readonly files: readonly string[]
      readonly warnings: readonly Diagnostic[]
    }
  | {
      readonly ok: false
      readonly refusal: string
      /** The same for a terminal. */
      readonly show: ShownLines
      readonly mistakes: readonly string[]
      readonly files: readonly string[]
    }

/** The current snapshot, and how it is replaced. */
export interface Live<S extends Versioned = Snapshot> {
  readonly current: S
  readonly state: ReloadState
  /** Whether the file is being read just now. */
  readonly isReading: boolean
  /**
   * Reads the file and takes it over if it is good and different; answers what happened. One at a time: asked while one is under way,
   * it reads once more after that, however often it was asked.
   */
  reload(): MaybePromise<Reloaded>
  /** What is still being read is not taken over any more. */
  close(): void
}

/** What one attempt to take over the file came to. */
export type Reloaded = 'changed' | 'same' | 'refused'

/**
 * Holds the current snapshot. A reload reads, checks and compiles everything first; taking over is one assignment, so
 * that no request ever sees half of a file. After a refused file the old one stays.
 *
 * `onRead` runs first, for every file; `onRefuse` once for each new refusal, `onMend` when a file is valid after a
 * refused one; `onChange` after the assignment.
 */
export function createLive<S extends Versioned>(options: {
  readonly initial: S
  readonly now: () => number
  /** A promise for a file that takes a while; it is never asked again before that is settled. */
  readonly load: () => MaybePromise<Loaded<S>>
  readonly onRead: (loaded: Loaded<S>) => void
  readonly onChange: (next: Extract<Loaded<S>, { ok: true }>, previous: S) => void
  readonly onRefuse: (refused: Extract<Loaded<S>, { ok: false }>) => void
  readonly onMend: () => void
}): Live<S> {
  let current = options.initial
  const startedMs = options.now()
  let state: ReloadState = { atMs: startedMs, refusal: null, mistakes: [], inForceSinceMs: startedMs }
  let isClosed = false
  let underWay: Promise<Reloaded> | null = null
  let next: Promise<Reloaded> | null = null

  function settle(loaded: Loaded<S>): Reloaded {
    if (isClosed) return 'same'
    options.onRead(loaded)
    if (!loaded.ok) {
      const isNew = state.refusal !== loaded.refusal
      state = { ...state, atMs: options.now(), refusal: loaded.refusal, mistakes: loaded.mistakes }
      if (isNew) options.onRefuse(loaded)
      return 'refused'
    }
    const isMended = state.refusal !== null
    state = { ...state, atMs: options.now(), refusal: null, mistakes: [] }
    if (isMended) options.onMend()
    if (loaded.snapshot.fingerprint === current.fingerprint) return 'same'
    state = { ...state, inForceSinceMs: state.atMs }
    const previous = current
    current = loaded.snapshot
    options.onChange(loaded, previous)
    return 'changed'
  }

  async function settleLater(loading: Promise<Loaded<S>>): Promise<Reloaded> {
    try {
      return settle(await loading)
    } catch (error) {
      if (isClosed) return 'same'
      throw error
    } finally {
      underWay = null
    }
  }

  /**
   * After the present reload, regardless of its result: then it reads what was saved since, and only the last version.
   */
  async function reloadAfter(one: Promise<Reloaded>): Promise<Reloaded> {
    await one.catch(() => undefined)
    next = null
    return reload()
  }

  function reload(): MaybePromise<Reloaded> {
    if (underWay !== null) {
      next ??= reloadAfter(underWay)
      return next
    }
    const loading = options.load()
    if (!(loading instanceof Promise)) return settle(loading)
    underWay = settleLater(loading)
    return underWay
  }

  return {
    get current() {
      return current
    },
    get state() {
      return state
    },
    get isReading() {
      return underWay !== null
    },
    reload,
    close() {
      isClosed = true
    },
  }
}

/** What a file says of what is read at start only, by key. */
export type StartValues = ReadonlyMap<string, string>

/** What this file says of them, as JSON by key: to be compared, and not to be shown. */
export function startValues(config: Config): StartValues {
  const fixed: readonly (readonly [string, (config: Config) => unknown])[] = [
    ['server.listen', config => config.server.listen],
    ['server.admin', config => config.server.admin],
    ['server.verify', config => config.server.verify],
    ['server.workers', config => config.server.workers],
    ['server.max_message', config => config.server.maxMessageBytes],
    ['tls.listen', config => config.tls?.listen],
    ['tls.http2', config => config.tls?.http2],
    ['sessions.store', config => config.sessions.store],
    ['sessions.store_tls', config => pathsOf(config.sessions.storeTls)],
    ['sessions.key', config => config.sessions.keys],
  ]
  return new Map(fixed.map(([key, pick]) => [key, JSON.stringify(pick(config)) ?? '']))
}

/** What is in these files is read again at each new connection. */
function pathsOf(tls: Config['sessions']['storeTls']): readonly (string | undefined)[] {
  return [tls?.ca?.path, tls?.own?.cert.path, tls?.own?.key.path]
}

/** Keys in which two files differ although they are read at start only. */
export function restartKeys(next: StartValues, started: StartValues): readonly string[] {
  return [...next].filter(([key, value]) => started.get(key) !== value).map(([key]) => key)
}
