/** @jsxImportSource hono/jsx */

/** The pages of signing out: the question, the form, the way by the provider, and the end. */

import { isToken, randomToken } from '../../base/bytes.ts'
import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { Identity } from '../../identity/identity.ts'
import type { ProviderPool } from '../../identity/provider.ts'
import { isPrefetch } from '../../route/page-load.ts'
import type { ApiTokens } from '../../session/credentials/api-tokens.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { pageAnswer, redirectAnswer } from '../answer.ts'
import { type FormTools, proveSignOut, readOwnForm, readSignOut } from '../form.ts'
import { forgetOwner } from '../kept-forms/page-owner.ts'
import { wordsFor } from '../language.ts'
import { Acts, NarrowPage } from '../layout/narrow-page.tsx'
import { detailOf, nameOf } from '../layout/person.ts'
import { ownPath, portalOrigin } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal-request.ts'
import { forgetLogins } from '../sign-in/login-loop.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import { sessionCookie } from '../sign-in/ticket.ts'
import type { Words } from '../words/words.ts'

export interface SignOutTools extends FormTools, AuditTools {
  readonly ports: Pick<Ports, 'now' | 'random' | 'log'>
  readonly sessions: Sessions & { readonly tokens: Pick<ApiTokens, 'suspend'> }
  readonly pool: ProviderPool
}

/** Where someone who has signed out is led, and how. */
export interface Onward {
  readonly status: 302 | 303
  readonly address: string
}

const SIGNED_OUT: Onward = { status: 303, address: ownPath('signed-out') }

/** How long someone may take at the provider, and before they go there. */
const PROVIDER_LIFETIME_MS = 10 * 60_000

/**
 * Asks whether to sign out. A link never signs the user out: only the form on this page does.
 *
 * Only on the host where users sign in: elsewhere an application's scripts could send the form, and sign users out of
 * every other application. They may ask, and the user must confirm.
 */
export async function confirmSignOut(ctx: PortalRequest, tools: SignOutTools): Promise<Response> {
  const away = leadToPortal(ctx, 'logout', [forgetLogins(ctx)])
  if (away !== null) return away
  const session = leavingSession(ctx)
  return session === null ? signedOut(ctx, tools) : askBack(ctx, tools, session)
}

/**
 * The session that a sign-out ends: also one whose device is not proven. A browser that cannot prove it at the moment can a little
 * later, and its user would be signed in again. Whoever copied its cookie learns nothing by this, and loses what they copied.
 */
export function leavingSession({ session, unproven }: PortalRequest): Session | null {
  return session ?? unproven
}

/** The page that asks, whose form is sent to `action`. It says who is signed in only where the session’s device is proven. */
export async function askBack(
  ctx: PortalRequest,
  { seal }: Pick<SignOutTools, 'seal'>,
  session: Session,
  action = ownPath('logout'),
): Promise<Response> {
  const proof = await proveSignOut(ctx, session, seal)
  const words = wordsFor(ctx.request)
  const { title, brand } = ctx.portal
  const identity = ctx.session === null ? null : session.identity
  const page = <SignOutPage words={words} title={title} identity={identity} proof={proof} action={action} />
  return pageAnswer({ words, brand, page })
}

/** Takes the form of `confirmSignOut`; one that is sent elsewhere leads to it. Throws `access.origin` for a form that is not ours. */
export async function signOut(ctx: PortalRequest, tools: SignOutTools): Promise<Response> {
  const away = leadToPortal(ctx, 'logout', [forgetLogins(ctx)])
  if (away !== null) return away
  const session = leavingSession(ctx)
  await readOwnForm(ctx, tools, () => session?.id ?? null)
  return leave(ctx, tools, session === null ? [] : [session.id])
}

/**
 * The same while the session cannot be read: it is ended by what the form says, and owed. Null for a form that does not say it. Throws
 * `session.end`.
 */
export async function signOutUnread(ctx: PortalRequest, tools: SignOutTools): Promise<Response | null> {
  const id = await readSignOut(ctx, tools)
  return id === null ? null : leave(ctx, tools, [id])
}

