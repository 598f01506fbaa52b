/** The table of the portal’s endpoints: address, methods, handler. */

import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Ports } from '../base/ports.ts'
import type { ProviderPool } from '../identity/provider.ts'
import { isPageLoad, isPrefetch } from '../route/page-load.ts'
import { parseReturnTo } from '../route/return-to.ts'
import type { Accounts } from '../session/accounts/accounts.ts'
import type { EndOthers } from '../session/accounts/end-others.ts'
import type { Invitations } from '../session/accounts/invitations.ts'
import type { Passkeys } from '../session/accounts/passkeys.ts'
import type { Bindings } from '../session/bound-sessions.ts'
import type { ClockState } from '../session/clock-watch.ts'
import type { ApiTokens } from '../session/credentials/api-tokens.ts'
import type { GuestLinks } from '../session/credentials/guest-links.ts'
import type { Grants } from '../session/grants/grants.ts'
import type { Directories } from '../session/scim/directories.ts'
import type { Session, Sessions } from '../session/session.ts'
import { CLIENT_KEYS_MAX_AGE_S, type ClientKeys } from '../session/signing/client-keys.ts'
import { KEY_SET_MAX_AGE_S } from '../session/signing/keys.ts'
import type { Signing } from '../session/signing/signing.ts'
import { takeAccount } from './account/account-forms.ts'
import { type AccountTools, showAccount } from './account/account-page.tsx'
import { tokensPage } from './account/api-tokens.tsx'
import { showApplications } from './account/applications.tsx'
import { askAccess, askAgain, sayAccess } from './account/ask-access.ts'
import { guestsPage } from './account/guest-links.tsx'
import { showInvitation, takeInvitation } from './account/invitation.tsx'
import { openGuestLink, showGuestLink } from './account/open-guest-link.tsx'
import { endSessions, showSessions } from './account/sessions.tsx'
import { type AdminTools, showAdmin } from './admin/admin.tsx'
import { exportAudit, showAudit, type TrailTools } from './admin/audit.tsx'
import { decideRequest } from './admin/decide-request.ts'
import { showPeople, takePeople } from './admin/people.tsx'
import { type RouteTools, showRoute } from './admin/route.tsx'
import { keySetAnswer, redirectAnswer } from './answer.ts'
import { register } from './authorization/clients.ts'
import { askConsent, takeConsent } from './authorization/consent.tsx'
import { describeResource, describeServer } from './authorization/metadata.ts'
import type { Publications } from './authorization/publications.ts'
import { giveTokens } from './authorization/tokens.ts'
import { type CompatContext, oldAuth, oldUserinfo, refuseRobots, sayAlive, sayReady } from './compat/old-addresses.ts'
import { oldLogin, oldSignIn, oldStart } from './compat/sign-in.tsx'
import { oldLogout, oldSignOut } from './compat/sign-out.ts'
import { portalNotFound } from './error-page.tsx'
import { editFile, sendEditorScript, takeEdit } from './file/edit.tsx'
import { type FileTools, showFile } from './file/show.tsx'
import type { FormTools, PersonalFormTools } from './form.ts'
import type { KeepTools } from './kept-forms/kept-form.ts'
import { discardKept, showKept } from './kept-forms/kept-page.tsx'
import { isAnyCallback, isPortalHost, type OwnPage, ownPath, RESOURCE_METADATA, SERVER_METADATA } from './paths.ts'
import type { AuditTools, CompatPage, PortalRequest } from './portal-request.ts'
import { signInProblem } from './problem.ts'
import type { BeginTools } from './sign-in/begin.ts'
import { bindsHere, type DeviceTools, registerDevice, renewDevice, waitForDevice } from './sign-in/bound-session.tsx'
import { callback } from './sign-in/callback.ts'
import { sayPerson } from './sign-in/me.ts'
import { type LoginTools, login, loginByForm } from './sign-in/sign-in.ts'
import { redeemTicket } from './sign-in/ticket.ts'
import { type BackChannelTools, backChannelLogout } from './sign-out/backchannel.ts'
import { frontChannelLogout } from './sign-out/frontchannel.ts'
import { confirmSignOut, goToProvider, signedOut, signOut, signOutUnread } from './sign-out/sign-out.tsx'

