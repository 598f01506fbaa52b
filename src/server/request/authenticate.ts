/** Step of a request: who asks, by token, password or session cookie. */

import { GateError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Denial } from '../../policy/policy.ts'
import { decideToken } from '../../policy/token-limits.ts'
import type { HeldApiToken } from '../../session/credentials/api-tokens.ts'
import type { Session } from '../../session/session.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { type DeviceTools, holdToDevice } from './bound-session.ts'
import { contextFacts, type Located, provenClient, schemeOf, sessionToken, type Targeted } from './context.ts'
import { resourceAudiences } from './mcp/resource.ts'
import { holdToMethod } from './method-override.ts'
import type { PipelineTools } from './tools.ts'

/** Who asks, as far as that matters at its route. */
export interface Who {
  /** The session, of any portal; null: anonymous. */
  readonly session: Session | null
  /** The limits of a token are in the way. */
  readonly denial: Denial | null
  /** The user is not a member of their portal, and so counts as anonymous. */
  readonly isOutsider: boolean
  /** The key by which a route says that it takes what was brought; a cookie needs none. */
  readonly by: 'tokens' | 'passwords' | 'cookie'
}

const NOBODY: Who = Object.freeze({ session: null, denial: null, isOutsider: false, by: 'cookie' })

type Tools = CredentialTools & Pick<PipelineTools, 'sessions'> & DeviceTools

/**
 * Third step: who asks. By a token or a password where the route accepts one, otherwise by this host's cookie, which
 * is looked up only where the user matters. A cookie in addition to a token or a password is ignored.
 *
 * Reads the token, Authorization and Cookie. Writes `token` and `sent` where Authorization was for Sallyport, and
 * `sent` where a token is limited to methods. Throws what `findCredential` does, and `session.store`.
 */
export function authenticate(context: Located, tools: Tools): MaybePromise<Who> {
  const { route, match } = context
  const credential = findCredential(context, tools, route)
  if (credential !== null) return credential
  if ((!route.needsSession && match.also.length === 0) || context.portal === null) return NOBODY
  return andThen(findByCookie(context, tools), byCookie)
}

function byCookie(session: Session | null): Who {
  return session === null ? NOBODY : { session, denial: null, isOutsider: false, by: 'cookie' }
}

/** The session of this browser's cookie for the host, of any portal, as far as its device is proven. Throws `session.store`. */
export function findByCookie(
  context: Targeted,
  tools: Pick<PipelineTools, 'sessions'> & DeviceTools,
): MaybePromise<Session | null> {
  const token = sessionToken(context)
  if (token === null) return null
  const found = tools.sessions.find(token, context.target.host)
  return context.snapshot.bindings === null ? found : andThen(found, holdToDevice, context, tools)
}

/** Who asks by a token or a password: nobody where the route is public and accepts none. */
export interface Credential extends Who {
  readonly by: 'tokens' | 'passwords'
}

/** Where what was brought is looked up. */
type CredentialTools = Pick<PipelineTools, 'accessTokens' | 'passwords' | 'noteFirstUse'> & {
  readonly sessions: Pick<PipelineTools['sessions'], 'tokens' | 'isMember'>
}

const LOOK = 'sallyport tokens list shows those that are good'

const NO_OWNER: Credential = Object.freeze({ session: null, denial: null, isOutsider: false, by: 'tokens' })

/**
 * The session of a Sallyport token, of an access token for Sallyport, or of a password, where the route accepts them;
 * null for all other requests, which may have a cookie. A cookie in addition to one of these is ignored.
 *
 * Throws `access.token` for a token that is not valid here, `access.denied` for a token limited to methods where the
 * request names another method, `access.password` and `limit.rate` for passwords; `session.store`, `provider.down`
 * where it cannot be checked.
 */
function findCredential(context: Located, tools: CredentialTools, route: GateRoute): MaybePromise<Credential> | null {
  if (context.token !== null) return findByToken(context, tools, route, context.token)
  const { authorization } = context.sent
  if (authorization === undefined) return null
  const found = route.config.passwords ? findByPassword(context, tools, route, authorization) : null
  if (found !== null || route.accessTokens === null) return found
  return findByAccessToken(context, tools, route, authorization)
}

function findByToken(
  context: Located,
  tools: CredentialTools,
  route: GateRoute,
  token: string,
): MaybePromise<Credential> {
  const { config } = route
  if (!config.tokens) {
    if (config.allow.kind === 'public') return NO_OWNER
    throw refusal(`"${config.id}" takes no tokens`, `set tokens = true for "${config.id}" if it should`)
  }
  return andThen(tools.sessions.tokens.find(token), judge, context, tools, route)
}

function judge(
  held: HeldApiToken | null,
  context: Located,
  tools: Pick<CredentialTools, 'noteFirstUse'>,
  route: GateRoute,
): Credential {
  const { target } = context
  if (held === null) {
    throw refusal(
      'the token is unknown, revoked, expired, or at rest until its owner signs in again, or its owner is no member of the portal',
      LOOK,
    )
  }
  if (held.session.portal !== route.config.portal) throw refusal('the token is of another portal')
  // A token for some methods must not name another behind the limit's back.
  if (held.limits.methods !== null) holdToMethod(context)
  const { host, path, readings } = target
  const resource = route.config.mcp === 'portal' ? route.config.id : null
  const facts = { host, path, readings, method: target.method, client: provenClient(context), route: resource }
  const denial = decideToken(held, facts)
  if (held.isUnused && denial === null) tools.noteFirstUse(held, contextFacts(context))
  return { session: held.session, denial, isOutsider: false, by: 'tokens' }
}

/** The bearer of an access token that is ours to judge is never sent to sign in. */
function findByAccessToken(
  context: Located,
  tools: CredentialTools,
  route: GateRoute,
  authorization: string,
): MaybePromise<Credential> | null {
  const { portal, accessTokens } = route
  if (portal === null || accessTokens === null) return null
  const { audience, mcp, path } = route.config
  const audiences =
    audience !== null || mcp === null ? audience : resourceAudiences(schemeOf(context), portal, context.target, path)
  const found = tools.accessTokens.find(authorization, portal.config.name, accessTokens, audiences, context.client)
  if (found === null) return null
  return keepBack(context, tools, route, authorization, found, 'tokens')
}

/** On a route that takes passwords, Basic is ours to judge: none of the application's own gets there. */
function findByPassword(
  context: Located,
  tools: CredentialTools,
  route: GateRoute,
  authorization: string,
): MaybePromise<Credential> | null {
  const { portal } = route
  if (portal === null) return null
  const found = tools.passwords.find(authorization, portal.config, context.client)
  return found === null ? null : keepBack(context, tools, route, authorization, found, 'passwords')
}

/**
 * A session found by Authorization: the field is not sent on unless the route says so, and the client counts as a
 * program, regardless of its Accept.
 */
function keepBack(
  context: Located,
  { sessions }: Pick<CredentialTools, 'sessions'>,
  { config }: GateRoute,
  authorization: string,
  found: MaybePromise<Session | null>,
  by: Credential['by'],
): MaybePromise<Credential> {
  const { authorization: _, ...rest } = context.sent
  if (!config.passAuthorization) context.sent = rest
  context.token = authorization
  return andThen(found, session => {
    // A Sallyport token was judged where it was found.
    return { session, denial: null, isOutsider: session !== null && !sessions.isMember(session), by }
  })
}

function refusal(why: string, hint?: string): GateError {
  return new GateError('access.token', why, hint === undefined ? {} : { hint })
}
