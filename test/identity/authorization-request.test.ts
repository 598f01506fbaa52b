import { beforeEach, describe, expect, test } from 'bun:test'
import { askBy } from '../../src/base/http-client.ts'
import { readText } from '../../src/console/read-file.ts'
import { createProviderPool } from '../../src/identity/pool.ts'
import { quietPorts } from '../kit/clock.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { BAD_PROVIDER_CLIENT, type Misbehaviour, startBadProvider } from '../kit/provider/bad-provider.ts'
import { providerConfig } from '../kit/provider/config.ts'
import { refusal } from '../kit/thrown.ts'

const PUBLIC = 'https://id.example.com'
const INTERNAL = 'http://pocket-id:1411'
const LOGIN = { redirectUri: 'http://127.0.0.1/cb', state: 's', nonce: 'n', codeVerifier: 'v'.repeat(43) }

const keep = untilTheEnd()
const provider = keep(await startBadProvider())
/** The origins that were asked; each of them leads to the provider. */
const asked: string[] = []
/** The authorities that each was held against. */
const trusted: unknown[] = []
beforeEach(() => {
  asked.splice(0)
  trusted.splice(0)
})

const ports = {
  ...quietPorts({ now: Date.now }),
  readText,
  ask: askBy((address, init) => {
    const { origin, pathname, search } = new URL(address)
    asked.push(origin)
    const { tls, ...rest } = init
    trusted.push(tls?.ca)
    return fetch(provider.issuer + pathname + search, rest)
  }),
}

/** What a provider says of its addresses that knows of two, as with INTERNAL_APP_URL of Pocket ID. */
const TWO = {
  issuer: PUBLIC,
  authorization_endpoint: `${PUBLIC}/authorize`,
  end_session_endpoint: `${PUBLIC}/end`,
  token_endpoint: `${INTERNAL}/token`,
  userinfo_endpoint: `${INTERNAL}/userinfo`,
  jwks_uri: `${INTERNAL}/jwks`,
}

/** The same for one that knows its public address alone. */
const ONE = Object.fromEntries(Object.entries(TWO).map(([name, at]) => [name, at.replace(INTERNAL, PUBLIC)]))

function clientOf(discovery: NonNullable<Misbehaviour['discovery']>, internalUrl: string | null = INTERNAL) {
  provider.behave({ discovery, claims: { iss: PUBLIC }, givesRefreshToken: true, refresh: { claims: { iss: PUBLIC } } })
  const config = providerConfig({ issuer: PUBLIC, ...BAD_PROVIDER_CLIENT }, { internalUrl })
  return createProviderPool(ports).client(config)
}

const answer = () => new URLSearchParams({ code: provider.issueCode('n'), state: 's', iss: PUBLIC })

