/** Compiles what was loaded into a snapshot. */

import type { MaybePromise } from '../base/maybe-promise.ts'
import { finishInTurns } from '../base/steps.ts'
import type { CheckResult } from '../config/check.ts'
import type { UpstreamPool } from '../proxy/upstream/upstream.ts'
import { compileSnapshot, compileSteps } from '../server/config/compile.ts'
import type { Loaded } from '../server/config/reload.ts'
import type { Snapshot } from '../server/config/snapshot.ts'
import { type LoadOptions, loadFile } from './load-file.ts'
import { refuse } from './reload-log.ts'

/** How a file becomes what is served. */
export interface Snapshots {
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
