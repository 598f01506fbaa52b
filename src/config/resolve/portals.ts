/** `[portals.NAME]`, as the program takes it: who has which role, passwords, old addresses, and how pages look. */

import type { CompatTable } from '../keys/compat.ts'
import type { GUEST_LINKS, PortalTable, RuleTable } from '../keys/portals.ts'
import type { ProviderTable } from '../keys/providers.ts'
import type { SESSIONS } from '../keys/server.ts'
import { type Known, known, type Table } from '../keys/table.ts'
import { type Accent, deriveDark } from '../values/colour.ts'
import type { Contact } from '../values/email.ts'
import type { ConfigFiles } from '../values/files.ts'
import type { HeaderSpec } from '../values/headers.ts'
import { buildTotp } from '../values/htpasswd.ts'
import { buildPicture, dataAddress, LOGO, type Picture } from '../values/picture.ts'
import { buildUsers, type UserEntry, type Users } from '../values/users-file.ts'
import { type Allow, buildMembers, buildPerson, type RoleRule } from './rules.ts'
import { buildPortalLifetimes, type PortalLifetimes } from './sessions.ts'

export interface PortalConfig {
  readonly name: string
  /** What the pages call this place. */
  readonly title: string
  /** Origin of the portal's own host, without a trailing slash; null: mounted on each protected host. */
  readonly url: { readonly scheme: 'http' | 'https'; readonly host: string; readonly authority: string } | null
  readonly providers: readonly string[]
  /** `/.sallyport/callback` unless an address registered earlier is kept. */
  readonly callbackPath: string
  /** Plain HTTP allowed: cookies lose Secure and the __Host- prefix. */
  readonly insecureCookies: boolean
  readonly roles: ReadonlyMap<string, readonly RoleRule[]>
  /** Who may have a session. */
  readonly members: Exclude<Allow, { readonly kind: 'public' }>
  readonly lifetimes: PortalLifetimes
  /** Whether signing out here signs out at the provider too, where it can do that. */
  readonly providerLogout: boolean
  /** Users with this role see and end everyone's sessions at this portal; null: no user does. */
  readonly adminRole: string | null
  /** Users who may sign in with a password, by their names; null: none. */
  readonly passwords: ReadonlyMap<string, UserEntry> | null
  /** The groups that they are in: those of its provider with `users`, whose people they are too. */
  readonly passwordGroups: readonly string[]
  /** Whether a ticket is taken only from the network that it was given to. */
  readonly bindTickets: boolean
  /** Whether people may make tokens for themselves. */
  readonly personalTokens: boolean
  /** How long such a token works after the provider last vouched for its owner. */
  readonly personalTokensRestMs: number
  /** Who makes guest links, and how far they may go; null: there are none. */
  readonly guestLinks: GuestLinksConfig | null
  /** What users may request, and who is notified; null: there are no requests. */
  readonly requests: RequestsConfig | null
  /** The replaced program whose addresses keep working; null: none. */
  readonly compat: CompatConfig | null
  readonly brand: Brand
  /** The contact for users who need help; null: no contact. */
  readonly contact: Contact | null
  /** The time zone in which its pages tell times, by its IANA name. */
  readonly timezone: string
}

/** `compat` of a portal. Paths are as in the file, without a slash at the end; `/` is empty. */
export type CompatConfig = OldProxy | OldPortal

/** caddy-security's, where people sign in. */
export interface OldPortal {
  readonly program: 'caddy-security'
  readonly prefix: string
}

/** oauth2-proxy's, on every host of the portal. */
export interface OldProxy {
  readonly program: 'oauth2-proxy'
  readonly prefix: string
  /** The fields with the user's identity. */
  readonly headers: HeaderSpec
  readonly pingPath: string
  readonly readyPath: string
  /** The User-Agent whose health check `/` is; null: none. */
  readonly pingUserAgent: string | null
}

/** `requests` of a portal. */
interface RequestsConfig {
  /** The roles that are meant; null: all but the admins'. */
  readonly roles: readonly string[] | null
  /** Null: no notification is sent. */
  readonly webhook: string | null
}

/** `guest_links` of a portal. */
export interface GuestLinksConfig {
  /** Roles of the portal, of which one is enough. */
  readonly allow: readonly string[]
  readonly maxLifetimeMs: number
  readonly maxUses: number
}

