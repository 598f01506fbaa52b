/** The page `login`: begins a sign-in at a provider, or takes a name and a password. */

import { randomToken, sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { Identity } from '../../identity/identity.ts'
import { refusal } from '../../identity/passkeys/ceremony.ts'
import { personOf, userSubject } from '../../identity/passwords/users.ts'
import { checkStepUp, showsStepUp } from '../../identity/step-up.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import type { Accounts } from '../../session/accounts/accounts.ts'
import type { Passkeys } from '../../session/accounts/passkeys.ts'
import { cookieName, readCookie, writeCookie } from '../../session/cookie.ts'
import type { Sealer } from '../../session/seal.ts'
import type { FormTools } from '../form.ts'
import { browserKey } from '../login-csrf-cookie.ts'
import { isPortalHost, isSecure, ownPath } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal-request.ts'
import { readStepUp, STEP_UP_NAMES } from './ask-step-up.ts'
import { type BeginTools, begin } from './begin.ts'
import { type DeviceTools, dropStaleProof } from './bound-session.tsx'
import { type Destination, FailedSignIn, openDestination } from './destination.ts'
import { keepFragment } from './fragment.tsx'
import { refuseLoginLoop } from './login-loop.ts'
import { tellNotices } from './notices.tsx'
import { RESTART } from './oauth-state.ts'
import { notePasskeyRefused, resumeCeremony } from './passkeys.ts'
import { plainHttpFailure } from './plain-http.ts'
import { hasChosenRemember } from './remember.ts'
import { choosePage, chooseProvider, codePage, handedOn } from './sign-in-page.tsx'
import { startSession } from './start-session.ts'
import { checkTraveller, completeSignIn, redirectToPortal } from './ticket.ts'
import { type GivenUser, OTHER_ACCOUNT, readPassed, readUserForm, type UserTools, usersOf } from './user-form.ts'
import { waitToBeSeen } from './wait-to-be-seen.tsx'

/** What a sign-in by one of Sallyport's own forms also needs. */
export interface LoginTools extends BeginTools, FormTools, UserTools, AuditTools {
  readonly ports: BeginTools['ports'] & Pick<Ports, 'log'>
  readonly seal: BeginTools['seal']
  readonly sessions: BeginTools['sessions'] &
    DeviceTools['sessions'] & { readonly accounts: Accounts; readonly passkeys: Passkeys }
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
  const stale = dropStaleProof(ctx)
  if (stale !== null) return stale
  const fragment = keepFragment(ctx, query)
  if (fragment !== null) return fragment
  const isSwitch = query.get('switch') === '1'
  const stepUp = readStepUp(query)
  if (!isPortalHost(ctx)) {
    return redirectToPortal(
      ctx,
      tools,
      parseReturnTo(query.get('return')),
      handedOn(query, ['switch', 'again', RESTART, ...STEP_UP_NAMES]),
    )
  }
  const destination = (await openDestination(ctx, tools.seal, query.get('to'))) ?? destinationHere(query.get('return'))
  checkTraveller(ctx, destination)
  const isAgain = query.get('again') === '1'
  // Another host's cookie proves no more than was shown when it was made: perhaps only that cookie is too old.
  const isShown =
    stepUp === null ||
    (destination.kind === 'away' && showsStepUp(ctx.session?.identity.claims ?? {}, stepUp, tools.ports.now()))
  if (ctx.session !== null && !ctx.session.isReplaced && !isSwitch && !isAgain && isShown)
    return completeSignIn(ctx, tools, destination, ctx.session)
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
    throw new FailedSignIn(thrown, destination, false, { provider: provider.name })
  }
}

/**
 * Takes the form of a provider that is a file of users: a new cookie, always; what is wrong leads back to the form. A
 * user with a second factor gets the form for its code, once the password is right. Or takes a passkey.
 *
 * Throws `access.origin`, `limit.rate`, `route.none`, or FailedSignIn around `sign_in.step_up`.
 */
