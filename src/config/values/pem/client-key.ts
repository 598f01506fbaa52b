import { createPrivateKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto'

/** A private key by which a client proves itself, from a file. */
export interface ParsedClientKey {
  readonly key: KeyObject
  /** Signature algorithms that it can be used with, the most usual first (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864). */
  readonly algorithms: readonly string[]
  /** Its name, where the file gives it one. */
  readonly kid: string | null
}

/** The fewest bits of an RSA key (RFC 7518 §3.3). */
const MIN_RSA_BITS = 2048

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }

/**
 * The key in a file, PEM without a passphrase or one JSON Web Key; or why there is none, as the end of a sentence.
 *
 * A key that names its own `alg` is used with that alone. Source: RFC 7468 §10, RFC 7517 §4.
 */
export function parseClientKey(text: string): ParsedClientKey | string {
  if (text.trimStart().startsWith('{')) return parseJwk(text)
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text)) return 'holds a key with a passphrase'
  if (!/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)) return 'holds no private key, as PEM or JWK'
  try {
    return withAlgorithms(createPrivateKey(text), null)
  } catch {
    return 'holds a private key that is damaged'
  }
}

function parseJwk(text: string): ParsedClientKey | string {
  try {
    const jwk: unknown = JSON.parse(text)
    if (typeof jwk !== 'object' || jwk === null) return 'holds no JSON Web Key'
    if ('keys' in jwk) return 'holds a set of keys: it has to be one of them, without "keys" around it'
    if (!('d' in jwk)) return 'holds no private key: "d" is missing'
    const key = createPrivateKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' })
    const parsed = withAlgorithms(key, 'kid' in jwk && typeof jwk.kid === 'string' && jwk.kid !== '' ? jwk.kid : null)
    if (typeof parsed === 'string' || !('alg' in jwk)) return parsed
    const algorithms = parsed.algorithms.filter(name => name === jwk.alg)
    return algorithms.length > 0 ? { ...parsed, algorithms } : 'holds a key whose "alg" does not fit it'
  } catch {
    return 'holds a JSON Web Key that is damaged'
  }
}

function withAlgorithms(key: KeyObject, kid: string | null): ParsedClientKey | string {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength < MIN_RSA_BITS) return `holds an RSA key of less than ${MIN_RSA_BITS} bits`
      return { key, kid, algorithms: ['RS256', 'PS256', 'RS384', 'PS384', 'RS512', 'PS512'] }
    case 'ec': {
      const algorithm = CURVES[namedCurve]
      return algorithm === undefined
        ? 'holds a key on a curve that is not known'
        : { key, kid, algorithms: [algorithm] }
    }
    case 'ed25519':
      return { key, kid, algorithms: ['EdDSA', 'Ed25519'] }
    default:
      return 'holds a key that is neither RSA, EC (P-256, P-384, P-521) nor Ed25519'
  }
}
