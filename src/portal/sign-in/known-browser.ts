import { randomToken } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import { cookieName, readCookie, writeCookie } from '../../session/cookie.ts'
import type { Sealer } from '../../session/seal.ts'
import { isSecure } from '../place.ts'
import type { PortalRequest } from '../portal.ts'

/** How long a browser stays known after a sign-in, and how many users it is known for: the latest. */
const KNOWN_MS = 90 * 24 * 60 * 60_000
const MOST_USERS = 5

/** A user of a file who has signed in here. */
interface KnownUser {
  readonly provider: string
  readonly name: string
  /** By what this browser is known for them. */
  readonly id: string
}

interface KnownTools {
  readonly ports: Pick<Ports, 'now' | 'random'>
  readonly seal: Sealer
}

/**
 * By what this browser is known to have signed this user in before; null where it has not. It opens nothing: their wrong passwords
 * are counted here apart from those of strangers, who can then keep nobody out of a browser of their own.
 */
export async function browserOf(
  ctx: PortalRequest,
  { seal }: Pick<KnownTools, 'seal'>,
  provider: string,
  name: string,
): Promise<string | null> {
  return (await readKnown(ctx, seal)).find(isUser(provider, name))?.id ?? null
}

/** The Set-Cookie that notes that this user has signed in here. Sealed, for this host; it stays when they sign out. */
export async function knownCookie(
  ctx: PortalRequest,
  { ports, seal }: KnownTools,
  provider: string,
  name: string,
): Promise<string> {
  const known = await readKnown(ctx, seal)
  const is = isUser(provider, name)
  const user = known.find(is) ?? { provider, name, id: randomToken(ports.random) }
  const users = [user, ...known.filter(one => !is(one))].slice(0, MOST_USERS)
  const sealed = await seal.seal({ users }, purposeOf(ctx), ports.now() + KNOWN_MS)
  return writeCookie(nameFor(ctx), sealed, isSecure(ctx), KNOWN_MS)
}

async function readKnown(ctx: PortalRequest, seal: Sealer): Promise<readonly KnownUser[]> {
  const sealed = readCookie(ctx.request.headers.get('cookie'), nameFor(ctx))
  const opened = sealed === null ? null : await seal.open(sealed, purposeOf(ctx))
  if (typeof opened !== 'object' || opened === null || !('users' in opened)) return []
  return Array.isArray(opened.users) ? opened.users.filter(isKnownUser) : []
}

function isKnownUser(value: unknown): value is KnownUser {
  if (typeof value !== 'object' || value === null) return false
  return 'provider' in value && 'name' in value && 'id' in value && typeof value.id === 'string'
}

function isUser(provider: string, name: string): (one: KnownUser) => boolean {
  return one => one.provider === provider && one.name === name
}

function nameFor(ctx: PortalRequest): string {
  return cookieName('known', isSecure(ctx))
}

function purposeOf({ portal, target }: PortalRequest): string {
  return `known browser at ${portal.name} on ${target.host}`
}
