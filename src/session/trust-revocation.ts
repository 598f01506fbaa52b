/** Ends sessions whose provider or membership a reload has taken from a portal. */

import type { Audit } from '../audit/writer.ts'
import { errorFacts } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import type { ApiTokens } from './credentials/api-tokens.ts'
import type { GuestLinks } from './credentials/guest-links.ts'
import { identityOf, type TokenOwner } from './credentials/owners.ts'
import type { OwnGrants } from './grants/grants.ts'
import { isLeftBehind, type UsersFile, type Withdrawn } from './provider-trust.ts'
import { guarded, parseSession } from './rows.ts'
import type { Session } from './session.ts'
import { personFacts } from './session-facts.ts'
import { inSlices } from './sqlite/slices.ts'
import type { SessionStore } from './store.ts'

export interface TrustRevocationTools {
  readonly store: Pick<SessionStore, 'list' | 'findRecord'>
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly audit: Audit
  end(...sessionIds: readonly string[]): Promise<void>
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
   * Does so a moment later, for users who signed in before now and whose provider is not trusted again by then. Never
   * throws: a session that it cannot end is refused all the same while the provider is gone.
   */
  run(withdrawn: Withdrawn): Promise<void>
  /**
   * Ends everything that names left behind which these files do not have any more, as far as it was made before now: sessions, tokens,
   * guest links and granted roles. Never throws: what cannot be ended now is tried again by `tend`.
   */
  sweep(files: readonly UsersFile[]): Promise<void>
  /** Tries again what could not be ended. */
  tend(): Promise<void>
  close(): void
}

const PAGE = 100

/** A provider that is back so soon was removed by mistake. Until then its users are refused all the same. */
const SLIP_MS = 2_000

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
  const { store, ports, audit, end, ownersAt, suspend } = tools
  let isClosed = false
  /** Files of users whose names are to be looked after, with when they were seen. */
  let behind: readonly { readonly file: UsersFile; readonly atMs: number }[] = []

  async function endSessions(portal: string, { includes }: Pick<Withdrawn, 'includes'>, atMs: number): Promise<number> {
    let after: string | null = null
    let ended = 0
    await inSlices(async () => {
      if (isClosed) return false
      const page = await guarded(() => store.list(portal, { after, limit: PAGE }))
      const gone = page.sessions
        .map(parseSession)
        .filter((one): one is Session => one !== null && one.createdAtMs <= atMs && includes(one))
      if (gone.length > 0) await end(...gone.map(({ id }) => id))
      ended += gone.length
      after = page.next
      return after !== null
    })
    return ended
  }

  async function suspendOwners(portal: string, { includes }: Withdrawn, atMs: number): Promise<void> {
    for (const id of new Set(await ownersAt(portal))) {
      if (isClosed) return
      const owner = await guarded(() => store.findRecord('owner', { id }))
      const identity = owner === null || owner.notedAtMs > atMs ? null : identityOf(owner)
      if (identity !== null && includes({ portal, identity })) await suspend({ portal, identity })
    }
  }

  /** Roles first, and sessions last: who has none left can make nothing new. */
  async function endLeftBehind(file: UsersFile, atMs: number): Promise<void> {
    const { portal } = file
    const isLeft = (who: Parameters<typeof isLeftBehind>[2]) => isLeftBehind([file], portal, who)
    const roles = await tools.grants.drop(portal, one => isLeft(one.who) && (one.atMs ?? 0) <= atMs)
    const facts = { portal, by: 'file', reason: 'the name left the file of users' } as const
    if (roles > 0) audit.note('role.revoked', { ...facts, number: roles })
    const isOld = ({ session }: { readonly session: Session }) => session.createdAtMs <= atMs
    for (const one of (await tools.links.list(portal)).filter(isOld)) {
      if (isClosed || !isLeft(one.grant.maker)) continue
      await end(one.session.id)
      audit.note('guest.revoked', { ...facts, user: one.grant.maker.subject, link: one.session.id })
    }
    for (const { session } of (await tools.tokens.list(portal)).filter(isOld)) {
      if (isClosed || !isLeft(session.identity)) continue
      await end(session.id)
      audit.note('token.revoked', { ...facts, ...personFacts(session.identity), token: session.id })
    }
    const ended = await endSessions(portal, { includes: ({ identity }) => isLeft(identity) }, atMs)
    if (ended > 0) audit.note('sign_out.withdrawn', { portal, number: ended })
  }

  async function tend(): Promise<void> {
    const due = behind
    behind = []
    for (const one of due) {
      if (isClosed) return
      try {
        await endLeftBehind(one.file, one.atMs)
      } catch (error) {
        behind = [...behind, one]
        const { portal } = one.file
        ports.log.warn('What belonged to names that left a file of users could not all be ended; it is tried again', {
          portal,
          ...errorFacts(error),
        })
      }
    }
  }

  return {
    sweep(files) {
      const atMs = ports.now()
      behind = [...behind, ...files.map(file => ({ file, atMs }))]
      return tend()
    },
    tend,
    async run({ portals, includes }) {
      if (portals.length === 0) return
      const atMs = ports.now()
      await new Promise<void>(resolve => setTimeout(resolve, SLIP_MS).unref())
      if (isClosed) return
      const withdrawn = { portals, includes: (one: Session | TokenOwner) => includes(one) && !tools.counts(one) }
      for (const portal of withdrawn.portals) {
        try {
          await suspendOwners(portal, withdrawn, atMs)
          const ended = await endSessions(portal, withdrawn, atMs)
          if (ended > 0) audit.note('sign_out.withdrawn', { portal, number: ended })
        } catch (error) {
          ports.log.warn('Sign-ins that a portal does not take any more could not all be ended', {
            portal,
            ...errorFacts(error),
          })
        }
      }
    },
    close() {
      isClosed = true
    },
  }
}
