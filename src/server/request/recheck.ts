/** Ends requests under way that a reload, a sign-out or the time no longer allows. */

import { errorFacts } from '../../base/errors.ts'
import { inTime } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { tickWhileBusy } from '../../base/while-busy.ts'
import { decidePolicy } from '../../policy/policy.ts'
import type { ExchangeOwner } from '../../proxy/lifetime/exchanges.ts'
import type { Target } from '../../route/target.ts'
import { isAccessId, keyFor } from '../../session/credentials/credential-sessions.ts'
import type { OpenSessions } from '../../session/open.ts'
import { needsNoProvider, type ProviderTrust, providerTrustOf } from '../../session/provider-trust.ts'
import type { Session } from '../../session/session.ts'
import { asShown, shownBy } from '../../session/sign-in-claims.ts'
import type { GateRoute, Snapshot } from '../config/snapshot.ts'
import { isStillTaken } from '../credentials/access-tokens.ts'
import { exchangeFacts, isOpenTo, presentAt } from './context.ts'
import { isStray } from './decide.ts'
import { mayMakerOpen } from './guests.ts'
import { resourceAudiences } from './mcp/resource.ts'

/** The requests under way, checked against the current rules and their sessions. Pairs with `close`. */
export interface Recheck {
  /** Ends what a new snapshot no longer allows. The sessions have its limits by then. */
  takeOver(next: Snapshot): void
  close(): void
}

export interface RecheckOptions {
  readonly initial: Snapshot
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly sessions: Pick<
    OpenSessions,
    | 'check'
    | 'follower'
    | 'directories'
    | 'onChange'
    | 'onEnd'
    | 'onGrants'
    | 'onLookAgain'
    | 'onOwner'
    | 'onStanding'
    | 'rejoined'
    | 'isMember'
  >
  /** The sessions and owners of everything under way, of every kind. */
  readonly owners: () => Iterable<ExchangeOwner>
  /** Has `listener` called whenever something is under way where nothing was. */
  readonly onBusy: (listener: () => void) => void
  /**
   * Ends everything that is no longer allowed. Requests that wait to be sent are decided again where they belong to
   * the id `whose`, of a session or an owner; null: all of them.
   */
  readonly endWhere: (isOver: (owner: ExchangeOwner) => boolean, reason: string, whose: string | null) => void
  /** Has all that waits to be sent decided about again that is of a session, or follows an owner, of this id; null: all of it. */
  readonly note: (whose: string | null) => void
  readonly everyMs?: number | undefined
}

/** How often what is under way is held against rules about time, and its sessions looked at. */
const EVERY_MS = 15_000

/**
 * So many sessions are looked at at once, and one that takes longer than this makes room for the next: a provider, or a server of the
 * store, that does not answer keeps nobody else's from being looked at.
 */
const LOOKS_AT_ONCE = 64
const PATIENCE_MS = 1000

/** How often to look for sessions whose time is over, which needs no question to the store. */
const EXPIRY_MS = 1000

/**
 * Sallyport decides about requests when they begin. Those that continue are decided again at every reload, when the
 * provider describes their user differently, and every few seconds while any rule is about time. The end of a session,
 * for any reason, ends everything that it has under way. So does a file whose providers no longer vouch for the
 * session. The decision is the gate's own.
 */
