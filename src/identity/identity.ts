/**
 * Under which key an identity has the roles that an admin granted. A symbol, so that no JSON has it: neither what is stored of somebody
 * nor what their provider says can bring a granted role along.
 */
export const GRANTED: unique symbol = Symbol('granted roles')

/** What a user of a file had when something was made for them: what was made under another password, or in an earlier epoch, may be over. */
export interface Era {
  /** Stands for the password; another one as soon as that is another. */
  readonly password: string
  /** API tokens and guest links of earlier epochs are over. */
  readonly tokens: number
}

/**
 * Who someone is, as a provider vouched for it at sign-in. A plain value: it is stored as JSON and handed to rules.
 *
 * Roles are computed from this by the file in force now; a token alone brings its own.
 */
export interface Identity {
  /** The holder of a token has these roles of its portal and no others, whatever the claims; absent for people. */
  readonly roles?: readonly string[]
  /** Roles that an admin granted and that count now, beside those that the rules give; absent where there are none. */
  readonly [GRANTED]?: readonly string[] | undefined
  /** Came by a guest link, so that nobody vouched; absent for everyone else. */
  readonly isGuest?: boolean
  /** A program in its own name, by a token that stands for nobody else; absent for people, and for what stands for one. */
  readonly isClient?: boolean
  /**
   * Of this person only a few things are known: an empty `provider` or `subject` may be any, and so may a claim that is absent. No
   * rule holds by what is not known. For somebody whom an old log names; absent for everyone who comes.
   */
  readonly isSketch?: boolean
  /** Of whoever signed in by a form of ours: what that sign-in stands on, which is gone once the password is another; absent for everyone else. */
  readonly credential?: string
  /**
   * Of a user of a file: the id that the file gives them, which nobody of the same name has later. It is compared wherever something
   * belongs to this person, and no rule or application sees it. Absent for everyone else, and where the file has no ids.
   */
  readonly userId?: string
  /** Of a user of a file: what is compared with a token that was made before; absent for everyone else. */
  readonly era?: Era
  /** How what an application is told begins of this person's subject and roles, where the file bounds their provider so; absent for everyone else. */
  readonly prefix?: string
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
   * ID token and userinfo merged, without the protocol's own claims (iss, aud, exp, nonce, at_hash, …). Null stands for what was stated and not
   * kept (`kept.ts`): nothing can be said of it.
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
