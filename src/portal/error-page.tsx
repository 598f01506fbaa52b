/** @jsxImportSource hono/jsx */

/** The page for errors: what happened, what to do, and the reference for the log. */

import type { PortalConfig } from '../config/resolve/portals.ts'
import { pageAnswer } from './answer.ts'
import { Acts, Help, NarrowPage, Operators, Reference } from './layout/narrow-page.tsx'
import { Picture } from './layout/pictures.tsx'
import type { Words } from './words/words.ts'

/** A failure as a page shows it. Every text may hold anything: it is escaped. */
export interface ErrorView {
  /** Its portal; null where there is none. */
  readonly portal: Pick<PortalConfig, 'brand' | 'contact'> | null
  readonly words: Words
  readonly status: number
  /** The one sentence that says what happened. */
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
  /** Sets Retry-After; where the page is repeatable, its script counts down to loading it again. */
  readonly retryAfterS?: number
  /** False for the response to a form: no page of Sallyport's sends a form twice. */
  readonly isRepeatable?: boolean
  /** The address that it then loads; absent: the same address. */
  readonly refreshTo?: string
  /** Redirects there at once: for a sign-in that can restart without the user. */
  readonly restartTo?: string
  readonly actions?: readonly { readonly label: string; readonly address: string }[]
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
      <h1>{view.title}</h1>
      {view.detail === undefined ? null : <p class="soft">{view.detail}</p>}
      {restartTo === undefined ? null : (
        <p class="soft">
          <span class="wait" aria-hidden="true" />
          {words.startingAgain}
        </p>
      )}
      <Acts acts={view.actions ?? []} />
      {afterS === null ? null : <Countdown words={words} afterS={afterS} to={view.refreshTo} />}
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
  return pageAnswer(
    words,
    view.portal?.brand ?? null,
    page,
    view.status,
    retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) },
    'nothing',
    afterS === null ? null : 'countdown',
  )
}

/**
 * The script that counts shows this. Without the script there is no count, and the button to try again is always
 * there.
 */
function Countdown({ words, afterS, to }: { words: Words; afterS: number; to: string | undefined }) {
  const [before, after] = words.triesAgain
  return (
    <div class="again" data-again={afterS} data-to={to} hidden>
      <p class="soft">
        <span class="wait" aria-hidden="true" />
        {before}
        <strong>{afterS}</strong>
        {after}
      </p>
      <button class="quiet" type="button">
        {words.stopTrying}
      </button>
    </div>
  )
}
