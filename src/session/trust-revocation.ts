/** Ends sessions whose provider or membership a reload has taken from a portal. */

import type { Audit } from '../audit/writer.ts'
import type { Facts } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { eachOf } from '../base/steps.ts'
import type { ApiTokens } from './credentials/api-tokens.ts'
import type { GuestLinks } from './credentials/guest-links.ts'
import { identityOf, type TokenOwner } from './credentials/owners.ts'
import type { DeferredEnds } from './deferred-ends.ts'
import type { Ends } from './end-sessions.ts'
import type { OwnGrants } from './grants/grants.ts'
import { isLeftBehind, type UsersFile, type Withdrawn } from './provider-trust.ts'
import { guarded, parseSession } from './rows.ts'
import type { Session } from './session.ts'
import { personFacts, sessionFacts } from './session-facts.ts'
import { inSlices } from './sqlite/batches.ts'
import type { SessionStore, StoredSession } from './store.ts'

export interface TrustRevocationTools {
  readonly store: Pick<SessionStore, 'list' | 'findById' | 'findRecord' | 'remove'>
  readonly ports: Pick<Ports, 'now'>
  readonly deferredEnds: Pick<DeferredEnds, 'add' | 'tend' | 'hurry'>
  readonly audit: Audit
  readonly end: Ends['endCounted']
  /** No cookie leads to it from memory. */
  forget(sessionId: string): void
  readonly endBy: Ends['endBy']
  /** Has the providers of these forget their refresh tokens. The caller does not wait. */
  revoke(ended: readonly StoredSession[]): void
  /** Whether somebody may have a session at their portal, by what the store has of groups and roles. */
  isMemberNow(someone: Pick<Session, 'portal' | 'identity'>): Promise<boolean>
  /** What somebody came with who may not, for the log. */
  cameWith(someone: Pick<Session, 'portal' | 'identity'>): { readonly facts: Facts }
  /** The ids of those whom tokens and links of a portal follow. */
  ownersAt(portal: string): Promise<readonly string[]>
  /** Their tokens and links rest until they sign in again. */
  suspend(owner: TokenOwner): Promise<void>
  readonly tokens: Pick<ApiTokens, 'list'>
  readonly links: Pick<GuestLinks, 'list'>
  readonly grants: Pick<OwnGrants, 'drop'>
  /** Whether the current file trusts the user's provider, and the user may have a session. */
  counts(someone: Pick<Session, 'portal' | 'identity'>): boolean
}

/** Ends for good what stands on providers that portals have lost, or on members who are none any more. */
export interface TrustRevocation {
  /**
   * Does so a moment later, for users whose provider is not trusted again by then; where other gates of the store run
   * another file, once all agree, or after an hour. Never throws: what it cannot end is refused all the same while the
   * provider is gone, and is tried again.
   */
  run(withdrawn: Withdrawn): Promise<void>
  /**
   * Ends everything that names left behind which these files do not have any more, as far as it was made before now: sessions, tokens,
   * guest links and granted roles. Waits for other gates as `run` does, and never throws either.
   */
  sweep(files: readonly UsersFile[]): Promise<void>
  /**
   * The same for one session, of somebody who is no member any more by what is said of them: it is refused here at once,
   * and where other gates of the store run another file, it ends as with `run`, unless they are a member again by then.
   */
  endOutsider(session: Session, by: 'provider' | 'file'): Promise<void>
  /** These files have names that they did not have: what waits for other gates ends now, before somebody else has such a name. */
  hurry(files: readonly UsersFile[]): void
  /**
   * Ends at once, for all gates, every session of a provider at these portals, and suspends what follows its users.
   * `onEnding` is called with the sessions, some at a time. Throws what the store throws.
   */
  endProvider(
    provider: string,
    portals: readonly string[],
    onEnding: (ended: readonly Session[]) => Promise<void>,
  ): Promise<void>
  close(): void
}

const PAGE = 100

/** A provider that is back so soon was removed by mistake. Until then its users are refused all the same. */
const SLIP_MS = 2_000

const SOONER = 'sallyport sessions revoke --provider NAME ends sign-ins of a provider at once'

/** What belongs to some people at a portal, and was made until a moment, ends. */
function createWithdrawals({ store, audit, end, ownersAt, suspend }: TrustRevocationTools, isClosed: () => boolean) {
  /** What cannot be ended keeps nothing behind it: it is thrown once all others have ended. */
  async function endSessions(
    portal: string,
    { includes }: Pick<Withdrawn, 'includes'>,
    atMs: number,
    onEnding: (ended: readonly Session[], number: number) => void | Promise<void>,
  ): Promise<void> {
    let after: string | null = null
    const failures: unknown[] = []
    await inSlices(async () => {
      if (isClosed()) return false
      const page = await guarded(() => store.list(portal, { after, limit: PAGE }))
      const gone = page.sessions
        .map(parseSession)
        .filter((one): one is Session => one !== null && one.createdAtMs <= atMs && includes(one))
      // Every process comes here: what another one has ended by now is counted there.
      try {
        if (gone.length > 0) await onEnding(gone, await end(...gone.map(({ id }) => id)))
      } catch (error) {
        failures.push(error)
      }
      after = page.next
      return after !== null
    })
    if (failures.length > 0) throw failures[0]
  }

  async function withdrawSessions(portal: string, of: Pick<Withdrawn, 'includes'>, atMs: number): Promise<void> {
    let ended = 0
    try {
      await endSessions(portal, of, atMs, (_sessions, number) => {
        ended += number
      })
    } finally {
      if (ended > 0) audit.note('sign_out.withdrawn', { portal, number: ended })
    }
  }

  async function suspendOwners(portal: string, { includes }: Pick<Withdrawn, 'includes'>, atMs: number): Promise<void> {
    await eachOf(new Set(await ownersAt(portal)), async id => {
      if (isClosed()) return
      const owner = await guarded(() => store.findRecord('owner', { id }))
      const identity = owner === null || owner.notedAtMs > atMs ? null : identityOf(owner)
      if (identity !== null && includes({ portal, identity })) await suspend({ portal, identity })
    })
  }

  return { endSessions, withdrawSessions, suspendOwners }
}

