/** @jsxImportSource hono/jsx */
import { Hono } from 'hono'
import { CODES, errorFacts, type GateError, toGateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { ProviderPool } from '../identity/provider.ts'
import type { StepUp } from '../identity/step-up.ts'
import { isPageLoad, isPrefetch, prefersPage } from '../route/page-load.ts'
import { parseReturnTo } from '../route/return-to.ts'
import type { ApiTokens } from '../session/credentials/api-tokens.ts'
import type { GuestLinks } from '../session/credentials/guest-links.ts'
import type { Sealer } from '../session/seal.ts'
import type { Session, Sessions } from '../session/session.ts'
import { KEY_SET_MAX_AGE_S } from '../session/signing/keys.ts'
import type { Signing } from '../session/signing/signing.ts'
import { type AdminTools, showAdmin } from './account/admin.tsx'
import { changeTokens, showTokens } from './account/api-tokens.tsx'
import { changeGuests, showGuests } from './account/guest-links.tsx'
import { sendIcon } from './account/icons.ts'
import { menuOf } from './account/menu.ts'
import { acceptInvitation, showInvitation } from './account/open-guest-link.tsx'
import { endSessions, showSessions } from './account/sessions.tsx'
import { emptyAnswer, jsonAnswer, keySetAnswer, pageAnswer, redirectAnswer } from './answer.ts'
import { type ErrorView, renderErrorPage } from './error-pages.tsx'
import { wordsFor } from './language.ts'
import { pageNotFound } from './not-found.ts'
import { ApplicationsPage } from './pages/applications.tsx'
import { isCallback, isPortalHost, ownPath, portalOrigin } from './place.ts'
import type { Portal, PortalRequest } from './portal.ts'
import { BASIC_CHALLENGE, problemResponse } from './problem.ts'
import { discardKept, meetForm, releaseForm, showKept } from './replay/replay.tsx'
import { type Destination, FailedSignIn } from './sign-in/failure.ts'
import { forgetLogins } from './sign-in/login-loop.ts'
import { describePerson } from './sign-in/me.ts'
import { callback, login, type SignInTools } from './sign-in/sign-in.tsx'
import { stepUpProblem, stepUpQuery } from './sign-in/step-up.ts'
import { askPortal, enter } from './sign-in/ticket.ts'
import { checkWindow } from './sign-in/window.ts'
import { backChannelLogout } from './sign-out/backchannel.ts'
import { frontChannelLogout } from './sign-out/frontchannel.ts'
import { confirmSignOut, goToProvider, signedOut, signOut } from './sign-out/sign-out.tsx'
import { sayError, type Words } from './words/words.ts'

export interface PortalTools {
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly sessions: Sessions & { readonly links: GuestLinks } & {
    readonly tokens: ApiTokens
    readonly signing: Signing
  }
  readonly pool: ProviderPool
  readonly seal: Sealer
  readonly noteStart: SignInTools['noteStart']
  readonly overview: AdminTools['overview']
}

interface Env {
  readonly Bindings: { readonly ctx: PortalRequest }
}

/** Pages whose loading sets something in motion: a HEAD or a browser that fetches ahead must not. */
const ACTIONS = new Set(
  (['login', 'callback', 'enter', 'logout', 'provider-logout', 'frontchannel-logout'] as const).map(ownPath),
)

/** The steps of a sign-in, which windows alone take. */
const STEPS = new Set((['login', 'callback', 'enter'] as const).map(ownPath))

/** The portal: every page and endpoint of our own. Whatever a handler throws becomes an answer here. */
export function createPortal(tools: PortalTools): Portal {
  // Routed by the canonical path alone; the address that Hono would parse itself is never looked at.
  const app = new Hono<Env>({ getPath: (_request, options) => pathOf(options) })

  app.use(async (c, next) => {
    if (ACTIONS.has(c.req.path)) {
      if (c.req.method === 'HEAD') return emptyAnswer(204)
      if (isPrefetch(c.req.raw)) return emptyAnswer(503)
      if (STEPS.has(c.req.path)) checkWindow(c.env.ctx)
    }
    return next()
  })
  app.get(ownPath(''), c => applications(c.env.ctx))
  app.get(ownPath('login'), c => login(c.env.ctx, tools))
  app.get(ownPath('callback'), ({ env: { ctx } }) => (isCallback(ctx) ? callback(ctx, tools) : notFound(ctx)))
  app.get(ownPath('enter'), ({ env: { ctx } }) => (isPortalHost(ctx) ? notFound(ctx) : enter(ctx, tools)))
  app.get(ownPath('logout'), c => confirmSignOut(c.env.ctx, tools))
  app.post(ownPath('logout'), c => signOut(c.env.ctx, tools))
  app.get(ownPath('provider-logout'), c => goToProvider(c.env.ctx, tools))
  app.get(ownPath('signed-out'), c => signedOut(c.env.ctx, tools))
  app.post(ownPath('backchannel-logout'), c => backChannelLogout(c.env.ctx, tools))
  app.get(ownPath('frontchannel-logout'), c => frontChannelLogout(c.env.ctx, tools))
  app.get(ownPath('sessions'), c => signedIn(c.env.ctx, session => showSessions(c.env.ctx, tools, session)))
  app.post(ownPath('sessions'), c => signedIn(c.env.ctx, session => endSessions(c.env.ctx, tools, session)))
  app.get(ownPath('tokens'), c => signedIn(c.env.ctx, session => showTokens(c.env.ctx, tools, session)))
  app.post(ownPath('tokens'), c => signedIn(c.env.ctx, session => changeTokens(c.env.ctx, tools, session)))
  app.get(ownPath('admin'), c => signedIn(c.env.ctx, session => showAdmin(c.env.ctx, tools, session)))
  app.get(`${ownPath('icons')}/:hash`, c => {
    const { ctx } = c.env
    return ctx.session === null ? signInProblem(ctx) : sendIcon(ctx, c.req.param('hash'))
  })
  app.get(ownPath('jwks.json'), async () => keySetAnswer(await tools.sessions.signing.published(), KEY_SET_MAX_AGE_S))
  app.get(ownPath('guests'), c => signedIn(c.env.ctx, session => showGuests(c.env.ctx, tools, session)))
  app.post(ownPath('guests'), c => signedIn(c.env.ctx, session => changeGuests(c.env.ctx, tools, session)))
  app.get(ownPath('guest'), c => showInvitation(c.env.ctx, tools))
  app.post(ownPath('guest'), c => acceptInvitation(c.env.ctx, tools))
  app.get(ownPath('kept'), c => signedIn(c.env.ctx, session => showKept(c.env.ctx, tools, session)))
  app.post(ownPath('kept'), c => signedIn(c.env.ctx, session => discardKept(c.env.ctx, tools, session)))
  app.get(ownPath('me'), c => {
    const { ctx } = c.env
    if (!ctx.isTold) return notFound(ctx)
    return ctx.session === null ? signInProblem(ctx) : jsonAnswer(describePerson(ctx.session, ctx.told(ctx.session)))
  })
  app.all('*', c => {
    const allow = METHODS.get(c.req.path)
    return allow === undefined ? notFound(c.env.ctx) : wrongMethod(c.env.ctx, allow)
  })
  app.onError((error, c) => fail(c.env.ctx, error, tools.ports))

  function begin(ctx: PortalRequest, extra: Readonly<Record<string, string>>): Response | Promise<Response> {
    const path = parseReturnTo(ctx.target.path + ctx.target.query)
    if (isPortalHost(ctx)) {
      return redirectAnswer(302, `${ownPath('login')}?${new URLSearchParams({ ...extra, return: path })}`)
    }
    return askPortal(ctx, tools, path, extra).catch((error: unknown) => fail(ctx, error, tools.ports))
  }

  function meet(
    ctx: PortalRequest,
    code: 'access.sign_in' | 'access.step_up',
    query: Readonly<Record<string, string>>,
  ): Promise<Response> {
    return meetForm(ctx, tools, code, query).catch((error: unknown) => fail(ctx, error, tools.ports))
  }

  return Object.freeze({
    handle: (ctx: PortalRequest) => app.fetch(ctx.request, { ctx }),
    challenge(ctx: PortalRequest) {
      if (ctx.portal.providers.length === 0) return passwordProblem(ctx)
      if (isForm(ctx.request)) return meet(ctx, 'access.sign_in', {})
      if (!isPageLoad(ctx.request) || isPrefetch(ctx.request)) return signInProblem(ctx)
      return begin(ctx, {})
    },
    release: (ctx: PortalRequest, id: string) => releaseForm(ctx, tools, id),
    stepUp(ctx: PortalRequest, demand: StepUp) {
      if (isForm(ctx.request)) return meet(ctx, 'access.step_up', stepUpQuery(ctx, demand))
      if (!isPageLoad(ctx.request) || isPrefetch(ctx.request)) return stepUpProblem(ctx, demand)
      return begin(ctx, stepUpQuery(ctx, demand))
    },
  })
}

const METHODS: ReadonlyMap<string, string> = new Map([
  ...(
    [
      '',
      'login',
      'callback',
      'enter',
      'signed-out',
      'me',
      'admin',
      'jwks.json',
      'provider-logout',
      'frontchannel-logout',
    ] as const
  ).map(page => [ownPath(page), 'GET, HEAD'] as const),
  ...(['logout', 'sessions', 'tokens', 'kept', 'guest', 'guests'] as const).map(
    page => [ownPath(page), 'GET, HEAD, POST'] as const,
  ),
  [ownPath('backchannel-logout'), 'POST'],
])

/** Whether a person has sent a form whose answer they will look at. */
function isForm(request: Request): boolean {
  return request.method === 'POST' && prefersPage(request)
}

/** The path to route by: the callback's own address and the front page count as ours. */
function pathOf(options: { readonly env?: Env['Bindings'] } | undefined): string {
  const ctx = options?.env?.ctx
  if (ctx === undefined) throw new TypeError('the portal is asked through handle() only')
  const { path } = ctx.target
  if (isCallback(ctx)) return ownPath('callback')
  return path === '/' || path === ownPath('').slice(0, -1) ? ownPath('') : path
}

function applications(ctx: PortalRequest): Response {
  if (!isPortalHost(ctx)) return redirectAnswer(302, `${portalOrigin(ctx)}${ownPath('')}`)
  const { session } = ctx
  if (session === null) return isPageLoad(ctx.request) ? redirectAnswer(302, ownPath('login')) : signInProblem(ctx)
  const words = wordsFor(ctx.request)
  return pageAnswer(
    words,
    ctx.portal.brand,
    <ApplicationsPage
      words={words}
      title={ctx.portal.title}
      identity={session.identity}
      applications={ctx.applications(session)}
      menu={menuOf(ctx, session, words, '')}
      switchAddress={`${ownPath('login')}?switch=1`}
    />,
    200,
    {},
    'icons',
  )
}

/** A page of the person's own; a visitor who loads it signs in first and comes back. */
function signedIn(
  ctx: PortalRequest,
  answer: (session: Session) => Response | Promise<Response>,
): Response | Promise<Response> {
  if (ctx.session !== null) return answer(ctx.session)
  if (!isPageLoad(ctx.request) || isPrefetch(ctx.request)) return signInProblem(ctx)
  const query = new URLSearchParams({ return: parseReturnTo(ctx.target.path + ctx.target.query) })
  return redirectAnswer(302, `${ownPath('login')}?${query}`)
}

/** 401 for programs. WWW-Authenticate is absent on purpose: it would make a browser ask for a password of its own. */
function signInProblem(ctx: PortalRequest): Response {
  const extra = { sign_in: `${ctx.origin}${ownPath('login')}` }
  return problemResponse(401, 'access.sign_in', 'Sign in to open this.', ctx.requestId, extra)
}

/** A portal that has passwords alone asks for one: a browser then shows a form of its own. */
function passwordProblem(ctx: PortalRequest): Response {
  const fields = { 'www-authenticate': BASIC_CHALLENGE }
  return problemResponse(401, 'access.sign_in', CODES['access.sign_in'].say, ctx.requestId, {}, fields)
}

function notFound(ctx: PortalRequest): Response {
  return pageNotFound(ctx, words => ({
    title: sayError(words, 'route.none'),
    actions: [{ label: words.yourApplications, address: ownPath('') }],
  }))
}

function wrongMethod(ctx: PortalRequest, allow: string): Response {
  return problemResponse(
    405,
    'route.method',
    'This method is not allowed at this address.',
    ctx.requestId,
    {},
    { allow },
  )
}

function fail(ctx: PortalRequest, thrown: unknown, ports: Pick<Ports, 'log'>): Response {
  const failed = thrown instanceof FailedSignIn ? thrown : null
  const error = toGateError(failed === null ? thrown : failed.failure)
  report(ctx, error, ports)
  const { status, say, retryAfterS } = error
  const retry: Record<string, string> = retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }
  if (!prefersPage(ctx.request)) return problemResponse(status, error.code, say, ctx.requestId, {}, retry)
  const words = wordsFor(ctx.request)
  const page = renderErrorPage({
    words,
    brand: ctx.portal.brand,
    status,
    title: sayError(words, error.code),
    reference: ctx.requestId,
    ...advise(ctx, words, error, failed),
    ...(retryAfterS === undefined ? {} : { retryAfterS, isRepeatable: ctx.request.method !== 'POST' }),
  })
  // Whoever has read it may try again from the start.
  if (error.code === 'sign_in.loop') page.headers.append('set-cookie', forgetLogins(ctx))
  return page
}

