import type { HeaderSpec } from './identity.ts'
import type { Allow, RoleRule } from './rules.ts'
import type { PortalLifetimes } from './sessions.ts'
import type { UserEntry } from './users.ts'
import type { Accent } from './values.ts'

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
  /** Who has this role sees and ends everyone's sessions at this portal; null: nobody does. */
  readonly adminRole: string | null
  /** Who may come with a password, by their names; null: nobody. */
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
  /** What people may ask for, and who is told; null: nobody asks. */
  readonly requests: RequestsConfig | null
  /** Whose addresses of before keep answering; null: nobody's. */
  readonly compat: CompatConfig | null
  readonly brand: Brand
  /** Whom people ask where they do not get on; null: nobody is named. */
  readonly contact: Contact | null
  /** The time zone in which its pages tell times, by its IANA name. */
  readonly timezone: string
}

/** What pages show of `contact`, and where that leads; null for words alone. */
export interface Contact {
  readonly text: string
  readonly address: string | null
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
  /** The fields that say who is there. */
  readonly headers: HeaderSpec
  readonly pingPath: string
  readonly readyPath: string
  /** Whose health check `/` is; null: nobody's. */
  readonly pingUserAgent: string | null
}

/** `requests` of a portal. */
interface RequestsConfig {
  /** The roles that are meant; null: all but the admins'. */
  readonly roles: readonly string[] | null
  /** Null: nobody is told. */
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
