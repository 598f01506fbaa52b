import type { Audit } from '../audit/writer.ts'
import { errorFacts } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { identityOf, type Owner } from './credentials/owners.ts'
import { guarded, parseSession } from './rows.ts'
import type { Session } from './session.ts'
import { inSlices } from './sqlite/slices.ts'
import type { SessionStore } from './store.ts'
import type { Withdrawn } from './vouchers.ts'

export interface WithdrawalTools {
  readonly store: Pick<SessionStore, 'list' | 'findOwner'>
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly audit: Audit
  end(...sessionIds: readonly string[]): Promise<void>
  /** The ids of those whom tokens and links of a portal follow. */
  ownersAt(portal: string): Promise<readonly string[]>
  /** Their tokens and links rest until they sign in again. */
  suspend(owner: Owner): Promise<void>
}

/** Ends for good what stands on providers that portals have lost. */
export interface Withdrawal {
  /** Does so for whoever signed in before now. Never throws: what it cannot end is refused all the same while the provider is gone. */
  run(withdrawn: Withdrawn): Promise<void>
  close(): void
}

const PAGE = 100

/**
 * Whom nobody vouches for is refused from the moment of the save, whatever the store has. This is so that they do not come back
 * with their provider, should that be put back, be it at once: sessions are removed, and the tokens and links of these people rest until
 * they sign in again.
 *
 * Absent on purpose: what an operator made (`tokens create --subject`), which rests while the provider is gone and no longer; and
 * a file that changed while nothing ran, since nobody knows what it said before.
 */
export function createWithdrawal({ store, ports, audit, end, ownersAt, suspend }: WithdrawalTools): Withdrawal {
  let isClosed = false

  async function endSessions(portal: string, { includes }: Withdrawn, atMs: number): Promise<number> {
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
      const owner = await guarded(() => store.findOwner(id))
      const identity = owner === null || owner.notedAtMs > atMs ? null : identityOf(owner)
      if (identity !== null && includes({ portal, identity })) await suspend({ portal, identity })
    }
  }

  return {
    async run(withdrawn) {
      const atMs = ports.now()
      for (const portal of withdrawn.portals) {
        try {
          await suspendOwners(portal, withdrawn, atMs)
          const ended = await endSessions(portal, withdrawn, atMs)
          if (ended > 0) audit.note('sign_out.withdrawn', { portal, number: ended })
        } catch (error) {
          ports.log.warn('The sign-ins of a provider that left its portal could not all be ended', {
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
