/** API tokens of operators and users: made, found by their secret, listed and revoked. */

import { sha256 } from '../../base/bytes.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { compileNetworks, type NetworkSet } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import type { Identity } from '../../identity/identity.ts'
import { needsNoProvider } from '../provider-trust.ts'
import type { StoredApiToken, StoredOwner } from '../records.ts'
import { guarded } from '../rows.ts'
import type { Session } from '../session.ts'
import type { SessionStore } from '../store.ts'
import { createCredentialCache } from './cache.ts'
import { type IssuedCredentials, issuedId, issuedSession, issueSecret, unexpired } from './issued.ts'
import { isOfPastEra, type TokenOwner, vouchedIdentity, withoutSignIn } from './owners.ts'

/** Where a token is taken; null: anywhere that its roles reach. */
export interface ApiTokenLimits {
  /** One exact host. */
  readonly host: string | null
  /** A path and what is below it, at segment boundaries. */
  readonly path: string | null
  readonly methods: readonly string[] | null
  /** CIDRs. */
  readonly networks: readonly string[] | null
  /** The one MCP server that it is for; absent for a token that is not for any. */
  readonly resource?: BoundResource
}

/** The MCP server that a token is for, and the client that it was given to. */
interface BoundResource {
  /** The id of its route. */
  readonly route: string
  /** Its name as a resource (RFC 8707). */
  readonly address: string
  /** The SHA-256 of the client's id. */
  readonly client: string
}

/** The user of a token, and where the token is accepted. */
interface ApiTokenGrant {
  /** With the roles that it was made with; of a token that follows its owner, who that was then. */
  readonly identity: Identity
  readonly limits: ApiTokenLimits
}

interface StoredGrant extends ApiTokenGrant {
  /** The id of the token's owner; absent where it has none. */
  readonly owner?: string
}

/** A short token as it is stored: it replaces another token as long as that is valid. */
interface StoredShort {
  /** The id of the other. */
  readonly of: string
}

/** A token in memory: its holder as a session, so that decisions and identity fields are prepared as for one. */
export interface HeldApiToken {
  readonly name: string
  /** `id` is the token's; no cookie leads to it. */
  readonly session: Session
  readonly limits: ApiTokenLimits
  readonly networks: NetworkSet | null
  /** The id of the owner that it follows; null: it has the roles that it was made with. */
  readonly owner: string | null
  /** From then on it rests, until its owner is heard of again; in a list, 0 for one that rests now. */
  readonly restsAtMs: number
  /** Whether it is unused, as far as this process knows. */
  readonly isUnused: boolean
}

export interface NewApiToken extends ApiTokenGrant {
  /** One that `newId` has made; absent: a new one. */
  readonly id?: string
  readonly portal: string
  readonly name: string
  readonly lifetimeMs: number
  /** It has the claims and roles that its owner has at any time, and rests where the provider refuses them. */
  readonly follows?: boolean
}

/** Tokens as the rest of the program uses them. Throws `session.store` when the store fails. */
export interface ApiTokens {
  /** The session of this token, or null: unknown, revoked, expired, or suspended with its owner or provider. */
  find(text: string): MaybePromise<HeldApiToken | null>
  /** An id for a token that is about to be made: who knows it can end that one, even while it is being made. */
  newId(): string
  /** Makes a token. `text` is said this once: only its hash is kept. */
  create(token: NewApiToken): Promise<{ readonly text: string; readonly held: HeldApiToken }>
  /** Those of a portal that have not expired, newest first; of one that rests, the identity is that of its making. */
  list(portal: string): Promise<readonly HeldApiToken[]>
  /** A token by its id; null as for `find`. */
  describe(tokenId: string): Promise<HeldApiToken | null>
  /** Notes the first use of one that is `isUnused`; true for exactly one caller in all processes. */
  noteUse(tokenId: string): Promise<boolean>
  /**
   * A short token that replaces this one, and ends with it at the latest. Its text is returned only here, and it works
   * after `keep`. The latest two of a token work, so that requests under way with the previous one pass.
   */
  newShort(of: HeldApiToken, lifetimeMs: number): Promise<{ readonly text: string; keep(): Promise<void> }>
  /** An admin has ended a session of this person: what follows them rests, everywhere, until they sign in again. */
  suspend(...owners: readonly TokenOwner[]): Promise<void>
}

/** Tokens with what only the owner of the sessions does. */
export interface OwnApiTokens extends Omit<ApiTokens, 'suspend'>, IssuedCredentials {}

/** How the text of every token begins. */
export const TOKEN_PREFIX = 'sp_'

