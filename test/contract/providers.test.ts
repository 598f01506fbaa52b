/**
 * The providers of docs/providers.md: what is written there for each, at a stand-in whose discovery document, ID token and userinfo say
 * what that provider documents of its own.
 */

import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { checkConfig } from '../../src/config/check.ts'
import type { ProviderConfig } from '../../src/config/resolve/providers.ts'
import { ask } from '../../src/console/network.ts'
import { isEmailVouched, trustedEmails } from '../../src/identity/claim-trust.ts'
import { createProviderPool } from '../../src/identity/pool.ts'
import type { LoginRequest } from '../../src/identity/provider.ts'
import { quietPorts } from '../kit/clock.ts'
import { type Misbehaviour, startBadProvider } from '../kit/provider/bad-provider.ts'

const CHAPTER = readFileSync(`${import.meta.dir}/../../docs/providers.md`, 'utf8')

/** What a provider states, and what becomes of it. */
interface Row {
  readonly name: string
  readonly alg?: 'ES256'
  readonly discovery?: Readonly<Record<string, unknown>>
  readonly idToken: Readonly<Record<string, unknown>>
  /** Null: it has no userinfo that anybody would ask. */
  readonly userinfo: Readonly<Record<string, unknown>> | null
  /** Whether it sends `iss` along with a code (RFC 9207). */
  readonly sendsIssuer?: boolean
  /** In place of lines of the chapter. */
  readonly change?: (table: string) => string
  readonly groups: readonly string[] | null
  readonly email: string | null
  readonly isVouched: boolean
  readonly signsOut: boolean
  readonly asks?: Readonly<Record<string, string>>
}

const ADA = { name: 'Ada Lovelace', preferred_username: 'ada', email: 'ada@example.com' }
const CLAIM_NAMES = { groups: 'src1' }
const END = { end_session_endpoint: '/end' }

