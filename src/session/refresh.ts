/** Refreshes sessions: asks their provider again in time, once for all processes. */

import type { Audit } from '../audit/writer.ts'
import { errorFacts, GateError } from '../base/errors.ts'
import { inTime } from '../base/maybe-promise.ts'
import type { Ports } from '../base/ports.ts'
import type { Identity } from '../identity/identity.ts'
import { guarded, openSecrets, parseSession, storedIdentity } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { Session, SessionSecrets } from './session.ts'
import type { HeldSession } from './session-cache.ts'
import { sessionFacts } from './session-facts.ts'
import type { RefreshedFields, SessionStore, StoredSession } from './store.ts'
import type { TrustRevocation } from './trust-revocation.ts'

/** What asking a session's provider again came to. */
export type Asked =
  | { readonly kind: 'renewed'; readonly identity: Identity; readonly secrets: SessionSecrets }
  /** It issued tokens, but the user's state is unknown: use this refresh token from now on. */
  | { readonly kind: 'unclear'; readonly refreshToken: string; readonly failure: Error }
  /** No answer came, or none that says what became of the refresh token: it may be used up. */
  | { readonly kind: 'lost'; readonly failure: Error }
  /**
   * `says`: the provider's own word for it, where it has one. `refreshToken`: one that it issued all the same, to be
   * revoked.
   */
  | { readonly kind: 'ended'; readonly reason: string; readonly says?: string; readonly refreshToken?: string }

/**
 * Asks the provider of a session who this is now. A throw says nothing of the person, and that the refresh token was not used: the old
 * answer counts a while longer.
 */
export type AskProvider = (
  session: Session,
  secrets: SessionSecrets & { readonly refreshToken: string },
) => Promise<Asked>

/** Refreshes of sessions, one at a time for each, in all processes together. */
export interface Refreshes {
  /**
   * Asks the provider about a session, or waits for a question that is under way. Never throws: the result is in
   * memory and in the store. After a failure `dueAtMs` says when it is tried again.
   */
  run(held: HeldSession): Promise<void>
  /**
   * Begins none any more, and waits for those under way, for so long at most: a provider has used up a refresh token once it was asked
   * with it, and the answer has the next. Never throws.
   */
  close(limitMs: number): Promise<void>
  /** A session has ended: the provider's answer must not be written any more, and its token is to be revoked. */
  drop(sessionId: string): void
}

interface HeldLease {
  readonly untilMs: number
  /** The holder of the lease before has not reported a result. */
  readonly isLeft: boolean
}

/** What to write of a session, with the secrets that it has in place of. */
interface Brought {
  readonly fields: RefreshedFields
  readonly before: string
  /** A refresh token that the store does not have; null: none. */
  readonly newToken: string | null
}

export interface RefreshTools {
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly audit: Audit
  readonly ask: AskProvider
  /** Takes over what the store holds of a session; `held` is what was asked about, whether the cache still has it or not. */
  adopt(row: StoredSession, held: HeldSession): void
  /** Applies the provider's answer to the tokens of this user. */
  note(session: Pick<Session, 'portal' | 'identity'>, standing: 'good' | 'refused'): Promise<void>
  /** Whether somebody may have a session at their portal, by what the store has of groups and roles. */
  isMemberNow(someone: Pick<Session, 'portal' | 'identity'>): Promise<boolean>
  /** The session is gone: nothing in memory may stand for it. */
  forget(sessionId: string): void
  /** Ends the session of who is a member no more, and has the provider forget its tokens. */
  endOutsider: TrustRevocation['endOutsider']
  /** Revokes a refresh token that the provider issued for a session that ended meanwhile. The caller does not wait. */
  giveBack(session: Session, refreshToken: string): void
  /** Has it end while `work` takes it out of the store. */
  endBy(sessionIds: readonly string[], work: () => Promise<void>): Promise<void>
}

/** Longer than a provider may take for everything that one refresh asks of it. */
const LEASE_MS = 30_000
/** How often to look whether another process is done, and how often at most. */
const POLL_MS = 100
const POLLS = 60
/** After a failure, in each process. */
const RETRY_MS = 10_000
const WRITES = 3

/** What else is to be known of a failure that came once the provider was asked. */
const LOST = 'lost: the provider may have used up the refresh token by it, and refuse the next question'

/** What a refusal says of a person where the question before was never answered. */
const OF_A_LEFT_ONE =
  'the answer to the last refresh was lost, and may have used up the refresh token: the user has to sign in again; API tokens stay'

