/** The config editor behind the pages `file` and `edit`: shows the file, checks a draft, and saves it. */

import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { finishInTurns } from '../../base/steps.ts'
import type { CheckResult } from '../../config/check.ts'
import { createHiddenAt } from '../../config/hidden/lines.ts'
import { createVeil, type MarkOf, type Veil } from '../../config/hidden/redact.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { Diagnostic } from '../../config/text/diagnostic.ts'
import type { Sources } from '../../config/text/substitute.ts'
import { ruleTrust } from '../../identity/claim-trust.ts'
import { compileRoles } from '../../policy/roles.ts'
import { stillSignedIn } from '../../portal/admins.ts'
import type { ConfigEditor, Draft, Finding, Judged, Lockout, Saved, ShownFile } from '../../portal/editor-interface.ts'
import type { RoleGrant } from '../../session/grants/document.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, SessionEntry, Sessions } from '../../session/session.ts'
import { differenceSteps } from '../preview/difference.ts'
import { createSessionStates } from '../preview/signed-in-people.ts'
import { type Base, LONGEST_SHOWN, openBase, sheetOf, unveil } from './drafts.ts'
import { guardedFindings } from './guarded-keys.ts'
import { lineDiff } from './line-diff.ts'
import { strayIncludes, strayParts } from './other-files.ts'
import { saveFile } from './save.ts'

export interface DeskTools extends PresentTools {
  /** Absolute. */
  readonly path: string
  readonly sources: Sources
  readonly markOf: MarkOf
  inForce(): { readonly config: Config; readonly texts: ReadonlyMap<string, string> }
  /** What is on disk now, but for files that are as they are here, judged as a reload would. */
  load(instead: ReadonlyMap<string, string>): MaybePromise<CheckResult>
  /** Takes over what was saved; answers once that is done, or refused. */
  reload(): MaybePromise<unknown>
}

/** The file as an admin of the only portal in it sees it, and may change it. */
export function createDesk(tools: DeskTools): ConfigEditor {
  const { path, sources, markOf, inForce, load } = tools

  /** The file that a draft is of, and what is wrong with the draft before anything in it is looked at. */
  function baseOf(draft: Draft): Base | Extract<Judged, { kind: 'unknown' | 'changed' }> {
    const base = openBase(path, draft.name, sources, markOf)
    if (base === null) return { kind: 'unknown' }
    if (base.version === draft.version) return base
    return {
      kind: 'changed',
      editorFile: sheetOf(base),
      difference: lineDiff(base.shown, draft.text.replaceAll('\r\n', '\n')),
    }
  }

  async function checkDraft(
    base: Base,
    draft: Draft,
  ): Promise<{ readonly text: string; readonly checked: CheckResult } | readonly Finding[]> {
    if (draft.text.length > LONGEST_SHOWN) return [tooLong(base.name)]
    const unveiled = unveil(base, draft)
    if (unveiled.kind === 'wrong') return unveiled.findings
    const { text } = unveiled
    // Before anything is read that the draft names.
    const guarded = guardedFindings(base.name, base.text, text)
    if (guarded.length > 0) return guarded
    const drafted = { path, base, draft, sources }
    for (const look of [strayIncludes, strayParts]) {
      const stray = look(drafted)
      if (stray.length > 0) return stray
    }
    const checked = await load(new Map([[base.name, text]]))
    return checked.ok ? { text, checked } : findingsOfDraft(checked, base)
  }

  async function judge(draft: Draft, editor: Session) {
    const base = baseOf(draft)
    if ('kind' in base) return { judged: base, text: '' }
    const found = await checkDraft(base, draft)
    if (!('checked' in found)) return { judged: { kind: 'wrong', findings: found } as const, text: '' }
    const { checked, text } = found
    if (!checked.ok) throw new TypeError('a file with mistakes was let through')
    const before = inForce().config
    const present = await presentAt(before, tools)
    const preview = await finishInTurns(differenceSteps(before, checked.config, present))
    const judged: Judged = {
      kind: 'good',
      findings: findingsOfDraft(checked, base),
      difference: lineDiff(base.shown, draft.text.replaceAll('\r\n', '\n')),
      preview,
      isCut: present.isCut,
      lockouts: lockoutsOf(checked.config, editor, present),
    }
    return { judged, text }
  }

  /** The draft was judged for a while: who has lost the right to save it meanwhile saves nothing. Nothing may wait between this and the write. */
  async function admitStill(editor: Session): Promise<void> {
    const session = await stillSignedIn(tools.sessions, editor)
    const { config } = inForce()
    if (!config.server.isEditable || !isWholeOf(config, session.portal))
      throw new GateError('route.none', '[server] edit is not on any more')
    if (!isAdminBy(config, session)) throw new GateError('access.denied', 'the portal’s admin role is missing')
  }

  return {
    async look(portal) {
      const { config, texts } = inForce()
      if (!isWholeOf(config, portal)) return null
      const checked = await load(new Map())
      const redact = createVeil(markOf)
      const names = new Set([path, ...texts.keys(), ...checked.texts.keys()])
      return {
        files: [...names].map(name => showFile(name, texts.get(name), checked.texts.get(name), redact)),
        findings: findingsOf(checked),
        isRefused: !checked.ok,
        isEditable: config.server.isEditable,
      }
    },
    isEditable(portal) {
      const { config } = inForce()
      return config.server.isEditable && isWholeOf(config, portal)
    },
    open(name) {
      const base = openBase(path, name, sources, markOf)
      return base === null ? null : sheetOf(base)
    },
    async check(draft) {
      const base = baseOf(draft)
      if ('kind' in base) return base
      const found = await checkDraft(base, draft)
      if (!('checked' in found)) return { kind: 'wrong', findings: found }
      return { kind: 'fine', findings: findingsOfDraft(found.checked, base) }
    },
    judge: async (draft, editor) => (await judge(draft, editor)).judged,
    async save(draft, editor, isSure): Promise<Saved> {
      const { judged, text } = await judge(draft, editor)
      if (judged.kind !== 'good' || (judged.lockouts.length > 0 && !isSure)) return judged
      await admitStill(editor)
      const written = saveFile(draft.name, text, draft.version)
      if (written.kind === 'changed') {
        const now = baseOf({ ...draft, version: '' })
        return 'kind' in now ? now : { kind: 'unknown' }
      }
      if (written.kind === 'saved') await tools.reload()
      return written
    },
  }
}

