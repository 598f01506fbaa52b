import { createPublicKey, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, FlattenedSign } from 'jose'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { makeCertificateKey, makeRequest } from './request.ts'

/** Where an authority is, and who we are there. */
export interface AcmeAccount {
  readonly directory: string
  /** The only authorities that are trusted for it, as PEM; null: the system's. */
  readonly ca: string | null
  readonly email: string | null
  readonly key: KeyObject
}

/** A certificate with its chain and its key, as PEM. */
export interface Obtained {
  readonly cert: string
  readonly key: string
}

/** How long an answer may take, and how long an authority may think. */
const ANSWER_MS = 20_000
const THINK_MS = 90_000
const ASK_AGAIN_MS = 1_000
const MAX_BYTES = 256 * 1024

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** What is added to a token to prove that it reached the holder of an account (RFC 8555 §8.1). */
export async function thumbprintOf(key: KeyObject): Promise<string> {
  return await calculateJwkThumbprint(await exportJWK(createPublicKey(key)))
}

/**
 * One certificate for one name, by the challenge http-01: while this runs, the authority asks for tokens at the name.
 *
 * The account is made where there is none (RFC 8555 §7.3.1 answers with the one of the same key otherwise). Throws `acme.refused`
 * with what the authority says, `acme.unreachable` where it says nothing that can be understood.
 * Absent on purpose: other challenges. dns-01 takes an interface for every provider; tls-alpn-01 takes a choice by ALPN, which
 * `Bun.serve` (1.4.5) does not offer. Source: RFC 8555 §7.
 */
export async function obtainCertificate(
  name: string,
  account: AcmeAccount,
  ports: Pick<Ports, 'fetch'>,
): Promise<Obtained> {
  const jwk = await exportJWK(createPublicKey(account.key))
  let nonce: string | null = null
  let accountUrl: string | null = null

  async function ask(address: string, init: RequestInit): Promise<Answer> {
    const signal = AbortSignal.timeout(ANSWER_MS)
    const trust = account.ca === null ? {} : { tls: { ca: account.ca } }
    try {
      const answer = await ports.fetch(address, { ...init, ...trust, redirect: 'manual', proxy: false, signal })
      nonce = answer.headers.get('replay-nonce') ?? nonce
      const text = await answer.text()
      if (text.length > MAX_BYTES) throw unreachable(address, 'sent far too much')
      return { status: answer.status, headers: answer.headers, text }
    } catch (error) {
      if (error instanceof GateError) throw error
      throw unreachable(address, signal.aborted ? 'did not answer in time' : 'cannot be reached', error)
    }
  }

  const directory = parseDirectory(await ask(account.directory, { method: 'GET' }))

  /** A signed request; an empty payload is a question (RFC 8555 §6.3). Nonces that are refused are replaced (§6.5). */
  async function post(address: string, payload: object | null, accept = 'application/json'): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      if (nonce === null) await ask(directory.newNonce, { method: 'HEAD' })
      if (nonce === null) throw unreachable(directory.newNonce, 'gives no nonce')
      const who = accountUrl === null ? { jwk } : { kid: accountUrl }
      const content = new TextEncoder().encode(payload === null ? '' : JSON.stringify(payload))
      const signed = await new FlattenedSign(content)
        .setProtectedHeader({ alg: 'ES256', nonce, url: address, ...who })
        .sign(account.key)
      nonce = null
      const answer = await ask(address, {
        method: 'POST',
        headers: { 'content-type': 'application/jose+json', accept },
        body: JSON.stringify(signed),
      })
      if (answer.status < 400) return answer
      const problem = refusal(address, answer)
      if (problem.facts.type !== 'badNonce' || tries === 5) throw problem
    }
  }

  /** Asks until something has one of these states. */
  async function settled(address: string, states: readonly string[]): Promise<Record<string, unknown>> {
    const giveUpAtMs = performance.now() + THINK_MS
    for (;;) {
      const answer = await post(address, null)
      const found = parseObject(address, answer)
      if (typeof found.status === 'string' && states.includes(found.status)) return found
      if (found.status === 'invalid') throw refused(address, errorIn(found))
      if (performance.now() > giveUpAtMs) throw unreachable(address, 'does not come to an end')
      await Bun.sleep(Math.max(ASK_AGAIN_MS, Math.min(retryAfterMs(answer.headers) ?? 0, 10_000)))
    }
  }

  async function prove(authorization: string): Promise<void> {
    const found = parseObject(authorization, await post(authorization, null))
    if (found.status === 'valid') return
    const challenges: readonly unknown[] = Array.isArray(found.challenges) ? found.challenges : []
    const challenge = challenges.map(toObject).find(one => one.type === 'http-01')
    if (challenge === undefined) throw refused(authorization, { type: 'unsupported', detail: 'there is no http-01' })
    await post(textIn(challenge, 'url'), {})
    await settled(authorization, ['valid'])
  }

  const contact = account.email === null ? {} : { contact: [`mailto:${account.email}`] }
  const registered = await post(directory.newAccount, { termsOfServiceAgreed: true, ...contact })
  accountUrl = registered.headers.get('location')
  if (accountUrl === null) throw unreachable(directory.newAccount, 'names no account')

  const placed = await post(directory.newOrder, { identifiers: [{ type: 'dns', value: name }] })
  const orderUrl = placed.headers.get('location')
  if (orderUrl === null) throw unreachable(directory.newOrder, 'names no order')
  const order = parseObject(orderUrl, placed)
  for (const authorization of Array.isArray(order.authorizations) ? order.authorizations : []) {
    await prove(String(authorization))
  }
  await settled(orderUrl, ['ready', 'valid'])
  const key = makeCertificateKey()
  const csr = makeRequest(name, key, createPublicKey(key)).toString('base64url')
  await post(textIn(order, 'finalize'), { csr })
  const done = await settled(orderUrl, ['valid'])
  const chain = await post(textIn(done, 'certificate'), null, 'application/pem-certificate-chain')
  return { cert: chain.text, key: key.export({ format: 'pem', type: 'pkcs8' }).toString() }
}