/** Writes what refreshes brought, and keeps what the store could not take. */
function createWriter(tools: RefreshTools) {
  const { store } = tools
  /** What the store could not take: the provider has used up the token before it. */
  const unwritten = new Map<string, { readonly brought: Brought; readonly session: Session }>()
  /** Those among them that are being written: what becomes of their tokens is known after that. */
  const inHand = new Set<Brought>()

  /** False where the session is gone, or somebody else has written it. */
  async function write(row: StoredSession, brought: Brought, held: HeldSession): Promise<boolean> {
    const { fields, before } = brought
    const { session } = held
    unwritten.set(row.id, { brought, session })
    tools.adopt({ ...row, ...fields }, held)
    inHand.add(brought)
    let isWritten = false
    let now: StoredSession | null = null
    try {
      for (let tries = 1; ; tries++) {
        try {
          isWritten = await guarded(() => store.update(row.id, fields, before))
          now = isWritten ? null : await guarded(() => store.findById(row.id))
          unwritten.delete(row.id)
          break
        } catch (error) {
          if (tries < WRITES) {
            await Bun.sleep(POLL_MS * tries)
            continue
          }
          // A process that ended it meanwhile has seen only what the store has.
          if (!unwritten.has(row.id)) giveBack(session, brought)
          throw error
        }
      }
    } finally {
      inHand.delete(brought)
    }
    if (!isWritten) {
      if (now !== null) await takeAnswer(now, held, tools)
      else {
        giveBack(session, brought)
        tools.forget(row.id)
      }
      return false
    }
    // Without a newer answer, no provider has confirmed the user.
    const renewed = fields.checkedAtMs === row.checkedAtMs ? null : parseSession({ ...row, ...fields })
    if (renewed !== null) await tools.note(renewed, 'good')
    return true
  }

  function giveBack(session: Session, { newToken }: Brought): void {
    if (newToken !== null) tools.giveBack(session, newToken)
  }

  return {
    write,
    /** What was brought for a session and is not in the store, where its row still has the secrets that this is in place of. */
    keptFor({ id, secrets }: StoredSession): Brought | null {
      const kept = unwritten.get(id)?.brought
      if (kept === undefined || kept.before === secrets) return kept ?? null
      // It belongs to a sign-in or a question that another has replaced, so it is not used any more.
      unwritten.delete(id)
      return null
    },
    drop(sessionId: string): void {
      const left = unwritten.get(sessionId)
      unwritten.delete(sessionId)
      if (left !== undefined && !inHand.has(left.brought)) giveBack(left.session, left.brought)
    },
  }
}

/** A refresh token that is used twice is refused. The result of the other use counts. */
async function takeRefusal(
  { reason, says }: Extract<Asked, { kind: 'ended' }>,
  row: StoredSession,
  held: HeldSession,
  lease: HeldLease,
  tools: RefreshTools,
): Promise<boolean> {
  const { store, ports } = tools
  const { session } = held
  const isLost = ports.now() >= lease.untilMs
  const now = await guarded(() => store.findById(row.id))
  if (now === null) tools.forget(row.id)
  else if (now.secrets !== row.secrets) await takeAnswer(now, held, tools)
  else if (isLost) return false
  else {
    const isAboutPerson = reason === 'other_subject' || !lease.isLeft
    const facts = { ...sessionFacts(session), by: 'provider', reason }
    const hint = isAboutPerson ? {} : { hint: OF_A_LEFT_ONE }
    tools.audit.note('sign_out.refused', facts, { facts: { provider_error: says, ...hint } })
    await endRefused(session, isAboutPerson, tools)
  }
  return true
}

/** Takes over what another one wrote, or this process before it failed: neither may have come to what that means for a member. */
async function takeAnswer(row: StoredSession, held: HeldSession, tools: RefreshTools): Promise<void> {
  tools.adopt(row, held)
  const now = parseSession(row)
  if (now !== null) await refuseOutsider(held.session, now.identity, tools)
}

/** Refuses, from now on, who is no member any more by what their provider says now. */
async function refuseOutsider(session: Session, now: Identity, tools: RefreshTools): Promise<void> {
  if (await tools.isMemberNow({ portal: session.portal, identity: now })) return
  await tools.note(session, 'refused')
  await tools.endOutsider(session, 'provider')
}

async function endRefused(session: Session, isAboutPerson: boolean, tools: RefreshTools): Promise<void> {
  await tools.endBy([session.id], async () => {
    // Tokens before the session: a session that is left would be asked about again, and tell them.
    if (isAboutPerson) await tools.note(session, 'refused')
    await guarded(() => tools.store.remove(session.id))
  })
}

/**
 * Invariants: at most one question to the provider for one session at any time, since a provider may take a refresh token
 * that is used twice for a stolen one; what a refresh brought is in the store before anyone else may ask.
 *
 * Where a process ends while it asks, or is held up for longer than its lease, its lease in the row is left, which says that the refresh
 * token may be used up: a refusal after that is not the provider's word about the person.
 */