const TOKEN_TEXT = /^sp_[A-Za-z0-9_-]{43}$/

/** No id of a session has a colon. */
const TOKEN_ID = 'token:'

/** Whether this is the id of a token and not of a session. */
export function isApiTokenId(id: string): boolean {
  return id.startsWith(TOKEN_ID)
}

/**
 * Tokens over the session store, with a least-recently-used cache in front.
 *
 * Junk is never remembered: it costs a test of its shape, and what has the shape of a token one hash and one indexed read. Neither
 * is a token that rests.
 */
export function createApiTokens(
  store: SessionStore,
  ports: Pick<Ports, 'now' | 'random'>,
  limits: {
    readonly maxBytes: () => number
    readonly restMs: (portal: string) => number
    /**
     * The current identity of a token's holder; null where the portal no longer trusts their provider, or they are not
     * a member or not active.
     */
    readonly trustedIdentity: (holder: TokenOwner) => Identity | null
  },
): OwnApiTokens {
  const cache = createCredentialCache<HeldApiToken>(limits.maxBytes)

  function find(text: string): MaybePromise<HeldApiToken | null> {
    const held = cache.get(text)
    if (held !== undefined) {
      const nowMs = ports.now()
      if (nowMs >= held.session.expiresAtMs) return null
      if (nowMs < held.restsAtMs) return held
      // By what this process knows; the owner may have been heard of since.
      cache.forget(held.session.id)
    }
    if (!TOKEN_TEXT.test(text)) return null
    const before = cache.forgotten
    const row = guarded(() => store.findRecord('token', { hash: sha256(text) }))
    if (!(row instanceof Promise)) return admit(text, row)
    // One that was revoked while it was read must not come back from that reading.
    return row.then(found => (cache.forgotten === before ? admit(text, found) : find(text)))
  }

  function admit(text: string, row: StoredApiToken | null): MaybePromise<HeldApiToken | null> {
    const of = row === null ? null : longOf(row)
    if (row === null || of === null) return admitHeld(text, row === null ? null : holdToken(row))
    if (ports.now() >= row.expiresAtMs) return null
    const before = cache.forgotten
    const long = guarded(() => store.findRecord('token', { id: of }))
    if (!(long instanceof Promise)) return admitHeld(text, holdShort(row, long))
    return long.then(one => (cache.forgotten === before ? admitHeld(text, holdShort(row, one)) : find(text)))
  }

  function admitHeld(text: string, held: HeldApiToken | null): MaybePromise<HeldApiToken | null> {
    if (held === null || ports.now() >= held.session.expiresAtMs) return null
    const { owner } = held
    if (owner === null) return keep(text, stand(held))
    const before = cache.forgotten
    const found = guarded(() => store.findRecord('owner', { id: owner }))
    if (!(found instanceof Promise)) return keep(text, follow(held, found))
    return found.then(one => (cache.forgotten === before ? keep(text, follow(held, one)) : find(text)))
  }

  /** A token with its own roles; null where it is suspended, since its user has no trusted identity any more. */
  function stand(held: HeldApiToken): HeldApiToken | null {
    return needsNoProvider(held.session.identity) || limits.trustedIdentity(held.session) !== null ? held : null
  }

  /** A token with what is known of its owner now; null where it rests. */
  function follow(held: HeldApiToken, owner: StoredOwner | null): HeldApiToken | null {
    const restsAtMs = (owner?.notedAtMs ?? 0) + limits.restMs(held.session.portal)
    const identity =
      ports.now() >= restsAtMs ? null : vouchedIdentity(owner, held.session.portal, limits.trustedIdentity)
    const kind = held.limits.resource === undefined ? 'token' : 'client'
    if (identity === null || isOfPastEra(held.session.identity.era, identity.era, kind)) return null
    return Object.freeze({ ...held, restsAtMs, session: Object.freeze({ ...held.session, identity }) })
  }

  function keep(text: string, held: HeldApiToken | null): HeldApiToken | null {
    if (held !== null) cache.add(text, held)
    return held
  }

  async function describe(tokenId: string): Promise<HeldApiToken | null> {
    const row = await guarded(() => store.findRecord('token', { id: tokenId }))
    const held = row === null ? null : holdToken(row)
    if (held === null || ports.now() >= held.session.expiresAtMs) return null
    const { owner } = held
    return owner === null ? stand(held) : follow(held, await guarded(() => store.findRecord('owner', { id: owner })))
  }

  const newId = () => issuedId(TOKEN_ID, ports)

  return {
    find,
    newId,
    forget: cache.forget,
    forgetAll: cache.forgetAll,
    forgetOwner: cache.forgetOwner,
    async create({ id = newId(), portal, name, lifetimeMs, identity, limits: where, follows = false }) {
      const wanted = { textPrefix: TOKEN_PREFIX, id, portal, lifetimeMs }
      const { text, owner, ...kept } = await issueSecret(
        { ...wanted, follows: follows ? identity : null },
        store,
        ports,
      )
      const grant = { identity: withoutSignIn(identity), limits: where, ...(owner === null ? {} : { owner }) }
      const row: StoredApiToken = { ...kept, name, grant: JSON.stringify(grant satisfies StoredGrant), used: 0 }
      await guarded(() => store.changeRecord('token', { id: row.id }, () => row))
      const held = holdToken(row)
      if (held === null) throw new TypeError('a token that was just made is one of ours')
      return { text, held }
    },
    async list(portal) {
      const held = unexpired(await guarded(() => store.listRecords('token', portal)), ports.now(), holdToken)
      const owners = new Map<string, StoredOwner | null>()
      for (const { owner } of held)
        if (owner !== null && !owners.has(owner))
          owners.set(owner, await guarded(() => store.findRecord('owner', { id: owner })))
      return held.map(one => {
        const now = one.owner === null ? stand(one) : follow(one, owners.get(one.owner) ?? null)
        return now ?? { ...one, restsAtMs: 0 }
      })
    },
    describe,
    current: async tokenId => (await describe(tokenId))?.session ?? null,
    async noteUse(tokenId) {
      const noting = guarded(() => store.changeRecord('token', { id: tokenId }, usedFirst))
      // Read again, it may be known as used before the disk has that: then it stays.
      cache.forget(tokenId)
      const used = await noting
      if (cache.ofId(tokenId)?.isUnused !== false) cache.forget(tokenId)
      return used !== undefined
    },
    async newShort({ session }, lifetimeMs) {
      const { portal } = session
      const wanted = { textPrefix: TOKEN_PREFIX, id: session.id, portal, lifetimeMs, follows: null }
      const { text, owner: _, id, ...kept } = await issueSecret(wanted, store, ports)
      const grant = JSON.stringify({ of: id } satisfies StoredShort)
      return {
        text,
        async keep() {
          const short = { ...kept, id: `${id}/${kept.hash}`, name: '', grant, used: 1 }
          await guarded(() => store.changeRecord('token', { hash: kept.hash }, () => short))
          cache.forget(id)
        },
      }
    },
    revoke: tokenId => cache.revoke(tokenId, () => store.removeIssued('token', tokenId)),
  }
}

