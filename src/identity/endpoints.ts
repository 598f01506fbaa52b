/** The endpoints of a provider, from its discovery document, each checked before it is used. */

import type * as oauth from 'oauth4webapi'
import { GateError } from '../base/errors.ts'
import { shownAddress } from '../base/shown-address.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'

/** Where a provider is. */
export type Placed = Pick<ProviderConfig, 'issuer' | 'metadataUrl' | 'internalUrl'>

/** A provider's discovery document with the endpoints that signing in needs, already checked. */
export type Metadata = oauth.AuthorizationServer & {
  readonly authorization_endpoint: string
  readonly token_endpoint: string
  readonly jwks_uri: string
}

/** Endpoints that this program asks itself, and what becomes of a document with one that cannot be used, or without it. */
const BACK_CHANNEL = {
  token_endpoint: 'needed',
  jwks_uri: 'needed',
  userinfo_endpoint: 'refused',
  pushed_authorization_request_endpoint: 'refused',
  introspection_endpoint: 'left out',
  revocation_endpoint: 'left out',
} as const

/** All of them, by the names of the document. */
export const BACK_CHANNEL_NAMES = Object.keys(BACK_CHANNEL) as readonly (keyof typeof BACK_CHANNEL)[]

/** Where discovery is asked for: at `internal_url` where there is one, else where people go. */
export function discoveryAddress(config: Placed): string {
  const address = config.metadataUrl ?? `${config.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  return fromHere(address, config)
}

/** An address at the issuer's own host as it is reached from here; any other as it is. */
export function fromHere(address: string, { issuer, internalUrl }: Placed): string {
  const { origin, pathname, search } = new URL(address)
  return internalUrl === null || origin !== new URL(issuer).origin ? address : internalUrl + pathname + search
}

/** Whether anything of a provider is asked for over plain HTTP: on loopback, or at its `internal_url`. */
export function isPlain({ issuer, internalUrl }: Pick<Placed, 'issuer' | 'internalUrl'>): boolean {
  return (internalUrl ?? issuer).startsWith('http:')
}

/**
 * A document whose endpoints are where each is used: what we ask at `internal_url`, what browsers open at the issuer's own.
 *
 * With `internal_url` both addresses stand for each other, and the back channel has no third: a document that came over plain HTTP leads
 * nowhere else. Without it, every endpoint is on HTTPS, unless the issuer itself is not (which the file allows for loopback only).
 * Throws `provider.discovery`, with the endpoint's name and address as facts.
 */
export function placeEndpoints(document: oauth.AuthorizationServer, config: Placed): Metadata {
  const { authorization_endpoint: raw } = document
  const placed: Record<string, unknown> = { ...document, authorization_endpoint: '' }
  for (const name of ['authorization_endpoint', 'end_session_endpoint'] as const) {
    if (document[name] !== undefined) placed[name] = inFront(document[name], config)
  }
  const authorization = typeof placed.authorization_endpoint === 'string' ? placed.authorization_endpoint : ''
  if (!isAllowed(authorization, config)) throw unusable('authorization_endpoint', raw, config)
  for (const [name, without] of Object.entries(BACK_CHANNEL)) {
    const stated = document[name]
    if (stated === undefined && without !== 'needed') continue
    const address = behind(stated, config)
    if (address === null && without !== 'left out') throw unusable(name, stated, config)
    if (address === null) delete placed[name]
    else placed[name] = address
  }
  return Object.freeze(placed) as Metadata
}

/** Whether an address has a user or a password in it, which no endpoint has. */
export function hasCredentials({ username, password }: URL): boolean {
  return username !== '' || password !== ''
}

/** An address as browsers reach it. */
function inFront(address: unknown, { issuer, internalUrl }: Placed): unknown {
  const url = typeof address === 'string' ? URL.parse(address) : null
  if (typeof address !== 'string' || url === null || url.origin !== internalUrl) return address
  return new URL(issuer).origin + url.pathname + url.search
}

/** An address as we reach it; null where we may not. */
function behind(address: unknown, config: Placed): string | null {
  const url = typeof address === 'string' ? URL.parse(address) : null
  if (typeof address !== 'string' || url === null) return null
  const { internalUrl } = config
  if (hasCredentials(url)) return null
  if (internalUrl === null) return isAllowed(address, config) ? address : null
  const near = fromHere(address, config)
  return new URL(near).origin === internalUrl ? near : null
}

function isAllowed(address: string, { issuer }: Placed): boolean {
  const url = URL.parse(address)
  if (url === null || hasCredentials(url)) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && issuer.startsWith('http:'))
}

function unusable(name: string, stated: unknown, config: Placed): GateError {
  const { issuer, internalUrl } = config
  const address = typeof stated === 'string' ? shownAddress(stated, 'program').slice(0, 200) : null
  return new GateError('provider.discovery', `the discovery document of ${issuer} has no usable ${name}`, {
    hint: hintFor(name, address, config),
    facts: { issuer, endpoint: name, address, ...(internalUrl === null ? {} : { internal_url: internalUrl }) },
  })
}

function hintFor(name: string, address: string | null, { issuer, internalUrl }: Placed): string {
  const url = address === null ? null : URL.parse(address)
  if (url === null) return 'the provider has to support the authorization code flow over HTTPS'
  if (hasCredentials(url)) return 'it has a user or a password in it: a provider names its endpoints without any'
  if (name in BACK_CHANNEL && internalUrl !== null) {
    return `it is at ${url.origin}, which is neither the issuer's own address nor internal_url: what is asked from here is at ${internalUrl} alone`
  }
  if (name in BACK_CHANNEL && url.protocol === 'http:') {
    return `if the provider is reached at ${url.origin} in your own network (INTERNAL_APP_URL of Pocket ID), write internal_url = "${url.origin}"`
  }
  return `it is at ${url.origin}: browsers need it over HTTPS, as ${new URL(issuer).origin}`
}
