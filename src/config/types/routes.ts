import type { AssertionConfig, HeaderSpec, PassedToken } from './identity.ts'
import type { AccessRule, Allow, RequestRule } from './rules.ts'
import type { RateConfig } from './server.ts'
import type { UpstreamConfig } from './upstreams.ts'
import type { FieldTemplate, Picture, TemplatePart } from './values.ts'

/** What becomes of the fields of a request or an answer, in this order. Each name is in one place only. */
export interface FieldRules {
  readonly remove: readonly string[]
  readonly set: readonly FieldTemplate[]
  readonly append: readonly FieldTemplate[]
}

/** What Cache-Control says of the files whose paths below the folder are as a pattern says. */
export interface CacheRule {
  readonly pattern: string
  readonly value: string
}

/** A folder of files. */
export interface FilesAnswer {
  readonly kind: 'files'
  /** An absolute path. */
  readonly folder: string
  /** The file that stands for addresses without one, with a slash before it; null: they are not found. */
  readonly fallback: string | null
  /** What is put to a name of which there is no file. */
  readonly endings: readonly string[]
  /** Whether an upstream has whatever is no file here, folders among it. */
  readonly isFirst: boolean
  /** The longest pattern that holds counts; empty: what is usual. */
  readonly cacheRules: readonly CacheRule[]
  readonly isCompressed: boolean
  /** Whether a folder without an `index.html` is answered with a list of what is in it. */
  readonly isListed: boolean
  /** Whether other methods are answered as GET is. */
  readonly takesAnyMethod: boolean
}

/** How a route answers that has no upstream. */
export type OwnAnswer =
  /** Parts are text, or `host`, `path` and `query` of the request. */
  | { readonly kind: 'redirect'; readonly location: readonly TemplatePart[]; readonly status: number }
  | { readonly kind: 'respond'; readonly status: number; readonly body: string; readonly contentType: string }
  | FilesAnswer
  /** A proxy in front has the application, and asks here whether requests may pass. */
  | { readonly kind: 'verify' }

/** What Host the upstream gets: the client's, the address's own, or a name. */
export type HostHeader =
  | { readonly kind: 'pass' }
  | { readonly kind: 'upstream' }
  | { readonly kind: 'name'; readonly name: string }

/** One host and path of a table of `[[routes]]`. */
export interface RouteConfig {
  /** host + path as configured, marked where it is for the path alone or for some requests: how logs, `explain` and messages name it. */
  readonly id: string
  /** The id of the first host and path of its table, by which goes what is one for all of them. */
  readonly firstId: string
  /** Lower-case ASCII; `*.example.com` for a wildcard. */
  readonly host: string
  /** `/`, or `/x/y` without a trailing slash: matched at segment boundaries. */
  readonly path: string
  /** Whether nothing below the path is meant. */
  readonly isExact: boolean
  /** Whether the star of its host is one label. */
  readonly isOneLabel: boolean
  /** Whether its path, and what is taken off it, is meant in any letter case. */
  readonly ignoresCase: boolean
  /** Which requests it is for, beside those that its host and path say; null: all of them. */
  readonly when: RequestRule | null
  /** Null for a route that answers by itself. */
  readonly upstream: UpstreamConfig | null
  /** Null for a route with an upstream, unless files come first. */
  readonly answer: OwnAnswer | null
  readonly portal: string | null
  readonly allow: Allow
  /** Any one that holds, or cannot be judged, denies. */
  readonly deny: readonly AccessRule[]
  /** Upper-case; null: all that the proxy forwards. */
  readonly methods: readonly string[] | null
  /** Whether scripts and apps may come with a token instead of signing in. */
  readonly tokens: boolean
  /** Who gives the clients of an MCP server their tokens; null for no such server. */
  readonly mcp: 'portal' | 'provider' | null
  /** Patterns of the tools of an MCP server that may be called; null: all, and no body is looked at. */
  readonly tools: readonly string[] | null
  /** What the audience of a provider's access token has to be here; null: what the provider's table says. */
  readonly audience: readonly string[] | null
  /** Whether people and programs may come with a password of the portal's file. */
  readonly passwords: boolean
  /** Whether the application gets the Authorization by which somebody was found. */
  readonly passAuthorization: boolean
  /** Expressions of paths on which everybody counts as a program. */
  readonly programPaths: readonly string[]
  readonly stripPrefix: string | null
  /** Put before the path, after `stripPrefix` was taken off; without a trailing slash. */
  readonly addPrefix: string | null
  readonly hostHeader: HostHeader
  /** Whether Origin and Referer that name the public host are the application's own for it. */
  readonly hasOwnOrigin: boolean
  /** Whether `Location` and its kin are written as browsers follow them. */
  readonly rewritesLocation: boolean
  /** Whether the paths of the application's cookies follow the prefixes. */
  readonly cookiePath: 'pass' | 'prefix'
  /** Whether CORS preflights pass to the upstream without a session. */
  readonly corsPreflight: boolean
  /** Whether what stands behind `#` in an address is kept while people sign in. */
  readonly keepFragment: boolean
  /** Whether browsers may fetch the script of a service worker. */
  readonly serviceWorkers: boolean
  /** Whether the application's own session ends when another user comes by the same browser. */
  readonly endsUserSessions: boolean
  readonly headers: HeaderSpec
  readonly assertion: AssertionConfig | null
  readonly passTokens: readonly PassedToken[]
  readonly requestRules: FieldRules | null
  readonly responseRules: FieldRules | null
  /** Fields of answers that act on the whole host and pass all the same, in lower case. */
  readonly passFields: readonly string[]
  /** Whether shared caches may keep its answers, whoever may pass. */
  readonly sharedCaches: boolean
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
  /** Whether WebSockets pass. */
  readonly websockets: boolean
  /** Whether permessage-deflate may be agreed upon. */
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