export interface PortalTools extends FormTools, AuditTools {
  readonly ports: Pick<Ports, 'ask' | 'now' | 'random' | 'log'>
  readonly sessions: Sessions & { readonly links: GuestLinks } & {
    readonly tokens: ApiTokens
    /** What is known of this machine's clock, by that of the store. */
    clock(): ClockState
    readonly signing: Signing
    readonly clientKeys: Pick<ClientKeys, 'listed'>
    readonly directories: Directories
    readonly grants: Grants
    readonly accounts: Accounts
    readonly passkeys: Passkeys
    readonly invitations: Invitations
    readonly endOthers: EndOthers
    readonly bindings: Bindings
  }
  readonly pool: ProviderPool
  readonly publications: Publications
  readonly noteForm: PersonalFormTools['noteForm']
  readonly noteDevice: DeviceTools['noteDevice']
  readonly noteStart: BeginTools['noteStart']
  readonly countForm: KeepTools['countForm']
  readonly chargeLogout: BackChannelTools['chargeLogout']
  readonly findUser: LoginTools['findUser']
  readonly confirm: AccountTools['confirm']
  readonly confirmFactor: AccountTools['confirmFactor']
  readonly checkCode: LoginTools['checkCode']
  readonly overview: AdminTools['overview']
  readonly explain: RouteTools['explain']
  readonly trail: TrailTools['trail']
  readonly configEditor: FileTools['configEditor']
}

/** Answers a request, or throws a GateError. */
type Handler = (ctx: PortalRequest, tools: PortalTools) => MaybePromise<Response>

/** One of Sallyport's own addresses. It refuses other methods than its own and names those that it accepts. */
export interface Endpoint {
  readonly page: OwnPage
  /** Answers HEAD too. */
  readonly get?: Handler
  readonly post?: Handler
  /** What can be done of `post` while the session cannot be read; null for nothing. */
  readonly postUnread?: (ctx: PortalRequest, tools: PortalTools) => Promise<Response | null>
  /**
   * `action`: loading it triggers an action, so a HEAD request or a prefetch must not. `step`: the same for a step of
   * a sign-in, which only windows may take.
   */
  readonly loading?: 'action' | 'step'
  /** Only for programs, also on pages of any origin: it answers CORS preflight requests and reads no cookie. */
  readonly isOpen?: true
}

/** Every page and endpoint of our own, but icons, which have addresses of their own. */
export const ENDPOINTS: readonly Endpoint[] = [
  { page: '', get: showApplications },
  { page: 'login', get: login, post: loginByForm, loading: 'step' },
  { page: 'callback', get: whereThatIs(isAnyCallback, callback), loading: 'step' },
  { page: 'enter', get: whereThatIs(ctx => !isPortalHost(ctx), redeemTicket), loading: 'step' },
  { page: 'bind', get: portalNotFound, post: whereThatIs(bindsHere, registerDevice) },
  { page: 'renew', get: portalNotFound, post: whereThatIs(bindsHere, renewDevice) },
  { page: 'device', get: whereThatIs(bindsHere, waitForDevice), loading: 'step' },
  { page: 'logout', get: confirmSignOut, post: signOut, postUnread: signOutUnread, loading: 'action' },
  { page: 'provider-logout', get: goToProvider, loading: 'action' },
  { page: 'signed-out', get: signedOut },
  { page: 'backchannel-logout', post: backChannelLogout },
  { page: 'frontchannel-logout', get: frontChannelLogout, loading: 'action' },
  { page: 'again', post: signedIn(askAgain) },
  { page: 'ask', get: sayAccess, post: signedIn(askAccess) },
  { page: 'account', get: signedIn(showAccount), post: signedIn(takeAccount) },
  { page: 'sessions', get: signedIn(showSessions), post: signedIn(endSessions) },
  { page: 'tokens', get: signedIn(tokensPage.show), post: signedIn(tokensPage.change) },
  { page: 'admin', get: signedIn(showAdmin), post: signedIn(decideRequest) },
  { page: 'route', get: signedIn(showRoute) },
  { page: 'audit', get: signedIn(showAudit), post: signedIn(exportAudit) },
  { page: 'file', get: signedIn(showFile) },
  { page: 'edit', get: signedIn(editFile), post: signedIn(takeEdit) },
  { page: 'editor.js', get: signedIn(sendEditorScript) },
  { page: 'jwks.json', get: sendKeySet },
  { page: 'client-jwks.json', get: whereThatIs(isPortalHost, sendClientKeys) },
  { page: 'guests', get: signedIn(guestsPage.show), post: signedIn(guestsPage.change) },
  { page: 'guest', get: showGuestLink, post: openGuestLink },
  {
    page: 'invitation',
    get: whereThatIs(isPortalHost, showInvitation),
    post: whereThatIs(isPortalHost, takeInvitation),
  },
  { page: 'people', get: signedIn(showPeople), post: signedIn(takePeople) },
  { page: 'kept', get: signedIn(showKept), post: signedIn(discardKept) },
  { page: 'authorize', get: whereGiven(signedIn(askConsent)), post: whereGiven(signedIn(takeConsent)) },
  { page: 'token', post: whereGiven(giveTokens), isOpen: true },
  { page: 'register', post: whereGiven(register), isOpen: true },
  { page: 'me', get: whereThatIs(({ isTold }) => isTold, sayPerson) },
]

