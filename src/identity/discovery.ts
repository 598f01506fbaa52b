/** The discovery document of a provider: fetched, checked, kept, and fetched again. */

import * as oauth from 'oauth4webapi'
import { errorFacts, type Facts, GateError, toGateError } from '../base/errors.ts'
import type { Ports } from '../base/ports.ts'
import { shownAddress } from '../base/shown-address.ts'
import { discoveryAddress, type Metadata, type Placed, placeEndpoints } from './endpoints.ts'
import { bareError, type ProviderFetch } from './http.ts'
import type { KeySource } from './jwks.ts'
import type { ProviderState } from './provider.ts'

/** Discovery as something to ask: lazy, cached, one request at a time, retried after a failure. */
export interface MetadataSource {
  get(): Promise<Metadata>
  /**
   * A newer document in place of this one, whose keys did not fit a token; null where there is no newer one, or it is
   * too soon to ask again.
   */
  newer(than: Metadata): Promise<Metadata | null>
  /** The next `get` asks. */
  askAnew(): void
  /** What came of the last question. */
  state(): ProviderState
}

/** What all clients of one issuer share. */
export interface Issuer {
  readonly metadata: MetadataSource
  readonly keys: KeySource
  readonly fetch: ProviderFetch
}

const MAX_AGE_MS = 60 * 60_000
/** The cool-down after an answer that was not newer. */
const COOL_DOWN_MS = 10_000
const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 30_000

/**
 * The discovery document of one issuer.
 *
 * Nothing is requested before the first `get`. After a failure it answers from memory until a delay (1 s, doubling to
 * 30 s) is over, so that many sign-ins cost a failing provider one request. Then the next `get` tries again, without
 * end.
 *
 * A fetched document stays in use while refreshing it fails. It is refreshed early where a token does not fit it: a
 * provider may have a new key for another algorithm, or may have moved its keys. Invented tokens cause that, too, at
 * most every ten seconds.
 *
 * Throws `provider.down` or `provider.discovery`, both with retryAfterS.
 *
 * Source: OpenID Connect Discovery 1.0 §4.
 */
export function createMetadataSource(
  config: Placed,
  fetchProvider: ProviderFetch,
  ports: Pick<Ports, 'now' | 'log'>,
): MetadataSource {
  let known: Metadata | null = null
  let staleAtMs = 0
  let inFlight: Promise<Metadata> | null = null
  let failure: GateError | null = null
  let failures = 0
  let retryAtMs = 0
  let comparedAtMs = Number.NEGATIVE_INFINITY
  /** Counts requests for a new document: an answer that was under way by then may be older. */
  let turns = 0
  let state: ProviderState = { kind: 'unasked' }

  async function refresh(): Promise<Metadata> {
    const turn = turns
    try {
      const found = await discover(config, fetchProvider)
      if (known === null || JSON.stringify(found) !== JSON.stringify(known)) {
        known = found
        comparedAtMs = Number.NEGATIVE_INFINITY
      }
      const nowMs = ports.now()
      staleAtMs = turn === turns ? nowMs + MAX_AGE_MS : 0
      state = { kind: 'answers', atMs: nowMs }
      if (failures > 0) ports.log.info('the sign-in provider answers again', { issuer: config.issuer })
      failures = 0
      failure = null
      return known
    } catch (thrown) {
      failure = toGateError(thrown)
      const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 10))
      failures++
      if (state.kind !== 'fails') state = { kind: 'fails', sinceMs: ports.now() }
      retryAtMs = ports.now() + delayMs
      staleAtMs = 0
      ports.log.warn('discovery failed', { issuer: config.issuer, retry_ms: delayMs, ...errorFacts(failure) })
      if (known !== null) return known
      throw again(failure, delayMs)
    } finally {
      inFlight = null
    }
  }

  /** The failure that is answered from memory at this moment. */
  function failureAt(nowMs: number): GateError | null {
    // A delay longer than any we set means that the clock was set back: try now.
    return nowMs < retryAtMs && retryAtMs - nowMs <= MAX_DELAY_MS ? failure : null
  }

  function ask(): Promise<Metadata> {
    inFlight ??= refresh()
    return inFlight
  }

  return Object.freeze({
    state: () => state,
    get() {
      const nowMs = ports.now()
      if (known !== null && nowMs < staleAtMs) return Promise.resolve(known)
      if (inFlight !== null) return inFlight
      const failed = failureAt(nowMs)
      if (failed === null) return ask()
      return known !== null ? Promise.resolve(known) : Promise.reject(again(failed, retryAtMs - nowMs))
    },
    async newer(than: Metadata) {
      if (known === than) {
        const nowMs = ports.now()
        const sinceMs = nowMs - comparedAtMs
        const isCooling = inFlight === null && sinceMs >= 0 && sinceMs < COOL_DOWN_MS
        if (isCooling || failureAt(nowMs) !== null) return null
        comparedAtMs = nowMs
        await ask()
      }
      return known === than ? null : known
    },
    askAnew() {
      turns++
      staleAtMs = 0
      retryAtMs = 0
      comparedAtMs = Number.NEGATIVE_INFINITY
    },
  })
}

