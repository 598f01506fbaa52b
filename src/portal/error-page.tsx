/** @jsxImportSource hono/jsx */

/** The page for errors, 404 at our own addresses among them: what happened, what to do, and the reference for the log. */

import { CODES } from '../base/errors.ts'
import type { PortalConfig } from '../config/resolve/portals.ts'
import { prefersPage } from '../route/page-load.ts'
import { pageAnswer } from './answer.ts'
import { wordsFor } from './language.ts'
import { type Act, Acts, Help, NarrowPage, Operators, Reference } from './layout/narrow-page.tsx'
import { Picture } from './layout/pictures.tsx'
import { ownPath } from './paths.ts'
import type { PortalRequest } from './portal-request.ts'
import { problemResponse } from './problem.ts'
import { sayError, type Words } from './words/words.ts'

/** A failure as a page shows it. Every text may hold anything: it is escaped. */
export interface ErrorView {
  /** Its portal; null where there is none. */
  readonly portal: Pick<PortalConfig, 'brand' | 'contact'> | null
  readonly words: Words
  readonly status: number
  /** The one sentence that says what happened; as a heading it has no full stop. */
  readonly title: string
  /** The id that the log carries too. */
  readonly reference: string
  /** A second sentence: what to do. */
  readonly detail?: string
  /** What the operator can do, one line each, after an introduction. */
  readonly ways?: { readonly lead: string; readonly each: readonly string[] }
  /** Whose failure it is, as people know it. */
  readonly place?: string
  /** The application that it is about, for its icon. */
  readonly application?: { readonly name: string; readonly picture: string | null } | null
  /** What the log has of it, for an admin to read; in English. */
  readonly cause?: string
  /** False where nothing has gone wrong: the status is not shown. */
  readonly isFault?: boolean
  /** Sets Retry-After; where the page is repeatable, its script counts down in the link to try again. */
  readonly retryAfterS?: number
  /** False for the response to a form: no page of Sallyport's sends a form twice. */
  readonly isRepeatable?: boolean
  /** Redirects there at once: for a sign-in that can restart without the user. */
  readonly restartTo?: string
  readonly actions?: readonly Act[]
}

/** A page that reloads faster than this would only flicker. */
const LEAST_REFRESH_S = 3

/** An error page with all its fields; nothing of the request is in it but what `view` says. */
export function renderErrorPage(view: ErrorView): Response {
  const { words, retryAfterS, restartTo, isRepeatable = true } = view
  const afterS = retryAfterS === undefined || !isRepeatable ? null : Math.max(LEAST_REFRESH_S, Math.ceil(retryAfterS))
  const page = (
    <NarrowPage
      words={words}
      title={view.title}
      onward={restartTo ?? null}
      {...(view.place === undefined ? {} : { place: view.place })}
    >
      {view.application ? <Picture {...view.application} /> : null}
      <h1>{view.title.replace(/\.$/, '')}</h1>
      {view.detail === undefined ? null : <p class="soft">{view.detail}</p>}
      {restartTo === undefined ? null : (
        <p class="soft">
          <span class="wait" aria-hidden="true" />
          {words.startingAgain}
        </p>
      )}
      <Acts acts={actsOf(view, afterS)} />
      {afterS === null ? null : (
        <p class="ways">
          <button class="quiet" type="button" data-stop hidden>
            {words.stopTrying}
          </button>
        </p>
      )}
      {view.cause === undefined ? null : (
        <p class="cause small">
          {words.causeForAdmins} <code lang="en">{view.cause}</code>
        </p>
      )}
      <p class="note">
        <Help words={words} contact={view.portal?.contact ?? null} />
      </p>
      <Operators words={words} status={view.isFault === false ? null : view.status} isOpen={view.ways !== undefined}>
        {view.ways === undefined ? null : (
          <>
            <p>{view.ways.lead}</p>
            <ul>
              {view.ways.each.map(way => (
                <li>{way}</li>
              ))}
            </ul>
          </>
        )}
        {view.isFault === false ? null : <p>{words.inTheLog}</p>}
        <Reference words={words} id={view.reference} />
      </Operators>
    </NarrowPage>
  )
  return pageAnswer({
    words,
    brand: view.portal?.brand ?? null,
    page,
    status: view.status,
    fields: retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) },
    script: afterS === null ? null : 'countdown',
  })
}

/** The links; the one to try again counts down where the page is loaded again by itself. */
function actsOf({ words, actions = [] }: ErrorView, againS: number | null): readonly Act[] {
  if (againS === null) return actions
  const again = actions.find(({ label }) => label === words.tryAgain)
  // The empty address is that of the page itself.
  const { address } = again ?? { address: '' }
  return [{ label: words.tryAgain, address, againS }, ...actions.filter(one => one !== again)]
}

/**
 * 404 at one of Sallyport's own addresses: a page for users, in the words that `say` chooses, and problem details for
 * programs.
 */
export function pageNotFound(
  ctx: PortalRequest,
  say: (words: Words) => Pick<ErrorView, 'title' | 'detail' | 'actions' | 'place'>,
): Response {
  const { status, say: said } = CODES['route.none']
  if (!prefersPage(ctx.request)) return problemResponse(status, 'route.none', said, ctx.requestId)
  const words = wordsFor(ctx.request)
  return renderErrorPage({ words, portal: ctx.portal, status, reference: ctx.requestId, ...say(words) })
}

/** An address that may be shown: what else an address can spell is not for a page of this site to say. */
const PLAIN_PATH = /^[\w./-]{1,60}$/

/** The same where it is unknown what the user looked for: with the address, where that is plain, and never its query. */
export function portalNotFound(ctx: PortalRequest): Response {
  const { host, path } = ctx.target
  return pageNotFound(ctx, words => ({
    place: ctx.portal.title,
    title: sayError(words, 'route.none'),
    detail: words.nothingAt(PLAIN_PATH.test(path) ? host + path : null),
    actions: [{ label: words.yourApplications, address: ownPath('') }],
  }))
}
