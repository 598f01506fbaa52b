/** @jsxImportSource hono/jsx */

/** A page that waits until the user looks at it, and then signs the user in. */

import { loaderOf } from '../../route/page-load.ts'
import { cookieName, readCookie } from '../../session/cookie.ts'
import { pageAnswer } from '../answer.ts'
import { wordsFor } from '../language.ts'
import { NarrowPage } from '../layout/narrow-page.tsx'
import { isSecure, ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import type { Words } from '../words/words.ts'
import type { Destination } from './destination.ts'

/** Said by the page itself: it has been looked at. */
const SEEN = 'seen'

/**
 * The page of a tab that continues once the user looks at it; null for a sign-in that begins at once.
 *
 * When a session ends whose cookie this browser still has, every open tab comes back. Some of them are not visible, as
 * when a browser restores them. Redirected at once, each would show the provider's form, long after the user has
 * signed in by another tab. So each waits until the user looks at it, and then uses the session that exists by then. A
 * visible tab continues at once.
 *
 * Only for browsers (each page load sends Upgrade-Insecure-Requests, §3.2.1), since programs run no script.
 */
export function waitToBeSeen(ctx: PortalRequest, query: URLSearchParams, destination: Destination): Response | null {
  const { request, portal } = ctx
  if (ctx.session !== null || query.has(SEEN) || query.has('provider') || query.has('remember')) return null
  if (request.headers.get('upgrade-insecure-requests') !== '1' || loaderOf(request) !== 'window') return null
  if (readCookie(request.headers.get('cookie'), cookieName('session', isSecure(ctx))) === null) return null
  const words = wordsFor(request)
  const now = new URLSearchParams(query)
  now.set(SEEN, '1')
  const later = destination.kind === 'here' ? destination.path : destination.origin + destination.path
  const page = <WaitingPage words={words} title={portal.title} now={`${ownPath('login')}?${now}`} later={later} />
  return pageAnswer({ words, brand: portal.brand, page, script: 'when-seen' })
}

/**
 * A tab that waits until the user looks at it. Its script then continues to `now`, or to `later` once that is too old.
 * Without the script the page has a button.
 */
function WaitingPage(props: {
  readonly words: Words
  readonly title: string
  readonly now: string
  readonly later: string
}) {
  const { words, now, later } = props
  return (
    <NarrowPage words={words} title={words.signIn} place={props.title}>
      <h1>{words.signIn}</h1>
      <p class="soft">{words.waitsToBeSeen}</p>
      <div class="acts" data-now={now} data-later={later}>
        <a class="act main" href={now}>
          {words.goOn}
        </a>
      </div>
    </NarrowPage>
  )
}
