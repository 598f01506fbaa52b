/** A visit at an authority: signed requests (JWS) with its nonces (RFC 8555 §6). */

import { createPublicKey, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, type FlattenedJWS, FlattenedSign, type JWK } from 'jose'
import { UnreadError } from '../../../base/http-client.ts'
import type { Ports } from '../../../base/ports.ts'
import { timeLimit } from '../../../base/time-limit.ts'
import type { ExternalAccount } from '../../../config/keys/acme.ts'
import type { AcmeConfig } from '../../../config/resolve/tls.ts'
import {
  type AuthorityResponse,
  errorIn,
  type JsonObject,
  parseObject,
  refusal,
  refused,
  retryAfterMs,
  textIn,
  unreachable,
} from './response.ts'

/** Where an authority is, and who we are there. */
export interface AcmeAccount extends Pick<AcmeConfig, 'directory' | 'ca' | 'email' | 'externalAccount'> {
  readonly key: KeyObject
}

/** The endpoints of an authority (RFC 8555 §7.1.1); null for those that it does not have. */
interface Directory {
  readonly newNonce: string
  readonly newAccount: string
  readonly newOrder: string
  /** RFC 9773 §4. */
  readonly renewalInfo: string | null
}

/** An authority that has been found, and takes requests. */
export interface Visit {
  readonly directory: Directory
  /** A plain question. Throws `acme.unreachable`; an answer may be a refusal. */
  ask(address: string, init: RequestInit): Promise<AuthorityResponse>
  /**
   * A request signed by the account, which is made with the first; an empty payload is a question (RFC 8555 §6.3). Nonces that are
   * refused are replaced (§6.5). Throws `acme.refused`, `acme.unreachable`.
   */
  post(address: string, payload: object | null, accept?: string): Promise<AuthorityResponse>
  /** Asks until something has one of these states. Throws `acme.refused` for what failed, `acme.unreachable` for what never ends. */
  settled(address: string, states: readonly string[]): Promise<JsonObject>
}

/** How long an answer may take, and how long an authority may think. */
const ANSWER_MS = 20_000
const THINK_MS = 90_000
const ASK_AGAIN_MS = 1_000
const MAX_BYTES = 256 * 1024
const MOST_NONCES = 10

/** What is added to a token to prove that it reached the holder of an account (RFC 8555 §8.1). */
export async function thumbprintOf(key: KeyObject): Promise<string> {
  return await calculateJwkThumbprint(await exportJWK(createPublicKey(key)))
}

/** Finds an authority. Throws `acme.unreachable` where it says nothing that can be understood, `acme.refused`. */
export async function visitAuthority(account: AcmeAccount, ports: Pick<Ports, 'ask'>): Promise<Visit> {
  const jwk = await exportJWK(createPublicKey(account.key))
  let nonce: string | null = null
  let accountUrl: string | null = null

  async function ask(address: string, init: RequestInit): Promise<AuthorityResponse> {
    const signal = timeLimit(ANSWER_MS)
    const trust = account.ca === null ? {} : { tls: { ca: account.ca } }
    try {
      const answer = await ports.ask(address, { ...init, ...trust, signal, maxBytes: MAX_BYTES })
      nonce = answer.headers.get('replay-nonce') ?? nonce
      const text = await answer.text()
      return { status: answer.status, headers: answer.headers, text }
    } catch (error) {
      if (error instanceof UnreadError) throw unreachable(address, `gave an answer that ${error.message}`)
      throw unreachable(address, signal.aborted ? 'did not answer in time' : 'cannot be reached', error)
    }
  }

  const directory = parseDirectory(await ask(account.directory, { method: 'GET' }))

  async function send(
    address: string,
    payload: object | null,
    accept = 'application/json',
  ): Promise<AuthorityResponse> {
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
      if (problem.facts.type !== 'badNonce' || tries === MOST_NONCES) throw problem
    }
  }

  /** RFC 8555 §7.3.1: the account of the same key where there is one. */
  async function enter(): Promise<void> {
    const contact = account.email === null ? {} : { contact: [`mailto:${account.email}`] }
    const binding =
      account.externalAccount === null
        ? {}
        : { externalAccountBinding: await bindAccount(account.externalAccount, jwk, directory.newAccount) }
    const registered = await send(directory.newAccount, { termsOfServiceAgreed: true, ...contact, ...binding })
    accountUrl = registered.headers.get('location')
    if (accountUrl === null) throw unreachable(directory.newAccount, 'names no account')
  }

  async function post(address: string, payload: object | null, accept?: string): Promise<AuthorityResponse> {
    if (accountUrl === null) await enter()
    return await send(address, payload, accept)
  }

  async function settled(address: string, states: readonly string[]): Promise<JsonObject> {
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

  return { directory, ask, post, settled }
}

function parseDirectory(answer: AuthorityResponse): Directory {
  if (answer.status >= 400) throw refusal('the directory', answer)
  const found = parseObject('the directory', answer)
  return {
    newNonce: textIn(found, 'newNonce'),
    newAccount: textIn(found, 'newAccount'),
    newOrder: textIn(found, 'newOrder'),
    renewalInfo: typeof found.renewalInfo === 'string' ? found.renewalInfo : null,
  }
}

/** The word of an account elsewhere for the key of the one that is being made: a JWS over that key (RFC 8555 §7.3.4). */
async function bindAccount({ id, key }: ExternalAccount, jwk: JWK, newAccount: string): Promise<FlattenedJWS> {
  return await new FlattenedSign(new TextEncoder().encode(JSON.stringify(jwk)))
    .setProtectedHeader({ alg: 'HS256', kid: id, url: newAccount })
    .sign(Buffer.from(key, 'base64url'))
}
