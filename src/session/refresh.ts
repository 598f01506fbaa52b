import type { Audit } from '../audit/writer.ts'
import { errorFacts, GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { Identity } from '../identity/identity.ts'
import type { HeldSession } from './lru.ts'
import { guarded, openSecrets, parseSession, storedIdentity } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { Session, SessionSecrets } from './session.ts'
import { sessionFacts } from './session-facts.ts'
import type { RefreshedFields, SessionStore, StoredSession } from './store.ts'

/** What asking a session's provider again came to. */
export type Asked =
  | { readonly kind: 'renewed'; readonly identity: Identity; readonly secrets: SessionSecrets }
  /** It gave tokens, but what is true of the person could not be told: this refresh token is the one to ask with from now on. */
  | { readonly kind: 'unclear'; readonly refreshToken: string; readonly failure: Error }
  /** `says`: the provider's own word for it, where it has one. */
  | { readonly kind: 'ended'; readonly reason: string; readonly says?: string }

/** Asks the provider of a session who this is now. A throw says nothing of the person: the old answer counts a while longer. */
export type AskProvider = (
  session: Session,
  secrets: SessionSecrets & { readonly refreshToken: string },
) => Promise<Asked>

/** Refreshes of sessions, one at a time for each, in all processes together. */
export interface Refreshes {
  /**
   * Asks the provider about a session, or waits for whoever is asking. Never throws: what became of it is in memory and in
   * the store, and after a failure `dueAtMs` says when it is tried again.
   */
  run(held: HeldSession): Promise<void>
}

export interface RefreshTools {
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly audit: Audit
  readonly ask: AskProvider
  /** Takes over what the store holds of a session; `held` is what was asked about, whether the cache still has it or not. */
  adopt(row: StoredSession, held: HeldSession): void
  /** Tells the tokens of this person what the provider said. */
  note(session: Pick<Session, 'portal' | 'identity'>, standing: 'good' | 'refused'): Promise<void>
  /** The session is gone: nothing in memory may stand for it. */
  forget(sessionId: string): void
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

/**
 * Invariants: at most one question to the provider for one session at any time, since a provider may take a refresh token
 * that is used twice for a stolen one; what a refresh brought is in the store before anyone else may ask.
 */
export function createRefreshes(tools: RefreshTools): Refreshes {
  const { store, sealer, ports } = tools
  const inFlight = new Map<string, Promise<void>>()
  /** What the store could not take: the provider has used up the token before it. */
  const unwritten = new Map<string, RefreshedFields>()

  async function attempt(held: HeldSession): Promise<void> {
    const { id } = held.session
    // Meanwhile `held` may learn of another's refresh: what counts is what was known when this began.
    const knownAtMs = held.checkedAtMs
    for (let polls = 0; polls < POLLS; polls++) {
      const nowMs = ports.now()
      if (await guarded(() => store.lease(id, nowMs, nowMs + LEASE_MS))) return leased(held, knownAtMs)
      // Somebody else asks, or the session is gone.
      const row = await guarded(() => store.findById(id))
      if (row === null) return tools.forget(id)
      if (row.checkedAtMs > knownAtMs) return tools.adopt(row, held)
      await Bun.sleep(POLL_MS)
    }
    postpone(held)
  }

  async function leased(held: HeldSession, knownAtMs: number): Promise<void> {
    const { id } = held.session
    try {
      const row = await guarded(() => store.findById(id))
      if (row === null) {
        unwritten.delete(id)
        return tools.forget(id)
      }
      const kept = unwritten.get(id)
      if (kept !== undefined) return await write(row, kept, held)
      if (row.checkedAtMs > knownAtMs) return tools.adopt(row, held)
      const { fields, failure } = await askAbout(held.session, row)
      if (fields === null) return await end(held.session)
      await write(row, fields, held)
      if (failure !== null) throw failure
    } finally {
      await guarded(() => store.release(id))
    }
  }

  /** What to write of a session, null where it has ended; and what failed, though there is something to write. */
  async function askAbout(
    session: Session,
    row: StoredSession,
  ): Promise<{ readonly fields: RefreshedFields | null; readonly failure: Error | null }> {
    const secrets = await openSecrets(row, sealer)
    if (secrets === null) throw new GateError('session.store', 'the secrets of a session were sealed by another key')
    const { refreshToken } = secrets
    if (refreshToken === null) return { fields: { ...row, isRefreshable: false }, failure: null }
    const asked = await tools.ask(session, { ...secrets, refreshToken })
    if (asked.kind === 'ended') {
      const { reason, says } = asked
      const facts = { ...sessionFacts(session), by: 'provider', reason }
      tools.audit.note('sign_out.refused', facts, { facts: { provider_error: says } })
      return { fields: null, failure: null }
    }
    if (asked.kind === 'unclear') {
      const next = { ...secrets, refreshToken: asked.refreshToken }
      const { secrets: sealed } = await storedIdentity(session, session.identity, next, sealer)
      return { fields: { ...row, secrets: sealed }, failure: asked.failure }
    }
    const fields = await storedIdentity(session, asked.identity, asked.secrets, sealer)
    return { fields: { ...fields, checkedAtMs: ports.now() }, failure: null }
  }

  async function write(row: StoredSession, fields: RefreshedFields, held: HeldSession): Promise<void> {
    unwritten.set(row.id, fields)
    tools.adopt({ ...row, ...fields }, held)
    for (let tries = 1; ; tries++) {
      try {
        const isThere = await guarded(() => store.update(row.id, fields))
        unwritten.delete(row.id)
        if (!isThere) return tools.forget(row.id)
        break
      } catch (error) {
        if (tries === WRITES) throw error
        await Bun.sleep(POLL_MS * tries)
      }
    }
    // Without a newer answer, nobody has vouched.
    const renewed = fields.checkedAtMs === row.checkedAtMs ? null : parseSession({ ...row, ...fields })
    if (renewed !== null) await tools.note(renewed, 'good')
  }

  async function end(session: Session): Promise<void> {
    await tools.endBy([session.id], async () => {
      // Tokens before the session: a session that is left would be asked about again, and tell them.
      await tools.note(session, 'refused')
      await guarded(() => store.remove(session.id))
    })
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
      const flight = attempt(held)
        .catch((error: unknown) => {
          postpone(held)
          ports.log.warn('A sign-in could not be checked at its provider; it is tried again', {
            user: held.session.identity.subject,
            provider: held.session.identity.provider,
            ...errorFacts(error),
          })
        })
        .finally(() => inFlight.delete(id))
      inFlight.set(id, flight)
      return flight
    },
  }
}
