/** API tokens and guest links, which end or rest with the user who made them. */

import type { Ports } from '../../base/ports.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Standing } from '../records.ts'
import { guarded } from '../rows.ts'
import type { Sealer } from '../seal.ts'
import type { Session } from '../session.ts'
import type { SessionStore } from '../store.ts'
import { type ApiTokens, createApiTokens, isApiTokenId } from './api-tokens.ts'
import { createGuestLinks, type GuestLinks, isGuestLinkId } from './guest-links.ts'
import type { IssuedCredentials } from './issued.ts'
import { noteOwners as noteIn, type OwnerNote, ownerIdOf, storedClaims, type TokenOwner } from './owners.ts'

export interface OwnerBoundTokensTools {
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now' | 'random'>
  /** How much memory tokens may take, and links. */
  maxBytes(): number
  /** How long a token works after the provider last vouched for its owner. */
  restMs(portal: string): number
  /**
   * The current identity of an owner; null where the portal no longer trusts their provider, or they are not a member
   * or not active.
   */
  trustedIdentity(owner: TokenOwner): Identity | null
}

/** API tokens and guest links, which follow their owners; for what is neither, `current` is null and the rest does nothing. */
export interface OwnerBoundTokens extends Omit<IssuedCredentials, 'revoke'> {
  readonly tokens: ApiTokens
  readonly links: GuestLinks
  /** Whether this is the id of a token or a link, and not of a session. */
  has(id: string): boolean
  /** False where there is none, perhaps since another process has revoked it. */
  revoke(id: string): Promise<boolean>
  /** The ids of those whom tokens and links of a portal follow. */
  ownersAt(portal: string): Promise<readonly string[]>
  /** Keeps what was heard of an owner, where anything follows them. `isLastWord` as in `OwnerNote`. */
  noteOwner(owner: TokenOwner, standing: Standing, isLastWord?: boolean): Promise<void>
  /** What follows these people rests until they sign in again. */
  suspend(...owners: readonly TokenOwner[]): Promise<void>
  /** Called with the id of every owner of whom something else is true. */
  onOwner(listener: (ownerId: string) => void): void
}

/** Tokens and links over a session store. Throws `session.store`. */
export function createOwnerBoundTokens(tools: OwnerBoundTokensTools): OwnerBoundTokens {
  const { store, sealer, ports, maxBytes, trustedIdentity, restMs } = tools
  const tokens = createApiTokens(store, ports, { maxBytes, trustedIdentity, restMs })
  const links = createGuestLinks(store, sealer, ports, { maxBytes, trustedIdentity })
  const listeners: ((ownerId: string) => void)[] = []

  function kindOf(id: string): IssuedCredentials | null {
    return isApiTokenId(id) ? tokens : isGuestLinkId(id) ? links : null
  }

  /** An owner's tokens and links are read again before their next use, and listeners check what is under way. */
  function forgetOwner(ownerId: string): void {
    tokens.forgetOwner(ownerId)
    links.forgetOwner(ownerId)
    for (const listener of listeners) listener(ownerId)
  }

  async function noteOwners(owners: readonly TokenOwner[], standing: Standing, isLastWord: boolean): Promise<void> {
    const atMs = ports.now()
    const notes = new Map<string, OwnerNote>()
    for (const owner of owners)
      notes.set(ownerIdOf(owner), { identity: storedClaims(owner), standing, atMs, isLastWord })
    for (const id of await guarded(() => noteIn(store, notes))) forgetOwner(id)
  }

  async function noteOwner(owner: TokenOwner, standing: Standing, isLastWord = false): Promise<void> {
    // The answer does not count where the file has changed meanwhile.
    if (standing === 'good' && trustedIdentity(owner) === null) return
    await noteOwners([owner], standing, isLastWord)
  }

  const suspend = (...owners: readonly TokenOwner[]) => noteOwners(owners, 'revoked', true)

  return {
    tokens: { ...tokens, suspend },
    links,
    has: id => kindOf(id) !== null,
    forget: id => kindOf(id)?.forget(id),
    forgetAll() {
      tokens.forgetAll()
      links.forgetAll()
    },
    forgetOwner,
    current: async (id): Promise<Session | null> => kindOf(id)?.current(id) ?? null,
    revoke: async id => (await kindOf(id)?.revoke(id)) ?? false,
    ownersAt: async portal =>
      [...(await tokens.list(portal)), ...(await links.list(portal))].flatMap(({ owner }) => owner ?? []),
    noteOwner,
    suspend,
    onOwner(listener) {
      listeners.push(listener)
    },
  }
}
