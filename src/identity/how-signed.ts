import { decodeProtectedHeader } from 'jose'

/** How an untrusted token was signed, for the log. It has none of the token's claims. */
export interface HowSigned {
  readonly facts: { readonly alg?: string; readonly enc?: string }
  /** How to fix it, where encryption or the signature's algorithm is the cause; otherwise null. */
  readonly hint: string | null
}

/** Checks that are about how a token was made. */
const OF_MAKING: ReadonlySet<string> = new Set(['alg', 'format', 'signature'])

/** The same where this check is about that; else nothing. */
export function howSignedFor(check: string, token: string, kind: TokenKind): HowSigned {
  return OF_MAKING.has(check) ? howSigned(token, kind) : { facts: {}, hint: null }
}

type TokenKind = 'ID tokens' | 'access tokens' | 'logout tokens'

/** The algorithms that a token names in its own header, and what to do about those that no provider may use for us. */
export function howSigned(token: string, kind: TokenKind): HowSigned {
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    header = decodeProtectedHeader(token)
  } catch {
    return { facts: {}, hint: null }
  }
  const [alg, enc] = [header.alg, header.enc].map(name => (typeof name === 'string' ? name.slice(0, 32) : undefined))
  const facts = { ...(alg === undefined ? {} : { alg }), ...(enc === undefined ? {} : { enc }) }
  if (enc !== undefined) return { facts, hint: `let the provider encrypt ${kind} for this client no longer` }
  if (alg !== undefined && (/^HS/.test(alg) || alg === 'none')) {
    return { facts, hint: `let the provider sign ${kind} for this client with RS256 or another asymmetric algorithm` }
  }
  return { facts, hint: null }
}