function again(failure: GateError, delayMs: number): GateError {
  return new GateError(failure.code, failure.message, {
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    facts: failure.facts,
    cause: failure.cause,
    retryAfterS: Math.max(1, Math.ceil(delayMs / 1000)),
  })
}

async function discover(config: Placed, fetchProvider: ProviderFetch): Promise<Metadata> {
  const { issuer } = config
  const address = discoveryAddress(config)
  const shown = shownAddress(address, 'program')
  const facts = { address: shown, issuer }
  const response = await fetchProvider(address, { headers: { accept: 'application/json' } })
  if (response.status !== 200) {
    throw new GateError('provider.down', `discovery at ${shown} answered ${response.status}`, {
      hint: await hintForMissing(config, response),
      facts: { ...facts, status: response.status },
    })
  }
  let document: oauth.AuthorizationServer
  let ownName: unknown
  try {
    const stated: unknown = await response.clone().json()
    if (typeof stated !== 'object' || stated === null) throw new SyntaxError('not an object')
    ownName = 'issuer' in stated ? stated.issuer : undefined
  } catch (thrown) {
    throw new GateError('provider.down', `discovery at ${shown} did not answer with a JSON document`, {
      hint: 'open that address in a browser: a proxy or a start page may answer in place of the provider',
      facts,
      cause: bareError(thrown),
    })
  }
  if (typeof ownName === 'string' && ownName !== issuer) throw otherIssuer(ownName, config, facts)
  try {
    const json = new Response(response.body, { headers: { 'content-type': 'application/json' } })
    document = await oauth.processDiscoveryResponse(new URL(issuer), json)
  } catch (thrown) {
    throw new GateError('provider.discovery', `discovery at ${shown} does not belong to issuer ${issuer}`, {
      hint: 'issuer has to be what the document calls "issuer", to the letter',
      facts,
      cause: bareError(thrown),
    })
  }
  return placeEndpoints(document, config)
}

/** Keycloak says that it knows no such realm, and has been without `/auth` since 17. */
async function hintForMissing({ issuer, metadataUrl }: Placed, response: Response): Promise<string> {
  const { origin, pathname } = new URL(issuer)
  const isOfRealm = /\brealm\b/i.test((await response.text()).slice(0, 1000))
  const [, realm] = /^\/auth\/realms\/([^/]+)\/?$/.exec(pathname) ?? []
  if (metadataUrl === null && response.status === 404 && realm !== undefined) {
    return `Keycloak has no /auth since 17, unless it is told so: try issuer = "${origin}/realms/${realm}"`
  }
  if (isOfRealm) return `write the realm as the provider has it, capitals too: issuer = "${origin}/realms/REALM"`
  return 'open that address in a browser: it has to show a JSON document; check issuer (or metadata_url). Of Keycloak it is one of a realm: https://HOST/realms/REALM'
}

function otherIssuer(ownName: string, { issuer, internalUrl }: Placed, facts: Facts): GateError {
  if (ownName.includes('{')) {
    const hint = `this address is everybody's: write the issuer of one tenant, with its id, as in ${ownName}`
    return new GateError(
      'provider.discovery',
      `the provider calls itself ${ownName}, which is an address for many tenants`,
      {
        hint,
        facts,
      },
    )
  }
  const hint =
    internalUrl !== null && URL.parse(ownName)?.origin === internalUrl
      ? `set its public address, ${issuer}, at the provider: asked at internal_url, it takes that for its own name`
      : `write issuer = "${ownName}"`
  return new GateError('provider.discovery', `the provider calls itself ${ownName}, not ${issuer}`, { hint, facts })
}
