/** Conditions about a person: every key that is present must hold. Within a key any entry is enough. */
export interface PersonRule {
  readonly providers: readonly string[] | null
  readonly subjects: readonly string[] | null
  /** Whole addresses and whole domains are one key: an address matches by either. */
  readonly emails: readonly string[] | null
  readonly domains: readonly string[] | null
  readonly groups: readonly string[] | null
  readonly claims: ReadonlyMap<string, readonly (string | number | boolean)[]> | null
  /** Patterns of whole texts, in which a star is anything at all. */
  readonly like: ReadonlyMap<string, readonly string[]> | null
  readonly requireEmail: boolean
  readonly requireVerifiedEmail: boolean
}

/** One way to have a role. */
export interface RoleRule extends PersonRule {
  readonly any: boolean
  /** Whether `any`, or a provider alone, means programs as well that come in their own name. */
  readonly clients: boolean
}

/** A part of a day; `untilMinute` is not included, and more than 1440 where it goes over midnight. */
export interface Span {
  readonly fromMinute: number
  readonly untilMinute: number
}

/** When a rule holds, on the clocks of one zone. */
export interface Schedule {
  /** Null: all day. */
  readonly spans: readonly Span[] | null
  /** 0 is Monday; the day on which a span begins. Null: every day. */
  readonly days: readonly number[] | null
  readonly timezone: string
}

/** A moment with the text that stands for it in the file. */
export interface Instant {
  readonly atMs: number
  readonly text: string
}

/** One rule of `allow` or `deny`. Every key that is present must hold; null is absent. */
export interface AccessRule extends PersonRule {
  readonly roles: readonly string[] | null
  readonly networks: readonly string[] | null
  readonly methods: readonly string[] | null
  /** Patterns of whole paths, a star for anything. */
  readonly paths: readonly string[] | null
  /** Regular expressions in RE2's syntax, of which one matches somewhere in the path. */
  readonly pathRegexp: readonly string[] | null
  /** Whether both hold in any letter case. */
  readonly ignoresCase: boolean
  /** By a field's name, patterns of its value, a star for anything. */
  readonly headers: ReadonlyMap<string, readonly string[]> | null
  /** The same by a name in the query. */
  readonly query: ReadonlyMap<string, readonly string[]> | null
  readonly schedule: Schedule | null
  readonly from: Instant | null
  readonly until: Instant | null
  readonly maxAgeMs: number | null
  readonly acr: readonly string[] | null
  readonly amr: readonly string[] | null
  readonly any: readonly AccessRule[] | null
  readonly all: readonly AccessRule[] | null
  readonly not: AccessRule | null
  /** In `allow`, outermost: nobody has to be signed in. */
  readonly isAnonymous: boolean
  /** In `allow`, outermost: for whoever came by a guest link, and nobody else. */
  readonly isForGuests: boolean
}

/** Which requests a route is for, whoever sends them. */
export type RequestRule = Pick<AccessRule, 'methods' | 'paths' | 'pathRegexp' | 'ignoresCase' | 'query'>

export type Allow =
  | { readonly kind: 'public' }
  | { readonly kind: 'authenticated' }
  | { readonly kind: 'roles'; readonly roles: readonly string[] }
  /** Any one is enough; a role beside rules is a rule too. */
  | { readonly kind: 'rules'; readonly rules: readonly AccessRule[] }