const ROWS: readonly Row[] = [
  {
    name: 'authelia',
    discovery: { scopes_supported: ['offline_access', 'openid', 'profile', 'groups', 'email'] },
    idToken: { sub: '5f3c1f0e-2a3b', amr: ['pwd', 'otp', 'mfa'], auth_time: 1 },
    userinfo: { ...ADA, sub: '5f3c1f0e-2a3b', email_verified: true, groups: ['admins', 'family'] },
    sendsIssuer: true,
    groups: ['admins', 'family'],
    email: 'ada@example.com',
    isVouched: true,
    signsOut: false,
    asks: { scope: 'openid profile email groups offline_access' },
  },
  {
    name: 'authentik',
    discovery: END,
    idToken: {
      ...ADA,
      sub: 'a1b2',
      email_verified: false,
      groups: ['authentik Admins'],
      acr: 'goauthentik.io/default',
    },
    userinfo: { ...ADA, sub: 'a1b2', email_verified: false, groups: ['authentik Admins'], nickname: 'ada' },
    groups: ['authentik Admins'],
    email: 'ada@example.com',
    isVouched: true,
    signsOut: true,
  },
  {
    name: 'keycloak',
    discovery: END,
    idToken: { ...ADA, sub: 'f:1', email_verified: true, acr: '1', sid: 's-1', azp: 'sallyport' },
    userinfo: { ...ADA, sub: 'f:1', email_verified: true, realm_access: { roles: ['admin', 'offline_access'] } },
    sendsIssuer: true,
    groups: ['admin', 'offline_access'],
    email: 'ada@example.com',
    isVouched: true,
    signsOut: true,
  },
  {
    name: 'keycloak',
    discovery: END,
    idToken: { ...ADA, sub: 'f:1', email_verified: false, resource_access: { sallyport: { roles: ['viewer'] } } },
    userinfo: { ...ADA, sub: 'f:1', email_verified: false },
    change: table => table.replace('realm_access.roles', 'resource_access.sallyport.roles'),
    sendsIssuer: true,
    groups: ['viewer'],
    email: 'ada@example.com',
    isVouched: false,
    signsOut: true,
  },
  {
    name: 'kanidm',
    alg: 'ES256',
    discovery: { id_token_signing_alg_values_supported: ['ES256'], code_challenge_methods_supported: ['S256'] },
    idToken: {
      ...ADA,
      sub: '6b1c',
      preferred_username: 'ada@idm.example.com',
      email_verified: true,
      groups: ['family@idm.example.com', 'idm_all_persons@idm.example.com'],
      azp: 'sallyport',
    },
    userinfo: { ...ADA, sub: '6b1c', preferred_username: 'ada@idm.example.com', email_verified: true },
    groups: ['family@idm.example.com', 'idm_all_persons@idm.example.com'],
    email: 'ada@example.com',
    isVouched: true,
    signsOut: false,
  },
  {
    name: 'dex',
    discovery: { scopes_supported: ['openid', 'email', 'groups', 'profile', 'offline_access'] },
    idToken: { ...ADA, sub: 'CiQwOGE4', email_verified: true, groups: ['admins', 'team/ops'], c_hash: 'pIoGMN2cp' },
    userinfo: { ...ADA, sub: 'CiQwOGE4', email_verified: true, groups: ['admins', 'team/ops'] },
    groups: ['admins', 'team/ops'],
    email: 'ada@example.com',
    isVouched: true,
    signsOut: false,
    asks: { scope: 'openid profile email groups offline_access' },
  },
  {
    name: 'gitlab',
    discovery: { scopes_supported: ['api', 'read_user', 'openid', 'profile', 'email'] },
    idToken: { sub: '42', email: ADA.email, email_verified: true, groups_direct: ['acme'], auth_time: 1 },
    userinfo: { ...ADA, sub: '42', nickname: 'ada', email_verified: true, groups: ['acme', 'acme/ops'] },
    groups: ['acme', 'acme/ops'],
    email: 'ada@example.com',
    isVouched: true,
    signsOut: false,
    asks: { scope: 'openid profile email' },
  },
  {
    name: 'zitadel',
    discovery: END,
    idToken: {
      sub: '163840776835432705',
      aud: ['297432561234567890', '297432561234567891', '69234237810729019'],
      azp: '297432561234567890',
      amr: ['password', 'pwd', 'mfa', 'otp'],
    },
    userinfo: {
      ...ADA,
      sub: '163840776835432705',
      email_verified: true,
      'urn:zitadel:iam:org:project:roles': { admin: { '178': 'example.zitadel.cloud' }, user: { '178': 'x.example' } },
    },
    groups: ['admin', 'user'],
    email: 'ada@example.com',
    isVouched: true,
    signsOut: true,
    asks: { scope: 'openid profile email offline_access urn:zitadel:iam:org:project:roles' },
  },
  {
    name: 'google',
    discovery: { scopes_supported: ['openid', 'email', 'profile'] },
    idToken: {
      sub: '110169484474386276334',
      azp: '1234.apps.googleusercontent.com',
      email: 'ada@example.com',
      email_verified: true,
      hd: 'example.com',
    },
    userinfo: { name: ADA.name, sub: '110169484474386276334', email: ADA.email, email_verified: true, picture: 'x' },
    groups: [],
    email: 'ada@example.com',
    isVouched: true,
    signsOut: false,
    asks: { hd: 'example.com', access_type: 'offline', prompt: 'consent', scope: 'openid profile email' },
  },
  {
    name: 'entra',
    discovery: END,
    idToken: {
      ...ADA,
      sub: 'pairwise',
      oid: 'o',
      tid: 't',
      ver: '2.0',
      uti: 'x',
      roles: ['App.Admin'],
      xms_edov: true,
    },
    userinfo: null,
    groups: ['App.Admin'],
    email: 'ada@example.com',
    isVouched: true,
    signsOut: true,
  },
  {
    name: 'entra',
    discovery: END,
    idToken: {
      ...ADA,
      sub: 'pairwise',
      _claim_names: CLAIM_NAMES,
      _claim_sources: { src1: { endpoint: 'https://x' } },
    },
    userinfo: null,
    change: table => table.replace('groups = "roles", ', ''),
    groups: null,
    email: 'ada@example.com',
    isVouched: false,
    signsOut: true,
  },
]

