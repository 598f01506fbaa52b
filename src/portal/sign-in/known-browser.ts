import { randomToken, sha256 } from '../../base/bytes.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/types/providers.ts'
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
  /** Of the password that was right: whoever knew one from before is a stranger once there is another. */
  readonly password: string
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
  provider: ProviderConfig,
  name: string,
): Promise<string | null> {
  const password = passwordMark(provider, name)
  const user = (await readKnown(ctx, seal)).find(isUser(provider, name))
  return user?.password === password ? user.id : null
}

/** The Set-Cookie that notes that this user has signed in here. Sealed, for this host; it stays when they sign out. */
export async function knownCookie(
  ctx: PortalRequest,
  { ports, seal }: KnownTools,
  provider: ProviderConfig,
  name: string,
): Promise<string> {
  const known = await readKnown(ctx, seal)
  const is = isUser(provider, name)
  const id = known.find(is)?.id ?? randomToken(ports.random)
  const user = { provider: provider.name, name, password: passwordMark(provider, name), id }
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
  return 'provider' in value && 'name' in value && 'password' in value && 'id' in value && typeof value.id === 'string'
}

function isUser(provider: ProviderConfig, name: string): (one: KnownUser) => boolean {
  return one => one.provider === provider.name && one.name === name
}

/** Another one for another password, and for another user of the same name. Empty for a name that is not in the file. */
function passwordMark({ users }: ProviderConfig, name: string): string {
  const entry = users?.entries.get(name)
  return entry === undefined ? '' : sha256(`${entry.id} ${entry.hash}`)
}

function nameFor(ctx: PortalRequest): string {
  return cookieName('known', isSecure(ctx))
}

function purposeOf({ portal, target }: PortalRequest): string {
  return `known browser at ${portal.name} on ${target.host}`
}
