/** Opaque bearer tokens: asked about at their provider (introspection), and remembered for a short time. */

import { sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { AccessToken } from '../../identity/access-token.ts'
import type { ProviderPool } from '../../identity/provider.ts'
import type { Session } from '../../session/session.ts'

/**
 * What to do with the user or program that a provider names. Both throw `access.token` for a token that is not
 * allowed.
 */
export interface Admission {
  /** Makes a session of what a provider says of a token. */
  admit(portal: string, said: AccessToken): Promise<Session>
  /** A session that was made before, as its holder counts by now: the same value where that is nothing else. */
  review(session: Session): Session
}

/** Finds out for whom a provider has given a token. */
export interface TokenFinder {
  /**
   * The session of an Authorization field at a portal; null where it has no token of these providers for Sallyport:
   * then it is for the application. `audiences` are the route's, in place of those of the providers' tables; null: the
   * route has none, and those of the tables count. Throws `access.token` for a token that is invalid, or for another
   * audience, `provider.down`, `provider.discovery`, `limit.open`, `limit.rate`.
   */
  find(
    authorization: string,
    portal: string,
    providers: readonly ProviderConfig[],
    audiences: readonly string[] | null,
    clientAddress: string,
  ): MaybePromise<Session | null>
}

interface Known {
  readonly session: Session
  readonly provider: ProviderConfig
  readonly untilMs: number
}

/** A question under way: by other tables of the file than these, its answer says nothing. */
interface Asking {
  readonly able: readonly ProviderConfig[]
  readonly answer: Promise<Session>
}

/** RFC 6750 §2.1. */
const OPAQUE = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i
const LONGEST = 4096

/** How long the word of a provider counts: yes, and no. */
const YES_MS = 60_000
const NO_MS = 10_000

/** How many answers are remembered of each kind; the oldest makes room. */
const MOST = 10_000

/** For all clients together; for one it is what `charge` allows. */
const MOST_ASKED = 200

/** Charges a client for a question, so that made-up tokens keep no provider busy; what it returns gives that back. */
export type ChargeQuestion = (clientAddress: string) => () => void

/** Tokens that only their provider can read: its answers, each asked once for all requests that wait for it. */
export function createOpaqueTokens(
  pool: ProviderPool,
  ports: Pick<Ports, 'now'>,
  { admit, review }: Admission,
  charge: ChargeQuestion,
): TokenFinder {
  const known = new Map<string, Known>()
  const refused = new Map<string, number>()
  const asking = new Map<string, Asking>()

  async function ask(
    token: string,
    key: string,
    portal: string,
    able: readonly ProviderConfig[],
    audiences: readonly string[] | null,
    giveBack: () => void,
  ): Promise<Session> {
    for (const provider of able) {
      const said = await pool
        .client(provider)
        .introspect(token, audiences)
        .catch((thrown: unknown) => {
          if (!isAnswered(thrown)) giveBack()
          throw thrown
        })
      if (said === null) continue
      giveBack()
      const session = await admit(portal, said)
      remember(known, key, { session, provider, untilMs: Math.min(session.expiresAtMs, ports.now() + YES_MS) })
      return session
    }
    known.delete(key)
    remember(refused, key, ports.now() + NO_MS)
    throw notGood()
  }

  return {
    find(authorization, portal, providers, audiences, clientAddress) {
      const token = OPAQUE.exec(authorization)?.[1]
      if (token === undefined || token.length > LONGEST) return null
      const able = providers.filter(({ accessTokens }) => mayBeShown(token, accessTokens))
      if (able.length === 0) return null
      const key = `${able.map(({ name }) => name).join(' ')} ${portal} ${audiences?.join(' ') ?? ''} ${sha256(token)}`
      const nowMs = ports.now()
      const before = known.get(key)
      if (before !== undefined && nowMs < before.untilMs && able.includes(before.provider)) {
        const session = review(before.session)
        if (session !== before.session) known.set(key, { ...before, session })
        return session
      }
      if (nowMs < (refused.get(key) ?? 0)) throw notGood()
      const running = asking.get(key)
      if (running !== undefined && able.every((provider, index) => provider === running.able[index]))
        return running.answer
      if (asking.size >= MOST_ASKED) {
        throw new GateError('limit.open', `providers are asked about ${MOST_ASKED} tokens at once`, { retryAfterS: 1 })
      }
      const giveBack = charge(clientAddress)
      const answer = ask(token, key, portal, able, audiences, giveBack).finally(() => {
        if (asking.get(key)?.answer === answer) asking.delete(key)
      })
      asking.set(key, { able, answer })
      return answer
    },
  }
}

/** Whether a question that failed cost its provider an answer. */
function isAnswered(thrown: unknown): boolean {
  return thrown instanceof GateError && Number(thrown.facts.status ?? 0) > 0
}

/** Only a provider whose tokens begin like this one is shown it: another one could use it. */
function mayBeShown(token: string, config: ProviderConfig['accessTokens']): boolean {
  return config?.introspects === true && token.startsWith(config.introspectPrefix)
}

function notGood(): GateError {
  return new GateError('access.token', 'no provider that was asked takes the token for good, and for us')
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  if (map.size >= MOST) for (const oldest of map.keys()) if (map.delete(oldest)) break
  map.set(key, value)
}