/** How a portal's pages look; null where it is our own look. */
export interface Brand {
  /** The image as a data: address. */
  readonly logo: string | null
  /** The same for dark screens; null where it is `logo` too. */
  readonly logoDark: string | null
  readonly colours: { readonly light: Accent; readonly dark: Accent } | null
}

/**
 * One of `[portals]` of a file without mistakes. Values that it lacks come from `[sessions]`. Throws TypeError where a
 * value is missing.
 */
export function buildPortal(
  name: string,
  table: PortalTable,
  sessions: Known<Table<typeof SESSIONS>>,
  files: ConfigFiles,
  providers: ReadonlyMap<string, ProviderTable>,
): PortalConfig {
  const portal = known(table)
  return {
    name,
    title: portal.title,
    url: portal.url,
    providers: portal.providers ?? [],
    callbackPath: portal.callback_path,
    insecureCookies: portal.insecure_cookies,
    roles: new Map(Array.from(portal.roles, ([role, rules]) => [role, rules.map(buildRule)])),
    members: buildMembers(portal.members),
    lifetimes: buildPortalLifetimes(portal, sessions),
    providerLogout: portal.provider_logout,
    adminRole: portal.admin_role,
    passwords: buildPasswords(portal, files, providers),
    passwordGroups: (portal.providers ?? []).flatMap(own => providers.get(own)?.values.groups ?? []),
    bindTickets: portal.bind_tickets,
    personalTokens: portal.personal_tokens,
    personalTokensRestMs: portal.personal_tokens_rest,
    guestLinks: portal.guest_links === null ? null : buildGuestLinks(portal.guest_links),
    requests: portal.requests === null ? null : known(portal.requests),
    compat: portal.compat === null ? null : buildCompat(portal.compat),
    brand: buildBrand(portal, files),
    contact: portal.contact,
    timezone: portal.timezone,
  }
}

/** Without those who have a second factor: a portal has its people from one file, and HTTP Basic has no place for a code. */
function buildPasswords(
  { htpasswd, providers: own }: Known<PortalTable>,
  files: ConfigFiles,
  providers: ReadonlyMap<string, ProviderTable>,
): Users | null {
  const entries = buildUsers(htpasswd, files)
  const paths = (own ?? []).map(name => providers.get(name)?.values.totp ?? null)
  const strong = new Set(paths.flatMap(path => [...buildTotp(path, files).keys()]))
  const isStrong = ([name, { totp }]: readonly [string, UserEntry]) => totp !== null || strong.has(name)
  return entries === null ? null : new Map([...entries].filter(entry => !isStrong(entry)))
}

function buildGuestLinks(table: Table<typeof GUEST_LINKS>): GuestLinksConfig {
  const { allow, max_lifetime, max_uses } = known(table)
  return { allow, maxLifetimeMs: max_lifetime, maxUses: max_uses }
}

function buildCompat(table: CompatTable): CompatConfig {
  const { program, prefix, headers, ping_path, ready_path, ping_user_agent } = known(table)
  if (program === 'caddy-security') return { program, prefix: prefix === '/' ? '' : (prefix ?? '/auth') }
  return {
    program,
    prefix: prefix ?? '/oauth2',
    headers,
    pingPath: ping_path,
    readyPath: ready_path,
    pingUserAgent: ping_user_agent,
  }
}

function buildRule(table: RuleTable): RoleRule {
  const rule = known(table)
  return { any: rule.any, clients: rule.clients, ...buildPerson(rule) }
}

/**
 * A portal's look. A logo becomes a data: address for an `img`, where no browser runs scripts or loads anything for it.
 *
 * Source: SVG 2 §2.2 (secure static mode).
 */
function buildBrand({ colour, colour_dark, logo, logo_dark }: Known<PortalTable>, files: ConfigFiles): Brand {
  return {
    logo: address(buildPicture(logo, LOGO, files)),
    logoDark: address(buildPicture(logo_dark, LOGO, files)),
    colours: colour === null ? null : { light: colour, dark: colour_dark ?? deriveDark(colour) },
  }
}

function address(picture: Picture | null): string | null {
  return picture === null ? null : dataAddress(picture)
}
