/** Loads routes.toml and compiles it into a snapshot; a long file is checked in a thread of its own. */

import { errorFacts } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Log } from '../base/ports.ts'
import { finishInTurns } from '../base/steps.ts'
import { type CheckResult, checkConfig } from '../config/check.ts'
import { readIncluded } from '../config/includes.ts'
import { readConfig } from '../config/load.ts'
import type { Sources } from '../config/text/substitute.ts'
import type { UpstreamPool } from '../proxy/upstream/upstream.ts'
import { compileSnapshot, compileSteps } from '../server/config/compile.ts'
import type { Loaded } from '../server/config/reload.ts'
import type { Snapshot } from '../server/config/snapshot.ts'
import { holdExpectations } from '../server/preview/expect.ts'
import { refuse } from './reload-log.ts'
import type { CheckApart } from './threads/ask-thread.ts'

/** From how many characters on a file is worth a thread: some 250 routes, a tenth of a second's work. */
const LONG = 65_536

export interface LoadOptions extends Sources {
  readonly log: Log
  /** How a long file is checked; absent: as every other, here and now. */
  readonly checkApart?: CheckApart | undefined
  /** Gives up what is being checked. */
  readonly signal?: AbortSignal
}

/**
 * The file at an absolute path, checked together with its `[[expect]]` tables. A short file is checked at once; a long
 * one returns a promise. Without a thread the long one is checked here, too.
 *
 * Rejects when it is aborted.
 */
export function loadFile(path: string, options: LoadOptions): MaybePromise<CheckResult> {
  const { checkApart, signal, log } = options
  const text = readConfig(path, options)
  if (typeof text !== 'string') return text
  const included = readIncluded(text, { ...options, file: path, shownAs: path })
  const length = included.files.reduce((sum, file) => sum + (file.text?.length ?? 0), text.length)
  const checkHere = () => holdExpectations(checkConfig(text, { ...options, file: path, included }))
  if (checkApart === undefined || length < LONG) return checkHere()
  return checkApart({ text, file: path, included }, signal).catch((error: unknown) => {
    signal?.throwIfAborted()
    log.warn('The file was checked on the main thread, so requests waited meanwhile', errorFacts(error))
    return checkHere()
  })
}

/** How a file becomes what is served. */
interface Snapshots {
  /** Of a file that has been checked, at once. */
  of(checked: CheckResult): Loaded
  /** Of the file as it is now; a long one is checked elsewhere and compiled in turns with everything else. */
  load(): MaybePromise<Loaded>
}

/** For the file at an absolute path. */
export function createSnapshots(path: string, options: LoadOptions & { readonly upstreams: UpstreamPool }): Snapshots {
  const { upstreams } = options
  const taken = (checked: Extract<CheckResult, { ok: true }>, snapshot: Snapshot): Loaded => ({
    ok: true,
    snapshot,
    texts: checked.texts,
    files: [path, ...checked.files],
    warnings: checked.warnings,
  })

  function of(checked: CheckResult): Loaded {
    if (!checked.ok) return refuse(path, checked)
    return taken(checked, compileSnapshot(checked.config, checked.fingerprint, upstreams))
  }

  return {
    of,
    load() {
      const checked = loadFile(path, options)
      if (!(checked instanceof Promise)) return of(checked)
      return checked.then(async result => {
        if (!result.ok) return refuse(path, result)
        return taken(result, await finishInTurns(compileSteps(result.config, result.fingerprint, upstreams)))
      })
    },
  }
}
