import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { shownAddress } from '../base/shown-address.ts'
import type { ProviderConfig } from '../config/types/providers.ts'
import { hintForUnreached } from './unreached.ts'

/** How long and how much we listen to a provider. */
export interface WireLimits {
  /** For one request, head and body together. */
  readonly timeoutMs: number
  /** Of a body, after decoding. */
  readonly maxBytes: number
}

export const DEFAULT_WIRE_LIMITS: WireLimits = Object.freeze({ timeoutMs: 5_000, maxBytes: 1024 * 1024 })

/** A request to a provider whose answer is already complete, so that nothing later can hang or swell. */
export type ProviderFetch = (address: string, init?: RequestInit) => Promise<Response>

/** Of a provider, what says how it is reached. */
export type Reach = Pick<ProviderConfig, 'internalUrl' | 'ca'>

/** A provider that is asked where people go, with the authorities of this machine. */
export const DIRECT: Reach = Object.freeze({ internalUrl: null, ca: null })

const BODILESS = new Set([204, 205, 304])

/**
 * A fetch that follows no redirect, uses no proxy from the environment, and has read the whole body within the limits.
 *
 * Certificates are held against `ca` alone, where the provider has one. Throws `provider.down` when the provider cannot be reached, is silent, breaks off or sends too much. Any status that it
 * does send is an answer, not an error.
 */
export function createProviderFetch(ports: Pick<Ports, 'fetch'>, limits: WireLimits, reach: Reach): ProviderFetch {
  const trust = reach.ca === null ? {} : { tls: { ca: reach.ca } }
  return async (address, init = {}) => {
    const signal = AbortSignal.timeout(limits.timeoutMs)
    try {
      // A connection of its own: a kept one that the provider has closed since would lose a code, which Bun never sends twice.
      const own = { redirect: 'manual', proxy: false, keepalive: false, signal } as const
      const response = await ports.fetch(address, { ...init, ...trust, ...own })
      const body = await readBody(response, limits.maxBytes, signal)
      return new Response(BODILESS.has(response.status) ? null : body, {
        status: response.status,
        headers: response.headers,
      })
    } catch (thrown) {
      if (thrown instanceof GateError) throw thrown
      const what = signal.aborted ? `did not answer within ${limits.timeoutMs} ms` : 'cannot be reached'
      const isInternal = reach.internalUrl !== null && URL.parse(address)?.origin === reach.internalUrl
      const where = `${shownAddress(address, 'program')}${isInternal ? ' (internal_url)' : ''}`
      throw new GateError('provider.down', `${where} ${what}`, {
        hint: hintForUnreached(address, thrown, isInternal),
        facts: { address: shownAddress(address, 'program') },
        cause: bareError(thrown),
        retryAfterS: 5,
      })
    }
  }
}

/**
 * A thrown value reduced to its name, code and sentence.
 *
 * Libraries attach whole bodies, tokens and claims to their errors, and a JSON parser quotes what it could not read: none
 * of that may reach a log. Errors of ours pass as they are.
 */
export function bareError(thrown: unknown): Error {
  if (thrown instanceof GateError) return thrown
  if (!(thrown instanceof Error)) return new Error('a value that is not an error was thrown')
  const bare = new Error(thrown instanceof SyntaxError ? 'not JSON' : thrown.message)
  bare.name = thrown.name
  if ('code' in thrown && typeof thrown.code === 'string') Object.assign(bare, { code: thrown.code })
  return bare
}

async function readBody(response: Response, maxBytes: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = response.body?.getReader()
  const stop = () => void reader?.cancel().catch(() => {})
  signal.addEventListener('abort', stop)
  try {
    while (reader !== undefined) {
      const { done, value } = await reader.read()
      signal.throwIfAborted()
      if (done) break
      size += value.byteLength
      if (size > maxBytes) {
        stop()
        throw new GateError('provider.down', `the provider sent more than ${maxBytes} bytes`, { retryAfterS: 5 })
      }
      chunks.push(value)
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
