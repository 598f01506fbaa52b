/** `[portals.NAME]`, as the program takes it: its keys, its passwords, and how its pages look. */

import { PORTAL, type PortalTable } from '../keys/portals.ts'
import type { ProviderTable } from '../keys/providers.ts'
import { PORTAL_SESSIONS, type PortalLifetimes, refreshLimit } from '../keys/sessions.ts'
import { type Built, builderOf, type Known, known } from '../keys/table.ts'
import { type Accent, deriveDark } from '../values/colour.ts'
import type { ConfigFiles } from '../values/files.ts'
import { rpIdOf } from '../values/host.ts'
import { buildTotp } from '../values/htpasswd.ts'
import { buildPicture, dataAddress, LOGO, type Picture } from '../values/picture.ts'
import { buildUsers, type UserEntry, type Users } from '../values/users-file.ts'
import type { BuildContext } from '../values/value.ts'

/** A portal. `url` null: it is mounted on each protected host; `adminRole` null: no user sees everyone's sessions. */
export interface PortalConfig extends Built<typeof PORTAL> {
  readonly name: string
  /** Users who may sign in with a password, by their names; null: none. */
  readonly passwords: Users | null
  /** The groups that they are in: those of its provider with `users`, whose people they are too. */
  readonly passwordGroups: readonly string[]
  /** The host that passkeys of its people are for, which they cannot be moved from; null: it has none. */
  readonly rpId: string | null
  readonly brand: Brand
  readonly lifetimes: PortalLifetimes
}

/** How a portal's pages look; null where it is our own look. */
export interface Brand {
  /** The image as a data: address. */
  readonly logo: string | null
  /** The same for dark screens; null where it is `logo` too. */
  readonly logoDark: string | null
  readonly colours: { readonly light: Accent; readonly dark: Accent } | null
}

const fieldsOf = builderOf(PORTAL)
const lifetimesOf = builderOf(PORTAL_SESSIONS)

/** One of `[portals]` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildPortal(
  name: string,
  table: PortalTable,
  providers: ReadonlyMap<string, ProviderTable>,
  context: BuildContext,
): PortalConfig {
  const portal = known(table)
  const fields = fieldsOf(table, context)
  const lifetimes = lifetimesOf(table, context)
  return {
    ...fields,
    name,
    lifetimes: { ...lifetimes, refreshLimitMs: refreshLimit(lifetimes) },
    passwords: buildPasswords(portal, context.files, providers),
    passwordGroups: fields.providers.flatMap(own => providers.get(own)?.values.groups ?? []),
    rpId: rpIdOf(fields.url),
    brand: buildBrand(portal, context.files),
  }
}

/**
 * Without those who have a second factor: a portal has its people from one file, and HTTP Basic has no place for a code.
 * Nobody where its provider with `users` takes no passwords.
 */
function buildPasswords(
  { htpasswd, providers: own }: Known<PortalTable>,
  files: ConfigFiles,
  providers: ReadonlyMap<string, ProviderTable>,
): Users | null {
  const entries = buildUsers(htpasswd, files)
  if (entries !== null && own?.some(name => providers.get(name)?.values.passwords === false) === true) return new Map()
  const paths = (own ?? []).map(name => providers.get(name)?.values.totp ?? null)
  const strong = new Set(paths.flatMap(path => [...buildTotp(path, files).keys()]))
  const isStrong = ([name, { totp }]: readonly [string, UserEntry]) => totp !== null || strong.has(name)
  return entries === null ? null : new Map([...entries].filter(entry => !isStrong(entry)))
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