/** What programs look for at addresses that are the same everywhere; elsewhere these are the applications'. */
export const WELL_KNOWN: Readonly<Record<string, Omit<Endpoint, 'page'>>> = {
  [RESOURCE_METADATA]: { get: describeResource, isOpen: true },
  [SERVER_METADATA]: { get: whereGiven(describeServer), isOpen: true },
}

/** Addresses of a program that stood here before, by what they are for. */
export const COMPAT_ENDPOINTS: Readonly<Record<CompatPage, Omit<Endpoint, 'page'>>> = {
  sign_in: { get: old(oldSignIn) },
  sign_out: { get: old(oldSignOut), post: old(oldSignOut), postUnread: signOutUnread, loading: 'action' },
  start: { get: old(oldStart), loading: 'step' },
  userinfo: { get: oldUserinfo },
  auth: { get: old(oldAuth) },
  static: { get: portalNotFound },
  'robots.txt': { get: refuseRobots },
  ping: { get: sayAlive, post: sayAlive },
  ready: { get: sayReady, post: sayReady },
  portal: { get: () => redirectAnswer(302, ownPath('')) },
  login: { get: old(oldLogin), loading: 'step' },
  logout: { get: old(oldLogout), post: old(oldLogout), postUnread: signOutUnread, loading: 'action' },
  whoami: { get: () => redirectAnswer(302, ownPath('me')) },
}

/** What an address takes (RFC 9110 §10.2.1). */
export function allowOf({ get, post }: Pick<Endpoint, 'get' | 'post'>): string {
  return [...(get === undefined ? [] : ['GET', 'HEAD']), ...(post === undefined ? [] : ['POST'])].join(', ')
}

/**
 * A page of the user's own. A visitor who loads it signs in first and comes back; so does a client with a replaced
 * cookie.
 */
function signedIn(
  answer: (ctx: PortalRequest, tools: PortalTools, session: Session) => MaybePromise<Response>,
): Handler {
  return (ctx, tools) => {
    if (ctx.session !== null && !ctx.session.isReplaced) return answer(ctx, tools, ctx.session)
    if (!isPageLoad(ctx.request) || isPrefetch(ctx.request)) return signInProblem(ctx)
    const query = new URLSearchParams({ return: parseReturnTo(ctx.target.path + ctx.target.query) })
    return redirectAnswer(302, `${ownPath('login')}?${query}`)
  }
}

/** What is at an address of a program that stood here before, and knows that it is. */
function old(answer: (ctx: CompatContext, tools: PortalTools) => MaybePromise<Response>): Handler {
  return (ctx, tools) => {
    const { compat } = ctx
    if (compat === null) throw new TypeError('an old address answers only where it is asked for')
    return answer({ ...ctx, compat }, tools)
  }
}

/** What belongs to giving tokens for MCP servers: where people sign in, for portals that do. */
function whereGiven(answer: Handler): Handler {
  return whereThatIs(ctx => ctx.resources.hasOwn && isPortalHost(ctx), answer)
}

/** A page that exists only on some hosts, or only for some of them. */
function whereThatIs(isHere: (ctx: PortalRequest) => boolean, answer: Handler): Handler {
  return (ctx, tools) => (isHere(ctx) ? answer(ctx, tools) : portalNotFound(ctx))
}

async function sendKeySet(_ctx: PortalRequest, { sessions }: PortalTools): Promise<Response> {
  return keySetAnswer(await sessions.signing.published(), KEY_SET_MAX_AGE_S)
}

/** The keys by which this portal is a client of its providers (RFC 7523 §3): providers fetch them, without any cookie. */
async function sendClientKeys({ portal, providers }: PortalRequest, { sessions }: PortalTools): Promise<Response> {
  const clients = portal.providers.flatMap(name => providers.get(name) ?? [])
  return keySetAnswer(await sessions.clientKeys.listed(clients), CLIENT_KEYS_MAX_AGE_S)
}
