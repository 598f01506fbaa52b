import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Denial } from '../../policy/policy.ts'
import type { Match } from '../../route/table.ts'
import type { Session } from '../../session/session.ts'
import type { GateRoute } from '../config/snapshot.ts'
import { type Credential, type CredentialTools, findCredential } from './credential.ts'
import { type Passage, sessionToken } from './passage.ts'
import type { PipelineTools } from './tools.ts'

/** Who asks, as far as that matters at its route. */
export interface Who {
  /** Whoever was found, of whatever portal; null: nobody. */
  readonly session: Session | null
  /** The limits of a token are in the way. */
  readonly denial: Denial | null
  /** Whoever was found may have no session at their portal: they are nobody. */
  readonly isOutsider: boolean
  /** The key by which a route says that it takes what was brought; a cookie needs none. */
  readonly by: Credential['by'] | 'cookie'
}

const NOBODY: Who = Object.freeze({ session: null, denial: null, isOutsider: false, by: 'cookie' })

type Tools = CredentialTools & Pick<PipelineTools, 'sessions'>

/**
 * Third step: who asks. By a token or a password where the route takes one, else by this host's cookie, which is looked up only where
 * somebody has to be told from somebody else. A cookie beside a token or a password counts for nothing.
 *
 * Reads the token, Authorization and Cookie. Writes `token` and `sent` where Authorization was ours to judge, and `sent` where a token is
 * held to its methods. Throws what `findCredential` does, and `session.store`.
 */
export function authenticate(
  passage: Passage,
  tools: Tools,
  { value: route, also }: Match<GateRoute>,
): MaybePromise<Who> {
  const credential = findCredential(passage, tools, route)
  if (credential !== null) return credential
  if ((!route.needsSession && also.length === 0) || passage.portal === null) return NOBODY
  return andThen(findByCookie(passage, tools), byCookie)
}

function byCookie(session: Session | null): Who {
  return session === null ? NOBODY : { session, denial: null, isOutsider: false, by: 'cookie' }
}

/** Whose session this browser's cookie for the host is, of whatever portal. Throws `session.store`. */
export function findByCookie(
  passage: Passage,
  { sessions }: Pick<PipelineTools, 'sessions'>,
): MaybePromise<Session | null> {
  const { target } = passage
  const token = sessionToken(passage)
  return token === null || target === null ? null : sessions.find(token, target.host)
}
