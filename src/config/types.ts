import type { AccessRule, Allow, RoleRule } from './types-rules.ts'
import type { UpstreamConfig } from './types-upstreams.ts'
import type { Accent, FieldTemplate, Picture, TemplatePart } from './types-values.ts'

/** The checked shape of routes.toml: what the rest of the program works from. Built by `checkConfig` alone, frozen. */
export interface Config {
  readonly server: ServerConfig
  /** Null: no HTTPS. */
  readonly tls: TlsConfig | null
  readonly sessions: SessionsConfig
  readonly providers: ReadonlyMap<string, ProviderConfig>
  readonly portals: ReadonlyMap<string, PortalConfig>
  readonly routes: readonly RouteConfig[]
}

/** A place to listen on. */
export type ListenAddress =
  | {
      readonly kind: 'tcp'
      /** A name or an address; IPv6 without brackets. */
      readonly host: string
      /** 0: any free port. */
      readonly port: number
    }
  | { readonly kind: 'unix'; readonly path: string }

/** A certificate with its chain and its key, as PEM texts; the key is secret. */
export interface ServerCertificate {
  readonly cert: string
  readonly key: string
  /** DNS names, lower-case; `*.example.com` for one label below. */
  readonly names: readonly string[]
  readonly expiresAtMs: number
}

/** `acme` of `[tls]`. */
export interface AcmeConfig {
  readonly email: string | null
  readonly directory: string
  /** The only authorities that are trusted for `directory`, as PEM; null: the system's. */
  readonly ca: string | null
  /** Hosts of the file that none of its own certificates is for, lower-case, each once. */
  readonly names: readonly string[]
}

/** `[tls]`. */
export interface TlsConfig {
  readonly listen: readonly Extract<ListenAddress, { kind: 'tcp' }>[]
  /** In the order of the file: the first serves whoever asks for a name that none has. */
  readonly certificates: readonly ServerCertificate[]
  /** Who gives certificates to the other hosts; null: nobody. */
  readonly acme: AcmeConfig | null
  readonly http2: boolean
  readonly redirectHttp: boolean
  /** The port by which browsers come. */
  readonly publicPort: number
  /** Null: no Strict-Transport-Security. */
  readonly hstsS: number | null
}

export interface ServerConfig {
  readonly listen: readonly ListenAddress[]
  /** CIDRs (or single addresses, as /32 or /128) of peers whose X-Forwarded-* count. */
  readonly trustedProxies: readonly string[]
  /** Fields that those may set, in lower case. */
  readonly trustedFields: readonly string[]
  /** Processes that share the listeners; `auto` is one for each core. */
  readonly workers: number | 'auto'
  readonly admin: ListenAddress | null
  /** Where proxies in front ask whether a request may pass; none: nobody asks. */
  readonly verify: readonly ListenAddress[]
  readonly accessLog: boolean
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** How long requests in flight may take to finish after SIGTERM. */
  readonly drainMs: number
  readonly flows: FlowsConfig
  /** For each client; null: no limit. */
  readonly rate: RateConfig | null
}

/** How much bodies under way may take of the process. */
export interface FlowsConfig {
  /** How many one client may have; null for any number. */
  readonly maxOpen: number | null
  /** How long one may go without progress. */
  readonly stallMs: number
  /** What those that nobody takes may hold together; null for a part of what the process may use. */
  readonly memoryBytes: number | null
}

/** How many requests may come. */
export interface RateConfig {
  readonly requests: number
  readonly perMs: number
  /** How many of them at once. */
  readonly burst: number
  /** Who shares an allowance. */
  readonly by: 'client' | 'user' | 'route'
}

/** How long sign-ins last and how often they are checked: of `[sessions]`, or of one portal. */
export interface LifetimeConfig {
  /** Absolute: from sign-in. */
  readonly lifetimeMs: number
  /** Since the last request. */
  readonly idleMs: number
  /** How often the provider is asked again; null: never. */
  readonly refreshMs: number | null
  /** How long an old answer counts while the provider cannot be asked; of no meaning where `refreshMs` is null. */
  readonly refreshLimitMs: number
}

