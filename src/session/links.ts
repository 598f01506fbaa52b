import { randomToken, sha256 } from '../base/bytes.ts'
import type { Ports } from '../base/ports.ts'
import { type Identity, makeIdentity } from '../identity/identity.ts'
import { guarded } from './rows.ts'
import type { Sealer } from './seal.ts'
import type { MaybePromise, Session } from './session.ts'
import type { SessionStore, StoredLink } from './store.ts'

/** What a guest link opens, and who made it. */
export interface LinkGrant {
  /** What whoever made it knows it by. */
  readonly name: string
  /** One exact host. */
  readonly host: string
  /** A path and what is below it, at segment boundaries. */
  readonly path: string
  /** Where a guest arrives: a path and query below `path`. */
  readonly landing: string
  /** The person who made it; empty texts for an operator. */
  readonly maker: { readonly issuer: string; readonly subject: string; readonly name: string }
}

/** A guest link in memory: its guests as one session, so that decisions and identity fields are prepared as for anyone. */
export interface HeldLink {
  /** `id` is the link's, and the subject of its guests. */
  readonly session: Session
  readonly grant: LinkGrant
  /** How often it may be opened, and how often it was when this was read. */
  readonly uses: number
  readonly used: number
}

export interface NewLink extends LinkGrant {
  readonly portal: string
  readonly uses: number
  readonly lifetimeMs: number
}

/** Guest links as the rest of the program uses them. Throws `session.store` when the store fails. */
export interface Links {
  /** Makes a link. `text` is said this once: only its hash is kept. */
  create(link: NewLink): Promise<{ readonly text: string; readonly held: HeldLink }>
  /** The link that this text is of, used up or not; null: unknown, revoked, expired. Uses nothing. */
  peek(text: string): Promise<HeldLink | null>
  /** Uses a link once; answers the value of its guest's cookie; null where `peek` answers null, and where it is used up. */
  use(text: string): Promise<{ readonly held: HeldLink; readonly cookie: string } | null>
  /** The link behind a guest's cookie on a host, or null: revoked, expired, of another host, no cookie of ours. */
  find(cookie: string, host: string): MaybePromise<HeldLink | null>
  /** Those of a portal that have not expired, newest first. */
  list(portal: string): Promise<readonly HeldLink[]>
}

/** Links with what only the owner of the sessions does. */
export interface OwnLinks extends Links {
  /** Forgets one that was removed here or elsewhere. */
  forget(linkId: string): void
  forgetAll(): void
  /** Whether a link with this id is still good: what an open stream asks. */
  isLive(linkId: string): Promise<boolean>
  revoke(linkId: string): Promise<boolean>
}

/** How the secret of every link begins. */
const LINK_PREFIX = 'sg_'

const LINK_TEXT = /^sg_[A-Za-z0-9_-]{43}$/

/** No id of a session has a colon. */
const LINK_ID = 'guest:'

/** Whether this is the id of a guest link and not of a session. */
export function isLinkId(id: string): boolean {
  return id.startsWith(LINK_ID)
}

/** Whoever came by a link: without roles, groups and an address, since nobody vouched for them. */
export function guestIdentity(linkId: string, name: string): Identity {
  return Object.freeze({ ...makeIdentity('', '', linkId, {}), name: `Guest (${name})`, roles: [], isGuest: true })
}

/**
 * Guest links over the session store. A guest's cookie is sealed, and names the link alone: so there is nothing to keep for each
 * guest, and revoking the link ends all of them. What a cookie stands for is remembered until its link is removed or expires.
 */
