import { GateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { BACK_CHANNEL_NAMES } from './endpoints.ts'
import type { ProviderFetch } from './http.ts'
import type { MetadataSource } from './metadata.ts'

/** What an address says at which nothing is any more (RFC 9110 §15.5.5, §15.5.11). */
const GONE: ReadonlySet<number> = new Set([404, 410])

/**
 * A fetch that finds an endpoint again that a provider has moved: where nothing is at its address any more, or its host has none, discovery is
 * asked anew, every ten seconds at most, and the same is asked once more at the new place. Nobody has taken the first request, so that
 * no code or token was used; the client proves itself anew all the same.
 */
export function followMoved(
  fetch: ProviderFetch,
  metadata: MetadataSource,
  issuer: string,
  { log }: Pick<Ports, 'log'>,
): ProviderFetch {
  async function newPlace(address: string): Promise<string | null> {
    const known = await metadata.get()
    const name = BACK_CHANNEL_NAMES.find(one => isSame(known[one], address))
    const newer = name === undefined ? null : await metadata.newer(known)
    const place = name === undefined ? undefined : newer?.[name]
    if (place === undefined || isSame(place, address)) return null
    log.info('A provider has moved an endpoint', { issuer, endpoint: name })
    return place
  }

  return async (address, init, anew) => {
    const answer = await fetch(address, init).catch((thrown: unknown) => {
      if (!isWithoutAddress(thrown)) throw thrown
      return thrown
    })
    if (answer instanceof Response && !GONE.has(answer.status)) return answer
    const place = await newPlace(address).catch(() => null)
    if (place !== null) return fetch(place, anew === undefined ? init : await anew())
    if (answer instanceof Response) return answer
    throw answer
  }
}

/** Whether both are one address; libraries write it as URLs are written. */
function isSame(stated: string | undefined, address: string): boolean {
  return stated !== undefined && URL.parse(stated)?.href === URL.parse(address)?.href
}

/** Whether the name of a host leads nowhere by now: nothing was sent. */
function isWithoutAddress(thrown: unknown): thrown is GateError {
  if (!(thrown instanceof GateError) || thrown.code !== 'provider.down') return false
  const { cause } = thrown
  return cause instanceof Error && 'code' in cause && /^(?:ENOTFOUND|ENODATA)$/.test(String(cause.code))
}