/**
 * Users without a trusted provider are refused from the moment of the save, regardless of the store. This also keeps
 * them from coming back with their provider later: it removes their sessions, and suspends their tokens and links
 * until they sign in again.
 *
 * Absent on purpose: tokens that an operator made (`tokens create --subject`), which are suspended only while the
 * provider is gone; and a list of providers that changed while nothing ran, since the old list is unknown. For names
 * in a users file the store knows it: what belongs to a missing name also ends at the start.
 */
export function createTrustRevocation(tools: TrustRevocationTools): TrustRevocation {
  const { store, ports, audit, end, deferredEnds } = tools
  const { now } = ports
  let isClosed = false
  const { endSessions, withdrawSessions, suspendOwners } = createWithdrawals(tools, () => isClosed)

  /** Roles first, and sessions last: who has none left can make nothing new. */
  async function endLeftBehind(file: UsersFile, atMs: number): Promise<void> {
    const { portal } = file
    const isLeft = (who: Parameters<typeof isLeftBehind>[2]) => isLeftBehind([file], portal, who)
    const facts = { portal, by: 'file', reason: 'the name left the file of users' } as const
    const isOld = ({ session }: { readonly session: Session }) => session.createdAtMs <= atMs

    async function dropRoles(): Promise<void> {
      const number = await tools.grants.drop(portal, one => isLeft(one.who) && (one.atMs ?? 0) <= atMs)
      if (number > 0) audit.note('role.revoked', { ...facts, number })
    }

    async function endLinks(): Promise<void> {
      await eachOf((await tools.links.list(portal)).filter(isOld), async one => {
        if (isClosed || !isLeft(one.grant.maker) || (await end(one.session.id)) === 0) return
        audit.note('guest.revoked', { ...facts, user: one.grant.maker.subject, link: one.session.id })
      })
    }

    async function endTokens(): Promise<void> {
      await eachOf((await tools.tokens.list(portal)).filter(isOld), async ({ session }) => {
        if (isClosed || !isLeft(session.identity) || (await end(session.id)) === 0) return
        audit.note('token.revoked', { ...facts, ...personFacts(session.identity), token: session.id })
      })
    }

    const endOwn = () => withdrawSessions(portal, { includes: ({ identity }) => isLeft(identity) }, atMs)
    await eachOf([dropRoles, endLinks, endTokens, endOwn], step => step())
  }

  async function endWithdrawn(portal: string, withdrawn: Withdrawn): Promise<void> {
    const includes = (one: Session | TokenOwner) => withdrawn.includes(one) && !tools.counts(one)
    const atMs = now()
    await eachOf([suspendOwners, withdrawSessions], step => step(portal, { includes }, atMs))
  }

  /** Of all processes that see it, the one that took it out of the store says so. */
  async function endIfOutside(session: Session, by: 'provider' | 'file'): Promise<void> {
    const row = await guarded(() => store.findById(session.id))
    const now = row === null ? null : parseSession(row)
    if (row === null || now === null || now.createdAtMs !== session.createdAtMs || (await tools.isMemberNow(now)))
      return
    await tools.endBy([row.id], async () => {
      const removed = await guarded(() => store.remove(row.id))
      tools.revoke(removed.refreshable)
      if (removed.ids.length === 0) return
      const facts = { ...sessionFacts(now), by, reason: 'member.none' } as const
      audit.note('sign_out.withdrawn', facts, { facts: tools.cameWith(now).facts })
    })
  }

  return {
    async endOutsider(session, by) {
      tools.forget(session.id)
      const { portal, identity } = session
      deferredEnds.add({
        about: { portal, user: identity.subject },
        sooner: `sallyport sessions revoke --subject ${JSON.stringify(identity.subject)} ends what they have at once`,
        act: () => endIfOutside(session, by),
        failure: 'The session of somebody who is no member any more could not be ended; it is refused, and tried again',
      })
      await deferredEnds.tend()
    },
    async sweep(files) {
      const atMs = now()
      const failure = 'What belonged to names that left a file of users could not all be ended; it is tried again'
      for (const file of files)
        deferredEnds.add({
          about: { portal: file.portal },
          sooner: SOONER,
          file,
          act: () => endLeftBehind(file, atMs),
          failure,
        })
      await deferredEnds.tend()
    },
    hurry: deferredEnds.hurry,
    async run(withdrawn) {
      if (withdrawn.portals.length === 0) return
      await new Promise<void>(resolve => setTimeout(resolve, SLIP_MS).unref())
      if (isClosed) return
      const failure = 'Sign-ins that a portal does not take any more could not all be ended; it is tried again'
      for (const portal of withdrawn.portals)
        deferredEnds.add({ about: { portal }, sooner: SOONER, act: () => endWithdrawn(portal, withdrawn), failure })
      await deferredEnds.tend()
    },
    async endProvider(provider, portals, onEnding) {
      const includes = ({ identity }: Pick<Session, 'identity'>) => identity.provider === provider
      const ever = Number.POSITIVE_INFINITY
      const suspendAll = (portal: string) => suspendOwners(portal, { includes }, ever)
      const endAll = (portal: string) => endSessions(portal, { includes }, ever, onEnding)
      await eachOf(portals, portal => eachOf([suspendAll, endAll], step => step(portal)))
    },
    close() {
      isClosed = true
    },
  }
}
