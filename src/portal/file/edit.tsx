/** @jsxImportSource hono/jsx */

/** The page `edit`, for admins: a form with the file, its review, and the result of saving it. */

import type { AuditFacts } from '../../audit/record.ts'
import { parseLength } from '../../base/byte-counts.ts'
import { randomToken } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { prefersPage } from '../../route/page-load.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { menuOf } from '../account/menu.ts'
import { adminUntilMs, admitAdmin, hasPeople, stillSignedIn } from '../admins.ts'
import { jsonAnswer, keptScriptAnswer, pageAnswer, redirectAnswer } from '../answer.ts'
import type { DiffLine, Draft, Finding, Judged, Saved } from '../editor-interface.ts'
import { type PersonalFormTools, proveForm, readPersonalForm, requireProof } from '../form.ts'
import { wordsFor } from '../language.ts'
import { AdminTabs, type Tabs } from '../layout/admin-tabs.tsx'
import { type MenuEntry, WidePage } from '../layout/wide-page.tsx'
import { isPortalHost, ownPath } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal-request.ts'
import { isSignedInWithin, stepUpAddress, stepUpProblem } from '../sign-in/ask-step-up.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import type { Words } from '../words/words.ts'
import { editorScript } from './editor-script.ts'
import { ReviewPage } from './review-page.tsx'
import { Difference, type FileTools, Findings, sayFinding } from './show.tsx'

export interface EditTools extends FileTools, PersonalFormTools, AuditTools {
  readonly ports: Pick<Ports, 'now' | 'random'>
  readonly sessions: Pick<Sessions, 'describe'> & { readonly grants: Pick<Grants, 'list'> }
}

/** How long ago an editor may have signed in. */
const FRESH_S = 30 * 60

/** The longest text that is edited, with every character of it written as three. */
const MAX_FORM_BYTES = 1024 * 1024

/**
 * A form with a file of the configuration, which `file` names. It is for admins who have just signed in, where
 * `[server] edit` is on.
 *
 * Only on the host where users sign in. Loading it changes nothing.
 *
 * Throws `route.none` where no user may edit or there is no such file, and `access.denied`.
 */
export async function editFile(ctx: PortalRequest, tools: EditTools, session: Session): Promise<Response> {
  const away = leadToPortal(ctx, 'edit')
  if (away !== null) return away
  await admitEditor(ctx, tools, session)
  if (!isSignedInWithin(session, FRESH_S, tools.ports.now())) return signInAnew(ctx)
  const editorFile = tools.configEditor.open(readQuery(ctx).get('file'))
  if (editorFile === null) throw new GateError('route.none', 'there is no such file, or it cannot be edited here')
  const view = { ...editorFile, isOnDisk: true, notice: null, findings: [], difference: [] }
  return editAnswer(ctx, tools, session, view, 200)
}

/**
 * Takes the form of that page: `act=check` reports the draft's mistakes, `act=review` its changes, `act=save` saves
 * it, `act=edit` returns to the form.
 *
 * Throws the errors of `editFile`, and `access.origin`, `access.sign_in`, `target.malformed`, `target.too_large`.
 */
export async function takeEdit(ctx: PortalRequest, tools: EditTools, sender: Session): Promise<Response> {
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'the file is edited on the portal’s own host')
  if ((parseLength(ctx.request.headers.get('content-length')) ?? 0) > MAX_FORM_BYTES)
    throw new GateError('target.too_large', 'a file that is edited here is not so long')
  const form = await readPersonalForm(ctx, tools, sender, MAX_FORM_BYTES)
  const session = await stillSignedIn(tools.sessions, sender)
  await admitEditor(ctx, tools, session)
  await requireProof(ctx, tools.seal, form, session)
  const draft = await draftOf(tools, session, form)
  if (!isSignedInWithin(session, FRESH_S, tools.ports.now())) return tooOld(ctx, tools, session, draft)
  switch (form.get('act')) {
    case 'check':
    case 'edit':
      return checkAnswer(ctx, tools, session, draft)
    case 'review':
      return judgedAnswer(ctx, tools, session, draft, await tools.configEditor.judge(draft, session))
    case 'save': {
      const saved = await tools.configEditor.save(draft, session, form.get('sure') === 'yes')
      await tell(ctx, tools, session, draft, saved)
      if (saved.kind !== 'saved') return judgedAnswer(ctx, tools, session, draft, saved)
      return prefersPage(ctx.request)
        ? redirectAnswer(303, `${ownPath('file')}?saved=1`)
        : jsonAnswer({ kind: 'saved', old: saved.old })
    }
    default:
      throw new GateError('target.malformed', 'the form says neither check nor edit nor review nor save')
  }
}

