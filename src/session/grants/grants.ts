/** Granted roles, and requests for them: asked for, granted, declined and revoked. */

import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { eachOf } from '../../base/steps.ts'
import { GRANTED, type Identity } from '../../identity/identity.ts'
import { guarded } from '../rows.ts'
import type { Session } from '../session.ts'
import type { SessionStore } from '../store.ts'
import {
  EMPTY,
  type Grantee,
  type GrantsDocument,
  granteeOf,
  isAbout,
  isSameGrantee,
  parseDocument,
  type RoleGrant,
  type RoleRequest,
  withoutOver,
} from './document.ts'
import type { OfferedRoles } from './offered.ts'

/** Someone at a portal. */
type Someone = Pick<Session, 'portal' | 'identity'>

/** How it stands with a role that somebody asks for: open and waiting, declined a short while ago, or neither. */
export type RequestStanding = 'open' | 'declined' | null

/** What asking for a role came to. */
type AskOutcome =
  | { readonly kind: 'asked'; readonly request: RoleRequest }
  /** There is one already, it was declined a short while ago, the role is not to be had, or too many wait. */
  | { readonly kind: 'open' | 'declined' | 'not-offered' | 'full' }

/** Roles that people ask for, and are granted for a time. Throws `session.store` where the store fails. */
export interface Grants {
  /** How it stands with a role of this person, by what this process knows. */
  standing(someone: Someone, role: string): RequestStanding
  /** What this person was granted and counts now, and waits for, by what this process knows. */
  of(someone: Someone): Pick<GrantsDocument, 'requests' | 'grants'>
  /** How many requests wait at a portal, by what this process knows. */
  waiting(portal: string): number
  ask(someone: Someone, wanted: Pick<RoleRequest, 'name' | 'role' | 'route' | 'text'>): Promise<AskOutcome>
  /** Everything of a portal as the store has it now, requests oldest first. */
  list(portal: string): Promise<Pick<GrantsDocument, 'requests' | 'grants'>>
  /**
   * Grants a requested role for this time, or for good, but no longer than the admin may grant (`notAfterMs`; null or
   * absent: any time). Null where the request is gone, or the role cannot be granted.
   */
  grant(
    portal: string,
    requestId: string,
    terms: { readonly forMs: number | null; readonly notAfterMs?: number | null; readonly by: string },
  ): Promise<RoleGrant | null>
  /** Declines a request; null where there is none. */
  decline(portal: string, requestId: string): Promise<RoleRequest | null>
  /** Takes a granted role back, at once; null where there is none. */
  revoke(portal: string, grantId: string): Promise<RoleGrant | null>
}

/** Grants with what only the owner of the sessions does. */
export interface OwnGrants extends Grants {
  /** The same person, with the roles that they were granted and that count now. */
  join(portal: string, identity: Identity): Identity
  /** Takes everything away from these people at a portal; answers how many roles they had been granted. */
  drop(portal: string, isMeant: (one: Pick<RoleGrant, 'who'> & { readonly atMs?: number }) => boolean): Promise<number>
  /** Learns what other processes did, and what is over. */
  hear(): Promise<void>
  /** Whether one of them expires: then that has to be noticed without a notice from other processes. */
  readonly isAnyTimed: boolean
  /** The file has changed: other roles may count. */
  configure(offered: OfferedRoles): void
  /** Called with the keys of everyone whose granted roles are others now. */
  onChange(listener: (changed: readonly string[]) => void): void
}

/** So many may wait at a portal, and so many roles may be granted: a bounded value of the store. */
const MOST_REQUESTS = 200
const MOST_OF_ONE = 10
const MOST_GRANTS = 2_000

/** For so long after it was declined, the same is not asked for again. */
const DECLINED_MS = 24 * 60 * 60 * 1000

/** How often a change is tried while others change the same. */
const WRITES = 20

/**
 * Requests and grants over the session store: one value for each portal, which is replaced only by who knows what was there.
 *
 * What counts is kept in memory by person, worked out when the value or the file changes or a time is over; a session is given its
 * roles when it is loaded, and no request looks here.
 */
