import { createPrivateKey, type KeyObject } from 'node:crypto'
import { sha256 } from '../../base/bytes.ts'
import type { ServerCertificate } from '../../config/types/tls.ts'
import { readCertificateFacts } from '../../config/values/pem/pem.ts'
import { makeCertificateKey } from './request.ts'

/** A certificate that an authority gave, for one name. */
export interface HeldCertificate extends ServerCertificate {
  readonly name: string
  readonly validFromMs: number
}

/** A name for which there is no certificate yet, or no newer one: when to ask again. */
export interface Trouble {
  readonly failures: number
  readonly againAtMs: number
}

/** What all processes of a gate know together of one authority. */
export interface AcmeState {
  readonly accountKey: KeyObject
  readonly certificates: ReadonlyMap<string, HeldCertificate>
  readonly troubles: ReadonlyMap<string, Trouble>
}

/** A state with an account that the authority does not know yet. */
export function newState(): AcmeState {
  return { accountKey: makeCertificateKey(), certificates: new Map(), troubles: new Map() }
}

/** A value that can be kept; it holds private keys, so sealed. */
export function packState({ accountKey, certificates, troubles }: AcmeState): object {
  return {
    account: accountKey.export({ format: 'jwk' }),
    certificates: [...certificates.values()].map(({ name, cert, key }) => ({ name, cert, key })),
    troubles: [...troubles].map(([name, trouble]) => ({ name, ...trouble })),
  }
}

/** What was kept; null for a value that is none of ours. */
export function parseState(raw: unknown): AcmeState | null {
  if (typeof raw !== 'object' || raw === null) return null
  const { account, certificates, troubles } = raw as Partial<Record<'account' | 'certificates' | 'troubles', unknown>>
  if (typeof account !== 'object' || account === null || !Array.isArray(certificates) || !Array.isArray(troubles)) {
    return null
  }
  try {
    return {
      accountKey: createPrivateKey({ key: { ...account }, format: 'jwk' }),
      certificates: new Map(
        certificates.map(({ name, cert, key }: Record<string, unknown>) => [
          String(name),
          holdCertificate(String(name), { cert: String(cert), key: String(key) }),
        ]),
      ),
      troubles: new Map(
        troubles.map(({ name, failures, againAtMs }: Record<string, unknown>) => [
          String(name),
          { failures: Number(failures), againAtMs: Number(againAtMs) },
        ]),
      ),
    }
  } catch {
    return null
  }
}

/** A certificate with its facts. Throws TypeError for a text that holds none. */
export function holdCertificate(
  name: string,
  { cert, key }: { readonly cert: string; readonly key: string },
): HeldCertificate {
  const { names, validFromMs, expiresAtMs } = readCertificateFacts(cert)
  return { name, cert, key, names, validFromMs, expiresAtMs }
}

/**
 * Whether it is time to ask for a certificate: there is none, or a third of its life is left at most. Up to a thirtieth earlier, by
 * chance but always the same, so that not all names ask at once.
 */
export function isDue({ certificates, troubles }: AcmeState, name: string, nowMs: number): boolean {
  const trouble = troubles.get(name)
  if (trouble !== undefined && nowMs < trouble.againAtMs) return false
  const held = certificates.get(name)
  return held === undefined || nowMs >= renewAtMs(held)
}

/** When a certificate is to be renewed. */
export function renewAtMs({ cert, validFromMs, expiresAtMs }: HeldCertificate): number {
  const lifeMs = expiresAtMs - validFromMs
  const chance = Buffer.from(sha256(cert), 'base64url').readUInt32BE(0) / 2 ** 32
  return expiresAtMs - lifeMs / 3 - (chance * lifeMs) / 30
}