export interface PortalLifetimes extends LifetimeConfig {
  /** The lifetime, absolute and idle, of a sign-in that its owner chose to keep; null: there is no such choice. */
  readonly rememberMs: number | null
}

export type StoreConfig =
  | {
      readonly kind: 'sqlite'
      /** Absolute, or `:memory:`. */
      readonly path: string
    }
  | {
      readonly kind: 'redis'
      /** With the password. */
      readonly url: string
      /** The same for people: without the password. */
      readonly shownAs: string
    }

export interface SessionsConfig extends LifetimeConfig {
  readonly store: StoreConfig
  /** 32 bytes as base64url; null: a file beside the database. */
  readonly key: string | null
  /** Sessions kept in memory. */
  readonly cacheEntries: number
}

export type ClientAuth = 'client_secret_basic' | 'client_secret_post' | 'none'

/** `[providers.NAME.access_tokens]`. */
export interface AccessTokensConfig {
  /** What `aud` has to hold. */
  readonly audience: string
}

export interface ProviderConfig {
  /** The table's name: `pocket-id` in `[providers.pocket-id]`. */
  readonly name: string
  /** What people see on the button. */
  readonly label: string
  /** Exactly as the provider states it; no trailing slash is added or removed. */
  readonly issuer: string
  /** Where discovery is when it is not at issuer + /.well-known/openid-configuration. */
  readonly metadataUrl: string | null
  readonly clientId: string
  /** Null for a public client. */
  readonly clientSecret: string | null
  /** Null: what discovery and the secret's presence decide. */
  readonly clientAuth: ClientAuth | null
  /** Null: openid, profile, email, and groups where discovery lists it. */
  readonly scopes: readonly string[] | null
  /** Whether its e-mail addresses count without its saying that it verified them. */
  readonly trustsEmails: boolean
  /** Pins the ID token's algorithm; null: what discovery allows, without `none` and HMAC. */
  readonly idTokenAlg: string | null
  /** How its access tokens say that they are for us; null: none are taken. */
  readonly accessTokens: AccessTokensConfig | null
}

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
  readonly lifetimes: PortalLifetimes
  /** Whether signing out here signs out at the provider too, where it can do that. */
  readonly providerLogout: boolean
  /** Who has this role sees and ends everyone's sessions at this portal; null: nobody does. */
  readonly adminRole: string | null
  /** Who may come with which password: names and hashes; null: nobody. */
  readonly passwords: ReadonlyMap<string, string> | null
  /** Whether a ticket is taken only from the network that it was given to. */
  readonly bindTickets: boolean
  /** Whether people may make tokens for themselves. */
  readonly personalTokens: boolean
  /** How long such a token works after the provider last vouched for its owner. */
  readonly personalTokensRestMs: number
  /** Who makes guest links, and how far they may go; null: there are none. */
  readonly guestLinks: GuestLinksConfig | null
  readonly brand: Brand
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

export type HeaderPreset = 'none' | 'x-token' | 'x-forwarded' | 'x-auth-request' | 'remote'

/** Which identity the upstream is told: a preset, or fields with templates such as `{email}`. */
export type HeaderSpec =
  | { readonly kind: 'preset'; readonly preset: HeaderPreset }
  | { readonly kind: 'table'; readonly fields: readonly { readonly name: string; readonly template: string }[] }

/** A signed statement of who someone is, for one application. */
export interface AssertionConfig {
  readonly audience: string
  /** Lower-case. */
  readonly header: string
  /** Null: the portal's own address. */
  readonly issuer: string | null
}

export type ProviderTokenKind = 'access' | 'id'

/** A token of the provider that goes to the application, and in which field (lower-case; `authorization` adds `Bearer`). */
export interface PassedToken {
  readonly kind: ProviderTokenKind
  readonly header: string
}

