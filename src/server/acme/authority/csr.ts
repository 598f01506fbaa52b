/** Certificate signing requests (PKCS #10). */

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { BITS, node, OCTETS, SET, sequence } from './der.ts'

/** A new key for a certificate: ECDSA on P-256, which every browser takes. */
export function makeCertificateKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

/**
 * A certificate request (DER) for one DNS name, signed by its key.
 *
 * The subject is empty: authorities and browsers read only subjectAltName. Source: RFC 2986 §4, RFC 5280 §4.2.1.6.
 */
export function makeRequest(name: string, key: KeyObject, publicKey: KeyObject): Buffer {
  const names = sequence(node(0x82, Buffer.from(name, 'ascii')))
  const extension = sequence(SUBJECT_ALT_NAME, node(OCTETS, names))
  const attributes = node(0xa0, sequence(EXTENSION_REQUEST, node(SET, sequence(extension))))
  const version = Buffer.from([0x02, 0x01, 0x00])
  const info = sequence(version, sequence(), publicKey.export({ format: 'der', type: 'spki' }), attributes)
  const signature = sign('sha256', info, key)
  return sequence(info, sequence(ECDSA_WITH_SHA256), node(BITS, Buffer.concat([Buffer.from([0]), signature])))
}

/** Object identifiers as they are encoded: 2.5.29.17, 1.2.840.113549.1.9.14 and 1.2.840.10045.4.3.2. */
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex')
const EXTENSION_REQUEST = Buffer.from('06092a864886f70d01090e', 'hex')
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex')