/** What someone can do about a failed sign-in: loading the same address again would only find its state used up. */
function advise(ctx: PortalRequest, words: Words, error: GateError, failed: FailedSignIn | null): Partial<ErrorView> {
  const fresh = startingPoint(ctx, failed?.destination ?? null)
  if (failed?.mayRestart === true) return { restartTo: fresh, actions: [{ label: words.startAgain, address: fresh }] }
  switch (error.code) {
    case 'access.denied':
      return {
        actions: [
          { label: words.yourApplications, address: ownPath('') },
          { label: words.switchAccount, address: `${ownPath('login')}?switch=1` },
        ],
      }
    case 'provider.subject':
    case 'provider.refused':
      return {
        detail: error.code === 'provider.subject' ? words.subjectAdvice : words.refusedAdvice,
        actions: [
          { label: words.tryAgain, address: fresh },
          { label: words.useOtherAccount, address: `${ownPath('login')}?switch=1` },
        ],
      }
    case 'sign_in.step_up':
      return {
        detail: textOf(words.stepUp, error.facts.check),
        actions: [
          { label: words.tryAgain, address: fresh },
          { label: words.yourApplications, address: ownPath('') },
        ],
      }
    case 'sign_in.browser':
    case 'sign_in.ticket':
      return {
        detail: textOf(words.causes, error.facts.reason) || words.browserAdvice,
        actions: [{ label: words.startAgain, address: fresh }],
      }
    case 'sign_in.loop':
      return {
        detail: textOf(words.causes, error.facts.reason),
        actions: [
          { label: words.tryAgain, address: fresh },
          { label: words.useOtherAccount, address: `${ownPath('login')}?switch=1` },
        ],
      }
    case 'sign_in.state':
    case 'sign_in.callback':
    case 'provider.issuer':
      return { actions: [{ label: words.startAgain, address: fresh }] }
    default:
      return failed === null ? {} : { refreshTo: fresh, actions: [{ label: words.tryAgain, address: fresh }] }
  }
}

/** The sentence for a fact of an error; empty where there is none. */
function textOf(texts: Readonly<Record<string, string>>, fact: unknown): string {
  return typeof fact === 'string' && Object.hasOwn(texts, fact) ? (texts[fact] ?? '') : ''
}

function startingPoint(ctx: PortalRequest, destination: Destination | null): string {
  if (destination === null) return isPortalHost(ctx) ? ownPath('') : '/'
  return destination.kind === 'here' ? destination.path : `${destination.origin}${destination.path}`
}

function report(ctx: PortalRequest, error: GateError, { log }: Pick<Ports, 'log'>): void {
  const facts = { id: ctx.requestId, client: ctx.clientAddress, page: ctx.target.path, ...errorFacts(error) }
  if (error.code === 'internal') log.error('A portal page failed on our side', facts)
  else if (/^(target|route|limit)\./.test(error.code)) log.debug('A portal address was refused', facts)
  else log.warn('A sign-in step failed', facts)
}
