/** What a file says of how a provider is asked, and of which of its statements count. */

import { beforeEach, describe, expect, test } from 'bun:test'
import type { Ports } from '../../src/base/ports.ts'
import type { ProviderConfig } from '../../src/config/resolve/providers.ts'
import { ask } from '../../src/console/network.ts'
import { readText } from '../../src/console/read-file.ts'
import { createProviderPool } from '../../src/identity/pool.ts'
import type { BeginOptions, LoginRequest, LoginResult } from '../../src/identity/provider.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { startBadProvider } from '../kit/provider/bad-provider.ts'
import { providerConfig } from '../kit/provider/config.ts'
import { refusal } from '../kit/thrown.ts'

const NOW_MS = 1_900_000_000_000
const LOGIN: LoginRequest = {
  redirectUri: 'http://127.0.0.1/.sallyport/callback',
  state: 'state-1',
  nonce: 'nonce-1',
  codeVerifier: 'v'.repeat(43),
}

const told: (readonly [message: string, facts: object])[] = []
const ports: Pick<Ports, 'now' | 'ask' | 'resolve' | 'log' | 'readText'> = {
  now: () => NOW_MS,
  ask,
  resolve: async () => [],
  readText,
  log: { debug() {}, info() {}, warn() {}, error: (message, facts = {}) => void told.push([message, facts]) },
}

const keep = untilTheEnd()
const provider = keep(await startBadProvider(() => NOW_MS / 1000))
beforeEach(() => {
  provider.behave({})
  told.length = 0
})

function clientOf(over: Partial<ProviderConfig>) {
  return createProviderPool(ports).client(providerConfig(provider, over))
}

function signIn(over: Partial<ProviderConfig>): Promise<LoginResult> {
  const code = provider.issueCode(LOGIN.nonce)
  return clientOf(over).finish(new URLSearchParams({ code, state: LOGIN.state, iss: provider.issuer }), LOGIN)
}

describe('what the file adds to an authorization request', () => {
  const asked = async (
    params: Readonly<Record<string, string>>,
    options: BeginOptions = {},
    login: Partial<LoginRequest> = {},
  ) => {
    const client = clientOf({ authorizeParams: new Map(Object.entries(params)) })
    return new URL(await client.begin({ ...LOGIN, ...login }, options)).searchParams
  }

  test('goes along, each once, beside what the sign-in needs', async () => {
    const query = await asked({ domain_hint: 'example.com', acr_values: 'mfa', login_hint: 'ada', resource: 'a b&c' })
    expect(query.get('domain_hint')).toBe('example.com')
    expect([query.get('acr_values'), query.get('login_hint'), query.get('resource')]).toEqual(['mfa', 'ada', 'a b&c'])
    expect([query.get('state'), query.get('code_challenge_method'), query.get('prompt')]).toEqual([
      'state-1',
      'S256',
      null,
    ])
    expect([...query.keys()].length).toBe(new Set(query.keys()).size)
  })

  test('takes nothing from the sign-in, whatever the file said', async () => {
    const query = await asked({ state: 'mine', redirect_uri: 'https://evil.example/', code_challenge_method: 'plain' })
    expect([query.get('state'), query.get('redirect_uri')]).toEqual(['state-1', LOGIN.redirectUri])
    expect(query.get('code_challenge_method')).toBe('S256')
  })

  test('asks for all that is to be asked, where a sign-in has wishes of its own', async () => {
    expect((await asked({ prompt: 'consent' }, { asksForAccount: true })).get('prompt')).toBe('consent login')
    const stepUp = { maxAgeS: 60, acr: ['high'], amr: [] }
    const query = await asked({ prompt: 'login', acr_values: 'low' }, {}, { stepUp })
    expect([query.get('prompt'), query.get('acr_values'), query.get('max_age')]).toEqual(['login', 'high', '60'])
  })

  test('hints at no account where somebody wants another', async () => {
    expect((await asked({ login_hint: 'ada' }, { asksForAccount: true })).has('login_hint')).toBe(false)
  })
})

describe('what is believed about someone', () => {
  test('is what the ID token says, where the file wants that: userinfo is not asked', async () => {
    provider.behave({ claims: { name: 'Signed', groups: ['signed'] } })
    const before = provider.asked.userinfo
    const { identity } = await signIn({ claimsFrom: 'id_token' })
    expect([identity.name, identity.groups, provider.asked.userinfo]).toEqual(['Signed', ['signed'], before])
  })

  test('is what userinfo says, where the file wants that, but for how they signed in', async () => {
    provider.behave({ claims: { name: 'Signed', email: 'signed@example.com', email_verified: true, amr: ['otp'] } })
    const { identity } = await signIn({ claimsFrom: 'userinfo' })
    expect([identity.name, identity.email, identity.emailVerified]).toEqual(['User One', null, null])
    expect(identity.claims).toMatchObject({ amr: ['otp'], groups: ['staff'] })
  })

  test('is nothing where the provider has no userinfo, and the file wants that alone', async () => {
    provider.behave({ discovery: { userinfo_endpoint: undefined } })
    expect((await refusal(signIn({ claimsFrom: 'userinfo' }))).code).toBe('provider.userinfo')
  })

  test('may lack the groups of someone who has too many, and the log says so', async () => {
    provider.behave({
      claims: { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example/' } } },
    })
    const { identity } = await signIn({ claimsFrom: 'id_token' })
    expect([identity.groups, identity.claims.groups]).toEqual([[], null])
    const facts = { subject: 'user-1', reason: 'group.unknown' }
    expect(told).toEqual([[expect.stringContaining('groups'), expect.objectContaining(facts)]])
  })
})

test('an issuer that stands for many tenants is told apart from a misspelt one', async () => {
  provider.behave({ discovery: { issuer: 'https://login.example.com/{tenantid}/v2.0' } })
  const { code, hint } = await refusal(clientOf({}).begin(LOGIN))
  expect([code, hint]).toEqual(['provider.discovery', expect.stringContaining('one tenant')])
})