export function createRefreshes(tools: RefreshTools): Refreshes {
  const { store, sealer, ports } = tools
  const { write, keptFor, drop } = createWriter(tools)
  const inFlight = new Map<string, Promise<void>>()
  /** Failures by which a refresh token may be used up. */
  const lost = new WeakSet<object>()
  let isClosed = false
  /** Whether nothing waits any more for refreshes that are under way. */
  let isAbandoned = false

  async function attempt(held: HeldSession): Promise<void> {
    const { id } = held.session
    // Meanwhile `held` may learn of another's refresh: what counts is what was known when this began.
    const knownAtMs = held.checkedAtMs
    for (let polls = 0; polls < POLLS && !isClosed; polls++) {
      const nowMs = ports.now()
      const untilMs = nowMs + LEASE_MS
      const lease = await guarded(() => store.lease(id, nowMs, untilMs))
      if (lease !== null && (await leased(held, knownAtMs, { untilMs, isLeft: lease === 'left' }))) return
      // Somebody else asks, or the session is gone.
      const row = await guarded(() => store.findById(id))
      if (row === null) return tools.forget(id)
      if (row.checkedAtMs > knownAtMs) return takeAnswer(row, held, tools)
      await Bun.sleep(POLL_MS)
    }
    postpone(held)
  }

  /** False where the lease was lost without a result: then it waits for the present holder. */
  async function leased(held: HeldSession, knownAtMs: number, lease: HeldLease): Promise<boolean> {
    const { session } = held
    let { isLeft } = lease
    try {
      const row = await guarded(() => store.findById(session.id))
      if (row === null) {
        tools.forget(session.id)
        return true
      }
      const kept = keptFor(row)
      if (kept !== null) {
        isLeft = true
        isLeft = !(await write(row, kept, held))
        if (!isLeft) await takeAnswer({ ...row, ...kept.fields }, held, tools)
        return true
      }
      if (row.checkedAtMs > knownAtMs || row.createdAtMs !== session.createdAtMs) {
        await takeAnswer(row, held, tools)
        return true
      }
      const secrets = await openSecrets(row, sealer)
      if (secrets === null) throw new GateError('session.store', 'the secrets of a session were sealed by another key')
      const { refreshToken } = secrets
      if (refreshToken === null) {
        await write(row, { fields: { ...row, isRefreshable: false }, before: row.secrets, newToken: null }, held)
        return true
      }
      if (ports.now() >= lease.untilMs) return false
      // Until what came of it is written. A throw says that the token was not used.
      isLeft = true
      // From when the answer counts: a machine may sleep before it has read it.
      const askedAtMs = ports.now()
      const asked = await tools.ask(session, { ...secrets, refreshToken }).catch((error: unknown) => {
        isLeft = lease.isLeft
        throw error
      })
      if (asked.kind === 'lost') {
        lost.add(asked.failure)
        throw asked.failure
      }
      if (asked.kind === 'ended') {
        if (asked.refreshToken !== undefined) tools.giveBack(session, asked.refreshToken)
        return await takeRefusal(asked, row, held, lease, tools)
      }
      const next = asked.kind === 'unclear' ? { ...secrets, refreshToken: asked.refreshToken } : asked.secrets
      const newToken = next.refreshToken === refreshToken ? null : next.refreshToken
      const identity = asked.kind === 'unclear' ? session.identity : asked.identity
      const sealed = await storedIdentity(session, identity, next, sealer)
      const fields =
        asked.kind === 'unclear' ? { ...row, secrets: sealed.secrets } : { ...sealed, checkedAtMs: askedAtMs }
      isLeft = !(await write(row, { fields, before: row.secrets, newToken }, held))
      if (asked.kind === 'unclear') throw asked.failure
      // By then the store has the refresh token that the provider is to forget.
      if (!isLeft) await refuseOutsider(session, identity, tools)
      return true
    } finally {
      await guarded(() => store.release(session.id, lease.untilMs, isLeft ? session.createdAtMs : null))
    }
  }

  function postpone(held: HeldSession): void {
    held.retryAtMs = ports.now() + RETRY_MS
    held.dueAtMs = Math.min(held.retryAtMs, held.moments.limitAtMs)
  }

  return {
    run(held) {
      const { id } = held.session
      const running = inFlight.get(id)
      if (running !== undefined) return running
      if (isClosed) return Promise.resolve()
      const flight = attempt(held)
        .catch((error: unknown) => {
          if (isAbandoned) return
          postpone(held)
          ports.log.warn('A sign-in could not be checked at its provider; it is tried again', {
            user: held.session.identity.subject,
            provider: held.session.identity.provider,
            ...errorFacts(error),
            ...(error instanceof Error && lost.has(error) ? { answer: LOST } : {}),
          })
        })
        .finally(() => inFlight.delete(id))
      inFlight.set(id, flight)
      return flight
    },
    drop,
    async close(limitMs) {
      isClosed = true
      const flights = [...inFlight.values()]
      if (flights.length > 0) await inTime(Promise.all(flights), limitMs, null)
      isAbandoned = true
      if (inFlight.size === 0) return
      ports.log.warn('Sign-ins were still being checked at their provider when the time to stop was over', {
        number: inFlight.size,
        hint: 'where it has used up a refresh token by that, its person has to sign in again; drain in [server] says how long a stop may take',
      })
    },
  }
}
