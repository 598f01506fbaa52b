/** How our client authenticates at a provider: by secret, private key, or an assertion from a file. */

import { createPublicKey } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, importJWK, type JWK } from 'jose'
import * as oauth from 'oauth4webapi'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ClientAuth, ProviderConfig } from '../../config/resolve/providers.ts'
import { whyUnreadable } from '../../config/text/substitute.ts'
import { type ParsedClientKey, parseClientKey } from '../../config/values/pem.ts'
import type { Metadata } from '../endpoints.ts'

/** How the client authenticates at the provider's endpoints. */
export interface ClientProof {
  readonly method: ClientAuth
  readonly prove: oauth.ClientAuth
}

/** How long an assertion that is made here is good for; it is used at once. */
const ASSERTION_S = 60

export type ProofPorts = Pick<Ports, 'now' | 'readText'>

/**
 * What the file says; else what the provider lists, Basic first, which is the default (OpenID Connect Discovery §3).
 *
 * Throws `provider.discovery` where the provider takes nothing that the file has.
 */
export async function chooseProof(config: ProviderConfig, metadata: Metadata, ports: ProofPorts): Promise<ClientProof> {
  const method = chooseMethod(config, metadata)
  return { method, prove: await proveBy(method, config, metadata, ports) }
}

function chooseMethod(config: ProviderConfig, metadata: Metadata): ClientAuth {
  if (config.clientAuth !== null) return config.clientAuth
  if (config.clientKey !== null || config.assertionFile !== null) return 'private_key_jwt'
  if (config.clientSecret === null) return 'none'
  const offered = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  for (const method of ['client_secret_basic', 'client_secret_post'] as const) {
    if (offered.includes(method)) return method
  }
  throw new GateError('provider.discovery', `${config.issuer} takes no client secret at its token endpoint`, {
    hint: 'remove client_secret for a public client; write client_key for one with a key, or in place of a certificate (mTLS), or set client_auth',
    facts: { provider: config.name, offered: offered.map(String) },
  })
}

async function proveBy(
  method: ClientAuth,
  config: ProviderConfig,
  metadata: Metadata,
  ports: ProofPorts,
): Promise<oauth.ClientAuth> {
  if (method !== 'private_key_jwt') return bySecret(method, config.clientSecret ?? '')
  return config.clientKey === null ? byFile(config, ports) : await byKey(config.clientKey, config, metadata, ports)
}

/** A secret, or nothing. Basic is encoded by us: see `basicCredentials`. */
export function bySecret(method: Exclude<ClientAuth, 'private_key_jwt'>, secret: string): oauth.ClientAuth {
  switch (method) {
    case 'client_secret_post':
      return oauth.ClientSecretPost(secret)
    case 'none':
      return oauth.None()
    case 'client_secret_basic':
      return (_server, client, _body, headers) => {
        headers.set('authorization', `Basic ${basicCredentials(client.client_id, secret)}`)
      }
  }
}

/**
 * A signed assertion for each request (RFC 7523 §3). Its audience is only the issuer, so that no other server can use
 * it. It is valid for a minute, and its id is never used again.
 */
async function byKey(
  text: string,
  config: ProviderConfig,
  metadata: Metadata,
  ports: ProofPorts,
): Promise<oauth.ClientAuth> {
  const parsed = readKey(text)
  const alg = chooseAlgorithm(parsed, config, metadata)
  const key = await importJWK({ ...parsed.key.export({ format: 'jwk' }), alg }, alg)
  if (!(key instanceof CryptoKey)) throw new TypeError('a private key is no shared secret')
  return oauth.PrivateKeyJwt(
    { key, kid: (await publicClientKey(text)).kid ?? '' },
    {
      [oauth.modifyAssertion](header, claims) {
        const nowS = Math.floor(ports.now() / 1000)
        Object.assign(header, { alg })
        Object.assign(claims, { aud: config.assertionAudience ?? metadata.issuer, iat: nowS, exp: nowS + ASSERTION_S })
        // Says nothing that iat does not, and is refused by a provider whose clock is a second behind.
        Reflect.deleteProperty(claims, 'nbf')
      },
    },
  )
}

function chooseAlgorithm({ algorithms }: ParsedClientKey, config: ProviderConfig, metadata: Metadata): string {
  const offered = metadata.token_endpoint_auth_signing_alg_values_supported
  const chosen = offered === undefined ? algorithms[0] : algorithms.find(name => offered.includes(name))
  if (chosen !== undefined) return chosen
  throw new GateError('provider.discovery', `${config.issuer} takes no signature that client_key can make`, {
    hint: `make a key of another kind: the provider lists ${offered?.join(', ')}`,
    facts: { provider: config.name, offered: offered?.map(String), possible: algorithms },
  })
}

/** The public half of a client's key as the provider has to know it (RFC 7517 §4), by its own name or its thumbprint (RFC 7638). */
export async function publicClientKey(text: string): Promise<JWK> {
  const { key, kid, algorithms } = readKey(text)
  const jwk = await exportJWK(createPublicKey(key))
  const [alg] = algorithms
  return publicMembers({
    ...jwk,
    kid: kid ?? (await calculateJwkThumbprint(jwk)),
    use: 'sig',
    ...(algorithms.length === 1 && alg !== undefined ? { alg } : {}),
  })
}

/** The public members of a client's key. All other members, also of later standards, stay private. */
const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'use', 'alg']

/** A key with only its public members, as far as they are strings. */
export function publicMembers(key: object): JWK {
  const members = PUBLIC_MEMBERS.map(name => [name, Reflect.get(key, name)] as const)
  return Object.fromEntries(members.filter(([, value]) => typeof value === 'string'))
}

function readKey(text: string): ParsedClientKey {
  const parsed = parseClientKey(text)
  if (typeof parsed === 'string') throw new TypeError(`a client key that was not checked: it ${parsed}`)
  return parsed
}

/** What somebody else signed for us, as it is at this moment. */
function byFile({ name, assertionFile }: ProviderConfig, ports: ProofPorts): oauth.ClientAuth {
  return (_server, client, body) => {
    body.set('client_id', client.client_id)
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    body.set('client_assertion', readAssertion(name, assertionFile ?? '', ports))
  }
}

/** Throws `provider.token` where the file cannot be read, or does not hold a JWT; then nothing is sent. */
function readAssertion(provider: string, path: string, { readText }: ProofPorts): string {
  let text = ''
  let why = 'holds no JWT'
  try {
    text = readText(path).trim()
  } catch (error) {
    why = whyUnreadable(error)
  }
  if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return text
  throw new GateError('provider.token', `client_assertion_file ${path} ${why}`, {
    hint: 'the program that writes this file has to put a fresh token there, readable for the user that runs Sallyport',
    facts: { provider, is_about: 'client' },
  })
}

/**
 * RFC 6749 §2.3.1 asks for application/x-www-form-urlencoded, which leaves `-`, `.`, `_` and `*` as they are. oauth4webapi
 * 3.8.8 encodes those too, and a provider that does not decode then knows no client id with a dash in it.
 */
function basicCredentials(clientId: string, secret: string): string {
  const encode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
  return Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString('base64')
}
