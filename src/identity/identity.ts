/** An identity: what a provider says of a user, checked, and in the words of this gate. */

/**
 * Under which key an identity has the roles that an admin granted. A symbol, so that no JSON has it: neither what is stored of somebody
 * nor what their provider says can bring a granted role along.
 */
export const GRANTED: unique symbol = Symbol('granted roles')

/** What a user of a file had when something was made for them: what was made under another password, or in an earlier epoch, may be over. */
export interface Era {
  /** A value derived from the password: it changes when the password changes. */
  readonly password: string
  /** API tokens and guest links of earlier epochs are over. */
  readonly tokens: number
}

/** What a sign-in of a user of a file stands on of what the user has set: in which account, over what of the file. */
export interface AccountGround {
  readonly id: string
  readonly over: string
  /** Another one after each change by which other sign-ins end. */
  readonly stamp: string
}

/**
 * Who a user is, by the provider's word at sign-in. A plain value: it is stored as JSON, and rules read it.
 *
 * The current file computes the roles from it; only a token brings its own.
 */
export interface Identity {
  /** The only roles of a token's holder, regardless of claims; absent for users. */
  readonly roles?: readonly string[]
  /** Roles that an admin granted and that count now, beside those that the rules give; absent where there are none. */
  readonly [GRANTED]?: readonly string[] | undefined
  /** The guest came by a guest link, and no provider knows them; absent for everyone else. */
  readonly isGuest?: boolean
  /** A program in its own name, by a token without a user; absent for users and for programs that act for a user. */
  readonly isClient?: boolean
  /**
   * Of this person only a few things are known: an empty `provider` or `subject` may be any, and so may a claim that is absent. No
   * rule holds by what is not known. For somebody whom an old log names; absent for everyone who comes.
   */
  readonly isSketch?: boolean
  /**
   * For a user who signed in by Sallyport's own form: the password's mark, which changes with the password; absent for
   * everyone else.
   */
  readonly credential?: string
  /**
   * For a user of a file: the id in the file, which a later user of the same name does not have. It is compared for
   * everything that belongs to this user, and no rule or application sees it. Absent for everyone else, and where the
   * file has no ids.
   */
  readonly userId?: string
  /** Of a user of a file: what is compared with a token that was made before; absent for everyone else. */
  readonly era?: Era
  /** Of a user of a provider's file who signed in: a change of the account meanwhile refuses the sign-in. Absent for everyone else. */
  readonly account?: AccountGround
  /**
   * The prefix of this user's subject and roles in what an application gets, where the file sets one for the provider;
   * absent for everyone else.
   */
  readonly prefix?: string
  /**
   * How the names of other providers at the same portals begin: an application gets no role of this user's provider that
   * begins so. Absent where there are none.
   */
  readonly othersPrefixes?: readonly string[]
  /** The name of the `[providers.*]` table that vouched. */
  readonly provider: string
  readonly issuer: string
  /** `sub`: unique and stable within the issuer. */
  readonly subject: string
  readonly name: string | null
  readonly preferredUsername: string | null
  readonly email: string | null
  /** Null where the provider says nothing; anything but `true` counts as false once it is said. */
  readonly emailVerified: boolean | null
  readonly groups: readonly string[]
  /**
   * ID token and userinfo merged, without the protocol's own claims (iss, aud, exp, nonce, at_hash, …). Null is a
   * claim that was stated and not kept (`kept-claims.ts`): it is unknown.
   */
  readonly claims: Readonly<Record<string, unknown>>
}

/**
 * Claims that belong to the token, not to the person (OpenID Connect Core §2, RFC 7519 §4.1; the last ones are Microsoft Entra's own and
 * others in each token), and a name that is none.
 */
const IGNORED_CLAIMS = new Set([
  'iss',
  'aud',
  'exp',
  'iat',
  'nbf',
  'jti',
  'azp',
  'nonce',
  'at_hash',
  'c_hash',
  's_hash',
  '__proto__',
  'aio',
  'rh',
  'uti',
])

/**
 * An Identity from verified claims. A claim of the wrong type counts as absent: it can then match no rule.
 *
 * Shape: `groups` keeps only strings, each whole; a lone string is not a list and yields none.
 * Source: OpenID Connect Core 1.0 §5.1 (standard claims).
 */
export function makeIdentity(
  provider: string,
  issuer: string,
  subject: string,
  verified: Readonly<Record<string, unknown>>,
): Identity {
  const claims = ofThePerson(verified)
  return Object.freeze({
    provider,
    issuer,
    subject,
    name: textClaim(claims.name),
    preferredUsername: textClaim(claims.preferred_username),
    email: textClaim(claims.email),
    emailVerified: claims.email_verified === undefined ? null : claims.email_verified === true,
    groups: Object.freeze(Array.isArray(claims.groups) ? claims.groups.filter(group => typeof group === 'string') : []),
    claims: Object.freeze(claims),
  })
}

/** The claims without those of the token. */
export function ofThePerson(verified: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const claims: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(verified)) if (!IGNORED_CLAIMS.has(name)) claims[name] = value
  return claims
}

function textClaim(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
