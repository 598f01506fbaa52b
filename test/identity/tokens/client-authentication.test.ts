import { beforeEach, describe, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  jwtVerify,
} from 'jose'
import { errorFacts } from '../../../src/base/errors.ts'
import type { ProviderConfig } from '../../../src/config/resolve/providers.ts'
import { parseClientKey } from '../../../src/config/values/pem.ts'
import { ask } from '../../../src/console/network.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { createProviderPool } from '../../../src/identity/pool.ts'
import { publicClientKey } from '../../../src/identity/tokens/client-authentication.ts'
import { quietPorts } from '../../kit/clock.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { providerConfig } from '../../kit/provider/config.ts'
import { refusal } from '../../kit/thrown.ts'

const NOW_S = 1_900_000_000
const LOGIN = { redirectUri: 'http://127.0.0.1/cb', state: 's', nonce: 'n', codeVerifier: 'v'.repeat(43) }
const PATH = '/var/run/secrets/tokens/id'

let assertion = ''
const ports = {
  ...quietPorts({ now: () => NOW_S * 1000 }),
  ask,
  readText(path: string) {
    if (path === PATH && assertion !== '') return assertion
    throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' })
  },
}

const keep = untilTheEnd()
const provider = keep(await startBadProvider(() => NOW_S))
beforeEach(() => {
  provider.behave({})
  assertion = ''
})

async function pem(alg: string): Promise<string> {
  return exportPKCS8((await generateKeyPair(alg, { extractable: true })).privateKey)
}

function clientOf(over: Partial<ProviderConfig>) {
  return createProviderPool(ports).client(providerConfig(provider, { clientSecret: null, ...over }))
}

const answer = () => new URLSearchParams({ code: provider.issueCode('n'), state: 's', iss: provider.issuer })

/** A sign-in by a client with this key; the assertion that came with it. */
async function proofOf(
  clientKey: string,
  discovery: NonNullable<Misbehaviour['discovery']> = {},
  more: Partial<ProviderConfig> = {},
) {
  provider.behave({ discovery })
  await clientOf({ clientKey, ...more }).finish(answer(), LOGIN)
  const { form, authorization } = provider.lastToken()
  expect(authorization).toBeNull()
  expect(form.has('client_secret')).toBe(false)
  expect(form.get('client_id')).toBe(provider.clientId)
  expect(form.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
  return form.get('client_assertion') ?? ''
}

describe('private_key_jwt', () => {
  test('RFC 7523 §3: is for the issuer alone, good for a minute, with an id that no other has, and signed by the key', async () => {
    const key = await pem('ES256')
    const [one, other] = [await proofOf(key), await proofOf(key)]
    const jwk = await publicClientKey(key)
    expect(decodeProtectedHeader(one)).toEqual({ alg: 'ES256', kid: jwk.kid ?? '' })
    const { jti, ...claims } = decodeJwt(one)
    expect(claims).toEqual({
      iss: provider.clientId,
      sub: provider.clientId,
      aud: provider.issuer,
      iat: NOW_S,
      exp: NOW_S + 60,
    })
    expect(jti).toMatch(/^.{20,}$/)
    expect(decodeJwt(other).jti).not.toBe(jti)
    await jwtVerify(one, createLocalJWKSet({ keys: [jwk] }), { currentDate: new Date(NOW_S * 1000) })
  })

  const kinds: readonly [key: string, offered: readonly string[] | undefined, alg: string][] = [
    ['RS256', undefined, 'RS256'],
    ['RS256', ['HS256', 'PS256', 'ES256'], 'PS256'],
    ['RS256', ['RS512'], 'RS512'],
    ['ES384', undefined, 'ES384'],
    ['ES512', ['ES256', 'ES512'], 'ES512'],
    ['Ed25519', undefined, 'EdDSA'],
    ['Ed25519', ['EdDSA', 'Ed25519'], 'EdDSA'],
    ['Ed25519', ['Ed25519'], 'Ed25519'],
  ]
  test.each(kinds)('with a key for %s, where the provider lists %p, is signed by %s', async (kind, offered, alg) => {
    const key = await pem(kind)
    const proof = await proofOf(key, { token_endpoint_auth_signing_alg_values_supported: offered })
    expect(decodeProtectedHeader(proof).alg).toBe(alg)
    await jwtVerify(proof, createLocalJWKSet({ keys: [await publicClientKey(key)] }), {
      currentDate: new Date(NOW_S * 1000),
    })
  })

  test('goes to nobody where no signature of this key is taken', async () => {
    provider.behave({ discovery: { token_endpoint_auth_signing_alg_values_supported: ['RS256', 'HS256'] } })
    const { token } = provider.asked
    const error = await refusal(clientOf({ clientKey: await pem('ES256') }).finish(answer(), LOGIN))
    expect([error.code, error.facts.possible, provider.asked.token]).toEqual(['provider.discovery', ['ES256'], token])
  })

  test('by a JWK has its name, and its algorithm where it says one', async () => {
    const { privateKey } = await generateKeyPair('PS384', { extractable: true })
    const jwk = { ...(await exportJWK(privateKey)), kid: 'mine', alg: 'PS384', use: 'sig' }
    const proof = await proofOf(JSON.stringify(jwk))
    expect(decodeProtectedHeader(proof)).toEqual({ alg: 'PS384', kid: 'mine' })
    const { d, p, q, dp, dq, qi, ...rest } = jwk
    expect(await publicClientKey(JSON.stringify(jwk))).toEqual(rest)
  })

  test('is for whom the file says; never for an address that the provider names', async () => {
    const key = await pem('ES256')
    const proof = await proofOf(key, {}, { assertionAudience: 'https://login.example.com/token' })
    expect(decodeJwt(proof).aud).toBe('https://login.example.com/token')
  })

  test('comes with a refresh as well; a provider that does not take it says nothing of the person', async () => {
    provider.behave({ givesRefreshToken: true })
    const client = clientOf({ clientKey: await pem('ES256') })
    const { identity, idToken, refreshToken } = await client.finish(answer(), LOGIN)
    const first = provider.lastToken().form.get('client_assertion')
    const held = { identity, idToken, refreshToken: refreshToken ?? '' }
    expect((await client.refresh(held)).kind).toBe('renewed')
    expect(provider.lastToken().form.get('grant_type')).toBe('refresh_token')
    expect(provider.lastToken().form.get('client_assertion')).not.toBe(first)
    const repeats = () =>
      Response.json(
        { error: 'invalid_client', error_description: `bad ${provider.lastToken().form.get('client_assertion')}` },
        { status: 401 },
      )
    provider.behave({ instead: { token: repeats } })
    const error = await refusal(client.refresh(held))
    expect([error.code, error.facts.is_about, error.facts.client_auth]).toEqual([
      'provider.token',
      'client',
      'private_key_jwt',
    ])
    expect(error.hint).toContain('sallyport client-key')
    expect(error.facts.provider_says).toBe('bad …')
  })
})

describe('an endpoint that moved is asked again with an assertion of its own (RFC 7523 §3, jti)', () => {
  type Client = ReturnType<typeof clientOf>
  const held = { identity: makeIdentity('id', provider.issuer, 'user-1', {}), idToken: '', refreshToken: 'r' }
  const USES: readonly [what: string, endpoint: string, use: (client: Client) => Promise<unknown>][] = [
    ['a code', 'token_endpoint', client => client.finish(answer(), LOGIN)],
    ['a refresh', 'token_endpoint', client => client.refresh(held)],
    ['a revocation', 'revocation_endpoint', client => client.revoke('r')],
    ['a question about a token', 'introspection_endpoint', client => client.introspect('t', ['api'])],
    ['a pushed request', 'pushed_authorization_request_endpoint', client => client.begin(LOGIN)],
  ]

  test.each(USES)('%s (%s)', async (_what, endpoint, use) => {
    const asked: { readonly path: string; readonly form: URLSearchParams }[] = []
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        const { pathname: path } = new URL(request.url)
        asked.push({ path, form: new URLSearchParams(await request.text()) })
        return path === '/old' ? new Response('', { status: 404 }) : Response.json({ error: 'no' }, { status: 400 })
      },
    })
    const namesAt = (path: string) => provider.behave({ discovery: { [endpoint]: `${server.url.origin}${path}` } })
    const client = clientOf({ clientKey: await pem('ES256'), par: 'always' })
    namesAt('/old')
    await client.endSession({ idToken: '', returnTo: 'http://127.0.0.1/', state: 's' })
    namesAt('/new')
    await use(client).catch(() => undefined)
    expect(asked.map(({ path }) => path)).toEqual(['/old', '/new'])
    const [jtis, rest] = [new Set<unknown>(), new Set<string>()]
    for (const { form } of asked) {
      jtis.add(decodeJwt(form.get('client_assertion') ?? '').jti)
      form.delete('client_assertion')
      rest.add(`${form}`)
    }
    expect([jtis.size, rest.size]).toEqual([2, 1])
  })
})