/** Whether a portal's admins may see all of the file: where there are others, theirs is not for them. */
function isWholeOf({ portals }: Config, portal: string): boolean {
  return portals.size === 1 && portals.has(portal)
}

/** The texts of the current files, as long as a user may see them. */
export function textsToShow({ portals }: Config, texts: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const [only, other] = portals.values()
  return only !== undefined && only.adminRole !== null && other === undefined ? texts : new Map()
}

function findingsOf(checked: CheckResult): readonly (Finding & Pick<Diagnostic, 'code'>)[] {
  const hides = new Map([...checked.texts].map(([file, text]) => [file, createHiddenAt(text)]))
  const all = checked.ok ? checked.warnings : checked.diagnostics
  return all.map(one => ({ code: one.code, ...findingOf(one, hides.get(one.file)?.(one) !== false) }))
}

/** Of a value that is hidden, nothing is quoted. */
function findingOf({ severity, file, line, column, message, hint }: Diagnostic, isHidden: boolean): Finding {
  const says = isHidden ? message.replace(/"[^"]*"?/g, '"…"') : message
  return { severity, file, line, column, message: says, hint: isHidden ? '' : hint }
}

function tooLong(file: string): Finding {
  const message = 'the file is too long to be edited here'
  return { severity: 'error', file, line: 1, column: 1, message, hint: 'part it: include = ["conf.d/*.toml"]' }
}

/** Of a file that was not among them, nothing is said before it is: what is in it is not known to be for this page. */
function findingsOfDraft(checked: CheckResult, { names }: Base): readonly Finding[] {
  return findingsOf(checked).map(({ code, ...found }) => {
    if (names.includes(found.file)) return found
    return { ...found, message: `a mistake (${code}) in a file that was not included before`, hint: NEW_HINT }
  })
}

const NEW_HINT = 'run sallyport check on the machine'

function showFile(name: string, inForce: string | undefined, onDisk: string | undefined, redact: Veil): ShownFile {
  const [old, next] = [inForce, onDisk].map(text => hide(text, redact)) as [string | null, string | null]
  return { name, inForce: old, onDisk: next, difference: lineDiff(old ?? '', next ?? '') }
}

function hide(text: string | undefined, redact: Veil): string | null {
  if (text === undefined) return null
  return text.length > LONGEST_SHOWN ? TOO_LONG : redact.hide(text)
}

const TOO_LONG = '# too long to be shown here'

function isAdminBy({ portals, providers }: Config, { portal: name, identity }: Session): boolean {
  const portal = portals.get(name)
  if (portal === undefined || portal.adminRole === null) return false
  return compileRoles(portal.roles, ruleTrust(portal, providers)).of(identity).includes(portal.adminRole)
}

/** What keeps somebody from editing again by a file. */
function lockoutsOf(next: Config, editor: Session, { grants, nowMs }: Present): readonly Lockout[] {
  const lockouts: Lockout[] = []
  const entry = { session: editor, client: '', lastSeenMs: nowMs }
  if (!createSessionStates(next, grants, nowMs).lasts(entry)) lockouts.push('session')
  if (!isAdminBy(next, editor)) lockouts.push('role')
  if (!next.server.isEditable) lockouts.push('edit')
  return lockouts
}

interface PresentTools {
  readonly sessions: Pick<Sessions, 'list' | 'describe'> & { readonly grants: Pick<Grants, 'list'> }
  now(): number
}

/** Who is signed in, as far as they are looked at. */
interface Present {
  readonly entries: readonly SessionEntry[]
  readonly grants: ReadonlyMap<string, readonly RoleGrant[]>
  readonly nowMs: number
  /** Whether there are more. */
  readonly isCut: boolean
}

const MOST = 10_000
const PAGE = 500

/** Those who are signed in now at the portals of a file, newest first, and what was granted to people there. */
async function presentAt({ portals }: Config, { sessions, now }: PresentTools): Promise<Present> {
  const entries: SessionEntry[] = []
  const grants = new Map<string, readonly RoleGrant[]>()
  let isCut = false
  for (const { name, requests } of portals.values()) {
    if (requests !== null) grants.set(name, (await sessions.grants.list(name)).grants)
    for (let after: string | null = null; ; ) {
      const page = await sessions.list(name, { after, limit: PAGE })
      entries.push(...page.entries)
      after = page.next
      isCut = after !== null && entries.length >= MOST
      if (after === null || isCut) break
    }
  }
  return { entries, grants, nowMs: now(), isCut }
}
