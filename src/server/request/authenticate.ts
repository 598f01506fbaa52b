/** Step of a request: who asks, by token, password, session cookie or guest link. */

import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Denial } from '../../policy/policy.ts'
import type { Session } from '../../session/session.ts'
import { type DeviceTools, holdToDevice } from './bound-session.ts'
import { type Located, sessionToken, type Targeted } from './context.ts'
import { type Credential, type CredentialTools, findCredential } from './credential.ts'
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
  readonly by: Credential['by'] | 'cookie'
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
