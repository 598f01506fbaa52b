import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { CheckResult } from '../../config/check.ts'
import { createVeil, type Veil } from '../../config/hidden.ts'
import type { Diagnostic } from '../../config/text/diagnostic.ts'
import type { Config } from '../../config/types/config.ts'
import type { Desk, Finding, ShownFile } from '../../portal/desk.ts'
import { lineDiff } from './line-diff.ts'

export interface DeskTools {
  /** Absolute. */
  readonly path: string
  inForce(): { readonly config: Config; readonly texts: ReadonlyMap<string, string> }
  /** What is on disk now, judged as a reload would. */
  load(): MaybePromise<CheckResult>
}

/** The texts of the files in force, as long as there is somebody who may see them. */
export function textsToShow({ portals }: Config, texts: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const [only, other] = portals.values()
  return only !== undefined && only.adminRole !== null && other === undefined ? texts : new Map()
}

/** Longer texts are not shown: finding all that is secret in one takes the memory of a hundred of it. */
export const LONGEST_SHOWN = 262_144

/** The file as an admin of the only portal in it sees it. */
export function createDesk({ path, inForce, load }: DeskTools): Desk {
  return {
    async look(portal) {
      const { config, texts } = inForce()
      if (!isWholeOf(config, portal)) return null
      const checked = await load()
      const veil = createVeil()
      const names = new Set([path, ...texts.keys(), ...checked.texts.keys()])
      return {
        files: [...names].map(name => showFile(name, texts.get(name), checked.texts.get(name), veil)),
        findings: (checked.ok ? checked.warnings : checked.diagnostics).map(findingOf),
        isRefused: !checked.ok,
      }
    },
  }
}

/** Whether a portal's admins may see all of the file: where there are others, theirs is not for them. */
export function isWholeOf({ portals }: Config, portal: string): boolean {
  return portals.size === 1 && portals.has(portal)
}

export function findingOf({ severity, file, line, column, message, hint }: Diagnostic): Finding {
  return { severity, file, line, column, message, hint }
}

function showFile(name: string, inForce: string | undefined, onDisk: string | undefined, veil: Veil): ShownFile {
  const [old, next] = [inForce, onDisk].map(text => hide(text, veil)) as [string | null, string | null]
  return { name, inForce: old, onDisk: next, difference: lineDiff(old ?? '', next ?? '') }
}

function hide(text: string | undefined, veil: Veil): string | null {
  if (text === undefined) return null
  return text.length > LONGEST_SHOWN ? TOO_LONG : veil.hide(text)
}

const TOO_LONG = '# too long to be shown here'
