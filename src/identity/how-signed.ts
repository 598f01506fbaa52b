import { decodeProtectedHeader } from 'jose'

/** How an ID token that cannot be trusted was made, for the log: nothing of what it says. */
export interface HowSigned {
  readonly facts: { readonly alg?: string; readonly enc?: string }
  /** How to mend it, where that is what is wrong with it; null where it is not. */
  readonly hint: string | null
}

/** The algorithms that a token names in its own header, and what to do about those that no provider may use for us. */
export function howSigned(token: string): HowSigned {
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    header = decodeProtectedHeader(token)
  } catch {
    return { facts: {}, hint: null }
  }
  const [alg, enc] = [header.alg, header.enc].map(name => (typeof name === 'string' ? name.slice(0, 32) : undefined))
  const facts = { ...(alg === undefined ? {} : { alg }), ...(enc === undefined ? {} : { enc }) }
  if (enc !== undefined) return { facts, hint: 'let the provider encrypt ID tokens for this client no longer' }
  if (alg !== undefined && (/^HS/.test(alg) || alg === 'none')) {
    return { facts, hint: 'let the provider sign ID tokens for this client with RS256 or another asymmetric algorithm' }
  }
  return { facts, hint: null }
}