/**
 * The script of that page, for whoever may have the page: there is no secret in it, and a host without an editor has no such address.
 * Throws as `editFile`.
 */
export async function sendEditorScript(ctx: PortalRequest, { configEditor }: EditTools): Promise<Response> {
  if (!isPortalHost(ctx) || !configEditor.isEditable(ctx.portal.name))
    throw new GateError('route.none', '[server] edit is not on')
  return keptScriptAnswer(ctx.request, await editorScript())
}

/** A temporary admin could make the role permanent by writing it into the file. */
async function admitEditor(ctx: PortalRequest, { configEditor, sessions }: EditTools, session: Session): Promise<void> {
  if (!configEditor.isEditable(ctx.portal.name)) throw new GateError('route.none', '[server] edit is not on')
  admitAdmin(ctx, session)
  if ((await adminUntilMs(ctx, sessions.grants, session)) === null) return
  throw new GateError('access.denied', 'an admin for a limited time cannot edit the file', {
    facts: { user: session.identity.subject },
    hint: 'name them in the roles of the file, or grant the admin role for good',
  })
}

const DEMAND = { maxAgeS: FRESH_S, acr: [], amr: [] }

function signInAnew(ctx: PortalRequest): Response {
  if (!prefersPage(ctx.request)) return stepUpProblem(ctx, DEMAND)
  return redirectAnswer(302, stepUpAddress(ctx, DEMAND, parseReturnTo(ctx.target.path + ctx.target.query)))
}

/** What was written is not lost: it can be copied from the form, which saves nothing. */
function tooOld(ctx: PortalRequest, tools: EditTools, session: Session, draft: Draft): MaybeAnswer {
  if (!prefersPage(ctx.request)) return stepUpProblem(ctx, DEMAND)
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const view = { ...draft, names: [draft.name], notice: words.editTooOld, findings: [], difference: [] }
  return editAnswer(ctx, tools, session, view, 401)
}

type MaybeAnswer = Response | Promise<Response>

/** What of the page depends on what came of a draft. */
type Shown = Draft & Pick<EditView, 'names' | 'notice' | 'findings' | 'difference'> & { readonly isOnDisk?: boolean }

async function editAnswer(
  ctx: PortalRequest,
  tools: EditTools,
  session: Session,
  { version, isOnDisk = false, ...shown }: Shown,
  status: number,
): Promise<Response> {
  const { seal, ports } = tools
  const nonce = randomToken(ports.random)
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <EditPage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'admin')}
      tabs={{ here: 'file', hasFile: true, hasPeople: hasPeople(ctx) }}
      proof={await proveForm(ctx, session, seal)}
      base={await sealBase(tools, session, version)}
      script={{ address: `${ownPath('editor.js')}?v=${(await editorScript()).hash}`, nonce }}
      isOnDisk={isOnDisk}
      {...shown}
    />
  )
  return pageAnswer({ words, brand: ctx.portal.brand, page, status, scope: 'asks', sheet: 'admin', nonce })
}

/** The sealed record of the file that a form was made from: only this session can use it, and no client can read it. */
const PURPOSE = 'a file that is edited'

function sealBase({ seal }: EditTools, session: Session, version: string): Promise<string> {
  return seal.seal({ of: session.id, version }, PURPOSE, session.expiresAtMs)
}

/**
 * Throws `access.origin` for a form without such a record of this session, even if its browser reports the right
 * origin.
 */