export async function loginByForm(ctx: PortalRequest, tools: LoginTools): Promise<Response> {
  const provider = isPortalHost(ctx) ? usersOf(ctx) : null
  if (provider === null) throw new GateError('route.none', 'this portal has no sign-in form')
  const query = readQuery(ctx)
  const destination = (await openDestination(ctx, tools.seal, query.get('to'))) ?? destinationHere(query.get('return'))
  checkTraveller(ctx, destination)
  const given = await readUserForm(ctx, tools)
  const mayKeep = given.keeps && ctx.portal.lifetimes.rememberMs !== null
  const isRemembered = mayKeep || (await hasChosenRemember(ctx, tools.seal, query.get('remember')))
  tools.noteStart(ctx.clientAddress)
  const sent = { provider, query, isRemembered }
  const found =
    given.step === 'passkey'
      ? await findByPasskey(ctx, tools, given, sent)
      : await findByPassword(ctx, tools, given, sent)
  if (found instanceof Response) return found
  const { identity, name, by, isByRecovery = false } = found
  const stepUp = readStepUp(query)
  try {
    if (stepUp !== null) checkStepUp(identity.claims, stepUp, tools.ports.now())
  } catch (thrown) {
    throw new FailedSignIn(thrown, destination, false)
  }
  const browser = await browserOf(ctx, tools, provider, name)
  const answer = await startSession(ctx, tools, {
    identity,
    secrets: { idToken: '', refreshToken: null, access: null },
    destination,
    isRemembered,
    // The form is bound to such a cookie, also where no user signed in before.
    browser: browserKey(ctx, 'login') ?? browser,
    setCookies: [await knownCookie(ctx, tools, provider, name)],
  })
  const person = personOf(provider, name)
  return person === null || isByRecovery ? answer : tellNotices(ctx, tools, { person, by }, answer)
}

/** A form of the sign-in page, as it was sent. */
interface SentForm {
  readonly provider: ProviderConfig
  readonly query: URLSearchParams
  readonly isRemembered: boolean
}

/** Who has signed in by a form of the page. */
interface FoundUser {
  readonly identity: Identity
  readonly name: string
  /** The id of the passkey; null where it was a password. */
  readonly by: string | null
  /** Whether it was a recovery code: who has it may be somebody else, and its owner is told at the next sign-in. */
  readonly isByRecovery?: boolean
}

/** The user of a name and a password, or of a code after these; else the page that comes next. */
async function findByPassword(
  ctx: PortalRequest,
  tools: LoginTools,
  given: Exclude<GivenUser, { readonly step: 'passkey' }>,
  { provider, query, isRemembered }: SentForm,
): Promise<FoundUser | Response> {
  const { name } = given
  const passed = given.step === 'code' ? await readPassed(ctx, tools.seal, provider, given) : null
  // The password counts no more: it is asked for again.
  if (given.step === 'code' && passed === null) return choosePage(ctx, tools, query, isRemembered, { name })
  const browser = await browserOf(ctx, tools, provider, name)
  try {
    if (given.step === 'code' && passed !== null) {
      const coded = { name, code: given.code, account: passed }
      const { identity, recoveryLeft } = await tools.checkCode(provider, coded, ctx.clientAddress, browser)
      if (recoveryLeft !== null) {
        const user = { provider: provider.name, user: userSubject(name), name }
        await tools.audit.keep('account.recovery_used', { ...askedFacts(ctx), ...user, number: recoveryLeft })
      }
      return { identity, name, by: null, isByRecovery: recoveryLeft !== null }
    }
    if (given.step !== 'password') throw new TypeError('a code without a password was refused before')
    const found = await tools.findUser(provider, given, ctx.clientAddress, browser)
    return 'code' in found
      ? codePage(ctx, tools, query, isRemembered, { provider, name, account: found.code })
      : { identity: found.identity, name, by: null }
  } catch (thrown) {
    if (!(thrown instanceof GateError) || thrown.code !== 'access.password') throw thrown
    const { user, reason } = thrown.facts
    tools.audit.note(typeof reason === 'string' ? 'sign_in.code_wrong' : 'sign_in.password_wrong', {
      ...askedFacts(ctx),
      provider: provider.name,
      ...(typeof user === 'string' ? { user: userSubject(user), name: user } : {}),
      ...(typeof reason === 'string' ? { reason } : {}),
    })
    // Of another account, the password counts no more.
    return passed === null || reason === OTHER_ACCOUNT
      ? choosePage(ctx, tools, query, isRemembered, { name, isWrong: true })
      : codePage(ctx, tools, query, isRemembered, { provider, name, account: passed, isWrong: true })
  }
}

/** The user of a passkey; else the page again. */
async function findByPasskey(
  ctx: PortalRequest,
  tools: LoginTools,
  { answer, ceremony: sealed, browser }: Extract<GivenUser, { readonly step: 'passkey' }>,
  { provider, query, isRemembered }: SentForm,
): Promise<FoundUser | Response> {
  try {
    const ceremony = await resumeCeremony(ctx, tools, { use: 'sign-in', of: browser }, sealed)
    if (ceremony === null) throw refusal('its page is too old, or of another browser')
    const { identity, person, passkey } = await tools.sessions.passkeys.find(provider, { answer, ceremony })
    return { identity, name: person.name, by: passkey.id }
  } catch (thrown) {
    if (!(thrown instanceof GateError) || thrown.code !== 'access.passkey') throw thrown
    notePasskeyRefused(ctx, tools.audit, provider, thrown)
    return choosePage(ctx, tools, query, isRemembered, { name: '', isWrong: true, isPasskey: true })
  }
}

