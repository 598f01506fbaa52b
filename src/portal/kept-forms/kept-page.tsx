/** @jsxImportSource hono/jsx */

/** The page `kept`: a form that met an expired sign-in, to be sent again or given up. */

import { CODES, type Code, GateError } from '../../base/errors.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import type { Session } from '../../session/session.ts'
import { pageAnswer, redirectAnswer } from '../answer.ts'
import { pageNotFound, renderErrorPage } from '../error-page.tsx'
import { proveForm, readOwnForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { NarrowPage } from '../layout/narrow-page.tsx'
import { agoOf, sizeOf, spanOf } from '../layout/time.tsx'
import { ownPath } from '../paths.ts'
import { type KeptForm, type PortalRequest, type Released, readQuery } from '../portal-request.ts'
import { sayError, type Words } from '../words/words.ts'
import { findForm, KEPT_MS, type KeepTools, keepForm, takeForm } from './kept-form.ts'
import { readingCookie } from './reading-cookie.ts'
import { readSending, SEND_FIELD } from './send-form.ts'

/**
 * The page for someone whose form met no session (or one that is too old: then `code` and `query` are those of a step-up): kept
 * where the route says so, and lost else. It leads to sign-in by a link, since browsers hold the redirects that follow a form
 * against the policy of the page that the form is on, which is the application's.
 */
export async function meetForm(
  ctx: PortalRequest,
  tools: KeepTools,
  code: Extract<Code, 'access.sign_in' | 'access.step_up'>,
  query: Readonly<Record<string, string>>,
): Promise<Response> {
  // Someone who was about to send a kept form has lost the session again: the form is still there.
  const { id, body } = await readSending(ctx, tools)
  const kept = id === null ? await keepForm(ctx, tools, body) : { id, setCookies: [] }
  const words = wordsFor(ctx.request)
  const back = kept === null ? parseReturnTo(backPath(ctx)) : keptAddress(kept.id)
  const page = renderErrorPage({
    words,
    portal: ctx.portal,
    status: CODES[code].status,
    title: sayError(words, code),
    isFault: false,
    detail: kept === null ? words.formLost : words.formKept(spanOf(KEPT_MS, words)),
    reference: ctx.requestId,
    actions: [
      { label: words.signIn, address: `${ownPath('login')}?${new URLSearchParams({ ...query, return: back })}` },
    ],
  })
  for (const setCookie of kept?.setCookies ?? []) page.headers.append('set-cookie', setCookie)
  page.headers.append('set-cookie', readingCookie(ctx))
  return page
}

/** The page that the form came from; without one, the path without what may have been part of the sending. */
function backPath({ request, origin, target }: PortalRequest): string {
  const referer = URL.parse(request.headers.get('referer') ?? '')
  return referer?.origin === origin ? referer.pathname + referer.search : target.path
}

function keptAddress(id: string): string {
  return `${ownPath('kept')}?form=${id}`
}

/** Shows what is kept, with a button that sends it and one that discards it. Looking at it changes nothing. */
export async function showKept(ctx: PortalRequest, tools: KeepTools, session: Session): Promise<Response> {
  const id = readQuery(ctx).get('form') ?? ''
  const form = await findForm(ctx, tools, id, session)
  if (form === null) return nothingKept(ctx)
  const words = wordsFor(ctx.request)
  const page = (
    <KeptPage
      words={words}
      title={ctx.portal.title}
      form={form}
      field={SEND_FIELD}
      id={id}
      origin={ctx.origin}
      nowMs={tools.ports.now()}
      proof={await proveForm(ctx, session, tools.seal)}
    />
  )
  // An application may lead on to any host once it has the form, and browsers ask this page's policy about that.
  return pageAnswer({ words, brand: ctx.portal.brand, page, scope: 'leads-anywhere' })
}

/** Takes the form of the page that discards: `act=discard` with the id. Throws `access.origin`, `target.malformed`. */
export async function discardKept(ctx: PortalRequest, tools: KeepTools, session: Session): Promise<Response> {
  const own = await readOwnForm(ctx, tools)
  if (own.get('act') !== 'discard') throw new GateError('target.malformed', 'the form does not say discard')
  const id = own.get('form') ?? ''
  const form = await findForm(ctx, tools, id, session)
  if (form === null) return nothingKept(ctx)
  await takeForm(tools, id)
  return redirectAnswer(303, form.from ?? '/')
}

/**
 * Releases a kept form, once, when its own sender asks at its own address; a page where there is none. It returns an
 * application's form as it was read.
 *
 * Only the page that `showKept` drew knows the id. In addition, Sallyport refuses a request of another site where the
 * browser marks it as one. Throws `access.origin` and `target.stalled`.
 */
export async function releaseForm(ctx: PortalRequest, tools: KeepTools): Promise<Released> {
  const { id, body } = await readSending(ctx, tools)
  if (id === null) return body ?? new Uint8Array()
  const { headers } = ctx.request
  const [site, origin] = [headers.get('sec-fetch-site'), headers.get('origin')]
  if ((site !== null && site !== 'same-origin') || (origin !== null && origin !== 'null' && origin !== ctx.origin)) {
    throw new GateError('access.origin', 'a kept form was asked for by another site', { facts: { origin, site } })
  }
  const { session } = ctx
  const form = session === null ? null : await findForm(ctx, tools, id, session)
  if (form === null || form.path !== ctx.target.path + ctx.target.query) return nothingKept(ctx)
  const taken = await takeForm(tools, id)
  if (taken === null) return nothingKept(ctx)
  tools.ports.log.info('A kept form is sent', { id: ctx.requestId, user: session?.identity.subject })
  return { ...form, ...taken }
}

function nothingKept(ctx: PortalRequest): Response {
  return pageNotFound(ctx, words => ({
    title: words.nothingKept,
    detail: words.nothingKeptWhy,
    actions: [{ label: words.goOn, address: '/' }],
  }))
}

/**
 * What someone was sending when their sign-in ran out, and whether to send it now. `field` names the field of the id
 * in the button that sends it, `proof` shows that a form came from here.
 */
function KeptPage(props: {
  readonly words: Words
  readonly title: string
  readonly form: KeptForm
  readonly field: string
  readonly id: string
  readonly origin: string
  readonly nowMs: number
  readonly proof: string
}) {
  const { words, form, id, origin } = props
  return (
    <NarrowPage words={words} title={words.sendQuestion} place={props.title}>
      <h1>{words.sendQuestion}</h1>
      <p class="soft">{words.sendLead(form.name)}</p>
      <dl class="facts">
        <div>
          <dt>{words.sendTo}</dt>
          <dd>{origin.replace(/^https?:\/\//, '') + (form.path.split('?', 1)[0] ?? '')}</dd>
        </div>
        <div>
          <dt>{words.sendSize}</dt>
          <dd>{sizeOf(form.body.byteLength, words)}</dd>
        </div>
        <div>
          <dt>{words.sendKept}</dt>
          <dd>{agoOf(form.atMs, props.nowMs, words)}</dd>
        </div>
      </dl>
      <div class="acts">
        {/* To its own address, so that the application's answer stands under that. */}
        <form method="post" action={form.path}>
          <input type="hidden" name={props.field} value={id} />
          <button class="act main" type="submit">
            {words.sendNow}
          </button>
        </form>
        <form method="post" action={ownPath('kept')}>
          <input type="hidden" name="proof" value={props.proof} />
          <input type="hidden" name="act" value="discard" />
          <input type="hidden" name="form" value={id} />
          <button class="act" type="submit">
            {words.sendDiscard}
          </button>
        </form>
      </div>
    </NarrowPage>
  )
}
