/** The portal’s router: finds the endpoint of an address, and answers what it throws. */

import { Hono } from 'hono'
import type { GateError } from '../base/errors.ts'
import type { StepUp } from '../identity/step-up.ts'
import { isPageLoad, isPrefetch, prefersPage } from '../route/page-load.ts'
import { parseReturnTo } from '../route/return-to.ts'
import { sendIcon } from './account/applications.tsx'
import { emptyAnswer, openPreflight, redirectAnswer } from './answer.ts'
import { answerFailure } from './answer-failure.ts'
import { allowOf, COMPAT_ENDPOINTS, ENDPOINTS, type Endpoint, type PortalTools, WELL_KNOWN } from './endpoints.ts'
import { portalNotFound } from './error-page.tsx'
import { meetForm, releaseForm } from './kept-forms/kept-page.tsx'
import { isAnyCallback, isPortalHost, ownPath, RESOURCE_METADATA } from './paths.ts'
import type { Portal, PortalRequest } from './portal-request.ts'
import { passwordProblem, problemResponse, signInProblem } from './problem.ts'
import { createScim } from './scim/scim.ts'
import { stepUpProblem, stepUpQuery } from './sign-in/ask-step-up.ts'
import { plainHttpFailure } from './sign-in/plain-http.ts'
import { replacementWorker } from './sign-in/replacement-worker.ts'
import { redirectToPortal } from './sign-in/ticket.ts'
import { checkWindow } from './sign-in/top-level-window.ts'

interface Env {
  readonly Bindings: { readonly ctx: PortalRequest }
}

/**
 * The portal: all of Sallyport's own pages and endpoints. It turns every error that a handler throws into a response.
 */
export function createPortal(tools: PortalTools): Portal {
  const app = createRouter(tools)
  const failed = (ctx: PortalRequest) => (error: unknown) => answerFailure(ctx, error, tools)

  function begin(ctx: PortalRequest, extra: Readonly<Record<string, string>>): Response | Promise<Response> {
    const path = parseReturnTo(ctx.target.path + ctx.target.query)
    const refusal = plainHttpFailure(ctx, path, null)
    if (refusal !== null) return failed(ctx)(refusal)
    // The page that keeps a fragment is on the host whose window has it.
    if (isPortalHost(ctx) || ctx.keepsFragment(path)) {
      return redirectAnswer(302, `${ownPath('login')}?${new URLSearchParams({ ...extra, return: path })}`)
    }
    return redirectToPortal(ctx, tools, path, extra).catch(failed(ctx))
  }

  return Object.freeze({
    handle: (ctx: PortalRequest) => app.fetch(ctx.request, { ctx }),
    async handleUnread(ctx: PortalRequest, failure: GateError) {
      const endpoint = ctx.request.method === 'POST' ? BY_PATH.get(pathOf({ env: { ctx } })) : undefined
      const answer = await endpoint?.postUnread?.(ctx, tools).catch(failed(ctx))
      if (!answer) throw failure
      return answer
    },
    challenge(ctx: PortalRequest) {
      if (ctx.portal.providers.length === 0) return passwordProblem(ctx)
      if (isForm(ctx)) return meetForm(ctx, tools, 'access.sign_in', {}).catch(failed(ctx))
      if (!isLoad(ctx)) return replacementWorker(ctx) ?? signInProblem(ctx)
      return begin(ctx, {})
    },
    release: (ctx: PortalRequest) => releaseForm(ctx, tools),
    stepUp(ctx: PortalRequest, demand: StepUp) {
      const query = stepUpQuery(ctx, demand)
      if (isForm(ctx)) return meetForm(ctx, tools, 'access.step_up', query).catch(failed(ctx))
      if (!isLoad(ctx)) return replacementWorker(ctx) ?? stepUpProblem(ctx, demand)
      return begin(ctx, query)
    },
  })
}

/**
 * Sallyport's own addresses, from one table. The router uses only the canonical path; Hono never parses the address
 * itself.
 */
function createRouter(tools: PortalTools): Hono<Env> {
  const app = new Hono<Env>({ getPath: (_request, options) => pathOf(options) })
  for (const [path, endpoint] of BY_PATH) {
    const { get, post, loading, isOpen } = endpoint
    if (isOpen === true) app.options(path, () => openPreflight(allowOf(endpoint)))
    if (loading !== undefined) {
      app.use(path, async (c, next) => refuseLoading(c.env.ctx, loading) ?? next())
    }
    if (get !== undefined) app.get(path, c => get(c.env.ctx, tools))
    if (post !== undefined) app.post(path, c => post(c.env.ctx, tools))
    app.all(path, c => wrongMethod(c.env.ctx, endpoint))
  }
  app.get(`${ownPath('icons')}/:hash`, c => {
    const { ctx } = c.env
    return ctx.session === null ? signInProblem(ctx) : sendIcon(ctx, c.req.param('hash'))
  })
  const scim = createScim(tools)
  app.all(`${ownPath('scim')}/*`, c => scim(c.env.ctx))
  app.all('*', c => portalNotFound(c.env.ctx))
  app.onError((error, c) => answerFailure(c.env.ctx, error, tools))
  return app
}

/** The answer to whoever only looks at what loading sets in motion; null where it may be loaded. Throws `access.origin`. */
function refuseLoading(ctx: PortalRequest, loading: Endpoint['loading']): Response | null {
  if (ctx.request.method === 'HEAD') return emptyAnswer(204)
  if (isPrefetch(ctx.request)) return emptyAnswer(503)
  if (loading === 'step') checkWindow(ctx)
  return null
}

function wrongMethod(ctx: PortalRequest, endpoint: Pick<Endpoint, 'get' | 'post'>): Response {
  return problemResponse(
    405,
    'route.method',
    'This method is not allowed at this address.',
    ctx.requestId,
    {},
    { allow: allowOf(endpoint) },
  )
}

/** Whether a person has sent a form whose answer they will look at. */
function isForm({ request, isProgram }: PortalRequest): boolean {
  return !isProgram && request.method === 'POST' && prefersPage(request)
}

/** Whether a person opens a page, who may be led to another one first. */
function isLoad({ request, isProgram }: PortalRequest): boolean {
  return !isProgram && isPageLoad(request) && !isPrefetch(request)
}

/**
 * The prefix for all addresses of the proxy that Sallyport replaced. No other address that the portal gets begins with
 * it.
 */
const COMPAT = '/oauth2-proxy/'

/** Sallyport's own addresses, by their canonical paths. */
const BY_PATH: ReadonlyMap<string, Omit<Endpoint, 'page'>> = new Map([
  ...ENDPOINTS.map(endpoint => [ownPath(endpoint.page), endpoint] as const),
  ...Object.entries(WELL_KNOWN),
  ...Object.entries(COMPAT_ENDPOINTS).map(([page, endpoint]) => [COMPAT + page, endpoint] as const),
])

/** The path to route by: the callback's own address, the front page, and those of a program that stood here before count as ours. */
function pathOf(options: { readonly env?: Env['Bindings'] } | undefined): string {
  const ctx = options?.env?.ctx
  if (ctx === undefined) throw new TypeError('the portal is asked through handle() only')
  const { path } = ctx.target
  if (ctx.compat !== null) return COMPAT + ctx.compat.page
  if (isAnyCallback(ctx)) return ownPath('callback')
  if (path.startsWith(RESOURCE_METADATA)) return RESOURCE_METADATA
  return path === '/' || path === ownPath('').slice(0, -1) ? ownPath('') : path
}