/** The provider of the signed-in user, where this portal still has it. */
function ownProvider({ session, portal }: PortalRequest): string | null {
  const name = session?.identity.provider
  return name !== undefined && portal.providers.includes(name) ? name : null
}

/** Without a deep link, the portal page: what someone who typed the sign-in address wants to see. */
function destinationHere(rawReturn: string | null): Destination {
  return { kind: 'here', path: rawReturn === null ? ownPath('') : parseReturnTo(rawReturn) }
}

/** How long a browser stays known after a sign-in, and how many users it is known for: the latest. */
const KNOWN_MS = 90 * 24 * 60 * 60_000
const MOST_USERS = 5

/** A user of a file who has signed in here. */
interface KnownUser {
  readonly provider: string
  readonly name: string
  /** The mark of the correct password: after a password change, this browser counts as unknown again. */
  readonly password: string
  /** By what this browser is known for them. */
  readonly id: string
}

interface KnownTools {
  readonly sessions: { readonly accounts: Pick<Accounts, 'of' | 'note'> }
  readonly ports: Pick<Ports, 'now' | 'random'>
  readonly seal: Sealer
}

/**
 * The id of this browser where this user has signed in with it before; null otherwise. The id gives no access. It
 * counts the user's wrong passwords here apart from those of unknown browsers, so that strangers cannot lock the user
 * out of a known browser.
 */
async function browserOf(
  ctx: PortalRequest,
  { sessions, seal }: Pick<KnownTools, 'sessions' | 'seal'>,
  provider: ProviderConfig,
  name: string,
): Promise<string | null> {
  const user = (await readKnown(ctx, seal)).find(isUser(provider, name))
  if (user === undefined) return null
  return user.password === (await passwordMark(sessions, provider, name)) ? user.id : null
}

/** The Set-Cookie that notes that this user has signed in here. Sealed, for this host; it stays when they sign out. */
async function knownCookie(
  ctx: PortalRequest,
  { ports, sessions, seal }: KnownTools,
  provider: ProviderConfig,
  name: string,
): Promise<string> {
  const known = await readKnown(ctx, seal)
  const is = isUser(provider, name)
  const id = known.find(is)?.id ?? randomToken(ports.random)
  const password = await passwordMark(sessions, provider, name)
  const user = { provider: provider.name, name, password, id }
  const users = [user, ...known.filter(one => !is(one))].slice(0, MOST_USERS)
  const sealed = await seal.seal({ users }, purposeOf(ctx), ports.now() + KNOWN_MS)
  return writeCookie(nameFor(ctx), sealed, isSecure(ctx), KNOWN_MS)
}

async function readKnown(ctx: PortalRequest, seal: Sealer): Promise<readonly KnownUser[]> {
  const sealed = readCookie(ctx.request.headers.get('cookie'), nameFor(ctx))
  const opened = sealed === null ? null : await seal.open(sealed, purposeOf(ctx))
  if (typeof opened !== 'object' || opened === null || !('users' in opened)) return []
  return Array.isArray(opened.users) ? opened.users.filter(isKnownUser) : []
}

function isKnownUser(value: unknown): value is KnownUser {
  if (typeof value !== 'object' || value === null) return false
  return 'provider' in value && 'name' in value && 'password' in value && 'id' in value && typeof value.id === 'string'
}

function isUser(provider: ProviderConfig, name: string): (one: KnownUser) => boolean {
  return one => one.provider === provider.name && one.name === name
}

/** Another one for another password, and for another user of the same name. Empty for a name that is not in the file. */
async function passwordMark(
  { accounts }: KnownTools['sessions'],
  provider: ProviderConfig,
  name: string,
): Promise<string> {
  const entry = provider.users?.entries.get(name)
  const person = personOf(provider, name)
  if (entry === undefined || person === null) return ''
  const { password } = await accounts.of(person)
  return sha256(`${entry.id} ${password?.hash ?? entry.hash}`)
}

function nameFor(ctx: PortalRequest): string {
  return cookieName('known', isSecure(ctx))
}

function purposeOf({ portal, target }: PortalRequest): string {
  return `known browser at ${portal.name} on ${target.host}`
}
