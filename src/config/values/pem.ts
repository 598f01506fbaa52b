/** PEM files: certificates, and private keys of listeners, upstreams and clients. */

import { createPrivateKey, type JsonWebKeyInput, type KeyObject, X509Certificate } from 'node:crypto'
import type { DiagnosticCode } from '../text/diagnostic.ts'
import { type Raw, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { fileHint, subjectOf } from '../text/substitute.ts'
import type { ConfigFiles } from './files.ts'

/** Why a PEM text is invalid, as the end of a sentence; null for a good one. */
export type PemFault = string | null

/** Up to the dashes behind it. */
const MARK = /-----(BEGIN|END) ([A-Z0-9 ]+)/g

const DASHES = '-----'

/** A whole block: its text, and what it holds, as `CERTIFICATE`. */
interface Block {
  readonly label: string
  readonly text: string
}

/** The blocks of a text, each up to the first end of its label; in one pass, however many begin that have no end. */
function blocksOf(text: string): readonly Block[] {
  const marks = [...text.matchAll(MARK)].flatMap(({ 0: { length }, 1: kind, 2: label = '', index }) => {
    const isWhole = text.startsWith(DASHES, index + length)
    const end = index + length + DASHES.length
    return isWhole ? [{ isBegin: kind === 'BEGIN', label, start: index, end }] : []
  })
  // The nearest last, so that each is looked at once.
  const ends = new Map<string, (typeof marks)[number][]>()
  for (const mark of marks.toReversed()) {
    if (mark.isBegin) continue
    const same = ends.get(mark.label)
    if (same === undefined) ends.set(mark.label, [mark])
    else same.push(mark)
  }
  const blocks: Block[] = []
  let from = 0
  for (const { isBegin, label, start, end } of marks) {
    if (!isBegin || start < from) continue
    const same = ends.get(label) ?? []
    while ((same.at(-1)?.start ?? end) < end) same.pop()
    const last = same.at(-1)
    if (last === undefined) continue
    blocks.push({ label, text: text.slice(start, last.end) })
    from = last.end
  }
  return blocks
}

/** The first certificate of a text; null where there is none. */
function firstCertificate(text: string): X509Certificate | null {
  const first = blocksOf(text).find(({ label }) => label === 'CERTIFICATE')
  return first === undefined ? null : readCertificate(first.text)
}

/** Whether a text holds certificates, each of them whole. Source: RFC 7468 §5. */
export function checkCertificates(text: string): PemFault {
  const blocks = blocksOf(text)
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE')
  if (certificates.length === 0) {
    if (blocks.some(({ label }) => label.endsWith('PRIVATE KEY'))) return 'holds a private key, not a certificate'
    return 'holds no PEM certificate'
  }
  for (const { text: block } of certificates)
    if (readCertificate(block) === null) return 'holds a certificate that is damaged'
  // A block without an end: programs read up to it, and take the others for all that there are.
  const begun = text.split(`${DASHES}BEGIN CERTIFICATE${DASHES}`).length - 1
  return begun > certificates.length ? 'ends within a certificate' : null
}

/** Whether a text holds one private key that needs no passphrase. Source: RFC 7468 §10. */
export function checkPrivateKey(text: string): PemFault {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text)) return 'holds a key with a passphrase'
  if (!/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text)) return 'holds no PEM private key'
  return readKey(text) === null ? 'holds a private key that is damaged' : null
}

/** Whether a private key belongs to the first certificate of a text; both are good by themselves. */
export function isPair(certificates: string, key: string): boolean {
  const certificate = firstCertificate(certificates)
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
  const certificate = firstCertificate(text)
  if (certificate === null) throw new TypeError('a PEM text that was not checked')
  return {
    names: dnsNames(certificate.subjectAltName ?? ''),
    validFromMs: Date.parse(certificate.validFrom),
    expiresAtMs: Date.parse(certificate.validTo),
  }
}

/**
 * `DNS:a.example, IP Address:127.0.0.1` as node:crypto writes it; a name with odd characters is quoted there, and
 * skipped here.
 */
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

/** What a file that cannot be read, and one that is not PEM, are called. */
interface PemCodes {
  readonly file: DiagnosticCode
  readonly pem: DiagnosticCode
}

/** The text of a good PEM file; null, with a mistake where there is one, for any other. */
export function checkPem(
  entry: Raw | undefined,
  path: string | null | undefined,
  faultOf: (text: string) => PemFault,
  codes: PemCodes,
  files: ConfigFiles,
  report: Report,
): string | null {
  if (entry === undefined || !path) return null
  const file = files.read(path)
  if (!file.ok) {
    report.mistake(entry.at, codes.file, `${subjectOf(showRaw(entry), file.why)} ${file.why}`, { hint: fileHint(file) })
    return null
  }
  const fault = faultOf(file.text)
  if (fault === null) return file.text
  report.mistake(entry.at, codes.pem, `the file ${showRaw(entry)} ${fault}`, {
    hint: 'PEM is text that begins with -----BEGIN',
  })
  return null
}

/** A file that was checked: one that cannot be read is never left out, which would mean less protection than was asked for. */
export function readPem(path: string, files: ConfigFiles): string {
  const file = files.read(path)
  if (!file.ok) throw new TypeError(`${path} ${file.why}, and there is no diagnostic`)
  return file.text
}

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
 * A key that names its own `alg` is used only with that. Source: RFC 7468 §10, RFC 7517 §4.
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
