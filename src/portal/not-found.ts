/** The 404 answer at addresses of our own. */

import { CODES } from '../base/errors.ts'
import { prefersPage } from '../route/page-load.ts'
import { type ErrorView, renderErrorPage } from './error-page.tsx'
import { wordsFor } from './language.ts'
import { ownPath } from './paths.ts'
import type { PortalRequest } from './portal-request.ts'
import { problemResponse } from './problem.ts'
import { sayError, type Words } from './words/words.ts'

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