export function openRecheck(options: RecheckOptions): Recheck {
  const { ports, sessions, owners, endWhere, note } = options
  let rules = indexRules(options.initial)
  /** Sessions that have changed since what they have under way began. */
  const changed = new Map<string, Session>()
  const { whoseNow, isOver } = judgeBy(options, () => rules, changed)

  function end(sessionId: string): void {
    changed.delete(sessionId)
    endWhere(owner => whose(owner)?.id === sessionId, 'the session has ended', sessionId)
  }

  /** Looks up every session that has something under way: nothing else does for a page that only listens. */
  async function checkSessions(): Promise<void> {
    const open = new Map<string, Session>()
    for (const owner of owners()) {
      const session = whose(owner)
      if (session !== null) open.set(session.id, session)
    }
    for (const id of changed.keys()) if (!open.has(id)) changed.delete(id)
    const failures: unknown[] = []
    async function lookAt(id: string, session: Session): Promise<void> {
      try {
        if (!(await sessions.check(session))) end(id)
      } catch (error) {
        failures.push(error)
      }
    }
    const left = open.entries()
    const looks: Promise<void>[] = []
    async function lookOn(): Promise<void> {
      for (const [id, session] of left) {
        const look = lookAt(id, session)
        looks.push(look)
        await inTime(look, PATIENCE_MS, undefined)
      }
    }
    await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, lookOn))
    await Promise.all(looks)
    // What cannot be read ends nothing, and keeps no other session from being looked at.
    const number = failures.length
    if (number > 0)
      ports.log.warn('Sessions of open streams could not be looked at', { number, ...errorFacts(failures[0]) })
  }

  /** Holds what a session has under way against the rules as the person that it is by now. */
  function judgeAs(session: Session): void {
    changed.set(session.id, session)
    again.wake()
    endWhere(owner => whose(owner)?.id === session.id && isOver(owner), 'the rules no longer allow it', session.id)
  }

  /** The same for the tokens and links that follow an owner, of whom something else is true: whom they stand for is read again. */
  async function follow(ownerId: string): Promise<void> {
    const ids = new Set<string>()
    for (const owner of owners()) {
      const session = whose(owner)
      if (session?.follows === ownerId) ids.add(session.id)
    }
    for (const id of ids) {
      const now = await sessions.follower(id).catch((error: unknown) => {
        ports.log.warn('The user of an open stream could not be read, so the stream ends', errorFacts(error))
        return null
      })
      if (now === null) end(id)
      else judgeAs(now)
    }
  }

  function isBusy(): boolean {
    for (const _ of owners()) return true
    return false
  }

  function endExpired(): void {
    const nowMs = ports.now()
    const isExpired = (owner: ExchangeOwner) => (whoseNow(owner)?.expiresAtMs ?? Number.POSITIVE_INFINITY) <= nowMs
    const expired = new Set<string>()
    for (const owner of owners()) if (isExpired(owner)) expired.add(whose(owner)?.id ?? '')
    // Others of the same session may have come by a later sign-in.
    for (const id of expired)
      endWhere(owner => whose(owner)?.id === id && isExpired(owner), 'the session has ended', id)
  }

  sessions.onEnd(end)
  sessions.onChange(judgeAs)
  sessions.onStanding(() => endWhere(isOver, 'the rules no longer allow it', null))
  sessions.onGrants(() => endWhere(isOver, 'a granted role is over', null))
  // One at a time: what was known first must not be the last word.
  let following: Promise<void> = Promise.resolve()
  sessions.onOwner(ownerId => {
    note(ownerId)
    following = following.then(() => follow(ownerId))
  })
  let running: Promise<void> = Promise.resolve()
  let waiting = 0
  /** One pass at a time, and one more after the current one: things that it has seen already may have changed. */
  function look(): void {
    if (waiting > 1) return
    waiting++
    running = running.then(checkSessions).finally(() => waiting--)
  }
  sessions.onLookAgain(() => {
    note(null)
    look()
  })
  const again = tickWhileBusy(options.everyMs ?? EVERY_MS, () => {
    if (rules.isTimed) endWhere(isOver, 'the time that the rules allow is over', null)
    if (waiting === 0) look()
    return isBusy() || changed.size > 0
  })
  const expiry = tickWhileBusy(EXPIRY_MS, () => {
    endExpired()
    return isBusy()
  })
  options.onBusy(() => {
    again.wake()
    expiry.wake()
  })
  return {
    takeOver(next) {
      rules = indexRules(next)
      endWhere(isOver, 'the rules have changed', null)
      // On whom a guest link or a token stands, only the store knows.
      look()
    },
    close() {
      again.close()
      expiry.close()
    },
  }
}