async function draftOf({ seal }: EditTools, session: Session, form: URLSearchParams): Promise<Draft> {
  const base = await seal.open(form.get('base') ?? '', PURPOSE)
  const isOwn = typeof base === 'object' && base !== null && 'of' in base && base.of === session.id
  if (!isOwn || !('version' in base) || typeof base.version !== 'string')
    throw new GateError('access.origin', 'the form of this draft is not Sallyport’s')
  return { name: form.get('file') ?? '', text: form.get('text') ?? '', version: base.version }
}

async function checkAnswer(ctx: PortalRequest, tools: EditTools, session: Session, draft: Draft): Promise<Response> {
  const checked = await tools.configEditor.check(draft)
  if (checked.kind !== 'fine' && checked.kind !== 'wrong') return judgedAnswer(ctx, tools, session, draft, checked)
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const { findings } = checked
  if (!prefersPage(ctx.request)) return saidAnswer(words, checked.kind, findings, draft)
  const notice = checked.kind === 'fine' ? words.editGood : null
  const names = tools.configEditor.open(draft.name)?.names ?? []
  return editAnswer(ctx, tools, session, { ...draft, names, notice, findings, difference: [] }, 200)
}

function saidAnswer(words: Words, kind: string, findings: readonly Finding[], { name }: Draft, status = 200): Response {
  const says = findings.map(finding => sayFinding(finding, name))
  return jsonAnswer({ kind, says: kind === 'fine' ? [words.editGood, ...says] : says, findings }, status)
}

async function judgedAnswer(
  ctx: PortalRequest,
  tools: EditTools,
  session: Session,
  draft: Draft,
  judged: Judged | Exclude<Saved, { kind: 'saved' }>,
): Promise<Response> {
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const isPage = prefersPage(ctx.request)
  const names = tools.configEditor.open(draft.name)?.names ?? []
  switch (judged.kind) {
    case 'unknown':
      throw new GateError('route.none', 'there is no such file, or it cannot be edited here')
    case 'wrong': {
      const { findings } = judged
      if (!isPage) return saidAnswer(words, 'wrong', findings, draft, 422)
      return editAnswer(
        ctx,
        tools,
        session,
        { ...draft, names, notice: words.editWrong, findings, difference: [] },
        422,
      )
    }
    case 'changed': {
      const { editorFile, difference } = judged
      if (!isPage) return jsonAnswer({ kind: 'changed', says: [words.editChanged] }, 409)
      // The text shown next to the draft is what the draft replaces when it is sent again: no admin overwrites an
      // unseen version.
      const view = { ...draft, version: editorFile.version, names, notice: words.editChanged, findings: [], difference }
      return editAnswer(ctx, tools, session, view, 409)
    }
    case 'unwritten': {
      if (!isPage) return jsonAnswer({ kind: 'unwritten', says: [judged.why] }, 503)
      const notice = `${words.editUnwritten} ${judged.why}`
      return editAnswer(ctx, tools, session, { ...draft, names, notice, findings: [], difference: [] }, 503)
    }
    case 'good': {
      if (!isPage) {
        const { preview, lockouts } = judged
        return jsonAnswer({ kind: lockouts.length > 0 ? 'locked-out' : 'good', lockouts, preview })
      }
      const page = (
        <ReviewPage
          words={words}
          title={ctx.portal.title}
          menu={menuOf(ctx, session, words, 'admin')}
          tabs={{ here: 'file', hasFile: true, hasPeople: hasPeople(ctx) }}
          draft={draft}
          judged={judged}
          proof={await proveForm(ctx, session, tools.seal)}
          base={await sealBase(tools, session, draft.version)}
        />
      )
      return pageAnswer({ words, brand: ctx.portal.brand, page, sheet: 'admin' })
    }
  }
}

const REASONS: Readonly<Record<Exclude<Saved['kind'], 'saved'>, string>> = {
  unknown: 'no such file',
  wrong: 'mistakes',
  changed: 'changed meanwhile',
  unwritten: 'not writable',
  good: 'locks out',
}

