import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { runDoctor } from '../../../src/cli/doctor/run.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { commandPorts, type Ran, runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type KeycloakClient, startKeycloak } from '../../kit/provider/keycloak.ts'
import { startProvider, type TestClient } from '../../kit/provider/provider.ts'
import { EVERYONE, type KnownClient, portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const PORTAL = 'http://auth.localhost:8480'
const CALLBACK = `${PORTAL}/.sallyport/callback`
const { publicKey } = await generateKeyPair('RSA-OAEP-256', { extractable: true })
const ENCRYPTION_KEY = { ...(await exportJWK(publicKey)), use: 'enc', alg: 'RSA-OAEP-256', kid: 'enc1' }
const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('ok')))

/** What doctor says of a provider, for a file with these lines in its tables. */
async function examine(
  client: KnownClient,
  { provider = '', portal = EVERYONE }: { readonly provider?: string; readonly portal?: string } = {},
): Promise<Ran> {
  using folder = temporaryFolder()
  const toml = [
    '[server]\nlisten = ["127.0.0.1:0"]\n[sessions]\nstore = "sqlite::memory:"\n',
    providerTable(client, provider),
    portalTable(`url = "${PORTAL}"\n${portal}`),
    routeTo(upstream, 'app.localhost', 'portal = "home"\nallow = ["user"]'),
  ]
  writeFileSync(join(folder.path, 'routes.toml'), toml.join('\n'), { mode: 0o600 })
  return runIn(folder.path, io => runDoctor([], io, commandPorts(io)))
}

describe('doctor at Keycloak', () => {
  test.each([EVERYONE, 'roles.user = { emails = ["ada@example.com"] }'])(
    'never says that all e-mail addresses count, and how to see whether the claim is there: %s',
    async portal => {
      await using there = startKeycloak({ redirectUris: [CALLBACK] })
      const { code, out } = await examine(there, { portal })
      expect(out).not.toContain('trusted"')
      expect(out).toContain('  note  does not list the claim email_verified, but may send it')
      expect(out).toMatch(/hint: .*\/\.sallyport\/me/)
      expect(code).toBe(3)
    },
  )
})

interface Mistake {
  /** What is set up otherwise than it should be, at the provider or in the file. */
  readonly mistake: string
  readonly provider?: string
  readonly portal?: string
  /** What doctor says, and what helps. */
  readonly says: string
  readonly hint: string
}

/** A line with the hint below it. */
function finding(out: string, says: string): string {
  const lines = out.split('\n')
  const at = lines.findIndex(line => line.includes(says))
  return `${lines[at] ?? ''}${lines[at + 1] ?? ''}`
}

const WITH_ERROR = `FAIL  answers a sign-in for ${CALLBACK} with an error`
const SIGN_OUT = `${EVERYONE}\nprovider_logout = true`
const SIGNED_OUT = `${PORTAL}/.sallyport/signed-out`

/** Each as Keycloak 26.7.3 answered it. */
const AT_KEYCLOAK: readonly (Mistake & { readonly client?: Partial<KeycloakClient>; readonly secret?: string })[] = [
  {
    mistake: 'the client takes pushed requests alone',
    client: { requiresPushed: true },
    says: `${WITH_ERROR} (invalid_request: Pushed Authorization Request is only allowed.)`,
    hint: 'par = "always"',
  },
  {
    mistake: 'its standard flow is off',
    client: { hasStandardFlow: false },
    says: `${WITH_ERROR} (unauthorized_client: Client is not allowed to initiate browser login`,
    hint: 'authorization code flow',
  },
  {
    mistake: 'its standard flow is off, and requests are pushed',
    client: { hasStandardFlow: false },
    provider: 'par = "always"',
    says: `${WITH_ERROR} (unauthorized_client: Client is not allowed to initiate browser login`,
    hint: 'authorization code flow',
  },
  {
    mistake: 'a scope that the realm does not have',
    provider: 'scopes = ["openid", "groups"]',
    says: `${WITH_ERROR} (invalid_scope: Invalid scopes: openid groups)`,
    hint: 'scopes in its table',
  },
  {
    mistake: 'a scope that the realm does not have, and requests are pushed',
    provider: 'scopes = ["openid", "groups"]\npar = "always"',
    says: `${WITH_ERROR} (invalid_request: Invalid scopes: openid groups)`,
    hint: 'scopes in its table',
  },
  {
    mistake: 'a scope of every sign-in that was taken from the client',
    client: { lacksScope: 'profile' },
    says: `${WITH_ERROR} (invalid_scope: Invalid scopes: openid profile email)`,
    hint: 'scopes in its table',
  },
  {
    mistake: 'PKCE is to be plain',
    client: { pkce: 'plain' },
    says: `${WITH_ERROR} (invalid_request: Invalid parameter: code challenge method`,
    hint: 'S256',
  },
  {
    mistake: 'another callback',
    client: { redirectUris: ['https://elsewhere.test/cb'] },
    says: `FAIL  does not come back to ${CALLBACK}`,
    hint: 'register exactly this address',
  },
  {
    mistake: 'another callback, and requests are pushed',
    client: { redirectUris: ['https://elsewhere.test/cb'] },
    provider: 'par = "always"',
    says: `FAIL  does not come back to ${CALLBACK} (Invalid parameter: redirect_uri)`,
    hint: 'register exactly this address',
  },
  {
    mistake: 'another secret',
    secret: 'another',
    says: 'FAIL  refuses client_id and client_secret (unauthorized_client)',
    hint: 'copy both from the provider again',
  },
  {
    mistake: 'no address for after a sign-out',
    portal: SIGN_OUT,
    says: `FAIL  does not come back to ${SIGNED_OUT} after a sign-out (400)`,
    hint: 'after a sign-out',
  },
]

