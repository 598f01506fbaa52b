/** Obtains one certificate: order, proof, request and download (RFC 8555 §7.4). */

import { createPublicKey } from 'node:crypto'
import { GateError } from '../../../base/errors.ts'
import type { Ports } from '../../../base/ports.ts'
import { isCovered } from '../../../config/values/certificate.ts'
import { isPair, readCertificateFacts } from '../../../config/values/pem.ts'
import { type AcmeAccount, thumbprintOf, type Visit, visitAuthority } from './client.ts'
import { makeCertificateKey, makeRequest } from './csr.ts'
import { type AuthorityResponse, listIn, parseObject, refused, textIn, toObject, unreachable } from './response.ts'

/** A certificate with its chain and its key, as PEM. */
export interface Obtained {
  readonly cert: string
  readonly key: string
}

/** How a name is proved. */
export interface Proof {
  readonly challenge: 'http-01' | 'dns-01'
  /**
   * Puts a key authorization (RFC 8555 §8.1) where the authority looks for it; what comes back takes it away again, and throws
   * nothing. `name` is without `*.`.
   */
  offer(name: string, keyAuthorization: string): Promise<() => Promise<void>>
}

export interface ObtainTools {
  readonly ports: Pick<Ports, 'ask'>
  readonly proof: Proof
  /** The certificate of the same name that is to be replaced, as the authority calls it (RFC 9773 §4.1); null: none. */
  readonly replaces: string | null
}

/**
 * One certificate for one name, proved by one kind of challenge.
 *
 * Throws `acme.refused` with what the authority says, `acme.unreachable` where it says nothing that can be understood, and what the
 * proof throws. Source: RFC 8555 §7.
 */
export async function obtainCertificate(name: string, account: AcmeAccount, tools: ObtainTools): Promise<Obtained> {
  const visit = await visitAuthority(account, tools.ports)
  const { post, settled } = visit
  const placed = await placeOrder(visit, name, tools.replaces)
  const orderUrl = placed.headers.get('location')
  if (orderUrl === null) throw unreachable(visit.directory.newOrder, 'names no order')
  const order = parseObject(orderUrl, placed)
  const thumbprint = await thumbprintOf(account.key)
  for (const authorization of listIn(order, 'authorizations')) {
    await prove(visit, String(authorization), { name, proof: tools.proof, thumbprint })
  }
  await settled(orderUrl, ['ready', 'valid'])
  const key = makeCertificateKey()
  const csr = makeRequest(name, key, createPublicKey(key)).toString('base64url')
  await post(textIn(order, 'finalize'), { csr })
  const done = await settled(orderUrl, ['valid'])
  const address = textIn(done, 'certificate')
  const { text: cert } = await post(address, null, 'application/pem-certificate-chain')
  const pem = key.export({ format: 'pem', type: 'pkcs8' }).toString()
  // With one that does not fit, no listener opens: all certificates would be of no use, at a restart too.
  if (!isPair(cert, pem) || !isCovered(name, new Set(readCertificateFacts(cert).names))) {
    throw unfit(address, `gave a certificate that is not for ${name}, or is for another key`)
  }
  return { cert, key: pem }
}

/** What an authority says or gives, and was not asked for. */
function unfit(address: string, what: string): GateError {
  const hint = 'is directory in [tls.acme] the one of an authority? It is tried again, ever more slowly'
  return new GateError('acme.refused', `${address} ${what}`, { hint, facts: { address } })
}

/**
 * Errors of authorities that do not accept which certificate is to be replaced, or know it already (RFC 9773 §5). One
 * that does not find it may report an internal error: pebble never finds a serial number with a leading zero byte in
 * DER.
 */
const NOT_REPLACED = new Set<unknown>(['alreadyReplaced', 'malformed', 'serverInternal', 'unauthorized'])

async function placeOrder(
  { directory, post }: Visit,
  name: string,
  replaces: string | null,
): Promise<AuthorityResponse> {
  const order = { identifiers: [{ type: 'dns', value: name }] }
  if (replaces === null || directory.renewalInfo === null) return await post(directory.newOrder, order)
  try {
    return await post(directory.newOrder, { ...order, replaces })
  } catch (error) {
    if (!(error instanceof GateError) || !NOT_REPLACED.has(error.facts.type)) throw error
    return await post(directory.newOrder, order)
  }
}

/** What is proved, and how. */
interface Proving {
  readonly name: string
  readonly proof: Proof
  readonly thumbprint: string
}

/** An authorization that is valid from an order before needs nothing more. Nothing is written in DNS for a name that was not ordered. */
async function prove({ post, settled }: Visit, address: string, { name, proof, thumbprint }: Proving): Promise<void> {
  const found = parseObject(address, await post(address, null))
  if (found.status === 'valid') return
  const bare = name.replace(/^\*\./, '')
  const stated = textIn(toObject(found.identifier), 'value')
  if (stated.toLowerCase() !== bare) {
    throw unfit(address, `asks for the proof of another name than ${bare}`)
  }
  const challenge = listIn(found, 'challenges')
    .map(toObject)
    .find(one => one.type === proof.challenge)
  if (challenge === undefined) {
    throw refused(address, { type: 'unsupported', detail: `there is no ${proof.challenge}` })
  }
  const withdraw = await proof.offer(bare, `${textIn(challenge, 'token')}.${thumbprint}`)
  try {
    await post(textIn(challenge, 'url'), {})
    await settled(address, ['valid'])
  } finally {
    await withdraw()
  }
}
