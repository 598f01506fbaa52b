/**
 * Invitations: links by which a user of a file creates a passkey, good once and for a day. Their page is
 * `portal/account/invitation.tsx`.
 */

import { randomToken } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { FilePerson } from '../../identity/passwords/users.ts'
import type { Sessions } from '../session.ts'
import { type Accounts, accountIdOf } from './accounts.ts'

const INVITATION_MS = 24 * 60 * 60_000

/** Whom a link invites, to where, and who made it. */
export interface Invitation {
  readonly portal: string
  readonly provider: string
  /** For the user's id in the file, and what the file says of them: a later user of the same name is not invited. */
  readonly account: string
  readonly over: string
  /** That of the user's account: what they change ends an open invitation, which may be in other hands. */
  readonly stamp: string
  /** The subject of the admin who made it; empty: an operator. */
  readonly by: string
  readonly expiresAtMs: number
}

/** Invitations as the rest of the program uses them. All throw `session.store`. */
export interface Invitations {
  /** Makes one, which ends the one before of the same user. `text` is said this once: only its hash is kept. */
  make(
    person: FilePerson,
    at: { readonly portal: string; readonly by: string },
  ): Promise<{ readonly text: string; readonly expiresAtMs: number }>
  /** Whom this text invites, and uses nothing; null: unknown, used, expired, or a newer one was made. */
  find(text: string): Promise<Invitation | null>
  /** The same, exactly once. */
  use(text: string): Promise<Invitation | null>
}

/** 256 bits, and a beginning by which people and scanners know one. */
const PREFIX = 'si_'
const TEXT = /^si_[A-Za-z0-9_-]{43}$/

/** The store keeps one for each owner: the latest. */
const KIND = 'invitation'

export function createInvitations(
  once: Pick<Sessions, 'putOneTime' | 'consumeOneTime' | 'peekOnce'>,
  accounts: Pick<Accounts, 'of'>,
  ports: Pick<Ports, 'now' | 'random'>,
): Invitations {
  return {
    async make(person, { portal, by }) {
      const text = PREFIX + randomToken(ports.random)
      const account = accountIdOf(person)
      const expiresAtMs = ports.now() + INVITATION_MS
      const { provider, over } = person
      const { stamp } = await accounts.of(person)
      const invitation: Invitation = { portal, provider, account, over, stamp, by, expiresAtMs }
      await once.putOneTime(KIND, text, invitation, { lifetimeMs: INVITATION_MS, owner: account })
      return { text, expiresAtMs }
    },
    find: async text => (TEXT.test(text) ? parseInvitation(await once.peekOnce(KIND, text)) : null),
    use: async text => (TEXT.test(text) ? parseInvitation(await once.consumeOneTime(KIND, text)) : null),
  }
}

function parseInvitation(value: unknown): Invitation | null {
  if (typeof value !== 'object' || value === null) return null
  const { portal, provider, account, over, stamp, by, expiresAtMs } = value as Partial<
    Record<keyof Invitation, unknown>
  >
  const areTexts = [portal, provider, account, over, stamp, by].every(text => typeof text === 'string')
  return areTexts && typeof expiresAtMs === 'number' ? (value as Invitation) : null
}
