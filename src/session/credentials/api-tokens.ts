import { randomToken, sha256 } from '../../base/bytes.ts'
import { compileNetworks, type NetworkSet } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import type { Identity } from '../../identity/identity.ts'
import { guarded } from '../rows.ts'
import type { MaybePromise, Session } from '../session.ts'
import type { SessionStore, StoredApiToken, StoredOwner } from '../store.ts'
import { needsNoVoucher } from '../vouchers.ts'
import { identityOf, type Owner, ownerIdOf, storedClaims, withoutSignIn } from './owners.ts'

/** Where a token is taken; null: anywhere that its roles reach. */
export interface ApiTokenLimits {
  /** One exact host. */
  readonly host: string | null
  /** A path and what is below it, at segment boundaries. */
  readonly path: string | null
  readonly methods: readonly string[] | null
  /** CIDRs. */
  readonly networks: readonly string[] | null
}

/** Who a token stands for, and where. */
export interface ApiTokenGrant {
  /** With the roles that it was made with; of a token that follows its owner, who that was then. */
  readonly identity: Identity
  readonly limits: ApiTokenLimits
}

/** A grant as it is stored. */
interface StoredGrant extends ApiTokenGrant {
  /** The id of the owner that the token follows; absent where it follows nobody. */
  readonly owner?: string
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
}

export interface NewApiToken extends ApiTokenGrant {
  readonly portal: string
  readonly name: string
  readonly lifetimeMs: number
  /** It has the claims and roles that its owner has at any time, and rests where the provider refuses them. */
  readonly follows?: boolean
}

/** Tokens as the rest of the program uses them. Throws `session.store` when the store fails. */
export interface ApiTokens {
  /** Who this text stands for, or null: unknown, revoked, expired, or at rest with its owner, or with the provider that vouched. */
  find(text: string): MaybePromise<HeldApiToken | null>
  /** Makes a token. `text` is said this once: only its hash is kept. */
  create(token: NewApiToken): Promise<{ readonly text: string; readonly held: HeldApiToken }>
  /** Those of a portal that have not expired, newest first; of one that rests, the identity is that of its making. */
  list(portal: string): Promise<readonly HeldApiToken[]>
  /** An admin has ended a session of this person: what follows them rests, everywhere, until they sign in again. */
  suspend(owner: Owner): Promise<void>
}

/** Tokens with what only the owner of the sessions does. */
export interface OwnApiTokens extends Omit<ApiTokens, 'suspend'> {
  /** Forgets one that was removed here or elsewhere. */
  forget(tokenId: string): void
  forgetAll(): void
  /** Something else is true of an owner: forgets what follows them. */
  forgetOwner(ownerId: string): void
  /** Who a token with this id stands for now, and null where it is no good any more: what an open stream asks. */
  current(tokenId: string): Promise<Session | null>
  revoke(tokenId: string): Promise<boolean>
}

