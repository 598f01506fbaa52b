import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/types/providers.ts'
import { repeatedName } from '../../identity/answer.ts'
import type { Identity } from '../../identity/identity.ts'
import { userSubject } from '../../identity/passwords/users.ts'
import { checkStepUp, type StepUp } from '../../identity/step-up.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import type { SessionSecrets } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { type AuditTools, askedFacts } from '../audit-facts.ts'
import type { FormTools } from '../form.ts'
import { checkLoginCookie, hasLoginCookie } from '../login-cookie.ts'
import { arrivedAt, isPortalHost, ownPath } from '../place.ts'
import type { PortalRequest } from '../portal.ts'
import { readQuery } from '../query.ts'
import { ownerCookie, ownerOf } from '../replay/page-owner.ts'
import { describeAgent } from '../user-agent.ts'
import { type BeginTools, begin } from './begin.ts'
import { choosePage, handedOn } from './choose.tsx'
import { type Destination, FailedSignIn } from './failure.ts'
import { keepFragment } from './fragment.tsx'
import { causeOfNoCookie, countLogin, refuseLoginLoop } from './login-loop.ts'
import { plainHttpFailure } from './plain-http.ts'
import { hasChosenRemember } from './remember.ts'
import { keyOf, leadOn, RESTART } from './stale.ts'
import { parseStepUp, readStepUp, STEP_UP_NAMES } from './step-up.ts'
import {
  arrive,
  askPortal,
  checkTraveller,
  cookieLifetimeMs,
  openDestination,
  parseDestination,
  sessionCookie,
} from './ticket.ts'
import { readUserForm, type UserTools, usersOf } from './users.ts'
import { waitToBeSeen } from './wait-to-be-seen.tsx'

/** What taking a provider's answer needs besides. */
export interface CallbackTools extends BeginTools, AuditTools {
  readonly ports: BeginTools['ports'] & Pick<Ports, 'log'>
}

/** What a sign-in by a form of ours needs besides. */
export interface LoginTools extends BeginTools, FormTools, UserTools, AuditTools {
  readonly ports: BeginTools['ports'] & Pick<Ports, 'log'>
  readonly seal: BeginTools['seal']
}

/**
 * Begins a sign-in, or skips it where this browser is signed in.
 *
 * `again=1` asks the same provider once more who this is. `switch=1` asks it for another account. The present session ends only once
 * the new one begins, so that no link can sign anyone out. Throws FailedSignIn around `sign_in.plain_http`, `limit.rate` and what the
 * provider client throws.
 */
export async function login(ctx: PortalRequest, tools: BeginTools): Promise<Response> {
  if (ctx.portal.providers.length === 0) throw new GateError('route.none', 'this portal has passwords alone')
  const query = readQuery(ctx)
  const refusal = plainHttpFailure(ctx, parseReturnTo(query.get('return')), query)
  if (refusal !== null) throw refusal
  const fragment = keepFragment(ctx, query)
  if (fragment !== null) return fragment
  const isSwitch = query.get('switch') === '1'
  const stepUp = readStepUp(query)
  if (!isPortalHost(ctx)) {
    return askPortal(
      ctx,
      tools,
      parseReturnTo(query.get('return')),
      handedOn(query, ['switch', 'again', RESTART, ...STEP_UP_NAMES]),
    )
  }
  const destination = (await openDestination(ctx, tools.seal, query.get('to'))) ?? destinationHere(query.get('return'))
  checkTraveller(ctx, destination)
  const isAgain = query.get('again') === '1'
  if (ctx.session !== null && !isSwitch && !isAgain && stepUp === null)
    return arrive(ctx, tools, destination, ctx.session)
  const waits = isSwitch || isAgain || stepUp !== null ? null : waitToBeSeen(ctx, query, destination)
  if (waits !== null) return waits
  if (destination.kind === 'here' && !isSwitch && !isAgain) await refuseLoginLoop(ctx, tools.seal, destination.path)
  const chosen = query.get('provider') ?? (isAgain ? ownProvider(ctx) : null)
  const { rememberMs } = ctx.portal.lifetimes
  const provider = chosen === null && rememberMs !== null ? null : chooseProvider(ctx, chosen)
  const isRemembered = await hasChosenRemember(ctx, tools.seal, query.get('remember'))
  if (provider === null || provider.users !== null) return choosePage(ctx, tools, query, isRemembered)

  try {
    return await begin(ctx, tools, provider, {
      destination,
      asksForAccount: isSwitch,
      stepUp,
      isRestart: query.has(RESTART),
      // A rule that wants a newer sign-in does not change what was chosen at the first.
      isRemembered:
        isRemembered || (rememberMs !== null && (stepUp !== null || isAgain) && ctx.session?.isRemembered === true),
    })
  } catch (thrown) {
    throw new FailedSignIn(thrown, destination, false, provider.name)
  }
}

