/** The OAuth callback: redeems the code, records the outcome, and signs the browser in. */

import { errorFacts, GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { repeatedName } from '../../identity/authorization-response.ts'
import type { LoginResult } from '../../identity/provider.ts'
import type { StepUp } from '../../identity/step-up.ts'
import type { Sessions } from '../../session/session.ts'
import { browserKey, checkLoginCookie, hasLoginCookie } from '../login-csrf-cookie.ts'
import { arrivedAt } from '../paths.ts'
import type { AuditTools, PortalRequest } from '../portal-request.ts'
import { parseStepUp } from './ask-step-up.ts'
import { type BeginTools, begin } from './begin.ts'
import { type Destination, FailedSignIn, parseDestination } from './destination.ts'
import { causeOfNoCookie } from './login-loop.ts'
import { recoverStaleCallback, stateKey } from './oauth-state.ts'
import { chooseProvider } from './sign-in-page.tsx'
import { startSession } from './start-session.ts'
import { checkTraveller } from './ticket.ts'

/** What the callback of a provider also needs. */
interface CallbackTools extends BeginTools, AuditTools {
  readonly ports: BeginTools['ports'] & Pick<Ports, 'log'>
}

/**
 * Takes the provider's response, at the very address that the sign-in was begun for. The browser always gets a new
 * cookie. A session of the same user in this browser continues with it; another user's session ends. A stale response
 * redirects to the destination, or restarts the sign-in (`recoverStaleCallback`).
 *
 * Throws `sign_in.callback`, `sign_in.state`, `sign_in.browser`, or FailedSignIn around one of these or around an
 * error of the provider client.
 */
export async function callback(ctx: PortalRequest, tools: CallbackTools): Promise<Response> {
  const answer = new URLSearchParams(ctx.target.query)
  if (repeatedName(answer) !== null) throw new GateError('sign_in.callback', 'a parameter of the answer occurs twice')
  const state = answer.get('state') ?? ''
  const key = stateKey(state)
  if (key === null) throw new GateError('sign_in.state', 'the state of the answer is not Sallyport’s')
  if (!hasLoginCookie(ctx, 'login')) {
    const failure = new GateError('sign_in.browser', 'this browser sent no login cookie', {
      hint: 'cookies may be blocked, or the sign-in began in another browser or more than an hour ago',
      facts: { reason: causeOfNoCookie(ctx) },
    })
    return recoverStaleCallback(ctx, tools, answer, failure)
  }
  const kept = parsePending(await tools.sessions.consumeOneTime('login', key))
  if (kept === null || kept.portal !== ctx.portal.name) {
    return recoverStaleCallback(
      ctx,
      tools,
      answer,
      new GateError('sign_in.state', 'the state is unknown, used or expired'),
    )
  }
  // A client that reads code and state on one host, as an application's script can, must not finish on another.
  if (kept.redirectUri !== arrivedAt(ctx)) {
    throw new GateError('sign_in.state', 'the sign-in was begun for another address than this one', {
      hint: 'where this is no attack, a proxy in front names another host, scheme or port at the end than at the beginning',
      facts: { begun: kept.redirectUri, ended: arrivedAt(ctx) },
    })
  }
  if (checkLoginCookie(ctx, 'login', kept.binding) !== 'same') {
    throw new FailedSignIn(
      new GateError('sign_in.browser', 'the state belongs to another browser'),
      kept.destination,
      true,
    )
  }
  try {
    checkTraveller(ctx, kept.destination)
    return await finish(ctx, tools, kept, answer, state)
  } catch (thrown) {
    throw new FailedSignIn(thrown, kept.destination, false, { answeredBy: kept.provider })
  }
}

async function finish(
  ctx: PortalRequest,
  tools: CallbackTools,
  kept: Pending,
  answer: URLSearchParams,
  state: string,
): Promise<Response> {
  const provider = chooseProvider(ctx, kept.provider)
  if (provider === null) throw new GateError('sign_in.state', `provider ${kept.provider} is gone from this portal`)
  const { destination, isRemembered, stepUp } = kept
  let result: LoginResult
  try {
    result = await tools.pool.client(provider).finish(answer, { ...kept, state })
  } catch (thrown) {
    noteOutcome(ctx, tools, provider, thrown)
    if (!kept.mayHaveAskedOffline || !isAboutOffline(thrown)) throw thrown
    tellOfflineRefused(ctx, tools, provider, thrown)
    return begin(ctx, tools, provider, {
      destination,
      asksForAccount: false,
      stepUp,
      isRemembered,
      isRestart: true,
      isWithoutOffline: true,
    })
  }
  const { identity, idToken, refreshToken, shownAtS } = result
  if (refreshToken === null) await tellWithoutRefresh(ctx, tools, provider, result)
  const secrets = { idToken, refreshToken, access: ctx.wantsAccess ? result.access : null }
  const browser = browserKey(ctx, 'login')
  let answered: Response
  try {
    answered = await startSession(ctx, tools, { identity, secrets, shownAtS, destination, isRemembered, browser })
  } catch (thrown) {
    // The provider works: it has identified the user.
    if (thrown instanceof GateError && thrown.code === 'sign_in.member') noteOutcome(ctx, tools, provider, null)
    throw thrown
  }
  noteOutcome(ctx, tools, provider, null)
  return answered
}

interface Pending {
  readonly redirectUri: string
  readonly nonce: string
  readonly codeVerifier: string
  /** Null in a record of a node of before. */
  readonly begunAtMs: number | null
  readonly provider: string
  readonly portal: string
  readonly binding: string
  readonly destination: Destination
  readonly stepUp: StepUp | null
  readonly isRemembered: boolean
  readonly mayHaveAskedOffline: boolean
}

function parsePending(value: unknown): Pending | null {
  if (typeof value !== 'object' || value === null) return null
  const text = (name: string) => {
    const field: unknown = Reflect.get(value, name)
    return typeof field === 'string' ? field : null
  }
  const [redirectUri, nonce, codeVerifier] = [text('redirectUri'), text('nonce'), text('codeVerifier')]
  const [provider, portal, binding] = [text('provider'), text('portal'), text('binding')]
  const destination = parseDestination(Reflect.get(value, 'destination'))
  if (redirectUri === null || nonce === null || codeVerifier === null || destination === null) return null
  if (provider === null || portal === null || binding === null) return null
  const rawStepUp: unknown = Reflect.get(value, 'stepUp')
  const stepUp = parseStepUp(rawStepUp)
  // What was asked for and cannot be read must not turn into an ordinary sign-in.
  if (rawStepUp !== null && rawStepUp !== undefined && stepUp === null) return null
  const isRemembered = Reflect.get(value, 'isRemembered') === true
  const begunAtMs: unknown = Reflect.get(value, 'begunAtMs')
  const mayHaveAskedOffline = Reflect.get(value, 'mayHaveAskedOffline') === true
  return {
    redirectUri,
    nonce,
    codeVerifier,
    begunAtMs: typeof begunAtMs === 'number' ? begunAtMs : null,
    provider,
    portal,
    binding,
    destination,
    stepUp,
    isRemembered,
    mayHaveAskedOffline,
  }
}

interface OutcomeTools {
  readonly ports: Pick<Ports, 'log'>
  readonly sessions: Pick<Sessions, 'noteCompleted' | 'noteFailed'>
}

/**
 * Errors of the provider itself. Errors that a browser can cause, such as an error in the provider's response, are not
 * among them.
 */
const OF_THE_PROVIDER: ReadonlySet<string> = new Set([
  'provider.down',
  'provider.discovery',
  'provider.token',
  'provider.id_token',
  'provider.userinfo',
])

/** Which of an error's facts say what is wrong, in this order. */
const TOLD = ['check', 'alg', 'enc', 'status', 'provider_error', 'provider_says'] as const

/**
 * Keeps the outcome of a sign-in, for `sallyport doctor`; `thrown` is null where the user signed in. No caller waits
 * for it.
 */
function noteOutcome(
  { requestId }: PortalRequest,
  { ports, sessions }: OutcomeTools,
  provider: ProviderConfig,
  thrown: unknown,
): void {
  const noting = thrown === null ? sessions.noteCompleted(provider) : noteFailure(sessions, provider, thrown)
  noting.catch((failure: unknown) => {
    const facts = { id: requestId, provider: provider.name, ...errorFacts(failure) }
    ports.log.warn('What came of a sign-in could not be kept for sallyport doctor', facts)
  })
}

async function noteFailure(
  sessions: OutcomeTools['sessions'],
  provider: ProviderConfig,
  thrown: unknown,
): Promise<void> {
  if (!(thrown instanceof GateError) || !OF_THE_PROVIDER.has(thrown.code)) return
  // A code that somebody has made up, or that was used before.
  if (thrown.code === 'provider.token' && thrown.facts.is_about === 'grant') return
  const { error, hint } = errorFacts(thrown)
  const told = TOLD.flatMap(name => (thrown.facts[name] === undefined ? [] : [`${name} ${thrown.facts[name]}`]))
  await sessions.noteFailed(provider, {
    error: told.length === 0 ? String(error) : `${error} (${told.join(', ')})`,
    hint: typeof hint === 'string' ? hint : null,
  })
}

interface RefreshTools {
  readonly ports: Pick<Ports, 'log'>
  readonly sessions: Pick<Sessions, 'noteLackedRefresh'>
}

/**
 * Of a sign-in that brought no refresh token, where one is wanted: the log says that its provider is not asked again, and sign-ins from now
 * on ask for `offline_access` where the provider lists it. Throws `session.store`.
 */
async function tellWithoutRefresh(
  { portal, requestId }: PortalRequest,
  { ports, sessions }: RefreshTools,
  provider: ProviderConfig,
  { identity, offlineTerms }: Pick<LoginResult, 'identity' | 'offlineTerms'>,
): Promise<void> {
  if (portal.lifetimes.refreshMs === null) return
  const isNews = offlineTerms !== null && (await sessions.noteLackedRefresh(provider, offlineTerms))
  const next = isNews
    ? 'the next sign-in asks for offline_access, which the provider lists'
    : 'the session goes on until its lifetime is over'
  ports.log[isNews ? 'warn' : 'info'](
    `A sign-in brought no refresh token, so the provider cannot be asked again about its user: ${next}`,
    {
      id: requestId,
      provider: provider.name,
      subject: identity.subject,
      ...(isNews ? {} : { hint: hintFor(provider, offlineTerms) }),
    },
  )
}

function hintFor({ scopes }: ProviderConfig, offlineTerms: string | null): string {
  if (scopes !== null && !scopes.includes('offline_access')) {
    return 'add "offline_access" to scopes, if the provider knows that scope; refresh = "off" in the portal asks for none'
  }
  return offlineTerms === null
    ? 'let the provider give this client refresh tokens; refresh = "off" in the portal asks for none'
    : 'let the provider give this client refresh tokens, for offline_access or without; refresh = "off" in the portal asks for none'
}

/** What a provider says where `offline_access` is not for this client or this person: RFC 6749 §4.1.2.1, and Keycloak at its token endpoint. */
const OF_OFFLINE: ReadonlySet<unknown> = new Set(['invalid_scope', 'not_allowed'])

/** Whether a sign-in that asked for `offline_access` failed by that. */
function isAboutOffline(thrown: unknown): thrown is GateError {
  if (!(thrown instanceof GateError)) return false
  const isAnswer =
    thrown.code === 'provider.request' || thrown.code === 'provider.refused' || thrown.code === 'provider.token'
  return isAnswer && OF_OFFLINE.has(thrown.facts.provider_error)
}

/**
 * A browser could forge this for its own sign-in. So Sallyport keeps nothing of it, and restarts the same sign-in
 * without the scope.
 */
function tellOfflineRefused(
  { requestId }: PortalRequest,
  { ports }: Pick<RefreshTools, 'ports'>,
  provider: ProviderConfig,
  failure: GateError,
): void {
  ports.log.warn('The provider does not take offline_access, though it lists it: this sign-in begins again without', {
    id: requestId,
    provider: provider.name,
    ...errorFacts(failure),
    hint: 'allow that scope for this client there, or write scopes in the provider’s table without it',
  })
}