/** How every token begins, so that people and scanners know one when they see it. */
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
    readonly capacity: () => number
    readonly restMs: (portal: string) => number
    /** Whether whoever vouched for the holder of a token still counts at its portal. */
    readonly vouches: (holder: Owner) => boolean
  },
): OwnApiTokens {
  const cache = new Map<string, HeldApiToken>()
  const texts = new Map<string, string>()
  let forgotten = 0

  function find(text: string): MaybePromise<HeldApiToken | null> {
    const held = cache.get(text)
    if (held !== undefined) {
      const nowMs = ports.now()
      if (nowMs >= held.session.expiresAtMs) return null
      if (nowMs < held.restsAtMs) return held
      // By what this process knows; the owner may have been heard of since.
      forget(held.session.id)
    }
    if (!TOKEN_TEXT.test(text)) return null
    const before = forgotten
    const row = guarded(() => store.findToken(sha256(text)))
    if (!(row instanceof Promise)) return admit(text, row)
    // One that was revoked while it was read must not come back from that reading.
    return row.then(found => (forgotten === before ? admit(text, found) : find(text)))
  }

  function admit(text: string, row: StoredApiToken | null): MaybePromise<HeldApiToken | null> {
    const held = row === null ? null : holdToken(row)
    if (held === null || ports.now() >= held.session.expiresAtMs) return null
    const { owner } = held
    if (owner === null) return keep(text, stand(held))
    const before = forgotten
    const found = guarded(() => store.findOwner(owner))
    if (!(found instanceof Promise)) return keep(text, follow(held, found))
    return found.then(one => (forgotten === before ? keep(text, follow(held, one)) : find(text)))
  }

  /** A token with roles of its own; null where it rests, as it names someone for whom nobody vouches any more. */
  function stand(held: HeldApiToken): HeldApiToken | null {
    return needsNoVoucher(held.session.identity) || limits.vouches(held.session) ? held : null
  }

  /** A token with what is known of its owner now; null where it rests. */
  function follow(held: HeldApiToken, owner: StoredOwner | null): HeldApiToken | null {
    const identity = owner === null ? null : identityOf(owner)
    const restsAtMs = (owner?.notedAtMs ?? 0) + limits.restMs(held.session.portal)
    if (identity === null || ports.now() >= restsAtMs) return null
    if (!limits.vouches({ portal: held.session.portal, identity })) return null
    return Object.freeze({ ...held, restsAtMs, session: Object.freeze({ ...held.session, identity }) })
  }

  function keep(text: string, held: HeldApiToken | null): HeldApiToken | null {
    if (held === null) return null
    for (const [oldest, { session }] of cache) {
      if (cache.size < limits.capacity()) break
      cache.delete(oldest)
      texts.delete(session.id)
    }
    cache.set(text, held)
    texts.set(held.session.id, text)
    return held
  }

  function forget(tokenId: string): void {
    forgotten++
    const text = texts.get(tokenId)
    if (text !== undefined) cache.delete(text)
    texts.delete(tokenId)
  }

  return {
    find,
    forget,
    forgetAll() {
      forgotten++
      cache.clear()
      texts.clear()
    },
    forgetOwner(ownerId) {
      forgotten++
      for (const { owner, session } of [...cache.values()]) if (owner === ownerId) forget(session.id)
    },
    async create({ portal, name, lifetimeMs, identity, limits: where, follows = false }) {
      const text = TOKEN_PREFIX + randomToken(ports.random)
      const createdAtMs = ports.now()
      const expiresAtMs = createdAtMs + lifetimeMs
      const id = ownerIdOf({ portal, identity })
      if (follows) {
        const claims = storedClaims({ portal, identity })
        const owner = { id, identity: claims, standing: 'good', notedAtMs: createdAtMs, expiresAtMs } as const
        await guarded(() => store.keepOwner(owner))
      }
      const grant = { identity: withoutSignIn(identity), limits: where, ...(follows ? { owner: id } : {}) }
      const row: StoredApiToken = {
        id: TOKEN_ID + Buffer.from(ports.random(8)).toString('hex'),
        hash: sha256(text),
        portal,
        name,
        grant: JSON.stringify(grant satisfies StoredGrant),
        createdAtMs,
        expiresAtMs,
      }
      await guarded(() => store.insertToken(row))
      const held = holdToken(row)
      if (held === null) throw new TypeError('a token that was just made is one of ours')
      return { text, held }
    },
    async list(portal) {
      const rows = await guarded(() => store.listTokens(portal))
      const nowMs = ports.now()
      const held = rows.flatMap(row => (nowMs < row.expiresAtMs ? (holdToken(row) ?? []) : []))
      const owners = new Map<string, StoredOwner | null>()
      for (const { owner } of held)
        if (owner !== null && !owners.has(owner)) owners.set(owner, await guarded(() => store.findOwner(owner)))
      return held.map(one => {
        const now = one.owner === null ? stand(one) : follow(one, owners.get(one.owner) ?? null)
        return now ?? { ...one, restsAtMs: 0 }
      })
    },
    async current(tokenId) {
      const row = await guarded(() => store.findTokenById(tokenId))
      const held = row === null ? null : holdToken(row)
      if (held === null || ports.now() >= held.session.expiresAtMs) return null
      const { owner } = held
      const good = owner === null ? stand(held) : follow(held, await guarded(() => store.findOwner(owner)))
      return good?.session ?? null
    },
    async revoke(tokenId) {
      forget(tokenId)
      const isGone = await guarded(() => store.removeToken(tokenId))
      forget(tokenId)
      return isGone
    },
  }
}

/** A stored token as it is kept in memory; null for a row that is not one of ours. */
function holdToken(row: StoredApiToken): HeldApiToken | null {
  try {
    const { identity, limits, owner = null } = JSON.parse(row.grant) as StoredGrant
    // Without roles and without an owner it would have those of anyone with such claims.
    if (typeof identity.subject !== 'string' || (owner === null && !Array.isArray(identity.roles))) return null
    const { id, portal, createdAtMs, expiresAtMs } = row
    return Object.freeze({
      name: row.name,
      session: Object.freeze({
        ...{ id, portal, identity, isRemembered: false, createdAtMs, expiresAtMs },
        ...(owner === null ? {} : { follows: owner }),
      }),
      limits,
      networks: limits.networks === null ? null : compileNetworks(limits.networks),
      owner,
      restsAtMs: Number.POSITIVE_INFINITY,
    })
  } catch {
    return null
  }
}