/**
 * Takes the form of a provider that is a file of users: a new session, always; what is wrong leads back to the form.
 *
 * Throws `access.origin`, `limit.rate`, `route.none`, or FailedSignIn around `sign_in.step_up`.
 */
export async function loginByForm(ctx: PortalRequest, tools: LoginTools): Promise<Response> {
  const provider = isPortalHost(ctx) ? usersOf(ctx) : null
  if (provider === null) throw new GateError('route.none', 'nobody signs in by a form here')
  const query = readQuery(ctx)
  const destination = (await openDestination(ctx, tools.seal, query.get('to'))) ?? destinationHere(query.get('return'))
  checkTraveller(ctx, destination)
  const given = await readUserForm(ctx, tools)
  const isRemembered = await hasChosenRemember(ctx, tools.seal, query.get('remember'))
  tools.noteStart(ctx.clientAddress)
  let identity: Identity
  try {
    identity = await tools.findUser(provider, given, ctx.clientAddress)
  } catch (thrown) {
    if (!(thrown instanceof GateError) || thrown.code !== 'access.password') throw thrown
    const { user, reason } = thrown.facts
    tools.audit.note(typeof reason === 'string' ? 'sign_in.code_wrong' : 'sign_in.password_wrong', {
      ...askedFacts(ctx),
      provider: provider.name,
      ...(typeof user === 'string' ? { user: userSubject(user), name: user } : {}),
      ...(typeof reason === 'string' ? { reason } : {}),
    })
    return choosePage(ctx, tools, query, isRemembered, true)
  }
  const stepUp = readStepUp(query)
  try {
    if (stepUp !== null) checkStepUp(identity.claims, stepUp, tools.ports.now())
  } catch (thrown) {
    throw new FailedSignIn(thrown, destination, false)
  }
  const secrets = { idToken: '', refreshToken: null, access: null }
  return startSession(ctx, tools, { identity, secrets, destination, isRemembered })
}

/**
 * Takes the provider's answer, at the very address that the sign-in was begun for: a new session, always; the one that this
 * browser had here ends. One that nobody waits for any more leads on, or begins again (`leadOn`).
 *
 * Throws `sign_in.callback`, `sign_in.state`, `sign_in.browser`, or FailedSignIn around one of these or what the provider client threw.
 */
