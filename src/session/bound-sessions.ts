/** Sessions that are bound to a device: how one is bound, how the device proves itself, and what is noted where it does not. */

import { GateError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { neighbourhoodOf } from '../base/net.ts'
import type { Ports } from '../base/ports.ts'
import { ownerIdOf } from './credentials/owners.ts'
import {
  type Binding,
  proofCookieName,
  readProof,
  renderBinding,
  thumbprintOf,
  verifyProof,
  writeProof,
} from './device-binding.ts'
import type { SessionMemory } from './memory.ts'
import { guarded } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { Session, SessionEntry, Sessions } from './session.ts'
import type { SessionStore } from './store.ts'

/** How long things of a bound session last; tests have shorter ones. */
export interface BindingTimes {
  /** How long a device that has signed counts as proven. */
  readonly proofMs: number
  /** How long a challenge may be answered. */
  readonly challengeMs: number
}

export const BINDING_TIMES: BindingTimes = { proofMs: 10 * 60_000, challengeMs: 5 * 60_000 }

/** A request with a bound session's cookie that no device has proven. */
export interface Unproven {
  readonly atMs: number
  readonly client: string
}

/** A session that is bound to a device. */
export type BoundSession = Session & { readonly bound: Binding }

/** What a renewal came to. */
export type Renewal =
  | { readonly kind: 'proven'; readonly session: Session }
  /** A signature is needed: `challenge` is to be signed. */
  | { readonly kind: 'ask'; readonly challenge: string }
  /** There is no such session for this browser any more. */
  | { readonly kind: 'over' }
  /** Signed by another key than the one that was registered. */
  | { readonly kind: 'theft'; readonly session: Session }

/** Bound sessions as the rest of the program uses them. All but `provenUntil` in memory throw `session.store`. */
export interface Bindings {
  readonly times: BindingTimes
  /**
   * Until when this value of the proof's cookie proves the device of a session at a host; 0: it does not, as where it was made later than
   * now: a clock that was set back lengthens no copy. In memory once it was read.
   */
  provenUntil(session: BoundSession, host: string, value: string, nowMs: number): MaybePromise<number>
  /** The Set-Cookie by which a host of a session's portal takes the device as proven until then. */
  proofFor(sessionId: string, host: string, untilMs: number): Promise<string>
  /** What a browser signs that is to bind this session to its device. */
  offer(sessionId: string): Promise<string>
  /** What the browser calls the bound session, as long as it is bound to this key; nobody else can read it. */
  identifierOf(session: BoundSession): Promise<string>
  /**
   * Binds a session to the key of a proof: the one whose challenge was signed, once. `brought`: the session whose cookie came with it;
   * browsers send none where another site's page led to the sign-in. Throws `access.device`.
   */
  register(
    field: string | null,
    from: { readonly brought: Session | null; readonly client: string },
  ): Promise<BoundSession>
  /** Takes the proof of a bound session, or asks for one. */
  renew(
    identifier: string,
    field: string | null,
    from: { readonly brought: Session | null; readonly client: string },
  ): Promise<Renewal>
  /**
   * Notes a request that brought a bound session's cookie alone. `mayBeOwn`: it may be the person's own browser that came to another
   * network, which the next proof from there shows. False where the same was noted a moment ago.
   */
  noteUnproven(session: Session, from: { readonly client: string; readonly mayBeOwn: boolean }): Promise<boolean>
  /** The last such request of a session; null: none. */
  unprovenOf(sessionId: string): Promise<Unproven | null>
  /** The last such request of any session of this person that they were not told of; told with this. */
  tellUnproven(session: Session): Promise<Unproven | null>
}

interface BindingTools {
  readonly store: Pick<SessionStore, 'findById' | 'bind'>
  readonly once: Pick<Sessions, 'putOneTime' | 'consumeOneTime' | 'peekOnce'>
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now'>
  readonly memory: Pick<SessionMemory, 'cache' | 'adopt' | 'readCookiesAgain'>
  readonly times: BindingTimes
  describe(sessionId: string): Promise<SessionEntry | null>
}

const PROOF = 'the proof of a device'
const IDENTIFIER = 'a session that is bound to a device'

/** A proof as it was made, and from when it counts. */
interface KnownProof {
  readonly value: string
  readonly fromMs: number
  readonly untilMs: number
}

/** How far the clocks of machines that share a store may be apart. */
const CLOCKS_APART_MS = 30_000

/** A longer value is none of ours. */
const LONGEST_PROOF = 1024

/** For how long a person who does not sign in is still told of a request without a proof. */
const TOLD_WITHIN_MS = 90 * 24 * 60 * 60_000

/** An identifier is good for as long as its session, whichever end that has by then. */
const IDENTIFIER_MS = 10 * 365 * 24 * 60 * 60_000

/** The same session is noted so often, and so many are remembered for that. */
const NOTE_EVERY_MS = 60_000
const MOST_NOTED = 10_000

export function createBindings(tools: BindingTools): Bindings {
  const { store, once, sealer, ports, memory, times, describe } = tools
  /** The proofs of each bound session in memory that were read already, by host. */
  const proofs = new WeakMap<Binding, Map<string, KnownProof>>()
  const noted = new Map<string, number>()

  async function openProof(session: BoundSession, host: string, value: string, nowMs: number) {
    const opened = value.length > LONGEST_PROOF ? null : await sealer.open(value, PROOF)
    if (textIn(opened, 'session') !== session.id || textIn(opened, 'host') !== host) return 0
    const proof = { value, fromMs: numberIn(opened, 'fromMs'), untilMs: numberIn(opened, 'untilMs') }
    const known = proofs.get(session.bound) ?? new Map<string, KnownProof>()
    proofs.set(session.bound, known)
    return keepLonger(known, host, proof, nowMs)
  }

  function challengeFor(use: 'bind' | 'renew', sessionId: string): Promise<string> {
    return sealer.seal({ session: sessionId }, `${PROOF}: ${use}`, ports.now() + times.challengeMs)
  }

  async function challengedBy(use: 'bind' | 'renew', challenge: string): Promise<string | null> {
    return textIn(await sealer.open(challenge, `${PROOF}: ${use}`), 'session')
  }

  /** A challenge is answered once, by all workers and machines. */
  function answerOnce(challenge: string, sessionId: string): Promise<boolean> {
    return once.putOneTime('device', challenge, {}, { lifetimeMs: times.challengeMs, owner: sessionId })
  }

  /** Writes what is kept of a device, and takes it into memory. */
  async function keep(sessionId: string, bound: string, before: string | null): Promise<boolean> {
    if (!(await guarded(() => store.bind(sessionId, bound, before)))) return false
    const row = await guarded(() => store.findById(sessionId))
    const held = memory.cache.held(sessionId)
    // What others are about to take into memory was read before.
    if (held === undefined) memory.readCookiesAgain(sessionId)
    else if (row !== null) memory.adopt(row, held)
    return true
  }

  /** A browser that cannot renew comes from its own network, again and again: that must not hide what came from elsewhere. */
  async function wouldHide(key: string, { bound }: Session, client: string): Promise<boolean> {
    const network = neighbourhoodOf(client)
    if (network !== bound?.network) return false
    const before = parseUnproven(await once.peekOnce('unproven', key))
    return before !== null && neighbourhoodOf(before.client) !== network
  }

  /** The device signed from here: what came from here without a proof, at another host than the portal's, was its own. */
  async function noteNetwork({ id, bound }: BoundSession, session: Session, client: string) {
    const network = neighbourhoodOf(client)
    if (network === bound.network) return
    const row = await guarded(() => store.findById(id))
    if (row?.bound === undefined) return
    await keep(id, renderBinding({ ...bound, network }), row.bound)
    for (const key of [keyOfSession(id), keyOfOwner(session)]) {
      const kept = await once.peekOnce('unproven', key)
      const isOwn =
        Reflect.get(Object(kept), 'mayBeOwn') === true && neighbourhoodOf(textIn(kept, 'client') ?? '') === network
      if (isOwn) await once.consumeOneTime('unproven', key)
    }
  }

  return {
    times,
    provenUntil(session, host, value, nowMs) {
      const known = proofs.get(session.bound)?.get(host)
      return known?.value === value ? countedUntil(known, nowMs) : openProof(session, host, value, nowMs)
    },
    async proofFor(sessionId, host, untilMs) {
      const fromMs = ports.now()
      const value = await sealer.seal({ session: sessionId, host, fromMs, untilMs }, PROOF, untilMs)
      return writeProof(proofCookieName(sessionId), value, untilMs - fromMs)
    },
    offer: sessionId => challengeFor('bind', sessionId),
    identifierOf: ({ id, bound }) =>
      sealer.seal({ session: id, key: bound.thumbprint }, IDENTIFIER, ports.now() + IDENTIFIER_MS),
    async register(field, { brought, client }) {
      const stated = readProof(field)
      if (stated === null || stated.key === null) throw refused('it is no proof with a key of P-256')
      const id = await challengedBy('bind', stated.challenge)
      if (id === null) throw refused('its challenge is none that was given, or is too old')
      if (brought !== null && brought.id !== id) throw refused('its challenge was given to another session')
      if ((await verifyProof(stated, stated.key)) !== 'good') throw refused('it is not signed by its own key')
      if (!(await answerOnce(stated.challenge, id))) throw refused('its challenge was answered before')
      const thumbprint = await thumbprintOf(stated.key)
      const binding = { key: stated.key, thumbprint, boundAtMs: ports.now(), network: neighbourhoodOf(client) }
      if ((await describe(id)) === null) throw refused('its session has ended')
      if (!(await keep(id, renderBinding(binding), null))) throw refused('its session is bound to a device already')
      const now = (await describe(id))?.session
      if (now === undefined || !isBound(now)) throw refused('its session has ended')
      return now
    },
    async renew(identifier, field, { brought, client }) {
      const named = identifier.length > LONGEST_PROOF ? null : await sealer.open(identifier, IDENTIFIER)
      const id = textIn(named, 'session')
      if (id === null || (brought !== null && brought.id !== id)) return { kind: 'over' }
      const row = await guarded(() => store.findById(id))
      if (row === null && memory.cache.held(id) === undefined) return { kind: 'over' }
      const session = (await describe(id))?.session
      // Still in memory alone, or not accepted by the file of this moment: a browser that is told to forget it cannot prove it later.
      if (session === undefined) {
        throw new GateError('session.store', 'a bound session cannot be renewed at the moment', { retryAfterS: 5 })
      }
      // Bound anew where the key was lost, as by an old backup: a browser that still has the key of before is no thief.
      if (!isBound(session) || session.bound.thumbprint !== textIn(named, 'key')) return { kind: 'over' }
      const again = async (): Promise<Renewal> => ({ kind: 'ask', challenge: await challengeFor('renew', id) })
      const stated = readProof(field)
      // Browsers keep what they signed, and send it again: a challenge that is over, or was answered, says nothing of a thief.
      if (stated === null || (await challengedBy('renew', stated.challenge)) !== id) return again()
      const verdict = await verifyProof(stated, session.bound.key)
      if (verdict === 'malformed' || !(await answerOnce(stated.challenge, id))) return again()
      if (verdict === 'other') return { kind: 'theft', session }
      await noteNetwork(session, session, client)
      return { kind: 'proven', session }
    },
    async noteUnproven(session, { client, mayBeOwn }) {
      const nowMs = ports.now()
      const isRecent = nowMs - (noted.get(session.id) ?? Number.NEGATIVE_INFINITY) < NOTE_EVERY_MS
      if (isRecent) return false
      if (noted.size >= MOST_NOTED) noted.clear()
      noted.set(session.id, nowMs)
      const value = { atMs: nowMs, client, mayBeOwn }
      const terms = { lifetimeMs: TOLD_WITHIN_MS, isLatest: true }
      await Promise.all(
        [keyOfSession(session.id), keyOfOwner(session)].map(async key => {
          if (await wouldHide(key, session, client)) return
          await once.putOneTime('unproven', key, value, { ...terms, owner: key })
        }),
      )
      return true
    },
    unprovenOf: async id => parseUnproven(await once.peekOnce('unproven', keyOfSession(id))),
    tellUnproven: async session => parseUnproven(await once.consumeOneTime('unproven', keyOfOwner(session))),
  }
}

function countedUntil({ fromMs, untilMs }: KnownProof, nowMs: number): number {
  return fromMs > nowMs + CLOCKS_APART_MS ? 0 : untilMs
}

/** Keeps a proof where none is known for the host that counts as long; answers until when it counts. */
function keepLonger(known: Map<string, KnownProof>, host: string, proof: KnownProof, nowMs: number): number {
  const [untilMs, before] = [countedUntil(proof, nowMs), known.get(host)]
  if (untilMs > (before === undefined ? 0 : countedUntil(before, nowMs))) known.set(host, proof)
  return untilMs
}

/** Whether a session is bound to a device. */
export function isBound(session: Session): session is BoundSession {
  return session.bound !== undefined
}

function keyOfSession(id: string): string {
  return `session ${id}`
}

function keyOfOwner(session: Session): string {
  return `owner ${ownerIdOf(session)}`
}

function parseUnproven(kept: unknown): Unproven | null {
  const [atMs, client] = [numberIn(kept, 'atMs'), textIn(kept, 'client')]
  return client === null ? null : { atMs, client }
}

function textIn(value: unknown, name: string): string | null {
  const text: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : null
  return typeof text === 'string' ? text : null
}

function numberIn(value: unknown, name: string): number {
  const number: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : 0
  return typeof number === 'number' ? number : 0
}

function refused(why: string): GateError {
  return new GateError('access.device', `the proof of a device was refused: ${why}`)
}