/** A token with the note of its first use; undefined where somebody else has noted it, or it is gone. */
export function usedFirst(token: StoredApiToken | null): StoredApiToken | undefined {
  return token?.used === 0 ? { ...token, used: 1 } : undefined
}

/** The id of the token that a short one replaces; null for any other row. */
function longOf({ grant }: StoredApiToken): string | null {
  if (!grant.startsWith('{"of":')) return null
  const { of } = JSON.parse(grant) as StoredShort
  return typeof of === 'string' ? of : null
}

/** A short token as the token that it replaces, until it expires. It has that token's id, so that both end together. */
function holdShort({ expiresAtMs }: StoredApiToken, long: StoredApiToken | null): HeldApiToken | null {
  const held = long === null ? null : holdToken(long)
  if (held === null) return null
  const session = Object.freeze({ ...held.session, expiresAtMs: Math.min(expiresAtMs, held.session.expiresAtMs) })
  return Object.freeze({ ...held, session })
}

function boundSession(session: Session, { resource }: ApiTokenLimits): Session {
  return resource === undefined ? session : Object.freeze({ ...session, boundTo: resource.route })
}

/** A stored token as it is kept in memory; null for a row in another form. */
function holdToken(row: StoredApiToken): HeldApiToken | null {
  try {
    const { identity, limits, owner = null } = JSON.parse(row.grant) as StoredGrant
    // Without roles and without an owner it would have those of anyone with such claims.
    if (typeof identity.subject !== 'string' || (owner === null && !Array.isArray(identity.roles))) return null
    return Object.freeze({
      name: row.name,
      session: boundSession(issuedSession(row, identity, owner), limits),
      limits,
      networks: limits.networks === null ? null : compileNetworks(limits.networks),
      owner,
      restsAtMs: Number.POSITIVE_INFINITY,
      isUnused: row.used === 0,
    })
  } catch {
    return null
  }
}