async function tell(
  ctx: PortalRequest,
  { audit }: EditTools,
  session: Session,
  { name }: Draft,
  saved: Saved,
): Promise<void> {
  const facts: AuditFacts = { ...askedFacts(ctx), ...sessionFacts(session), file: name }
  if (saved.kind === 'saved') await audit.keep('config.saved', facts)
  else await audit.keep('config.save_refused', { ...facts, reason: REASONS[saved.kind] })
}

interface EditView extends Omit<Draft, 'version'> {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly tabs: Tabs
  /** All that may be edited. */
  readonly names: readonly string[]
  /** Whether the text is the one on disk. */
  readonly isOnDisk: boolean
  /** What came of what was sent last; null where nothing was. */
  readonly notice: string | null
  readonly findings: readonly Finding[]
  /** From what is on disk by now to what is in the form. */
  readonly difference: readonly DiffLine[]
  readonly proof: string
  /** The sealed version that the draft is based on; no client can read it. */
  readonly base: string
  /** Where the editor is, and what lets it run and bring its styles. */
  readonly script: { readonly address: string; readonly nonce: string }
}

/** One file in a form, which a script makes an editor; without it, it is a field for text. */
function EditPage(view: EditView) {
  const { words, title, menu, tabs, name, text, names, isOnDisk, notice, findings, difference, proof, base, script } =
    view
  const { admin } = words
  const said = {
    saved: admin.editSaved,
    unsaved: admin.editUnsaved,
    error: admin.problems(1, 0),
    errors: admin.problems(2, 0).replace('2', '{count}'),
    warning: admin.problems(0, 1),
    warnings: admin.problems(0, 2).replace('2', '{count}'),
    line: admin.line('{line}'),
  }
  return (
    <WidePage words={words} title={title} heading={words.editFile} menu={menu}>
      <AdminTabs words={words} tabs={tabs} />
      {notice === null ? null : (
        <div class="alert" role="status">
          <p>{notice}</p>
        </div>
      )}
      {difference.length === 0 ? null : <Difference lines={difference} />}
      <form
        class="edit"
        method="post"
        action={ownPath('edit')}
        data-file={name}
        data-saved={isOnDisk ? 'yes' : 'no'}
        data-words={JSON.stringify(said)}
        data-findings={JSON.stringify(findings)}
      >
        <input type="hidden" name="proof" value={proof} />
        <input type="hidden" name="base" value={base} />
        <input type="hidden" name="file" value={name} />
        <div class="edit-head">
          {names.length < 2 ? <code>{name}</code> : <Names words={words} names={names} name={name} />}
          <span id="edit-state" role="status" hidden />
        </div>
        <div class="frame">
          <Text label={words.editText} text={text} />
          <div class="soft">
            <p id="edit-keys" hidden>
              {admin.editKeys}
            </p>
            <p>{words.editHidden}</p>
          </div>
        </div>
        <Findings words={words} findings={findings} main={name} />
        <div class="buttons">
          <button class="act main" type="submit" name="act" value="review">
            {words.editReview}
          </button>
          <button class="act" type="submit" name="act" value="check">
            {words.editCheck}
          </button>
          <a class="quiet" href={ownPath('file')}>
            {words.editLeave}
          </a>
        </div>
      </form>
      <script src={script.address} nonce={script.nonce} />
    </WidePage>
  )
}

/** Which of the files is here, and the ways to the others. */
function Names({ words, names, name }: Pick<EditView, 'words' | 'names' | 'name'>) {
  return (
    <nav class="files" aria-label={words.editOthers}>
      {names.map(one => (
        <a
          href={`${ownPath('edit')}?${new URLSearchParams({ file: one })}`}
          aria-current={one === name ? 'page' : undefined}
        >
          <code>{one}</code>
        </a>
      ))}
    </nav>
  )
}

/** The line feed at its beginning is none of the text (HTML Standard, textarea: the first one is left out). */
function Text({ label, text }: { readonly label: string; readonly text: string }) {
  return (
    <textarea class="lines" name="text" rows={30} spellcheck={false} autocomplete="off" wrap="off" aria-label={label}>
      {`\n${text}`}
    </textarea>
  )
}