function parseDirectory(answer: Answer): { newNonce: string; newAccount: string; newOrder: string } {
  const found = parseObject('the directory', answer)
  if (answer.status >= 400) throw refusal('the directory', answer)
  return {
    newNonce: textIn(found, 'newNonce'),
    newAccount: textIn(found, 'newAccount'),
    newOrder: textIn(found, 'newOrder'),
  }
}

function parseObject(address: string, { text, status }: Answer): Record<string, unknown> {
  try {
    return toObject(JSON.parse(text))
  } catch {
    throw unreachable(address, `answers ${status} and no JSON`)
  }
}

function toObject(raw: unknown): Record<string, unknown> {
  if (typeof raw !== 'object' || raw === null) throw new GateError('acme.unreachable', 'the authority answers oddly')
  return { ...raw }
}

function textIn(raw: Record<string, unknown>, name: string): string {
  const value = raw[name]
  if (typeof value === 'string') return value
  throw new GateError('acme.unreachable', `the authority does not say its ${name}`)
}

/** RFC 8555 §6.7: a problem document, or no more than a status. */
function refusal(address: string, { status, headers, text }: Answer): GateError {
  let problem: Problem
  try {
    problem = problemOf(toObject(JSON.parse(text)))
  } catch {
    problem = { type: 'unknown', detail: `status ${status}` }
  }
  return refused(address, problem, retryAfterMs(headers))
}

interface Problem {
  readonly type: string
  readonly detail: string
}

function problemOf(raw: Record<string, unknown>): Problem {
  const type = String(raw.type ?? 'unknown').replace('urn:ietf:params:acme:error:', '')
  return { type: type.slice(0, 100), detail: String(raw.detail ?? '').slice(0, 500) }
}

/** Why an authorization or an order failed: of the order itself, or of the challenge that did. */
function errorIn(found: Record<string, unknown>): Problem {
  const challenges: readonly unknown[] = Array.isArray(found.challenges) ? found.challenges : []
  const failed = [found, ...challenges.map(toObject)].find(one => typeof one.error === 'object' && one.error !== null)
  return failed === undefined ? { type: 'unknown', detail: 'no reason is given' } : problemOf(toObject(failed.error))
}

function refused(address: string, { type, detail }: Problem, waitMs: number | null = null): GateError {
  return new GateError('acme.refused', `the authority says: ${detail} (${type})`, {
    hint: HINTS.get(type) ?? 'it is tried again, ever more slowly',
    facts: { address, type },
    ...(waitMs === null ? {} : { retryAfterS: Math.ceil(waitMs / 1000) }),
  })
}

const REACH = 'the name has to lead here, and port 80 to [server] listen: the authority asks there'

const HINTS: ReadonlyMap<string, string> = new Map([
  ['connection', REACH],
  ['dns', REACH],
  ['unauthorized', REACH],
  ['incorrectResponse', REACH],
  ['caa', "the name's CAA record in DNS does not allow this authority"],
  ['rejectedIdentifier', 'this authority gives no certificate for such a name'],
  ['rateLimited', 'it is tried again when the authority allows; its staging directory has higher limits'],
])

function unreachable(address: string, what: string, cause?: unknown): GateError {
  return new GateError('acme.unreachable', `${address} ${what}`, {
    hint: 'check directory in [tls.acme], and that this machine reaches it; ca names an authority of your own',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterMs(headers: Headers): number | null {
  const text = headers.get('retry-after')
  if (text === null) return null
  if (/^\d{1,7}$/.test(text)) return Number(text) * 1000
  const atMs = Date.parse(text)
  const sentMs = Date.parse(headers.get('date') ?? '')
  return Number.isNaN(atMs) || Number.isNaN(sentMs) ? null : Math.max(0, atMs - sentMs)
}
