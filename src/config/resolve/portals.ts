/** `[portals.NAME]`, as the program takes it: who has which role, passwords, old addresses, and how pages look. */

import type { CompatTable } from '../keys/compat.ts'
import type { GUEST_LINKS, PortalTable, RuleTable } from '../keys/portals.ts'
import type { ProviderTable } from '../keys/providers.ts'
import type { SESSIONS } from '../keys/server.ts'
import { type Known, known, type Table } from '../keys/table.ts'
import type { Brand, CompatConfig, GuestLinksConfig, PortalConfig } from '../types/portals.ts'
import type { RoleRule } from '../types/rules.ts'
import type { UserEntry } from '../types/users.ts'
import type { Picture } from '../types/values.ts'
import { deriveDark } from '../values/colour.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildTotp } from '../values/htpasswd.ts'
import { buildPicture, dataAddress, LOGO } from '../values/picture.ts'
import { buildUsers, type Users } from '../values/users-file.ts'
import { buildMembers, buildPerson } from './rules.ts'
import { buildPortalLifetimes } from './sessions.ts'

/** One of `[portals]` of a file without mistakes; what it does not say itself, `[sessions]` does. Throws TypeError where a value is missing. */
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