describe('with internal_url', () => {
  test.each([
    ['names them there', TWO],
    ['names its public address alone', ONE],
    [
      'names all of them there',
      Object.fromEntries(
        Object.entries(ONE).map(([name, at]) => [name, name === 'issuer' ? at : at.replace(PUBLIC, INTERNAL)]),
      ),
    ],
  ])('a provider that %s is asked there for everything, and people go to the public address', async (_, said) => {
    const client = clientOf(said)
    expect(await client.begin(LOGIN)).toStartWith(`${PUBLIC}/authorize?`)
    const { identity, idToken, refreshToken } = await client.finish(answer(), LOGIN)
    expect(identity.issuer).toBe(PUBLIC)
    expect(identity.groups).toEqual(['staff'])
    await client.refresh({ identity, idToken, refreshToken: refreshToken ?? '' })
    await client.readAccessToken(await provider.accessToken('api', { claims: { iss: PUBLIC } }), 'api')
    expect(await client.endSession({ idToken, returnTo: 'https://a.example/', state: 's' })).toStartWith(
      `${PUBLIC}/end?`,
    )
    expect(new Set(asked)).toEqual(new Set([INTERNAL]))
  })

  test.each(['token_endpoint', 'jwks_uri', 'userinfo_endpoint'])('%s at any other host is refused', async name => {
    for (const origin of [
      'http://elsewhere:1411',
      'https://elsewhere.example.com',
      'http://pocket-id',
      'https://pocket-id:1411',
      'http://id.example.com',
    ]) {
      const error = await refusal(clientOf({ ...TWO, [name]: `${origin}/x` }).begin(LOGIN))
      expect(error.code).toBe('provider.discovery')
      expect(error.facts.endpoint).toBe(name)
      expect(error.facts.address).toBe(`${origin}/x`)
    }
  })

  test('the authorization endpoint stays on HTTPS, at whatever host', async () => {
    const error = await refusal(
      clientOf({ ...TWO, authorization_endpoint: 'http://id.example.com/authorize' }).begin(LOGIN),
    )
    expect(error.facts.endpoint).toBe('authorization_endpoint')
    const elsewhere = { ...TWO, authorization_endpoint: 'https://login.example.com/authorize' }
    expect(await clientOf(elsewhere).begin(LOGIN)).toStartWith('https://login.example.com/authorize?')
  })

  test('a provider that calls itself by the internal address is refused, and told why', async () => {
    const error = await refusal(clientOf({ ...TWO, issuer: INTERNAL }).begin(LOGIN))
    expect(error.code).toBe('provider.discovery')
    expect(error.hint).toContain('public address')
  })

  test.each(['introspection_endpoint', 'revocation_endpoint'])('%s elsewhere is as good as none', async name => {
    expect(await clientOf({ ...TWO, [name]: 'http://elsewhere:1411/x' }).begin(LOGIN)).toStartWith(PUBLIC)
  })
})

test('ca is for the requests of its provider alone, at the same issuer too', async () => {
  const pool = createProviderPool(ports)
  provider.behave({ discovery: ONE, claims: { iss: PUBLIC } })
  for (const ca of ['one', null, 'other']) {
    const client = pool.client(providerConfig({ issuer: PUBLIC, ...BAD_PROVIDER_CLIENT }, { ca }))
    await client.finish(answer(), LOGIN)
    expect(asked.length).toBe(4)
    expect(new Set(trusted.splice(0))).toEqual(new Set([ca ?? undefined]))
    asked.splice(0)
  }
})

describe('without internal_url', () => {
  test('a back channel over plain HTTP is refused, and the hint names what would be written', async () => {
    const error = await refusal(clientOf(TWO, null).begin(LOGIN))
    expect(error.code).toBe('provider.discovery')
    expect(error.hint).toContain(`internal_url = "${INTERNAL}"`)
    expect(asked).toEqual([PUBLIC])
  })
})

describe('an address that cannot be reached', () => {
  const failing = (code: string) => ({
    ...ports,
    ask: () => Promise.reject(Object.assign(new Error('no'), { code })),
  })
  const fails = (code: string, internalUrl: string | null) => {
    const config = providerConfig({ issuer: PUBLIC, ...BAD_PROVIDER_CLIENT }, { internalUrl })
    return refusal(createProviderPool(failing(code)).client(config).begin(LOGIN))
  }

  test.each([
    ['ENOTFOUND', 'networks'],
    ['ECONNREFUSED', 'port'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'ca ='],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ca ='],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ca ='],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'ca ='],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'another name'],
    ['CERT_HAS_EXPIRED', 'expired'],
    ['EPROTO', 'no TLS on this port'],
  ])('%s: says which of both it was, and how to mend it', async (code, word) => {
    const inside = await fails(code, INTERNAL)
    expect(inside.code).toBe('provider.down')
    expect(inside.message).toContain(`${INTERNAL}/.well-known/openid-configuration (internal_url)`)
    expect(inside.hint).toContain(word)
    const outside = await fails(code, null)
    expect(outside.message).toContain(`${PUBLIC}/.well-known/openid-configuration`)
    expect(outside.message).not.toContain('internal_url')
  })

  test('where the public one is refused or has no name here, internal_url is offered', async () => {
    for (const code of ['ENOTFOUND', 'ECONNREFUSED', 'ETIMEDOUT']) {
      expect((await fails(code, null)).hint).toContain('internal_url = "http://')
    }
  })
})
