/** Whom an expectation is about. */
export interface ExpectedPerson {
  /** Null: the first provider of the portal of the route that is asked for. */
  readonly provider: string | null
  /** Null: anyone. */
  readonly subject: string | null
  /** Verified by the provider. */
  readonly email: string | null
  readonly groups: readonly string[]
  readonly claims: ReadonlyMap<string, readonly (string | number | boolean)[]>
  /** Roles that they have, however they came by them. */
  readonly roles: readonly string[]
}

/** Every verdict that `explain` can come to. */
export const EXPECTED_VERDICTS = ['allow', 'sign-in', 'step-up', 'deny', 'no-route', 'refused'] as const

type ExpectedVerdict = (typeof EXPECTED_VERDICTS)[number]

/** What a file says that a request has to come to. */
export interface Expectation {
  /** `href` as the server reads it; `authority` and `path` as they are sent. */
  readonly address: { readonly href: string; readonly authority: string; readonly path: string }
  /** The same as the file has it: what is filled in is not shown. */
  readonly shownAs: string
  readonly method: string
  /** Null: nobody is signed in. */
  readonly who: ExpectedPerson | null
  /** The client's address; null: not known. */
  readonly ip: string | null
  /** Fields of the request by their names in small letters. */
  readonly sent: Readonly<Record<string, string>>
  /** Null: no matter when. */
  readonly atMs: number | null
  /** How long before that they signed in. */
  readonly signedInMs: number
  readonly verdict: ExpectedVerdict
}
