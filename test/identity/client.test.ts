import { beforeEach, describe, expect, test } from 'bun:test'
import { decodeProtectedHeader } from 'jose'
import { errorFacts } from '../../src/base/errors.ts'
import type { Ports } from '../../src/base/ports.ts'
import type { ProviderConfig } from '../../src/config/resolve/providers.ts'
import { ask } from '../../src/console/network.ts'
import { readText } from '../../src/console/read-file.ts'
import { createProviderPool } from '../../src/identity/pool.ts'
import type { LoginRequest, LoginResult, ProviderClient } from '../../src/identity/provider.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { BAD_PROVIDER_CLIENT, type Misbehaviour, startBadProvider } from '../kit/provider/bad-provider.ts'
import { providerConfig } from '../kit/provider/config.ts'
import { refusal } from '../kit/thrown.ts'

const NOW_S = 1_900_000_000
let nowMs = NOW_S * 1000

const ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'log' | 'readText'> = {
  now: () => nowMs,
  ask,
  resolve: async () => [],
  readText,
  log: { debug() {}, info() {}, warn() {}, error() {} },
}

const keep = untilTheEnd()
const bad = keep(await startBadProvider(() => Math.floor(nowMs / 1000)))
beforeEach(() => {
  nowMs = NOW_S * 1000
  bad.behave({})
})

function freshClient(over: Partial<ProviderConfig> = {}, limits = { timeoutMs: 20_000, maxBytes: 1024 * 1024 }) {
  return createProviderPool(ports, limits).client(providerConfig(bad, over))
}

const LOGIN: LoginRequest = {
  redirectUri: 'http://127.0.0.1/.sallyport/callback',
  state: 'state-1',
  nonce: 'nonce-1',
  codeVerifier: 'v'.repeat(43),
}

interface SignIn {
  readonly client?: ProviderClient
  /** Laid over the right parameters of the answer; undefined removes one. */
  readonly answer?: Readonly<Record<string, string | undefined>>
}

/** A whole sign-in against the provider as it behaves now. */
function signIn({ client = freshClient(), answer = {} }: SignIn = {}): Promise<LoginResult> {
  const parameters = new URLSearchParams({ code: bad.issueCode(LOGIN.nonce), state: LOGIN.state, iss: bad.issuer })
  for (const [name, value] of Object.entries(answer)) {
    if (value === undefined) parameters.delete(name)
    else parameters.set(name, value)
  }
  return client.finish(parameters, LOGIN)
}

test('a right answer becomes an identity, with userinfo merged over the ID token', async () => {
  bad.behave({ claims: { name: 'Old Name', email: 'one@example.com' } })
  const { identity, refreshToken } = await signIn()
  expect(identity).toMatchObject({ provider: 'test', issuer: bad.issuer, subject: 'user-1', name: 'User One' })
  expect(identity.email).toBe('one@example.com')
  expect(identity.groups).toEqual(['staff'])
  expect(refreshToken).toBeNull()
  expect(Object.keys(identity.claims)).not.toContain('nonce')
})

describe('an address and whether it was verified', () => {
  const own = { email: 'own@example.com', email_verified: true }
  test.each([
    ['userinfo alone, where it has an address', own, { email: 'root@example.com' }, 'root@example.com', null],
    ['userinfo, which has both', own, { email: 'root@example.com', email_verified: false }, 'root@example.com', false],
    [
      'userinfo, which verified it, after an ID token that did not',
      { ...own, email_verified: false },
      { email: 'own@example.com', email_verified: true },
      'own@example.com',
      true,
    ],
    ['the ID token, where userinfo has no address', own, {}, 'own@example.com', true],
    [
      'the ID token, whatever userinfo says of none',
      { email: 'own@example.com' },
      { email_verified: true },
      'own@example.com',
      null,
    ],
    ['userinfo, though its address is none', own, { email: null }, null, null],
  ])('come from %s', async (_, claims, userinfo, email, verified) => {
    bad.behave({ claims, userinfo })
    const { identity } = await signIn()
    expect([identity.email, identity.emailVerified]).toEqual([email, verified])
  })

  test('hold for telephone numbers too', async () => {
    bad.behave({ claims: { phone_number: '+1', phone_number_verified: true }, userinfo: { phone_number: '+2' } })
    const client = freshClient({ namedClaims: ['phone_number', 'phone_number_verified'] })
    const { claims } = (await signIn({ client })).identity
    expect([claims.phone_number, claims.phone_number_verified]).toEqual(['+2', undefined])
  })
})