export function createLinks(
  store: SessionStore,
  sealer: Sealer,
  ports: Pick<Ports, 'now' | 'random'>,
  capacity: () => number,
): OwnLinks {
  /** By the cookie's value; of one link, all have the same value. */
  const cache = new Map<string, HeldLink>()
  let forgotten = 0

  function find(cookie: string, host: string): MaybePromise<HeldLink | null> {
    const held = cache.get(cookie)
    if (held !== undefined) {
      return held.grant.host === host && ports.now() < held.session.expiresAtMs ? held : null
    }
    return read(cookie, host)
  }

  async function read(cookie: string, host: string): Promise<HeldLink | null> {
    const opened = await sealer.open(cookie, purposeOf(host))
    if (typeof opened !== 'object' || opened === null || !('id' in opened) || typeof opened.id !== 'string') return null
    const { id } = opened
    const before = forgotten
    const row = await guarded(() => store.findLinkById(id))
    // One that was revoked while it was read must not come back from that reading.
    if (forgotten !== before) return read(cookie, host)
    const found = row === null ? null : holdLink(row)
    if (found === null || found.grant.host !== host || ports.now() >= found.session.expiresAtMs) return null
    const same = [...cache.values()].find(({ session }) => session.id === id) ?? found
    for (const oldest of cache.keys()) {
      if (cache.size < capacity()) break
      cache.delete(oldest)
    }
    cache.set(cookie, same)
    return same
  }

  function forget(linkId: string): void {
    forgotten++
    for (const [cookie, { session }] of cache) if (session.id === linkId) cache.delete(cookie)
  }

  return {
    find,
    forget,
    forgetAll() {
      forgotten++
      cache.clear()
    },
    async create({ portal, uses, lifetimeMs, name, host, path, landing, maker }) {
      const text = LINK_PREFIX + randomToken(ports.random)
      const createdAtMs = ports.now()
      const row: StoredLink = {
        id: LINK_ID + Buffer.from(ports.random(8)).toString('hex'),
        hash: sha256(text),
        portal,
        grant: JSON.stringify({ name, host, path, landing, maker } satisfies LinkGrant),
        uses,
        used: 0,
        createdAtMs,
        expiresAtMs: createdAtMs + lifetimeMs,
      }
      await guarded(() => store.insertLink(row))
      const held = holdLink(row)
      if (held === null) throw new TypeError('a link that was just made is one of ours')
      return { text, held }
    },
    async peek(text) {
      if (!LINK_TEXT.test(text)) return null
      const row = await guarded(() => store.findLink(sha256(text)))
      return row === null || ports.now() >= row.expiresAtMs ? null : holdLink(row)
    },
    async use(text) {
      if (!LINK_TEXT.test(text)) return null
      const row = await guarded(() => store.useLink(sha256(text), ports.now()))
      const held = row === null ? null : holdLink(row)
      if (held === null) return null
      const { session, grant } = held
      return { held, cookie: await sealer.seal({ id: session.id }, purposeOf(grant.host), session.expiresAtMs) }
    },
    async list(portal) {
      const rows = await guarded(() => store.listLinks(portal))
      const nowMs = ports.now()
      return rows.flatMap(row => (nowMs < row.expiresAtMs ? (holdLink(row) ?? []) : []))
    },
    async isLive(linkId) {
      const row = await guarded(() => store.findLinkById(linkId))
      return row !== null && ports.now() < row.expiresAtMs
    },
    async revoke(linkId) {
      forget(linkId)
      const isGone = await guarded(() => store.removeLink(linkId))
      forget(linkId)
      return isGone
    },
  }
}

function purposeOf(host: string): string {
  return `guest on ${host}`
}

/** A stored link as it is kept in memory; null for a row that is not one of ours. */
function holdLink(row: StoredLink): HeldLink | null {
  try {
    const grant = JSON.parse(row.grant) as LinkGrant
    const texts = [grant.name, grant.host, grant.path, grant.landing, grant.maker.issuer, grant.maker.subject]
    if (!texts.every(text => typeof text === 'string')) return null
    const { id, portal, createdAtMs, expiresAtMs, uses, used } = row
    const identity = guestIdentity(id, grant.name)
    const session = Object.freeze({ id, portal, identity, isRemembered: false, createdAtMs, expiresAtMs })
    return Object.freeze({ session, grant: Object.freeze(grant), uses, used })
  } catch {
    return null
  }
}