/** What becomes of the fields of a request or an answer, in this order. Each name is in one place only. */
export interface FieldRules {
  readonly remove: readonly string[]
  readonly set: readonly FieldTemplate[]
  readonly append: readonly FieldTemplate[]
}

/** How a route answers that has no upstream. */
export type OwnAnswer =
  /** Parts are text, or `host`, `path` and `query` of the request. */
  | { readonly kind: 'redirect'; readonly location: readonly TemplatePart[]; readonly status: number }
  | { readonly kind: 'respond'; readonly status: number; readonly body: string; readonly contentType: string }
  /** An absolute path. */
  | { readonly kind: 'files'; readonly folder: string }
  /** A proxy in front has the application, and asks here whether requests may pass. */
  | { readonly kind: 'verify' }

/** What Host the upstream gets: the client's, the address's own, or a name. */
export type HostHeader =
  | { readonly kind: 'pass' }
  | { readonly kind: 'upstream' }
  | { readonly kind: 'name'; readonly name: string }

export interface RouteConfig {
  /** host + path as configured, marked where it is for the path alone: how logs, `explain` and messages name it. */
  readonly id: string
  /** Lower-case ASCII; `*.example.com` for a wildcard. */
  readonly host: string
  /** `/`, or `/x/y` without a trailing slash: matched at segment boundaries. */
  readonly path: string
  /** Whether nothing below the path is meant. */
  readonly isExact: boolean
  /** Whether the star of its host is one label. */
  readonly isOneLabel: boolean
  /** Null for a route that answers by itself. */
  readonly upstream: UpstreamConfig | null
  /** Null for a route with an upstream. */
  readonly answer: OwnAnswer | null
  readonly portal: string | null
  readonly allow: Allow
  /** Any one that holds, or cannot be judged, denies. */
  readonly deny: readonly AccessRule[]
  /** Upper-case; null: all that the proxy forwards. */
  readonly methods: readonly string[] | null
  /** Whether scripts and apps may come with a token instead of signing in. */
  readonly tokens: boolean
  /** Whether people and programs may come with a password of the portal's file. */
  readonly passwords: boolean
  readonly stripPrefix: string | null
  /** Put before the path, after `stripPrefix` was taken off; without a trailing slash. */
  readonly addPrefix: string | null
  readonly hostHeader: HostHeader
  /** Whether CORS preflights pass to the upstream without a session. */
  readonly corsPreflight: boolean
  /** Whether browsers may fetch the script of a service worker. */
  readonly serviceWorkers: boolean
  readonly headers: HeaderSpec
  readonly assertion: AssertionConfig | null
  readonly passTokens: readonly PassedToken[]
  readonly requestRules: FieldRules | null
  readonly responseRules: FieldRules | null
  /** Fields of answers that act on the whole host and pass all the same, in lower case. */
  readonly passFields: readonly string[]
  /** How long the upstream may take to begin its answer. */
  readonly timeoutMs: number
  /** Up to what length an answer is read whole so that it keeps its length; null: as long as that costs little. */
  readonly keepLengthBytes: number | null
  /** How long a request's body may be; null: no limit. */
  readonly maxBodyBytes: number | null
  /** How long a form may be that is kept while its sender signs in again; null: none is. */
  readonly keepPostsBytes: number | null
  readonly rate: RateConfig | null
  /** Origins besides the route's own that may open WebSockets. */
  readonly allowedOrigins: readonly string[]
  /** Whether permessage-deflate may be agreed upon. */
  /** Whether WebSockets pass. */
  readonly websockets: boolean
  readonly websocketCompression: boolean
  /** What people see in the portal's list. */
  readonly name: string
  readonly app: AppConfig
}

/** How a route shows in the portal's list. */
export interface AppConfig {
  /** Whether the file gives it a name or more of its own: then it is an application of its own, wherever it lies. */
  readonly isNamed: boolean
  /** Null: a letter. */
  readonly icon: Picture | null
  readonly group: string | null
  readonly description: string | null
  readonly isHidden: boolean
}