describe('roles of Keycloak, which are in access tokens alone', () => {
  const roles = {
    realm_access: { roles: ['admin', 7] },
    resource_access: { shop: { roles: ['editor'] }, odd: 'x', other: { roles: 'x' } },
  }
  const client = () => freshClient({ hasRoleGroups: true })
  /** A provider with this access token, and whatever else it does. */
  async function withToken(claims: object, over: Misbehaviour = {}, more: Misbehaviour = {}) {
    const token = await bad.accessToken('account', { ...over, claims: { ...roles, ...claims } })
    bad.behave({ token: { access_token: token }, ...more })
  }

  test('are groups beside the others, and no group passes for one', async () => {
    await withToken({ azp: BAD_PROVIDER_CLIENT.clientId }, {}, { userinfo: { groups: ['staff', 'role:boss'] } })
    expect((await signIn({ client: client() })).identity.groups).toEqual(['staff', 'role:admin', 'role:shop:editor'])
    expect((await signIn()).identity.groups).toEqual(['staff', 'role:boss'])
  })

  test('are groups where there are no others, and are believed of no other token', async () => {
    const others = { resource_access: { shop: { roles: ['boss'] } } }
    const more = { claims: others, userinfo: { groups: undefined, realm_access: { roles: ['boss'] } } }
    await withToken({ resource_access: undefined }, {}, more)
    expect((await signIn({ client: client() })).identity.groups).toEqual(['role:admin'])
  })

  test.each([
    ['somebody else’s', { sub: 'user-2' }, {}, 'sub'],
    ['another client’s', { azp: 'other' }, {}, 'azp'],
    ['another issuer’s', { iss: 'https://evil.example' }, {}, 'iss'],
    ['one that is over', { exp: NOW_S - 300 }, {}, 'exp'],
    ['one that a stranger signed', {}, { signing: 'stranger' }, 'signature'],
    ['one without a signature', {}, { signing: 'none' }, 'alg'],
  ] as const)('are not believed of %s: nobody signs in by it', async (_, claims, over, check) => {
    await withToken(claims, over)
    const { code, facts } = await refusal(signIn({ client: client() }))
    expect([code, facts.check]).toEqual(['provider.id_token', check])
  })

  test('cannot be read of what is no JWT', async () => {
    const { code, facts, hint } = await refusal(signIn({ client: client() }))
    expect([code, facts.check, hint]).toEqual(['provider.id_token', 'format', expect.stringContaining('role_groups')])
  })
})

test('userinfo cannot speak for the token: protocol claims come from the ID token alone', async () => {
  bad.behave({ claims: { acr: 'low' }, userinfo: { acr: 'high', auth_time: 1, iss: 'https://evil.example' } })
  const { identity } = await signIn()
  expect(identity.claims.acr).toBe('low')
  expect(identity.claims.auth_time).toBeUndefined()
  expect(identity.issuer).toBe(bad.issuer)
})

