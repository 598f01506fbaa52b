/** What the new file would do with one request of a log. */

import { GateError } from '../../base/errors.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Facts } from '../../policy/condition.ts'
import { describeRule } from '../../policy/describe.ts'
import { canComeTo, decideOutsider, NOT_A_MEMBER } from '../../policy/members.ts'
import { type Chance, compileChance } from '../../policy/partial-identity.ts'
import { barsReadings, decidePolicy } from '../../policy/policy.ts'
import { REASONS, type Reason } from '../../policy/reasons.ts'
import type { Truth } from '../../policy/truth.ts'
import { createUpstreamPool } from '../../proxy/upstream/upstream.ts'
import { parseTarget, type Target } from '../../route/target.ts'
import { compileSnapshot } from '../../server/config/compile.ts'
import type { GateRoute } from '../../server/config/snapshot.ts'
import { findPlace, PORTAL } from '../../server/request/locate.ts'
import type { LoggedRequest } from './logged.ts'
import { createSketches, type People, type Sketches } from './people.ts'

/** What would become of a request. */
export type Fate =
  /** Passes. */
  | 'in'
  /** One of Sallyport's own pages answers. */
  | 'own'
  /** The client was anonymous, and a sign-in is needed. */
  | 'sign-in'
  /** It depends on what the log does not say. */
  | 'unclear'
  | 'refused'
  /** Its address can be read in more than one way, or in none. */
  | 'invalid'
  | 'unrouted'

/** A fate with what led to it. */
export interface Judged {
  readonly fate: Fate
  /** The route's id; null where there is none. */
  readonly route: string | null
  /** A reason of a decision, or the code of an error. */
  readonly reason: string
  readonly why: string
  readonly host: string
  /** Without the query. */
  readonly path: string
}

/** What would become of a request of a log. */
export type Judge = (request: LoggedRequest, host: string) => Judged

type Verdict = Pick<Judged, 'fate' | 'reason' | 'why'>

/** Judges by a checked file, as a gate that serves it would. */
export function createJudge(config: Config, fingerprint: string, people: People): Judge {
  // Nothing is asked of an upstream as long as nothing is forwarded, and no check of its health begins.
  const pool = createUpstreamPool({ ask: refuseToAsk, now: () => Number.NaN, log: SILENT })
  const snapshot = compileSnapshot(config, fingerprint, pool)
  const sketchesOf = createSketches()
  const chances = new Map<GateRoute, Chance>()
  const chanceOf = (route: GateRoute): Chance => {
    const known = chances.get(route)
    if (known !== undefined) return known
    const made = compileChance(route.config, route.portal?.roles ?? null)
    chances.set(route, made)
    return made
  }

  function judgeAt(route: GateRoute, request: LoggedRequest, target: Target): Verdict {
    const { client, method, atMs: nowMs, user, status } = request
    const facts: Facts = { method, client, target, sent: null, nowMs, signedInAtMs: user === null ? null : nowMs }
    if (status === 101 && !route.config.websockets) return no('access.denied', 'websockets = false')
    const known = user === null ? null : people.get(user)?.(route.config.portal)
    if (known !== undefined) return decideFor(route, known, facts, chanceOf(route))
    return guess(route, sketchesOf(user ?? '', onlyProvider(route)), facts, chanceOf(route))
  }

  return (request, hostText) => {
    const nowhere = { route: null, host: hostText, path: pathOf(request.address) }
    let target: Target
    try {
      target = parseTarget(request.method, request.address, hostText)
    } catch (error) {
      if (!(error instanceof GateError)) throw error
      return { ...nowhere, fate: 'invalid', reason: error.code, why: error.message }
    }
    const { host, path } = target
    const place = findPlace(
      { snapshot, target, sent: {}, portal: null, compat: null, match: null, route: null },
      target,
    )
    if (place === null) {
      return {
        ...nowhere,
        host,
        path,
        fate: 'unrouted',
        reason: 'route.none',
        why: `no route has ${host} and this path`,
      }
    }
    if (place === PORTAL) {
      return { ...nowhere, host, path, fate: 'own', reason: 'reserved', why: "one of Sallyport's own pages answers" }
    }
    const { value: route, also } = place
    const base = { route: route.config.id, host, path }
    const verdict = judgeAt(route, request, target)
    if (verdict.fate === 'refused' || verdict.fate === 'sign-in') return { ...base, ...verdict }
    const others = also.map(other => ({ other, there: judgeAt(other, request, target) }))
    const closed = others.find(({ other, there }) => there.fate === 'refused' || barsReadings(other.config))
    if (closed !== undefined) {
      const why = `a backend could read this path as one under "${closed.other.config.id}", which is not allowed`
      return { ...base, fate: 'invalid', reason: 'target.ambiguous', why }
    }
    if (verdict.fate === 'unclear') return { ...base, ...verdict }
    const doubtful = others.find(({ there }) => there.fate !== 'in')
    if (doubtful === undefined) return { ...base, ...verdict }
    if (doubtful.there.fate === 'unclear') return { ...base, ...doubtful.there }
    // This one needed no sign-in, so the log does not name the user; the other one needs it.
    const why = `allowed if they may also open "${doubtful.other.config.id}", as which an application could read this path`
    return { ...base, fate: 'unclear', reason: 'target.ambiguous', why }
  }
}

