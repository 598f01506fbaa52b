/** Asks an authority when a certificate is to be renewed (ARI, RFC 9773). */

import { X509Certificate } from 'node:crypto'
import type { Ports } from '../../../base/ports.ts'
import { type AcmeAccount, visitAuthority } from './client.ts'
import { OCTETS, parseNodes } from './der.ts'
import { parseObject, refusal, retryAfterMs, toObject, unreachable } from './response.ts'

/** When an authority would have a certificate renewed (RFC 9773 §4.2). */
export interface RenewalWindow {
  readonly startMs: number
  readonly endMs: number
  /** Where the authority says why, for people; null: it does not. */
  readonly explanation: string | null
}

export interface RenewalAnswer {
  readonly window: RenewalWindow
  /** How long until it is to be asked again. */
  readonly againInMs: number
}

/** RFC 9773 §4.3.2: no sooner, no later, and what is usual. */
const [SOONEST_MS, USUAL_MS, LATEST_MS] = [60_000, 6 * 60 * 60_000, 24 * 60 * 60_000]

/**
 * An authority's renewal information, by certificate identifier; null where it offers none.
 *
 * For each the answer, or the error: `acme.refused`, `acme.unreachable`. Throws the same where the authority is not
 * reachable at all. Source: RFC 9773 §4.
 */
export async function askRenewalInfo(
  ids: readonly string[],
  account: AcmeAccount,
  ports: Pick<Ports, 'ask'>,
): Promise<ReadonlyMap<string, RenewalAnswer | Error> | null> {
  const { directory, ask } = await visitAuthority(account, ports)
  const { renewalInfo } = directory
  if (renewalInfo === null) return null
  const answers = new Map<string, RenewalAnswer | Error>()
  for (const id of ids) {
    const address = `${renewalInfo.replace(/\/$/, '')}/${id}`
    try {
      const answer = await ask(address, { method: 'GET' })
      if (answer.status >= 400) throw refusal(address, answer)
      const againInMs = Math.min(Math.max(retryAfterMs(answer.headers) ?? USUAL_MS, SOONEST_MS), LATEST_MS)
      answers.set(id, { window: parseWindow(address, parseObject(address, answer)), againInMs })
    } catch (error) {
      answers.set(id, error instanceof Error ? error : new TypeError(String(error)))
    }
  }
  return answers
}

function parseWindow(address: string, { suggestedWindow, explanationURL }: Record<string, unknown>): RenewalWindow {
  const { start, end } = toObject(suggestedWindow)
  const [startMs, endMs] = [Date.parse(String(start)), Date.parse(String(end))]
  if (!(startMs < endMs)) throw unreachable(address, 'says no time for a renewal')
  const explained = typeof explanationURL === 'string' ? URL.parse(explanationURL) : null
  return { startMs, endMs, explanation: explained?.protocol === 'https:' ? explained.href.slice(0, 500) : null }
}

/** 2.5.29.35. */
const AUTHORITY_KEY = Buffer.from('551d23', 'hex')

/**
 * An authority's identifier of a certificate: the identifier of the authority's key, and the serial number (RFC 9773
 * §4.1).
 *
 * `cert` is PEM, of which the first certificate counts. Null where it does not name the key.
 */
export function certificateId(cert: string): string | null {
  try {
    const [certificate] = parseNodes(new X509Certificate(cert).raw)
    const [signed] = parseNodes(certificate?.content ?? Buffer.alloc(0))
    const fields = parseNodes(signed?.content ?? Buffer.alloc(0))
    // RFC 5280 §4.1: [0] version, serialNumber, …, [3] extensions.
    const serial = fields[1]?.content
    const [extensions] = parseNodes(fields.find(({ tag }) => tag === 0xa3)?.content ?? Buffer.alloc(0))
    for (const { content } of parseNodes(extensions?.content ?? Buffer.alloc(0))) {
      const [id, ...rest] = parseNodes(content)
      if (id === undefined || !id.content.equals(AUTHORITY_KEY) || serial === undefined) continue
      const [inside] = parseNodes(rest.find(({ tag }) => tag === OCTETS)?.content ?? Buffer.alloc(0))
      const key = parseNodes(inside?.content ?? Buffer.alloc(0)).find(({ tag }) => tag === 0x80)?.content
      return key === undefined ? null : `${key.toString('base64url')}.${serial.toString('base64url')}`
    }
    return null
  } catch {
    return null
  }
}