/**
 * Ends sessions, this browser's among them, on every host, and this host's cookie with them; then redirects to the
 * provider.
 *
 * The outcome at the provider changes nothing here. The redirect goes through one of Sallyport's own pages: browsers
 * check the redirects after a form against `form-action`, and a provider may use any number of hosts. Without a
 * sign-out address of the provider it redirects to `onward`.
 */
export async function leave(
  ctx: PortalRequest,
  tools: SignOutTools,
  sessionIds: readonly string[],
  onward: Onward = SIGNED_OUT,
): Promise<Response> {
  const idToken = ctx.session === null ? null : await idTokenOf(ctx, tools, ctx.session)
  const left = leavingSession(ctx)
  try {
    if (sessionIds.length > 0) await tools.sessions.end(...sessionIds)
  } finally {
    if (left !== null && sessionIds.length > 0) {
      const number = sessionIds.length === 1 ? undefined : sessionIds.length
      await tools.audit.keep('sign_out', { ...askedFacts(ctx), ...sessionFacts(left), number })
    }
  }
  const next = ctx.session === null || idToken === null ? null : await prepareProvider(ctx, tools, ctx.session, idToken)
  const answer = redirectAnswer(
    onward.status,
    next === null ? onward.address : `${ownPath('signed-out')}?next=${next}`,
    [sessionCookie(ctx, '', 0), forgetLogins(ctx), ...(ctx.hasKeptForms ? [forgetOwner(ctx)] : [])],
  )
  // Pages of this host that the browser holds, to show them again when one goes back (Clear Site Data §3.1).
  answer.headers.set('clear-site-data', '"cache"')
  return answer
}

async function idTokenOf(ctx: PortalRequest, tools: SignOutTools, session: Session): Promise<string | null> {
  if (!ctx.portal.providerLogout) return null
  try {
    const secrets = await tools.sessions.secretsOf(session.id)
    return secrets === null || secrets.idToken === '' ? null : secrets.idToken
  } catch (thrown) {
    // That keeps no end from being asked for: one that fails is owed, and one that was never asked for is forgotten.
    const facts = { id: ctx.requestId, ...errorFacts(thrown) }
    tools.ports.log.warn('A user signs out here, but the provider’s part of the session could not be read', facts)
    return null
  }
}

/** Keeps the provider's sign-out address for `goToProvider`, and the state that it has to bring back; null where there is none. */
async function prepareProvider(
  ctx: PortalRequest,
  { ports, sessions, pool }: SignOutTools,
  session: Session,
  idToken: string,
): Promise<string | null> {
  const provider = ctx.providers.get(session.identity.provider)
  if (provider === undefined || provider.issuer !== session.identity.issuer) return null
  try {
    const [next, state] = [randomToken(ports.random), randomToken(ports.random)]
    const returnTo = `${portalOrigin(ctx)}${ownPath('signed-out')}`
    const address = await pool.client(provider).endSession({ idToken, returnTo, state })
    if (address === null) return null
    const options = { lifetimeMs: PROVIDER_LIFETIME_MS, owner: ctx.clientAddress }
    await sessions.putOneTime('logout', next, { address, origin: ctx.origin }, options)
    await sessions.putOneTime('logout', state, { portal: ctx.portal.name, label: provider.label }, options)
    return next
  } catch (thrown) {
    ports.log.warn('A user signed out here, but could not be redirected to the provider', {
      id: ctx.requestId,
      provider: provider.name,
      ...errorFacts(thrown),
    })
    return null
  }
}

/**
 * Redirects to the provider's sign-out, once, on the host that signed out; a used address redirects nowhere.
 *
 * The provider's address carries an ID token: another host's scripts must not read it.
 */
export async function goToProvider(ctx: PortalRequest, { sessions }: SignOutTools): Promise<Response> {
  const next = readQuery(ctx).get('next') ?? ''
  const kept = isToken(next) ? await sessions.consumeOneTime('logout', next) : null
  const address = textIn(kept, 'origin') === ctx.origin ? textIn(kept, 'address') : null
  return redirectAnswer(302, address ?? ownPath('signed-out'))
}