/** How the tables of the chapter call those for which issuer and client are enough. */
const LABELS: Readonly<Record<string, string>> = { dex: 'Dex', gitlab: 'GitLab' }

const LOGIN: LoginRequest = {
  redirectUri: 'https://auth.example.com/.sallyport/callback',
  state: 'state-1',
  nonce: 'nonce-1',
  codeVerifier: 'v'.repeat(43),
}

/** The provider of the chapter, as it is there but for where it is. */
function written({ name, change = table => table }: Row, origin: string): ProviderConfig {
  const table = new RegExp(`\`\`\`toml\\n(\\[providers\\.${name}\\]\\n[^\`]*)\`\`\``).exec(CHAPTER)?.[1]
  if (table === undefined && !CHAPTER.includes(`\n| ${LABELS[name]} |`)) throw new Error(`the chapter has no ${name}`)
  const plain = `[providers.${name}]\nissuer = "https://x"\nclient_id = "sallyport"\nclient_secret = "\${SECRET}"\n`
  const moved = change(table ?? plain).replace(/issuer = "https:\/\/[^/"]+/, `issuer = "${origin}`)
  const text = `${moved}
[portals.home]
url = "https://auth.example.com"
providers = ["${name}"]
roles.user = { any = true }
[[routes]]
host = "app.example.com"
upstream = "http://app"
portal = "home"
allow = ["user"]
`
  const result = checkConfig(text, {
    file: '/etc/sallyport/routes.toml',
    env: variable => (variable.startsWith('SALLYPORT_') ? undefined : 'a secret'),
    readText: () => '',
    readBytes: () => new Uint8Array(),
  })
  const provider = result.ok ? result.config.providers.get(name) : undefined
  if (provider === undefined) throw new Error(JSON.stringify(result))
  return provider
}

describe('what the chapter says of a provider is enough for it', () => {
  test.each(ROWS.map((row, index) => [`${index + 1}: ${row.name}`, row] as const))('%s', async (_title, row) => {
    await using standIn = await startBadProvider(undefined, row.alg ?? 'RS256')
    const config = written(row, standIn.issuer)
    const { issuer } = config
    const placed = Object.entries(row.discovery ?? {}).map(([name, value]) => {
      return [name, name === 'end_session_endpoint' ? standIn.issuer + String(value) : value]
    })
    const behaviour: Misbehaviour = {
      discovery: {
        issuer,
        authorization_response_iss_parameter_supported: row.sendsIssuer === true,
        ...Object.fromEntries(placed),
      },
      claims: { iss: issuer, aud: config.clientId, ...row.idToken },
      userinfo: { groups: undefined, name: undefined, ...row.userinfo },
    }
    standIn.behave(behaviour)
    const client = createProviderPool({ ...quietPorts({ now: Date.now }), ask, readText: () => '' }).client(config)

    const answer = new URLSearchParams({ code: standIn.issueCode(LOGIN.nonce), state: LOGIN.state })
    if (row.sendsIssuer === true) answer.set('iss', issuer)
    const { identity, idToken, offlineTerms: lackedRefresh } = await client.finish(answer, LOGIN)
    const asked = new URL(await client.begin(LOGIN, { lackedRefresh })).searchParams
    for (const [name, value] of Object.entries(row.asks ?? {})) expect([name, asked.get(name)]).toEqual([name, value])
    expect([identity.subject, identity.issuer]).toEqual([String(row.idToken.sub), issuer])
    expect(identity.claims.groups === null ? null : identity.groups).toEqual(row.groups)
    expect(identity.email).toBe(row.email)
    expect(isEmailVouched(identity, trustedEmails(new Map([[config.name, config]])))).toBe(row.isVouched)
    expect(standIn.asked.userinfo).toBe(row.userinfo === null ? 0 : 1)
    const end = await client.endSession({ idToken, returnTo: 'https://auth.example.com/', state: 'x' })
    expect(end !== null).toBe(row.signsOut)
  })
})