test('begin asks for a code with PKCE S256, state, nonce and the scopes that are on offer', async () => {
  const address = new URL(await freshClient().begin(LOGIN))
  expect(Object.fromEntries(address.searchParams)).toEqual({
    response_type: 'code',
    client_id: BAD_PROVIDER_CLIENT.clientId,
    redirect_uri: LOGIN.redirectUri,
    scope: 'openid profile email groups',
    state: 'state-1',
    nonce: 'nonce-1',
    code_challenge: new Bun.CryptoHasher('sha256').update(LOGIN.codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  bad.behave({ discovery: { scopes_supported: ['openid'], prompt_values_supported: ['login', 'select_account'] } })
  const other = new URL(await freshClient().begin(LOGIN, { asksForAccount: true }))
  expect(other.searchParams.get('scope')).toBe('openid profile email')
  expect(other.searchParams.get('prompt')).toBe('select_account')
  bad.behave({})
  expect(new URL(await freshClient().begin(LOGIN, { asksForAccount: true })).searchParams.get('prompt')).toBe('login')
  const own = new URL(await freshClient({ scopes: ['email'] }).begin(LOGIN))
  expect(own.searchParams.get('scope')).toBe('openid email')
})

describe('ID tokens (OpenID Connect Core §3.1.3.7; the names are the conformance suite’s)', () => {
  const CASES: readonly [string, Misbehaviour, string][] = [
    ['invalid-iss', { claims: { iss: 'https://evil.example' } }, 'iss'],
    ['missing-iss', { claims: { iss: undefined } }, 'iss'],
    ['invalid-aud', { claims: { aud: 'somebody-else' } }, 'aud'],
    ['missing-aud', { claims: { aud: undefined } }, 'aud'],
    ['multiple aud without azp', { claims: { aud: [BAD_PROVIDER_CLIENT.clientId, 'other'] } }, 'aud'],
    [
      'multiple aud with a wrong azp',
      { claims: { aud: [BAD_PROVIDER_CLIENT.clientId, 'other'], azp: 'other' } },
      'azp',
    ],
    ['single aud with a wrong azp', { claims: { azp: 'other' } }, 'azp'],
    [
      'aud with something that is no text',
      { claims: { aud: [BAD_PROVIDER_CLIENT.clientId, 1], azp: BAD_PROVIDER_CLIENT.clientId } },
      'aud',
    ],
    ['missing-iat', { claims: { iat: undefined } }, 'iat'],
    ['iat 90 s ahead', { claims: { iat: NOW_S + 90 } }, 'iat'],
    ['missing-exp', { claims: { exp: undefined } }, 'exp'],
    ['expired 90 s ago', { claims: { exp: NOW_S - 90 } }, 'exp'],
    ['exp as text', { claims: { exp: '9999999999' } }, 'exp'],
    ['nbf 90 s ahead', { claims: { nbf: NOW_S + 90 } }, 'nbf'],
    ['missing-sub', { claims: { sub: undefined } }, 'sub'],
    ['empty sub', { claims: { sub: '' }, userinfo: { sub: '' } }, 'sub'],
    ['sub as a number', { claims: { sub: 1 } }, 'sub'],
    ['sub of 256 characters', { claims: { sub: 'x'.repeat(256) } }, 'sub'],
    ['nonce-invalid', { claims: { nonce: 'nonce-2' } }, 'nonce'],
    ['missing nonce', { claims: { nonce: undefined } }, 'nonce'],
    ['invalid-athash', { claims: { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' } }, 'at_hash'],
    ['at_hash that is no text', { claims: { at_hash: 1 } }, 'at_hash'],
    ['an access token as ID token', { header: { typ: 'at+jwt' } }, 'typ'],
    ['a logout token as ID token', { header: { typ: 'logout+jwt' } }, 'typ'],
    ['a typ spelled as a media type', { header: { typ: 'application/at+JWT' } }, 'typ'],
    ['invalid-sig: a stranger’s key', { signing: 'stranger' }, 'signature'],
    ['a kid that nobody published', { header: { kid: 'invented' } }, 'signature'],
    ['idtoken-sig-none', { signing: 'none' }, 'alg'],
    ['HS256 with the public key', { signing: 'hmac-public-key' }, 'alg'],
    [
      'HS256 with the public key, which the provider even announces',
      { signing: 'hmac-public-key', discovery: { id_token_signing_alg_values_supported: ['RS256', 'HS256'] } },
      'alg',
    ],
    [
      'none, which the provider even announces',
      { signing: 'none', discovery: { id_token_signing_alg_values_supported: ['RS256', 'none'] } },
      'alg',
    ],
    ['no signature part', { idToken: 'e30.e30' }, 'format'],
    ['an encrypted token', { idToken: 'e30.e30.e30.e30.e30' }, 'format'],
    ['text that is no token', { idToken: 'x' }, 'format'],
    [
      'kid-absent-multiple-jwks',
      { header: { kid: undefined }, jwks: right => ({ keys: [...right.keys, { ...right.keys[0], kid: 'second' }] }) },
      'signature',
    ],
    ['a critical extension', { header: { crit: ['b64'], b64: true } }, 'crit'],
  ]
  test.each(CASES)('%s is refused', async (_title, misbehaviour, check) => {
    bad.behave(misbehaviour)
    const error = await refusal(signIn())
    expect(error.code).toBe('provider.id_token')
    expect(error.facts.check).toBe(check)
  })

  const FINE: readonly [string, Misbehaviour][] = [
    ['idtoken-sig-rs256', {}],
    ['kid-absent-single-jwks', { header: { kid: undefined } }],
    ['typ JWT', { header: { typ: 'JWT' } }],
    ['one azp that is ours', { claims: { azp: BAD_PROVIDER_CLIENT.clientId } }],
    [
      'several aud with our azp',
      { claims: { aud: ['other', BAD_PROVIDER_CLIENT.clientId], azp: BAD_PROVIDER_CLIENT.clientId } },
    ],
    ['aud as a list of one', { claims: { aud: [BAD_PROVIDER_CLIENT.clientId] } }],
    ['exp 59 s ago', { claims: { exp: NOW_S - 59 } }],
    ['iat 59 s ahead', { claims: { iat: NOW_S + 59 } }],
    ['nbf 59 s ahead', { claims: { nbf: NOW_S + 59 } }],
    ['sub of 255 characters', { claims: { sub: 'x'.repeat(255) }, userinfo: { sub: 'x'.repeat(255) } }],
    [
      'a right at_hash',
      {
        claims: {
          at_hash: new Bun.CryptoHasher('sha256')
            .update('access-token-1')
            .digest()
            .subarray(0, 16)
            .toString('base64url'),
        },
      },
    ],
    ['keys of kinds we do not know', { jwks: right => ({ keys: [{ kty: 'future' }, 1, null, ...right.keys] }) }],
  ]
  test.each(FINE)('%s is accepted', async (_title, misbehaviour) => {
    bad.behave(misbehaviour)
    expect((await signIn()).identity.issuer).toBe(bad.issuer)
  })

  test('an algorithm pinned in the file is the only one accepted', async () => {
    const error = await refusal(signIn({ client: freshClient({ idTokenAlgs: ['ES256'] }) }))
    expect([error.code, error.facts.check]).toEqual(['provider.id_token', 'alg'])
  })

  test('a provider that announces no asymmetric algorithm is not set up correctly', async () => {
    bad.behave({ discovery: { id_token_signing_alg_values_supported: ['none', 'HS256'] } })
    expect((await refusal(signIn())).code).toBe('provider.discovery')
  })
})

describe('keys', () => {
  test('signing-key-rotation: a new key is found with one more request', async () => {
    const client = freshClient()
    await signIn({ client })
    const before = bad.asked.jwks
    await bad.rotate()
    await signIn({ client })
    await signIn({ client })
    expect(bad.asked.jwks).toBe(before + 1)
  })

  test('signing-key-rotation: keys that change several times within a minute are found each time', async () => {
    const client = freshClient()
    await signIn({ client })
    for (let round = 0; round < 3; round++) {
      await bad.rotate()
      expect((await signIn({ client })).identity.issuer).toBe(bad.issuer)
    }
  })

  test('signing-key-rotation: an unknown kid before it keeps nobody out for more than ten seconds', async () => {
    const client = freshClient()
    await signIn({ client })
    bad.behave({ header: { kid: 'invented' } })
    await refusal(signIn({ client }))
    bad.behave({})
    await bad.rotate()
    nowMs += 10_000
    expect((await signIn({ client })).identity.issuer).toBe(bad.issuer)
  })

  const algOf = (token: string) => decodeProtectedHeader(token).alg

  test('a key for another algorithm is found with one more question for discovery, whatever the token is', async () => {
    const client = freshClient()
    bad.behave({ givesRefreshToken: true })
    const { identity, idToken, refreshToken } = await signIn({ client })
    const held = { identity, idToken, refreshToken: refreshToken ?? '' }
    const uses: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['sign-in', async () => algOf((await signIn({ client })).idToken)],
      ['refresh', async () => (await client.refresh(held)).kind],
      ['logout token', async () => (await client.readLogoutToken(await bad.logoutToken())).subject],
      [
        'access token',
        async () => (await client.readAccessToken(await bad.accessToken('api'), 'api')).identity.subject,
      ],
    ]
    const came: unknown[] = []
    for (const [index, [what, use]] of uses.entries()) {
      await bad.rotate(index % 2 === 0 ? 'ES256' : 'RS256')
      const before = bad.asked.discovery
      came.push([what, await use().catch(error => errorFacts(error)), bad.asked.discovery - before])
    }
    expect(came).toEqual([
      ['sign-in', 'ES256', 1],
      ['refresh', 'renewed', 1],
      ['logout token', 'user-1', 1],
      ['access token', 'user-1', 1],
    ])
    await bad.rotate('RS256')
  })

  test('keys that moved to another address are found in the same way', async () => {
    const client = freshClient()
    await signIn({ client })
    await bad.rotate()
    const keys = await (await fetch(`${bad.issuer}/jwks`)).json()
    using moved = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => Response.json(keys) })
    bad.behave({ discovery: { jwks_uri: `http://127.0.0.1:${moved.port}/` }, jwks: () => ({ keys: [] }) })
    expect((await signIn({ client })).identity.subject).toBe('user-1')
  })

  const PLACES = [
    ['token_endpoint', 'token'],
    ['userinfo_endpoint', 'userinfo'],
    ['jwks_uri', 'jwks'],
  ] as const

  test.each(PLACES.flatMap(place => [404, 410].map(status => [...place, status] as const)))(
    'an endpoint that moved is found in the same way: %s, /%s (%d)',
    async (name, path, status) => {
      const client = freshClient()
      await client.begin(LOGIN)
      const before = bad.asked.discovery
      using moved = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        // At its own place it answers as ever, for whoever comes from there.
        fetch: async request => {
          bad.behave(there)
          const answer = await fetch(`${bad.issuer}/${path}`, {
            method: request.method,
            headers: request.headers,
            ...(request.method === 'POST' ? { body: await request.text() } : {}),
          })
          bad.behave(gone)
          return new Response(await answer.text(), {
            status: answer.status,
            headers: { 'content-type': 'application/json' },
          })
        },
      })
      const there = { discovery: { [name]: `http://127.0.0.1:${moved.port}/` } }
      const gone = { ...there, instead: { [path]: () => new Response('', { status }) } }
      bad.behave(gone)
      expect((await signIn({ client })).identity.subject).toBe('user-1')
      expect((await signIn({ client })).identity.subject).toBe('user-1')
      expect(bad.asked.discovery).toBe(before + 1)
    },
  )

  test('an endpoint that is gone and named still costs one question for discovery in ten seconds', async () => {
    const client = freshClient()
    await client.begin(LOGIN)
    const before = bad.asked.discovery
    bad.behave({ instead: { token: () => new Response('', { status: 404 }) } })
    for (let times = 0; times < 5; times++) expect((await refusal(signIn({ client }))).code).toBe('provider.token')
    expect(bad.asked.discovery).toBe(before + 1)
    bad.behave({})
    nowMs += 10_000
  })

  test('so is one whose host has no address any more', async () => {
    const client = freshClient()
    bad.behave({ discovery: { token_endpoint: 'http://moved-away.invalid/token' } })
    await client.begin(LOGIN)
    bad.behave({})
    expect((await signIn({ client })).identity.subject).toBe('user-1')
  })

  test('a storm of invented algorithms and kids costs one more question for discovery in ten seconds', async () => {
    const client = freshClient()
    await signIn({ client })
    const before = bad.asked.discovery
    const storm = async () => {
      const kinds = [{ signing: 'none' }, { signing: 'hmac-public-key' }, { header: { kid: 'new' } }] as const
      for (const kind of [...kinds, { signing: 'stranger' } as const]) {
        const tokens = await Promise.all(Array.from({ length: 10 }, () => bad.logoutToken(kind)))
        for (const error of await Promise.all(tokens.map(token => refusal(client.readLogoutToken(token))))) {
          expect(error.code).toBe('provider.logout_token')
        }
      }
    }
    await storm()
    expect(bad.asked.discovery).toBe(before + 1)
    nowMs += 10_000
    await storm()
    expect(bad.asked.discovery).toBe(before + 2)
    await signIn({ client })
  })

  test('while discovery cannot be had, what was known counts on, and who came is refused', async () => {
    const client = freshClient()
    await signIn({ client })
    await bad.rotate('ES256')
    bad.behave({ instead: { discovery: () => new Response('', { status: 503 }) } })
    const before = bad.asked.discovery
    for (let times = 0; times < 5; times++) {
      const error = await refusal(signIn({ client }))
      expect([error.code, error.facts.check]).toEqual(['provider.id_token', 'alg'])
    }
    expect([bad.asked.discovery - before, client.state().kind]).toEqual([1, 'fails'])
    bad.behave({})
    nowMs += 10_000
    expect(algOf((await signIn({ client })).idToken)).toBe('ES256')
    expect(client.state().kind).toBe('answers')
    await bad.rotate('RS256')
  })

  test('an algorithm that the file pins is not asked about, nor is one that the provider goes on to deny', async () => {
    const pinned = freshClient({ idTokenAlgs: ['RS256'] })
    await signIn({ client: pinned })
    await bad.rotate('ES256')
    const before = bad.asked.discovery
    expect((await refusal(signIn({ client: pinned }))).facts.check).toBe('alg')
    expect(bad.asked.discovery).toBe(before)
    bad.behave({ discovery: { id_token_signing_alg_values_supported: ['RS256'] } })
    expect((await refusal(signIn())).facts.check).toBe('alg')
    await bad.rotate('RS256')
  })

  test('a storm of a hundred unknown kids costs one request in a cool-down, and after it one more', async () => {
    const client = freshClient()
    await signIn({ client })
    const before = bad.asked.jwks
    for (let index = 0; index < 10; index++) {
      bad.behave({ header: { kid: `invented-${index}` } })
      const attempts = Array.from({ length: 10 }, () => refusal(signIn({ client })))
      for (const error of await Promise.all(attempts)) expect(error.code).toBe('provider.id_token')
    }
    expect(bad.asked.jwks).toBe(before + 1)
    nowMs += 10_000
    await refusal(signIn({ client }))
    expect(bad.asked.jwks).toBe(before + 2)
    bad.behave({})
    await signIn({ client })
  })

  test('fifty sign-ins at once ask for discovery and keys once', async () => {
    const client = freshClient()
    const before = { ...bad.asked }
    await Promise.all(Array.from({ length: 50 }, () => signIn({ client })))
    expect(bad.asked.discovery - before.discovery).toBe(1)
    expect(bad.asked.jwks - before.jwks).toBe(1)
  })
})

test('invalid_request is about this program where a code was to be redeemed', async () => {
  bad.behave({ instead: { token: () => Response.json({ error: 'invalid_request' }, { status: 400 }) } })
  expect((await refusal(signIn())).facts).toMatchObject({ is_about: 'client', provider_error: 'invalid_request' })
})

describe('the answer in the browser', () => {
  test.each([
    ['RFC 9207: a missing iss where it is announced', { iss: undefined }, 'provider.issuer'],
    ['RFC 9207: another provider’s iss (mix-up)', { iss: 'https://evil.example' }, 'provider.issuer'],
    ['another state', { state: 'state-2' }, 'sign_in.state'],
    ['no state', { state: undefined }, 'sign_in.state'],
    ['no code', { code: undefined }, 'sign_in.callback'],
    ['an empty code', { code: '' }, 'sign_in.callback'],
    ['a packed response', { response: 'e30.e30.e30' }, 'sign_in.callback'],
    ['error=access_denied', { code: undefined, error: 'access_denied', error_description: 'no' }, 'provider.refused'],
    ['an error from another provider', { error: 'access_denied', iss: 'https://evil.example' }, 'provider.issuer'],
    ['an ID token in the address', { id_token: 'e30.e30.e30' }, 'provider.token'],
    ['a code that nobody issued', { code: 'invented' }, 'provider.token'],
  ] as const)('%s is refused', async (_title, answer, code) => {
    expect((await refusal(signIn({ answer }))).code).toBe(code)
  })

  test.each(['code', 'state', 'iss', 'error', 'anything'])(
    'a second %s is refused, and nothing is redeemed',
    async name => {
      const client = freshClient()
      const answer = new URLSearchParams({ code: bad.issueCode(LOGIN.nonce), state: LOGIN.state, iss: bad.issuer })
      answer.append(name, answer.get(name) ?? 'x')
      answer.append(name, 'second')
      const before = bad.asked.token
      expect((await refusal(client.finish(answer, LOGIN))).code).toBe('sign_in.callback')
      expect(bad.asked.token).toBe(before)
    },
  )

  test('iss may be missing where the provider does not announce it, but never be wrong', async () => {
    bad.behave({ discovery: { authorization_response_iss_parameter_supported: undefined } })
    await signIn({ answer: { iss: undefined } })
    expect((await refusal(signIn({ answer: { iss: `${bad.issuer}/` } }))).code).toBe('provider.issuer')
  })
})

describe('the token endpoint', () => {
  test('client-secret-basic: the secret is form-encoded, and a dash in the client id stays a dash', async () => {
    await signIn()
    const { form, authorization } = bad.lastToken()
    const [id, secret] = Buffer.from(authorization?.slice(6) ?? '', 'base64')
      .toString()
      .split(':')
    expect(id).toBe('client-1_a')
    expect(new URLSearchParams(`s=${secret}`).get('s')).toBe(BAD_PROVIDER_CLIENT.clientSecret)
    expect(form.get('client_secret')).toBeNull()
    expect(form.get('code_verifier')).toBe(LOGIN.codeVerifier)
    expect(form.get('redirect_uri')).toBe(LOGIN.redirectUri)
  })

  test('client_secret_post is used where only that is offered, or the file says so', async () => {
    bad.behave({ discovery: { token_endpoint_auth_methods_supported: ['client_secret_post'] } })
    await signIn()
    expect(bad.lastToken().authorization).toBeNull()
    expect(bad.lastToken().form.get('client_secret')).toBe(BAD_PROVIDER_CLIENT.clientSecret)
    bad.behave({})
    await signIn({ client: freshClient({ clientAuth: 'client_secret_post' }) })
    expect(bad.lastToken().form.get('client_secret')).toBe(BAD_PROVIDER_CLIENT.clientSecret)
  })

  test('a public client names itself and sends no secret', async () => {
    await signIn({ client: freshClient({ clientSecret: null }) })
    expect(bad.lastToken().authorization).toBeNull()
    expect(bad.lastToken().form.get('client_id')).toBe(BAD_PROVIDER_CLIENT.clientId)
    expect(bad.lastToken().form.has('client_secret')).toBe(false)
  })

  test.each([
    [
      'a refused client',
      () => Response.json({ error: 'invalid_client' }, { status: 401 }),
      'provider.token',
      'invalid_client',
    ],
    [
      'a refused client with a challenge',
      () => new Response('', { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }),
      'provider.token',
      'invalid_client',
    ],
    [
      'a page of HTML',
      () => new Response('<p>hi', { headers: { 'content-type': 'text/html' } }),
      'provider.token',
      undefined,
    ],
    [
      'JSON that is none',
      () => new Response('{"access_', { headers: { 'content-type': 'application/json' } }),
      'provider.token',
      undefined,
    ],
    ['a redirect', () => Response.redirect('https://evil.example/', 302), 'provider.token', undefined],
    ['status 500', () => new Response('oops', { status: 500 }), 'provider.down', undefined],
    ['status 429', () => new Response('slow down', { status: 429 }), 'provider.down', undefined],
  ] as const)('%s is told apart', async (_title, answer, code, providerError) => {
    bad.behave({ instead: { token: answer } })
    const error = await refusal(signIn())
    expect(error.code).toBe(code)
    expect(error.facts.provider_error).toBe(providerError)
  })

  test('an answer without an ID token, or with another kind of token, is refused', async () => {
    bad.behave({ idToken: null })
    expect((await refusal(signIn())).code).toMatch(/^provider\.(id_)?token$/)
    bad.behave({ token: { token_type: 'DPoP' } })
    expect((await refusal(signIn())).code).toBe('provider.token')
  })
})

/** Right claims behind a signature that nobody made. */
const UNCHECKED = [{ alg: 'RS256' }, { sub: 'user-1' }, {}]
  .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .join('.')

describe('userinfo', () => {
  test('userinfo-bearer-header: the token travels in the Authorization field, never in the address', async () => {
    await signIn()
    expect(bad.lastUserinfo().authorization).toBe('Bearer access-token-1')
    expect(bad.lastUserinfo().address.search).toBe('')
  })

  test.each([
    ['userinfo-invalid-sub', { userinfo: { sub: 'user-2' } }],
    ['a missing sub', { userinfo: { sub: undefined } }],
    [
      'a page of HTML',
      { instead: { userinfo: () => new Response('<p>', { headers: { 'content-type': 'text/html' } }) } },
    ],
    [
      'a signed answer that nobody asked for',
      {
        discovery: { userinfo_signing_alg_values_supported: ['RS256'] },
        instead: { userinfo: () => new Response(UNCHECKED, { headers: { 'content-type': 'application/jwt' } }) },
      },
    ],
  ] as const)('%s is refused', async (_title, misbehaviour) => {
    bad.behave(misbehaviour)
    expect((await refusal(signIn())).code).toBe('provider.userinfo')
  })

  test.each([
    ['status 500', () => new Response('', { status: 500 })],
    ['status 429', () => new Response('', { status: 429 })],
    ['no answer', () => new Promise<Response>(() => undefined)],
  ])('%s means that the provider is down, as at its token endpoint', async (_what, userinfo) => {
    bad.behave({ instead: { userinfo } })
    const client = freshClient({}, { timeoutMs: 1000, maxBytes: 1024 })
    const { code, status, retryAfterS } = await refusal(signIn({ client }))
    expect([code, status, retryAfterS]).toEqual(['provider.down', 503, 5])
  })

  test('a provider without the endpoint is asked nothing more', async () => {
    bad.behave({ discovery: { userinfo_endpoint: undefined }, claims: { groups: ['a'] } })
    const before = bad.asked.userinfo
    expect((await signIn()).identity.groups).toEqual(['a'])
    expect(bad.asked.userinfo).toBe(before)
  })

  test('a claim named __proto__ changes no prototype', async () => {
    bad.behave({
      instead: {
        userinfo: () =>
          new Response('{"sub":"user-1","__proto__":{"groups":["admins"]}}', {
            headers: { 'content-type': 'application/json' },
          }),
      },
    })
    const { identity } = await signIn()
    expect(identity.groups).toEqual([])
    expect(identity.claims.groups).toBeUndefined()
  })
})

describe('no secret reaches a log', () => {
  const CASES: readonly [string, Misbehaviour][] = [
    [
      'token body without JSON',
      {
        instead: {
          token: () => new Response('access-token-1 secret', { headers: { 'content-type': 'application/json' } }),
        },
      },
    ],
    ['token body with the wrong type', { token: { token_type: 7 } }],
    ['wrong nonce', { claims: { nonce: 'access-token-1' } }],
    ['wrong signature', { signing: 'stranger' }],
    ['wrong userinfo', { userinfo: { sub: 'access-token-1' } }],
    [
      'a description that is cut in the middle of one',
      {
        instead: {
          token: () => {
            const code = bad.lastToken().form.get('code')
            return Response.json({ error: 'x', error_description: `${'x'.repeat(190)}${code}` }, { status: 400 })
          },
        },
      },
    ],
    [
      'a description that repeats them',
      {
        instead: {
          token: () =>
            Response.json(
              {
                error: 'invalid_grant',
                error_description: `bad ${bad.lastToken().form.get('code')} ${LOGIN.codeVerifier}`,
              },
              { status: 400 },
            ),
        },
      },
    ],
  ]
  test.each(CASES)('%s', async (_title, misbehaviour) => {
    bad.behave(misbehaviour)
    const error = await refusal(signIn())
    const told = `${JSON.stringify(errorFacts(error))} ${Bun.inspect(error, { depth: 10 })}`
    for (const secret of [
      'access-token-1',
      BAD_PROVIDER_CLIENT.clientSecret,
      LOGIN.codeVerifier,
      'eyJhbGci',
      'code-',
    ]) {
      expect(told).not.toContain(secret)
    }
  })
})

describe('a mistake of the set-up is named with what helps, as the provider answered it', () => {
  const says = (error: string, error_description: string) => ({ code: undefined, error, error_description })
  test.each([
    [
      'Keycloak: pushed requests alone',
      says('invalid_request', 'Pushed Authorization Request is only allowed.'),
      /par = "always"/,
    ],
    [
      'oidc-provider: pushed requests alone',
      says('invalid_request', 'Pushed Authorization Request must be used'),
      /par = "always"/,
    ],
    ['Keycloak: an unknown scope', says('invalid_scope', 'Invalid scopes: openid groups'), /see scopes/],
    ['Keycloak: no PKCE', says('invalid_request', 'Invalid parameter: code_challenge'), /S256/],
    [
      'Keycloak: no standard flow',
      says('unauthorized_client', 'Standard flow is disabled for the client.'),
      /standard flow/,
    ],
  ])('%s, which is not about the person', async (_, answer, hint) => {
    const { code, facts, hint: told } = await refusal(signIn({ answer }))
    expect([code, facts.provider_error, told]).toEqual(['provider.request', answer.error, expect.stringMatching(hint)])
  })

  test('Keycloak: a wrong secret is about the client, with 401', async () => {
    const wrong = { error: 'unauthorized_client', error_description: 'Invalid client or Invalid client credentials' }
    bad.behave({ instead: { token: () => Response.json(wrong, { status: 401 }) } })
    const { facts, hint } = await refusal(signIn())
    expect([facts.wrong, hint]).toEqual(['client', expect.stringMatching(/client_secret.*client_key/)])
    bad.behave({ instead: { token: () => Response.json(wrong, { status: 400 }) } })
    expect((await refusal(signIn())).facts.wrong).toBe('flow')
  })

  test('userinfo that is signed', async () => {
    const signed = () => new Response('e30.e30.e30', { headers: { 'content-type': 'application/jwt; charset=utf-8' } })
    bad.behave({ instead: { userinfo: signed } })
    const { code, hint } = await refusal(signIn())
    expect([code, hint]).toEqual(['provider.userinfo', expect.stringContaining('claims_from = "id_token"')])
    expect((await signIn({ client: freshClient({ claimsFrom: 'id_token' }) })).identity.subject).toBe('user-1')
  })

  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  test.each([
    ['signed with the secret', `${part({ alg: 'HS256' })}.${part({ sub: 'user-1' })}.AAAA`, { alg: 'HS256' }, /RS256/],
    ['signed by nothing', `${part({ alg: 'none' })}.${part({ sub: 'user-1' })}.`, { alg: 'none' }, /RS256/],
    [
      'encrypted',
      `${part({ alg: 'RSA-OAEP-256', enc: 'A256GCM', cty: 'JWT', kid: 'enc1' })}.AA.AA.AA.AA`,
      { alg: 'RSA-OAEP-256', enc: 'A256GCM' },
      /encrypt/,
    ],
  ])('an ID token that is %s', async (_, idToken, facts, hint) => {
    bad.behave({ idToken })
    const failure = await refusal(signIn())
    expect([failure.code, failure.facts, failure.hint]).toEqual([
      'provider.id_token',
      expect.objectContaining(facts),
      expect.stringMatching(hint),
    ])
  })

  test.each(['access', 'logout'] as const)('an algorithm that no provider may use, of the %s token', async kind => {
    const client = freshClient()
    const over = { signing: 'hmac-public-key' } as const
    const failure = await refusal(
      kind === 'access'
        ? bad.accessToken('api', over).then(token => client.readAccessToken(token, 'api'))
        : bad.logoutToken(over).then(token => client.readLogoutToken(token)),
    )
    expect([failure.facts, failure.hint]).toEqual([
      { check: 'alg', alg: 'HS256' },
      expect.stringContaining(`sign ${kind} tokens for this client with RS256`),
    ])
  })

  test('an algorithm that the file does not pin is named', async () => {
    const { facts } = await refusal(signIn({ client: freshClient({ idTokenAlgs: ['ES256', 'PS256'] }) }))
    expect(facts).toMatchObject({ check: 'alg', alg: 'RS256' })
  })

  test('a provider that wants certificates of clients', async () => {
    bad.behave({ discovery: { token_endpoint_auth_methods_supported: ['tls_client_auth'] } })
    const { code, hint } = await refusal(signIn())
    expect([code, hint]).toEqual(['provider.discovery', expect.stringMatching(/client_key .*mTLS/)])
  })

  test.each([
    ['/auth/realms/home', 'not found', (origin: string) => `issuer = "${origin}/realms/home"`],
    [
      '/realms/Home',
      JSON.stringify({ error: 'Realm does not exist' }),
      (origin: string) => `issuer = "${origin}/realms/REALM"`,
    ],
    ['', 'not found', () => 'https://HOST/realms/REALM'],
  ])('an issuer that is no realm of Keycloak: %s', async (path, body, expected) => {
    bad.behave({ instead: { discovery: () => new Response(body, { status: 404 }) } })
    const { hint } = await refusal(freshClient({ issuer: bad.issuer + path }).begin(LOGIN))
    expect(hint).toContain(expected(bad.issuer))
  })

  test('a claim that the file names, and that nobody came with, is told once', async () => {
    const told: unknown[] = []
    const info = (message: string, facts: unknown) =>
      void (/claims that the file names/.test(message) && told.push(facts))
    const client = createProviderPool(
      { ...ports, log: { ...ports.log, info } },
      { timeoutMs: 20_000, maxBytes: 1 << 20 },
    ).client(providerConfig(bad, { namedClaims: ['department', 'realm_access.roles', 'realm_access.more'] }))
    bad.behave({ claims: { realm_access: { roles: ['user'] } } })
    await signIn({ client })
    await signIn({ client })
    expect(told).toEqual([expect.objectContaining({ provider: 'test', claims: ['department', 'realm_access.more'] })])
  })
})