export function createGrants(
  store: Pick<SessionStore, 'readShared' | 'replaceShared'>,
  ports: Pick<Ports, 'now' | 'random'>,
  initial: OfferedRoles,
): OwnGrants {
  let offered = initial
  const texts = new Map<string, string | null>()
  const documents = new Map<string, GrantsDocument>()
  /** The roles that count, by portal and person. */
  let counting = new Map<string, readonly string[]>()
  const listeners: Parameters<OwnGrants['onChange']>[0][] = []

  /** Takes over what the store has of a portal; whether that is another than it was. */
  function take(portal: string, text: string | null): boolean {
    if (texts.has(portal) && texts.get(portal) === text) return false
    documents.set(portal, parseDocument(text))
    texts.set(portal, text)
    return true
  }

  /** Replaces the grants that count, and reports the users whose roles change. */
  function recount(): void {
    const nowMs = ports.now()
    const next = new Map<string, readonly string[]>()
    for (const [portal, roles] of offered) {
      for (const { who, role } of withoutOver(documents.get(portal) ?? EMPTY, nowMs).grants) {
        const key = keyOf(portal, who)
        if (roles.has(role)) next.set(key, [...(next.get(key) ?? []), role])
      }
    }
    const before = counting
    counting = next
    const keys = new Set([...before.keys(), ...next.keys()])
    const changed = [...keys].filter(key => String(before.get(key)) !== String(next.get(key)))
    if (changed.length > 0) for (const listener of listeners) listener(changed)
  }

  /** Changes the value of a portal, as it is by then; `change` answers null for what changes nothing. */
  async function change<T>(portal: string, act: (document: GrantsDocument) => Change<T>): Promise<T> {
    for (let tries = 0; tries < WRITES; tries++) {
      const before = await guarded(() => store.readShared(nameOf(portal)))
      const { next, outcome } = act(withoutOver(parseDocument(before), ports.now()))
      if (next === null) return outcome
      const after = JSON.stringify(next)
      if (!(await guarded(() => store.replaceShared(nameOf(portal), before, after)))) continue
      take(portal, after)
      recount()
      return outcome
    }
    throw new GateError('session.store', 'what is granted at a portal changed again and again meanwhile', {
      retryAfterS: 2,
    })
  }

  function known({ portal, identity }: Someone): GrantsDocument {
    const { requests, grants, declines } = withoutOver(documents.get(portal) ?? EMPTY, ports.now())
    const isTheirs = ({ who }: { readonly who: Grantee }) => isSameGrantee(who, identity)
    return {
      requests: requests.filter(isTheirs),
      grants: grants.filter(one => isTheirs(one) && offered.get(portal)?.has(one.role) === true),
      declines: declines.filter(isTheirs),
    }
  }

  return {
    standing(someone, role) {
      const { requests, declines } = known(someone)
      if (requests.some(one => one.role === role)) return 'open'
      return declines.some(one => one.role === role) ? 'declined' : null
    },
    of: known,
    waiting: portal => withoutOver(documents.get(portal) ?? EMPTY, ports.now()).requests.length,
    ask: (someone, wanted) =>
      change(someone.portal, document => askIn(document, someone, wanted, offered.get(someone.portal), ports)),
    async list(portal) {
      const text = await guarded(() => store.readShared(nameOf(portal)))
      return withoutOver(parseDocument(text), ports.now())
    },
    grant: (portal, requestId, terms) =>
      change(portal, document => grantIn(document, requestId, terms, offered.get(portal), ports)),
    decline: (portal, requestId) => change(portal, document => declineIn(document, requestId, ports.now())),
    revoke: (portal, grantId) =>
      change(portal, document => {
        const grant = document.grants.find(({ id }) => id === grantId)
        if (grant === undefined) return { next: null, outcome: null }
        return { next: { ...document, grants: document.grants.filter(one => one !== grant) }, outcome: grant }
      }),
    drop: (portal, isMeant) => change(portal, document => dropIn(document, isMeant)),
    join(portal, identity) {
      const roles = counting.size === 0 ? undefined : counting.get(keyOf(portal, identity))
      return identity[GRANTED] === roles ? identity : Object.freeze({ ...identity, [GRANTED]: roles })
    },
    async hear() {
      // What is over is over, whether the store can be read or not.
      recount()
      // What cannot be read of one portal keeps nobody from hearing of the others.
      await eachOf(offered.keys(), async portal => {
        if (take(portal, await guarded(() => store.readShared(nameOf(portal))))) recount()
      })
    },
    get isAnyTimed() {
      return [...documents.values()].some(({ grants }) => grants.some(({ untilMs }) => untilMs !== null))
    },
    configure(next) {
      offered = next
      recount()
    },
    onChange(listener) {
      listeners.push(listener)
    },
  }
}

