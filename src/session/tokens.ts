import { randomToken, sha256 } from '../base/bytes.ts'
import { compileNetworks, type NetworkSet } from '../base/net.ts'
import type { Ports } from '../base/ports.ts'
import type { AccessToken } from '../identity/access-token.ts'
import type { Identity } from '../identity/identity.ts'
import { guarded } from './rows.ts'
import type { MaybePromise, Session } from './session.ts'
import type { SessionStore, StoredToken } from './store.ts'

/** Where a token is taken; null: anywhere that its roles reach. */
export interface TokenLimits {
  /** One exact host. */
  readonly host: string | null
  /** A path and what is below it, at segment boundaries. */
  readonly path: string | null
  readonly methods: readonly string[] | null
  /** CIDRs. */
  readonly networks: readonly string[] | null
}

/** Who a token stands for (its roles frozen in the identity), and where. */
export interface TokenGrant {
  readonly identity: Identity
  readonly limits: TokenLimits
}

/** A token in memory: its holder as a session, so that decisions and identity fields are prepared as for one. */
export interface HeldToken {
  readonly name: string
  /** `id` is the token's; no cookie leads to it. */
  readonly session: Session
  readonly limits: TokenLimits
  readonly networks: NetworkSet | null
}

export interface NewToken extends TokenGrant {
  readonly portal: string
  readonly name: string
  readonly lifetimeMs: number
}

/** Tokens as the rest of the program uses them. Throws `session.store` when the store fails. */
export interface Tokens {
  /** Who this text stands for, or null: unknown, revoked, expired. */
  find(text: string): MaybePromise<HeldToken | null>
  /** Makes a token. `text` is said this once: only its hash is kept. */
  create(token: NewToken): Promise<{ readonly text: string; readonly held: HeldToken }>
  /** Those of a portal that have not expired, newest first. */
  list(portal: string): Promise<readonly HeldToken[]>
}

/** Tokens with what only the owner of the sessions does. */
export interface OwnTokens extends Tokens {
  /** Forgets one that was removed here or elsewhere. */
  forget(tokenId: string): void
  forgetAll(): void
  /** Whether a token with this id is still good: what an open stream asks. */
  isLive(tokenId: string): Promise<boolean>
  revoke(tokenId: string): Promise<boolean>
}

/** How every token begins, so that people and scanners know one when they see it. */
export const TOKEN_PREFIX = 'sp_'

const TOKEN_TEXT = /^sp_[A-Za-z0-9_-]{43}$/

/** Ids of tokens, and of what an access token stands for; no id of a session has a colon. */
const TOKEN_ID = 'token:'
const ACCESS_ID = 'access:'

/** Whether this is the id of a token and not of a session. */
export function isTokenId(id: string): boolean {
  return id.startsWith(TOKEN_ID)
}

/** What a provider's access token stands for, for as long as it is good: a session that no store knows. */
export function accessSession(
  portal: string,
  { identity, issuedAtMs, expiresAtMs }: AccessToken,
  random: Ports['random'],
): Session {
  const id = ACCESS_ID + randomToken(random)
  return Object.freeze({ id, portal, identity, isRemembered: false, createdAtMs: issuedAtMs, expiresAtMs })
}

export function isAccessId(id: string): boolean {
  return id.startsWith(ACCESS_ID)
}

/** Whether nobody has signed in for this: it is a token's, or an access token's. */
export function isMachine({ id }: Session): boolean {
  return isTokenId(id) || isAccessId(id)
}

/**
 * Tokens over the session store, with a least-recently-used cache in front.
 *
 * Junk is never remembered: it costs a test of its shape, and what has the shape of a token one hash and one indexed read.
 */
export function createTokens(
  store: SessionStore,
  ports: Pick<Ports, 'now' | 'random'>,
  capacity: () => number,
): OwnTokens {
  const cache = new Map<string, HeldToken>()
  const texts = new Map<string, string>()
  let forgotten = 0

  function find(text: string): MaybePromise<HeldToken | null> {
    const held = cache.get(text)
    if (held !== undefined) return ports.now() < held.session.expiresAtMs ? held : null
    if (!TOKEN_TEXT.test(text)) return null
    const before = forgotten
    const row = guarded(() => store.findToken(sha256(text)))
    if (!(row instanceof Promise)) return admit(text, row)
    // One that was revoked while it was read must not come back from that reading.
    return row.then(found => (forgotten === before ? admit(text, found) : find(text)))
  }

  function admit(text: string, row: StoredToken | null): HeldToken | null {
    const held = row === null ? null : holdToken(row)
    if (held === null || ports.now() >= held.session.expiresAtMs) return null
    for (const [oldest, { session }] of cache) {
      if (cache.size < capacity()) break
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
    async create({ portal, name, lifetimeMs, identity, limits }) {
      const text = TOKEN_PREFIX + randomToken(ports.random)
      const createdAtMs = ports.now()
      const row: StoredToken = {
        id: TOKEN_ID + Buffer.from(ports.random(8)).toString('hex'),
        hash: sha256(text),
        portal,
        name,
        grant: JSON.stringify({ identity: withoutSignIn(identity), limits } satisfies TokenGrant),
        createdAtMs,
        expiresAtMs: createdAtMs + lifetimeMs,
      }
      await guarded(() => store.insertToken(row))
      const held = holdToken(row)
      if (held === null) throw new TypeError('a token that was just made is one of ours')
      return { text, held }
    },
    async list(portal) {
      const rows = await guarded(() => store.listTokens(portal))
      const nowMs = ports.now()
      return rows.flatMap(row => (nowMs < row.expiresAtMs ? (holdToken(row) ?? []) : []))
    },
    async isLive(tokenId) {
      const row = await guarded(() => store.findTokenById(tokenId))
      return row !== null && ports.now() < row.expiresAtMs
    },
    async revoke(tokenId) {
      forget(tokenId)
      const isGone = await guarded(() => store.removeToken(tokenId))
      forget(tokenId)
      return isGone
    },
  }
}

/** How and when someone signed in (`auth_time`, `acr`, `amr`, `sid`) is not true of a token that they made then. */
function withoutSignIn(identity: Identity): Identity {
  const { auth_time: _time, acr: _acr, amr: _amr, sid: _sid, ...claims } = identity.claims
  return { ...identity, claims }
}

/** A stored token as it is kept in memory; null for a row that is not one of ours. */
function holdToken(row: StoredToken): HeldToken | null {
  try {
    const { identity, limits } = JSON.parse(row.grant) as TokenGrant
    if (typeof identity.subject !== 'string' || !Array.isArray(identity.roles)) return null
    const { id, portal, createdAtMs, expiresAtMs } = row
    return Object.freeze({
      name: row.name,
      session: Object.freeze({ id, portal, identity, isRemembered: false, createdAtMs, expiresAtMs }),
      limits,
      networks: limits.networks === null ? null : compileNetworks(limits.networks),
    })
  } catch {
    return null
  }
}
