import { createPrivateKey, X509Certificate } from 'node:crypto'

/** Why a PEM text is not what it should be, as the end of a sentence; null for a good one. */
export type PemFault = string | null

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g

/** Whether a text holds certificates, each of them whole. Source: RFC 7468 §5. */
export function checkCertificates(text: string): PemFault {
  const blocks = [...text.matchAll(BLOCK)]
  const certificates = blocks.filter(([, label]) => label === 'CERTIFICATE')
  if (certificates.length === 0) {
    if (blocks.some(([, label]) => label?.endsWith('PRIVATE KEY'))) return 'holds a private key, not a certificate'
    return 'holds no PEM certificate'
  }
  for (const [block] of certificates) if (readCertificate(block) === null) return 'holds a certificate that is damaged'
  return null
}

/** Whether a text holds one private key that needs no passphrase. Source: RFC 7468 §10. */
export function checkPrivateKey(text: string): PemFault {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text)) return 'holds a key with a passphrase'
  if (!/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)) return 'holds no PEM private key'
  return readKey(text) === null ? 'holds a private key that is damaged' : null
}

/** Whether a private key belongs to the first certificate of a text; both are good by themselves. */
export function isPair(certificates: string, key: string): boolean {
  const first = [...certificates.matchAll(BLOCK)].find(([, label]) => label === 'CERTIFICATE')?.[0]
  const certificate = first === undefined ? null : readCertificate(first)
  const parsed = readKey(key)
  return certificate !== null && parsed !== null && certificate.checkPrivateKey(parsed)
}

/** What a server certificate says of itself. */
export interface CertificateFacts {
  /** DNS names, lower-case; `*.example.com` for one label below. None of its addresses: a client does not ask for those by name. */
  readonly names: readonly string[]
  readonly validFromMs: number
  readonly expiresAtMs: number
}

/** The facts of the first certificate of a good text. Throws TypeError for any other. */
export function readCertificateFacts(text: string): CertificateFacts {
  const first = [...text.matchAll(BLOCK)].find(([, label]) => label === 'CERTIFICATE')?.[0]
  const certificate = first === undefined ? null : readCertificate(first)
  if (certificate === null) throw new TypeError('a PEM text that was not checked')
  return {
    names: dnsNames(certificate.subjectAltName ?? ''),
    validFromMs: Date.parse(certificate.validFrom),
    expiresAtMs: Date.parse(certificate.validTo),
  }
}

/** `DNS:a.example, IP Address:127.0.0.1` as node:crypto writes it; a name with odd characters is quoted there and is none of ours. */
function dnsNames(subjectAltName: string): readonly string[] {
  const names = subjectAltName.split(', ').flatMap(entry => /^DNS:([A-Za-z0-9*._-]+)$/.exec(entry)?.[1] ?? [])
  return [...new Set(names.map(name => name.toLowerCase()))]
}

function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem)
  } catch {
    return null
  }
}

function readKey(pem: string): ReturnType<typeof createPrivateKey> | null {
  try {
    return createPrivateKey(pem)
  } catch {
    return null
  }
}
