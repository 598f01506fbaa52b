/** Guest links: made, opened, counted and revoked. */

import { sha256 } from '../../base/bytes.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import { type Era, type Identity, makeIdentity } from '../../identity/identity.ts'
import { OWN_SUBJECTS } from '../../identity/own-subjects.ts'
import type { StoredGuestLink } from '../records.ts'
import { guarded } from '../rows.ts'
import type { Sealer } from '../seal.ts'
import type { Session } from '../session.ts'
import type { SessionStore } from '../store.ts'
import { createCredentialCache } from './cache.ts'
import { type IssuedCredentials, issuedId, issuedSession, issueSecret, unexpired } from './issued.ts'
import { isOfPastEra, type TokenOwner, vouchedIdentity } from './owners.ts'

/** What a guest link opens, and who made it. */
interface GuestLinkGrant {
  /** The name that its maker gave it. */
  readonly name: string
  /** One exact host. */
  readonly host: string
  /** A path and what is below it, at segment boundaries. */
  readonly path: string
  /** Where a guest arrives: a path and query below `path`. */
  readonly landing: string
  /** The person who made it; empty texts for an operator. */
  readonly maker: Pick<Identity, 'issuer' | 'subject' | 'userId'> & { readonly name: string; readonly era?: Era }
}

interface StoredGrant extends GuestLinkGrant {
  /** The id of the person who made it, whom it follows; absent for an operator's. */
  readonly owner?: string
}

/** A guest link in memory: its guests as one session, so that decisions and identity fields are prepared as for anyone. */
export interface HeldGuestLink {
  /** `id` is the link's, and the subject of its guests; `maker` is left out in a list. */
  readonly session: Session
  readonly grant: GuestLinkGrant
  /** The id of the person whom it follows; null for an operator's link. */
  readonly owner: string | null
  /** How often it may be opened, and how often it was when this was read. */
  readonly uses: number
  readonly used: number
}

interface NewGuestLink extends Omit<GuestLinkGrant, 'maker'> {
  /** The person who makes it, whom it then follows; null: an operator. */
  readonly by: { readonly identity: Identity; readonly name: string } | null
  readonly portal: string
  readonly uses: number
  readonly lifetimeMs: number
}

/** Guest links as the rest of the program uses them. Throws `session.store` when the store fails. */
export interface GuestLinks {
  /** Makes a link. `text` is said this once: only its hash is kept. */
  create(link: NewGuestLink): Promise<{ readonly text: string; readonly held: HeldGuestLink }>
  /** The link that this text is of, used up or not; null: unknown, revoked, expired, at rest with its maker. Uses nothing. */
  peek(text: string): Promise<HeldGuestLink | null>
  /** Uses a link once; answers the value of its guest's cookie; null where `peek` answers null, and where it is used up. */
  use(text: string): Promise<{ readonly held: HeldGuestLink; readonly cookie: string } | null>
  /**
   * The link of a guest's cookie on a host, or null: revoked, expired, suspended, for another host, or not a valid
   * cookie.
   */
  find(cookie: string, host: string): MaybePromise<HeldGuestLink | null>
  /** Those of a portal that have not expired, newest first, at rest or not. */
  list(portal: string): Promise<readonly HeldGuestLink[]>
}

/** Links with what only the owner of the sessions does; all guests of one are one session. */
export interface OwnGuestLinks extends GuestLinks, IssuedCredentials {}

/** How the secret of every link begins. */
const LINK_PREFIX = 'sg_'

const LINK_TEXT = /^sg_[A-Za-z0-9_-]{43}$/

/** The id is the subject of the link's guests, too. No id of a session has a colon. */
const LINK_ID = OWN_SUBJECTS.guest

/** Whether this is the id of a guest link and not of a session. */
export function isGuestLinkId(id: string): boolean {
  return id.startsWith(LINK_ID)
}

/** A guest: without roles, groups and an address, since no provider knows them. */
export function guestIdentity(linkId: string, name: string): Identity {
  return Object.freeze({ ...makeIdentity('', '', linkId, {}), name: `Guest (${name})`, roles: [], isGuest: true })
}

/**
 * Guest links over the session store. A guest's cookie is sealed and names only the link. So nothing is stored per
 * guest, and revoking the link ends all its guests. The session of a cookie is cached until its link is removed or
 * expires, or its maker changes: links of a user whom the provider refuses, or whose session an admin ended, do not
 * work.
 */