export async function callback(ctx: PortalRequest, tools: CallbackTools): Promise<Response> {
  const answer = new URLSearchParams(ctx.target.query)
  if (repeatedName(answer) !== null) throw new GateError('sign_in.callback', 'a parameter of the answer occurs twice')
  const state = answer.get('state') ?? ''
  const key = keyOf(state)
  if (key === null) throw new GateError('sign_in.state', 'the answer has no state of ours')
  if (!hasLoginCookie(ctx, 'login')) {
    const failure = new GateError('sign_in.browser', 'this browser sent no login cookie', {
      hint: 'cookies may be blocked, or the sign-in was begun in another browser or more than an hour ago',
      facts: { reason: causeOfNoCookie(ctx) },
    })
    return leadOn(ctx, tools, answer, failure)
  }
  const kept = parsePending(await tools.sessions.takeOnce('login', key))
  if (kept === null || kept.portal !== ctx.portal.name) {
    return leadOn(ctx, tools, answer, new GateError('sign_in.state', 'the state is unknown, used or expired'))
  }
  // Whoever reads code and state on one host, as an application's script can, must not finish on another.
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
    throw new FailedSignIn(thrown, kept.destination, false)
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
  const result = await tools.pool.client(provider).finish(answer, { ...kept, state })
  const { idToken, refreshToken } = result
  const secrets = { idToken, refreshToken, access: ctx.wantsAccess ? result.access : null }
  const { destination, isRemembered } = kept
  return startSession(ctx, tools, { identity: result.identity, secrets, destination, isRemembered })
}

/** A session for whoever has just shown who they are, in place of the one that this browser had here; then on to where they go. */
async function startSession(
  ctx: PortalRequest,
  tools: BeginTools & AuditTools,
  { identity, secrets, destination, isRemembered }: SignedIn,
): Promise<Response> {
  const { session, token } = await tools.sessions.start({
    portal: ctx.portal.name,
    host: ctx.target.host,
    identity,
    secrets,
    isRemembered,
    agent: describeAgent(ctx.request.headers.get('user-agent')),
    client: ctx.clientAddress,
  })
  await tools.audit.keep('sign_in', { ...askedFacts(ctx), ...sessionFacts(session) })
  if (ctx.session !== null) {
    await tools.sessions.end(ctx.session.id)
    tools.audit.note('sign_out.replaced', { ...askedFacts(ctx), ...sessionFacts(ctx.session) })
  }
  const lifetimeMs = cookieLifetimeMs(ctx, session, tools.ports.now())
  const count = destination.kind === 'here' ? [await countLogin(ctx, tools, destination.path)] : []
  const owner = ctx.hasKeptForms ? [await ownerCookie(ctx, tools, ownerOf(session), lifetimeMs)] : []
  return arrive(ctx, tools, destination, session, [sessionCookie(ctx, token, lifetimeMs), ...count, ...owner])
}

interface SignedIn {
  readonly identity: Identity
  readonly secrets: SessionSecrets
  readonly destination: Destination
  readonly isRemembered: boolean
}

/** The provider that was asked for, or the only one; null where there is a choice to make. Throws `route.none` for a stranger. */
function chooseProvider({ portal, providers }: PortalRequest, name: string | null): ProviderConfig | null {
  const [only, ...others] = portal.providers
  const chosen = name ?? (others.length === 0 ? only : undefined)
  if (chosen === undefined) return null
  const provider = portal.providers.includes(chosen) ? providers.get(chosen) : undefined
  if (provider === undefined) throw new GateError('route.none', 'this portal has no such provider')
  return provider
}

/** Where whoever is signed in has signed in, as far as this portal still has it. */
function ownProvider({ session, portal }: PortalRequest): string | null {
  const name = session?.identity.provider
  return name !== undefined && portal.providers.includes(name) ? name : null
}

/** Without a deep link, the portal page: what someone who typed the sign-in address wants to see. */
function destinationHere(rawReturn: string | null): Destination {
  return { kind: 'here', path: rawReturn === null ? ownPath('') : parseReturnTo(rawReturn) }
}

interface Pending {
  readonly redirectUri: string
  readonly nonce: string
  readonly codeVerifier: string
  readonly provider: string
  readonly portal: string
  readonly binding: string
  readonly destination: Destination
  readonly stepUp: StepUp | null
  readonly isRemembered: boolean
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
  return { redirectUri, nonce, codeVerifier, provider, portal, binding, destination, stepUp, isRemembered }
}