/** Each as oidc-provider 9.13.3 answered it. */
const AT_ANOTHER: readonly (Mistake & { readonly client?: Partial<TestClient> })[] = [
  {
    mistake: 'the client takes pushed requests alone',
    client: { require_pushed_authorization_requests: true },
    says: `${WITH_ERROR} (invalid_request: Pushed Authorization Request must be used)`,
    hint: 'par = "always"',
  },
  {
    mistake: 'no address for after a sign-out',
    portal: SIGN_OUT,
    says: `FAIL  does not come back to ${SIGNED_OUT} after a sign-out (400)`,
    hint: 'after a sign-out',
  },
]

describe('doctor says of a mistake at a provider', () => {
  test.each(AT_KEYCLOAK)('Keycloak: $mistake', async ({ client, secret, says, hint, ...file }) => {
    await using there = startKeycloak({ redirectUris: [CALLBACK], ...client })
    const { code, out } = await examine(secret === undefined ? there : { ...there, clientSecret: secret }, file)
    expect(finding(out, says)).toMatch(new RegExp(`hint: .*${RegExp.escape(hint)}`))
    // One cause is told once.
    expect(out).not.toContain('does not take offline_access')
    expect([code, out]).toEqual([1, expect.stringMatching(/ failures?(?:, \d+ warnings?)?\.\n$/)])
  })

  test.each(AT_ANOTHER)('oidc-provider: $mistake', async ({ client, says, hint, ...file }) => {
    const gate = { client_id: 'gate', client_secret: 'a secret', redirect_uris: [CALLBACK], ...client }
    await using there = await startProvider({ clients: [gate], accounts: [] })
    const { code, out } = await examine(there, file)
    expect(finding(out, says)).toMatch(new RegExp(`hint: .*${RegExp.escape(hint)}`))
    expect(code).toBe(1)
  })

  test.each([
    ['sign ID tokens with its secret (HS256)', { id_token_signed_response_alg: 'HS256' }],
    ['encrypt ID tokens', { id_token_encrypted_response_alg: 'RSA-OAEP-256', jwks: { keys: [ENCRYPTION_KEY] } }],
    ['sign userinfo', { userinfo_signed_response_alg: 'RS256' }],
  ])(
    'a client for which it is to %s: nobody sees that before a sign-in, and nothing says that all is well',
    async (what, client) => {
      const gate = { client_id: 'gate', client_secret: 'a secret', redirect_uris: [CALLBACK], ...client }
      await using there = await startProvider({ clients: [gate], accounts: [] })
      const { code, out } = await examine(there)
      expect(finding(out, '  note  can ')).toContain(what)
      expect(out).toMatch(/Nothing fails of what can be asked.*; whether people can sign in is not known yet\.\n$/)
      expect(code).toBe(3)
    },
  )

  test('nothing of that where none of it is', async () => {
    await using there = startKeycloak({ redirectUris: [CALLBACK], postLogoutUris: [SIGNED_OUT] })
    const good = await examine(there, { portal: SIGN_OUT })
    expect(good.out).toContain(`ok    comes back to ${SIGNED_OUT} after a sign-out`)
    expect(good.out).toContain(`ok    comes back to ${CALLBACK}`)
    const pushed = await examine(there, { provider: 'par = "always"' })
    expect(pushed.out).toContain(`ok    comes back to ${CALLBACK}`)
    expect([good.code, pushed.code]).toEqual([3, 3])
  })

  test('no advice to ask for a scope that it would refuse', async () => {
    await using there = startKeycloak({ redirectUris: [CALLBACK] })
    const portal = 'roles.user = { groups = ["admin"] }'
    const named = await examine(there, { portal, provider: 'claims = { groups = "realm_access.roles" }' })
    expect(named.out).not.toContain('groups, which roles look at')
    const unnamed = await examine(there, { portal })
    expect(finding(unnamed.out, 'is not asked for groups')).toMatch(/hint: let it put them .*claims = \{ groups/)
  })
})