export function createGuestLinks(
  store: SessionStore,
  sealer: Sealer,
  ports: Pick<Ports, 'now' | 'random'>,
  limits: {
    readonly maxBytes: () => number
    /**
     * The current identity of a link's maker; null where the portal no longer trusts their provider, or they are not a
     * member or not active.
     */
    readonly trustedIdentity: (maker: TokenOwner) => Identity | null
  },
): OwnGuestLinks {
  /** By the cookie's value; of one link, all have the same value. */
  const cache = createCredentialCache<HeldGuestLink>(limits.maxBytes)

  function find(cookie: string, host: string): MaybePromise<HeldGuestLink | null> {
    const held = cache.get(cookie)
    if (held !== undefined) {
      return held.grant.host === host && ports.now() < held.session.expiresAtMs ? held : null
    }
    return read(cookie, host)
  }

  async function read(cookie: string, host: string): Promise<HeldGuestLink | null> {
    const opened = await sealer.open(cookie, purposeOf(host))
    if (typeof opened !== 'object' || opened === null || !('id' in opened) || typeof opened.id !== 'string') return null
    const { id } = opened
    const before = cache.forgotten
    const row = await guarded(() => store.findRecord('link', { id }))
    // One that was revoked while it was read must not come back from that reading.
    if (cache.forgotten !== before) return read(cookie, host)
    const found = row === null ? null : await follow(row)
    if (cache.forgotten !== before) return read(cookie, host)
    if (found === null || found.grant.host !== host) return null
    const same = cache.ofId(id) ?? found
    cache.add(cookie, same)
    return same
  }

  /** A link that is good, with what is known of its maker now; null where it has expired, or rests. */
  async function follow(row: StoredGuestLink): Promise<HeldGuestLink | null> {
    const held = holdLink(row)
    if (held === null || ports.now() >= row.expiresAtMs) return null
    const { owner } = held
    if (owner === null) return held
    const known = await guarded(() => store.findRecord('owner', { id: owner }))
    const maker = vouchedIdentity(known, held.session.portal, limits.trustedIdentity)
    if (maker !== null && isOfPastEra(held.grant.maker.era, maker.era, 'token')) return null
    return maker === null ? null : Object.freeze({ ...held, session: Object.freeze({ ...held.session, maker }) })
  }

  return {
    find,
    forget: cache.forget,
    forgetAll: cache.forgetAll,
    forgetOwner: cache.forgetOwner,
    async create({ portal, uses, lifetimeMs, name, host, path, landing, by }) {
      const wanted = { textPrefix: LINK_PREFIX, id: issuedId(LINK_ID, ports), portal, lifetimeMs }
      const { text, owner, ...kept } = await issueSecret({ ...wanted, follows: by?.identity ?? null }, store, ports)
      const maker = makerOf(by)
      const grant: StoredGrant = { name, host, path, landing, maker, ...(owner === null ? {} : { owner }) }
      const row: StoredGuestLink = { ...kept, grant: JSON.stringify(grant), uses, used: 0 }
      await guarded(() => store.changeRecord('link', { id: row.id }, () => row))
      const held = holdLink(row)
      if (held === null) throw new TypeError('a link that was just made is one of ours')
      return { text, held }
    },
    async peek(text) {
      if (!LINK_TEXT.test(text)) return null
      const row = await guarded(() => store.findRecord('link', { hash: sha256(text) }))
      return row === null ? null : follow(row)
    },
    async use(text) {
      if (!LINK_TEXT.test(text)) return null
      const row = await guarded(() =>
        store.changeRecord('link', { hash: sha256(text) }, link => usedOnceMore(link, ports.now())),
      )
      const held = row == null ? null : await follow(row)
      if (held === null) return null
      const { session, grant } = held
      return { held, cookie: await sealer.seal({ id: session.id }, purposeOf(grant.host), session.expiresAtMs) }
    },
    list: async portal => unexpired(await guarded(() => store.listRecords('link', portal)), ports.now(), holdLink),
    async current(linkId) {
      const row = await guarded(() => store.findRecord('link', { id: linkId }))
      return row === null ? null : ((await follow(row))?.session ?? null)
    },
    revoke: linkId => cache.revoke(linkId, () => store.removeIssued('link', linkId)),
  }
}

/** A link with one use more; undefined where it is gone, expired or used up. */
export function usedOnceMore(link: StoredGuestLink | null, nowMs: number): StoredGuestLink | undefined {
  if (link === null || nowMs >= link.expiresAtMs || link.used >= link.uses) return undefined
  return { ...link, used: link.used + 1 }
}

function makerOf(by: NewGuestLink['by']): GuestLinkGrant['maker'] {
  if (by === null) return { issuer: '', subject: '', name: '' }
  const { issuer, subject, userId, era } = by.identity
  const own = { ...(userId === undefined ? {} : { userId }), ...(era === undefined ? {} : { era }) }
  return { issuer, subject, name: by.name, ...own }
}

function purposeOf(host: string): string {
  return `guest on ${host}`
}

/** A stored link as it is kept in memory; null for a row in another form. */
function holdLink(row: StoredGuestLink): HeldGuestLink | null {
  try {
    const { owner = null, ...grant } = JSON.parse(row.grant) as StoredGrant
    const texts = [grant.name, grant.host, grant.path, grant.landing, grant.maker.issuer, grant.maker.subject]
    if (!texts.every(text => typeof text === 'string')) return null
    const { uses, used } = row
    const session = issuedSession(row, guestIdentity(row.id, grant.name), owner)
    return Object.freeze({ session, grant: Object.freeze(grant), owner, uses, used })
  } catch {
    return null
  }
}
