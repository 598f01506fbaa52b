/** @jsxImportSource hono/jsx */

/** Keeps what stands behind `#` in an address while somebody signs in. */

import { parseReturnTo } from '../../route/return-to.ts'
import { pageAnswer, redirectAnswer } from '../answer.ts'
import { wordsFor } from '../language.ts'
import type { Script } from '../layout/assets.ts'
import { Acts, NarrowPage } from '../layout/narrow-page.tsx'
import { ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import type { Words } from '../words/words.ts'

/** The parameter that says that a sign-in has passed the page that keeps the fragment. */
export const FRAGMENT = 'fragment'

/**
 * The page that keeps the fragment (after `#`) of the window's address before its sign-in redirects elsewhere. Null
 * where the file does not ask for it (`keep_fragment`), and once the page has done so.
 *
 * Browsers pass a fragment from redirect to redirect, up to the first page that sends a form. It may be the whole
 * location in an application, or a secret. The window keeps it only for scripts of this host, and never sends it.
 */
export function keepFragment(ctx: PortalRequest, query: URLSearchParams): Response | null {
  const rawReturn = query.get('return')
  if (rawReturn === null || query.has(FRAGMENT)) return null
  const path = parseReturnTo(rawReturn)
  if (!ctx.keepsFragment(path)) return null
  const further = new URLSearchParams(query)
  further.set('return', path)
  further.set(FRAGMENT, 'kept')
  return step(ctx, path, `${ownPath('login')}?${further}`, 'keep-fragment')
}

/** The last step of a sign-in on the host where it leads to: on to a path of it, behind which the window's fragment is put again. */
export function redirectToDestination(ctx: PortalRequest, path: string, setCookies: readonly string[]): Response {
  if (!ctx.keepsFragment(path)) return redirectAnswer(303, path, setCookies)
  const page = step(ctx, path, path, 'give-fragment')
  for (const setCookie of setCookies) page.headers.append('set-cookie', setCookie)
  return page
}

function step(ctx: PortalRequest, returnTo: string, onward: string, script: Script): Response {
  const words = wordsFor(ctx.request)
  const { title, brand } = ctx.portal
  const page = <FragmentPage words={words} title={title} returnTo={returnTo} onward={onward} />
  return pageAnswer({ words, brand, page, script })
}

/**
 * A step that only its script needs: it redirects to `onward` without the user, with or without the script. `returnTo`
 * is the path that a fragment belongs to.
 */
function FragmentPage(props: {
  readonly words: Words
  readonly title: string
  readonly returnTo: string
  readonly onward: string
}) {
  const { words, title, returnTo, onward } = props
  return (
    <NarrowPage words={words} title={words.signIn} place={title} onward={onward}>
      <h1>{words.signIn}</h1>
      <div data-return-to={returnTo} data-onward={onward}>
        <Acts acts={[{ label: words.goOn, address: onward }]} />
      </div>
    </NarrowPage>
  )
}
