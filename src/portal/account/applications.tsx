/** @jsxImportSource hono/jsx */
import { isPageLoad } from '../../route/page-load.ts'
import { pageAnswer, redirectAnswer } from '../answer.ts'
import { wordsFor } from '../language.ts'
import { ApplicationsPage, hasSearch } from '../pages/applications.tsx'
import { isPortalHost, ownPath, portalOrigin } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { readQuery } from '../query.ts'
import { signInProblem } from '../sign-in/sign-in-problem.ts'
import { menuOf } from './menu.ts'

/** The front page: what this person may open; visitors sign in first. It is on the host where people sign in. */
export function showApplications(ctx: PortalRequest): Response {
  if (!isPortalHost(ctx)) return redirectAnswer(302, `${portalOrigin(ctx)}${ownPath('')}`)
  const { session } = ctx
  if (session === null) return isPageLoad(ctx.request) ? redirectAnswer(302, ownPath('login')) : signInProblem(ctx)
  const words = wordsFor(ctx.request)
  const applications = ctx.applications(session)
  return pageAnswer(
    words,
    ctx.portal.brand,
    <ApplicationsPage
      words={words}
      title={ctx.portal.title}
      identity={session.identity}
      applications={applications}
      search={(readQuery(ctx).get('q') ?? '').slice(0, 200).trim()}
      menu={menuOf(ctx, session, words, '')}
      switchAddress={`${ownPath('login')}?switch=1`}
    />,
    200,
    {},
    'icons',
    hasSearch(applications) ? 'search' : null,
  )
}