describe('client_assertion_file', () => {
  const client = () => clientOf({ assertionFile: PATH })

  test('is sent as it is at the moment, without a secret', async () => {
    for (const text of ['a.b.c', 'd.e.f\n']) {
      assertion = text
      await client().finish(answer(), LOGIN)
      expect(provider.lastToken().form.get('client_assertion')).toBe(text.trim())
      expect(provider.lastToken().form.get('client_id')).toBe(provider.clientId)
    }
  })

  test.each([
    ['', 'does not exist'],
    ['root:x:0:0', 'holds no JWT'],
    ['-----BEGIN PRIVATE KEY-----', 'holds no JWT'],
    ['a.b', 'holds no JWT'],
  ])('with %p in it goes to nobody, and is shown to nobody', async (text, why) => {
    assertion = text
    const { token } = provider.asked
    const error = await refusal(client().finish(answer(), LOGIN))
    expect([error.code, error.message, error.facts.is_about]).toEqual([
      'provider.token',
      `client_assertion_file ${PATH} ${why}`,
      'client',
    ])
    if (text !== '') expect(JSON.stringify(errorFacts(error))).not.toContain(text)
    expect(provider.asked.token).toBe(token)
  })
})

describe('a file with a key', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  const odd = generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  const curve = generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).privateKey.export({
    type: 'sec1',
    format: 'pem',
  })
  test.each([
    ['', 'no private key'],
    ['-----BEGIN PUBLIC KEY-----', 'no private key'],
    ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', 'damaged'],
    ['-----BEGIN ENCRYPTED PRIVATE KEY-----', 'passphrase'],
    [String(small), 'less than 2048'],
    [String(odd), 'neither RSA'],
    [String(curve), 'curve'],
    ['{', 'damaged'],
    ['{"kty":"EC"}', '"d" is missing'],
    ['{"keys":[]}', 'set of keys'],
    ['{"kty":"oct","k":"AAAA","d":"AAAA"}', 'damaged'],
  ])('that holds %p says why it is none', (text, why) => {
    expect(parseClientKey(text)).toContain(why)
  })
})