/** What is over by the rules as they are now; `changed` has the sessions that are others since what they have under way began. */
function judgeBy(
  { ports, sessions }: RecheckOptions,
  rules: () => ReturnType<typeof indexRules>,
  changed: ReadonlyMap<string, Session>,
) {
  const { directories } = sessions

  /**
   * The session of an exchange, as it counts now. An exchange by a cookie from before a later sign-in keeps the rights
   * of that cookie: it gains no time, and nothing that was shown later (`sign-in-claims.ts`).
   */
  function whoseNow(owner: ExchangeOwner): Session | null {
    const known = whose(owner)
    const now = known === null ? undefined : changed.get(known.id)
    if (known === null || now === undefined || now.createdAtMs < known.createdAtMs) return known
    return now.createdAtMs === known.createdAtMs ? now : asShown(now, shownBy(known), false)
  }

  function isOver(owner: ExchangeOwner): boolean {
    const match = rules().table.match(owner.target)
    // It may lead elsewhere by now, where another route has taken its address.
    if (match === null || match.value.config.id !== owner.routeId) return true
    const route = match.value
    const known = whoseNow(owner)
    const found = known === null ? null : sessions.rejoined(known)
    if (found !== null && !(isVouchedFor(found, rules().providerTrust) && sessions.isMember(found))) return true
    if (found !== null && directories.isBarred(found.maker ?? found.identity)) return true
    const session = owner.session === null ? null : found
    if (session !== null && !takes(route, session, owner.target)) return true
    const facts = exchangeFacts({ ...owner, session }, ports.now())
    if (session !== null && !mayMakerOpen(route, session, facts)) return true
    const { verdict } = decidePolicy(route.policy, session === null ? null : directories.see(session.identity), facts)
    // A preflight without a user was allowed without the checks of the rules().
    const isPreflight = session === null && route.config.corsPreflight && owner.method === 'OPTIONS'
    if (verdict !== 'allow' && !(verdict === 'sign-in' && isPreflight)) return true
    return match.also.some(other => !isOpenAt(other, route, found, owner))
  }

  /** Whether a route that another reading of the address leads to lets the same one pass. */
  function isOpenAt(other: GateRoute, route: GateRoute, found: Session | null, owner: ExchangeOwner): boolean {
    const by = found === null ? null : keyFor(found)
    if (by !== null && isStray(by, route, other)) return false
    const there = presentAt(other, found)
    const facts = exchangeFacts({ ...owner, session: there }, ports.now())
    if (found !== null && !mayMakerOpen(other, found, facts)) return false
    return isOpenTo(other, there === null ? null : directories.see(there.identity), facts, () => owner.isWebSocket)
  }

  return { whoseNow, isOver }
}

/** The session of an exchange, also one of another portal than its route's; null: there is none. */
function whose({ session, elsewhere }: ExchangeOwner): Session | null {
  return session ?? elsewhere
}

/**
 * Whether a request with this credential would still belong to this session: on a route of its portal, which accepts
 * the credential.
 */
function takes(route: GateRoute, session: Session, target: Target): boolean {
  const { config, accessTokens } = route
  const key = keyFor(session)
  if (session.boundTo !== undefined && (config.mcp !== 'portal' || config.id !== session.boundTo)) return false
  if (session.portal !== config.portal || (key !== null && !config[key])) return false
  return !isAccessId(session.id) || isStillTaken(session, accessTokens ?? [], audiencesAt(route, target))
}

/** Whom an access token has to be for at a route; null: whom the tables of providers name. */
function audiencesAt({ config, portal }: GateRoute, target: Target): readonly string[] | null {
  const { audience, mcp, path } = config
  if (audience !== null || mcp === null || portal === null) return audience
  // How its client came is not known any more.
  return SCHEMES.flatMap(scheme => resourceAudiences(scheme, portal, target, path))
}

const SCHEMES = ['http', 'https'] as const

function isVouchedFor(session: Session, providerTrust: ProviderTrust): boolean {
  return needsNoProvider(session.identity) || providerTrust.counts(session)
}

function indexRules({ config, routes, table }: Snapshot) {
  return {
    providerTrust: providerTrustOf(config),
    table,
    isTimed: routes.some(({ policy }) => policy.needs.time),
  }
}