/**
 * Says that the user is signed out. With `next`, the provider comes next; with a `state` that Sallyport gave, the user
 * comes from the provider.
 *
 * A state that is missing, used or another's proves nothing about the provider: the page then speaks only of this
 * site.
 *
 * Source: OpenID Connect RP-Initiated Logout 1.0 §2 and §3 (state).
 */
export async function signedOut(ctx: PortalRequest, { sessions }: SignOutTools): Promise<Response> {
  const query = readQuery(ctx)
  const [next, state] = [query.get('next'), query.get('state')]
  const mayTake = ctx.request.method === 'GET' && !isPrefetch(ctx.request)
  const kept = mayTake && state !== null && isToken(state) ? await sessions.consumeOneTime('logout', state) : null
  const words = wordsFor(ctx.request)
  const page = (
    <SignedOutPage
      words={words}
      title={ctx.portal.title}
      signInAddress={ownPath('login')}
      providerAddress={next !== null && isToken(next) ? `${ownPath('provider-logout')}?next=${next}` : null}
      provider={textIn(kept, 'portal') === ctx.portal.name ? textIn(kept, 'label') : null}
      hasProvider={ctx.portal.providers.some(name => ctx.providers.get(name)?.users === null)}
    />
  )
  return pageAnswer({ words, brand: ctx.portal.brand, page })
}

function textIn(value: unknown, name: string): string | null {
  if (typeof value !== 'object' || value === null) return null
  const text: unknown = Reflect.get(value, name)
  return typeof text === 'string' ? text : null
}

/** Asks before signing out. `proof` shows that the form came from this page; `action` is where it goes. */
function SignOutPage(props: {
  readonly words: Words
  readonly title: string
  readonly identity: Identity | null
  readonly proof: string
  readonly action: string
}) {
  const { words, action, identity } = props
  const [before, after] = words.signOutWho
  const detail = identity === null ? null : detailOf(identity)
  return (
    <NarrowPage words={words} title={words.signOut} place={props.title}>
      <h1>{words.signOutQuestion}</h1>
      {identity === null ? (
        <p class="who">{words.signOutMeaning}</p>
      ) : (
        <p class="who">
          {before}
          <strong>{nameOf(identity)}</strong>
          {detail === null ? null : <span class="soft"> ({detail})</span>}
          {`${after} ${words.signOutMeaning}`}
        </p>
      )}
      <div class="acts">
        <form method="post" action={action}>
          <input type="hidden" name="proof" value={props.proof} />
          <button class="act main" type="submit">
            {words.signOut}
          </button>
        </form>
        <a class="act" href={ownPath('')}>
          {words.staySignedIn}
        </a>
      </div>
    </NarrowPage>
  )
}

/**
 * Says that a user is signed out. With `providerAddress`: here, and the page then redirects to the provider. With
 * `provider`: at the provider too. `hasProvider`: people sign in elsewhere than by a form of ours.
 */
function SignedOutPage(props: {
  readonly words: Words
  readonly title: string
  readonly signInAddress: string
  readonly providerAddress: string | null
  readonly provider: string | null
  readonly hasProvider: boolean
}) {
  const { words, title, signInAddress, providerAddress, provider, hasProvider } = props
  const advice = hasProvider ? words.sharedComputer : null
  const said = provider === null ? advice : words.hereAndAt(provider)
  if (providerAddress !== null) {
    return (
      <NarrowPage words={words} title={words.signedOut} place={title} onward={providerAddress}>
        <h1>{words.signedOutHere}</h1>
        <p class="soft">
          <span class="wait" aria-hidden="true" />
          {words.signingOutAtProvider}
        </p>
        <Acts acts={[{ label: words.goOn, address: providerAddress }]} />
      </NarrowPage>
    )
  }
  return (
    <NarrowPage words={words} title={words.signedOut} place={title}>
      <h1>{words.youAreSignedOut}</h1>
      {said === null ? null : <p class="soft">{said}</p>}
      <Acts acts={[{ label: words.signInAgain, address: signInAddress }]} />
    </NarrowPage>
  )
}