/** What becomes of the value of a portal; null: nothing. */
interface Change<T> {
  readonly next: GrantsDocument | null
  readonly outcome: T
}

function askIn(
  document: GrantsDocument,
  { identity }: Someone,
  { name, role, route, text }: Parameters<OwnGrants['ask']>[1],
  offered: ReadonlySet<string> | undefined,
  ports: Pick<Ports, 'now' | 'random'>,
): Change<AskOutcome> {
  const { requests, declines } = document
  const isTheirs = (one: { who: Grantee; role: string }) => isAbout(one, identity, role)
  const refuse = (kind: Exclude<AskOutcome['kind'], 'asked'>) => ({ next: null, outcome: { kind } })
  if (offered?.has(role) !== true) return refuse('not-offered')
  if (requests.some(isTheirs)) return refuse('open')
  if (declines.some(isTheirs)) return refuse('declined')
  const own = requests.filter(({ who }) => isSameGrantee(who, identity)).length
  if (own >= MOST_OF_ONE || requests.length >= MOST_REQUESTS) return refuse('full')
  const id = newId(ports)
  const request = { id, who: granteeOf(identity), name, role, route, text, atMs: ports.now() }
  return { next: { ...document, requests: [...requests, request] }, outcome: { kind: 'asked', request } }
}

function grantIn(
  document: GrantsDocument,
  requestId: string,
  { forMs, notAfterMs = null, by }: Parameters<OwnGrants['grant']>[2],
  offered: ReadonlySet<string> | undefined,
  ports: Pick<Ports, 'now' | 'random'>,
): Change<RoleGrant | null> {
  const request = document.requests.find(({ id }) => id === requestId)
  if (request === undefined || offered?.has(request.role) !== true) return { next: null, outcome: null }
  const { who, name, role } = request
  const others = document.grants.filter(one => !isAbout(one, who, role))
  if (others.length >= MOST_GRANTS) {
    throw new GateError('access.denied', 'the portal has granted as many roles as it may', {
      hint: 'revoke what is not needed, or give the roles at the provider',
    })
  }
  const atMs = ports.now()
  const wantedMs = forMs === null ? null : atMs + forMs
  const untilMs = wantedMs === null || notAfterMs === null ? (wantedMs ?? notAfterMs) : Math.min(wantedMs, notAfterMs)
  const grant: RoleGrant = { id: newId(ports), who, name, role, atMs, untilMs, by }
  const requests = document.requests.filter(one => one !== request)
  return { next: { ...document, requests, grants: [...others, grant] }, outcome: grant }
}

function declineIn(document: GrantsDocument, requestId: string, nowMs: number): Change<RoleRequest | null> {
  const request = document.requests.find(({ id }) => id === requestId)
  if (request === undefined) return { next: null, outcome: null }
  const { who, role } = request
  const requests = document.requests.filter(one => one !== request)
  const declines = [...document.declines, { who, role, untilMs: nowMs + DECLINED_MS }]
  return { next: { ...document, requests, declines }, outcome: request }
}

function dropIn(
  { requests, grants, declines }: GrantsDocument,
  isMeant: Parameters<OwnGrants['drop']>[1],
): Change<number> {
  const kept = <T extends Parameters<typeof isMeant>[0]>(all: readonly T[]) => all.filter(one => !isMeant(one))
  const next = { requests: kept(requests), grants: kept(grants), declines: kept(declines) }
  const isSame = (Object.keys(next) as (keyof GrantsDocument)[]).every(
    name => next[name].length === { requests, grants, declines }[name].length,
  )
  return { next: isSame ? null : next, outcome: grants.length - next.grants.length }
}

function nameOf(portal: string): string {
  return `grants-${portal}`
}

function newId({ random }: Pick<Ports, 'random'>): string {
  return Buffer.from(random(8)).toString('hex')
}

/** What names someone at a portal. */
export function keyOf(portal: string, { provider, issuer, subject, userId }: Grantee): string {
  return JSON.stringify([portal, provider, issuer, subject, ...(userId === undefined ? [] : [userId])])
}

/** Whom a key names. */
export function parseKey(key: string): { readonly portal: string; readonly identity: Grantee } {
  const [portal = '', provider = '', issuer = '', subject = '', userId] = (JSON.parse(key) as unknown[]).map(String)
  return { portal, identity: { provider, issuer, subject, ...(userId === undefined ? {} : { userId }) } }
}