/** A fully known user, or an anonymous client. */
function decideFor(route: GateRoute, who: Identity | null, facts: Facts, chance: Chance): Verdict {
  const outside = judgeMember(route, who, facts)
  if (outside !== null) return outside
  const { verdict, reason } = decidePolicy(route.policy, who, facts)
  if (verdict === 'allow') return { fate: 'in', reason, why: REASONS[reason].why }
  if (verdict === 'step-up') return { fate: 'in', reason, why: `after a new sign-in: ${REASONS[reason].why}` }
  // A preflight has no session, and the log does not show the fields that make one.
  if (verdict === 'sign-in' && route.config.corsPreflight && facts.method === 'OPTIONS') {
    return { fate: 'in', reason, why: 'CORS preflights pass' }
  }
  if (verdict === 'sign-in') return { fate: 'sign-in', reason, why: REASONS[reason].why }
  if (chance(who, facts) === 'unknown') return { fate: 'unclear', reason, why: REASONS[reason].why }
  return no(reason, REASONS[reason].why)
}

/** The result for a user who may not be a member of the portal, and so counts as anonymous; null for a member. */
function judgeMember({ policy, portal }: GateRoute, who: Identity | null, facts: Facts): Verdict | null {
  if (who !== null && portal !== null && !canComeTo(portal.config, who)) return outsider(policy, facts, 'no')
  const truth = who === null || portal === null || portal.members === null ? 'yes' : portal.members(who)
  return truth === 'yes' ? null : outsider(policy, facts, truth)
}

function outsider(policy: GateRoute['policy'], facts: Facts, truth: Truth): Verdict {
  const { verdict, reason } = decideOutsider(policy, facts)
  const why = REASONS[reason].why
  if (verdict === 'allow') return { fate: 'in', reason, why }
  return truth === 'unknown' && reason === NOT_A_MEMBER.reason ? { fate: 'unclear', reason, why } : no(reason, why)
}

/** Somebody of whom only the name in the log is known. */
function guess(route: GateRoute, who: Sketches, facts: Facts, chance: Chance): Verdict {
  const outside = judgeMember(route, who.now, facts)
  if (outside !== null) return outside
  const truth = chance(who.now, facts)
  if (truth === 'unknown') {
    if (chance(who.verified, facts) === 'yes') {
      return {
        fate: 'unclear',
        reason: 'email.unverified',
        why: 'allowed if the provider says that their address is verified',
      }
    }
    return { fate: 'unclear', reason: 'person.unknown', why: `allowed if ${conditionOf(route.config)}` }
  }
  const { reason } = decidePolicy(route.policy, who.now, facts)
  return truth === 'yes' ? { fate: 'in', reason, why: REASONS[reason].why } : no(reason, REASONS[reason].why)
}

function no(reason: Reason | 'access.denied', why: string): Verdict {
  return { fate: 'refused', reason, why }
}

/** What a route asks of people, in its own words. */
function conditionOf({ allow, deny }: RouteConfig): string {
  const denied = deny.length === 0 ? '' : `, and not ${deny.map(describeRule).join(', nor ')}`
  if (allow.kind === 'roles') return `they have the role ${allow.roles.join(' or ')}${denied}`
  if (allow.kind === 'rules') return `${allow.rules.map(describeRule).join(', or ')}${denied}`
  return `not ${deny.map(describeRule).join(', nor ')}`
}

function onlyProvider({ portal }: GateRoute): string {
  const [first = '', ...more] = portal?.config.providers ?? []
  return more.length === 0 && portal?.config.passwords === null ? first : ''
}

/** The path of an address that could not be read. */
function pathOf(address: string): string {
  return address.replace(/^https?:\/\/[^/]*/, '').replace(/[?#].*$/s, '')
}

const refuseToAsk = (): never => {
  throw new TypeError('a rehearsal contacts nobody')
}

const nothing = (): void => {}
const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing }
