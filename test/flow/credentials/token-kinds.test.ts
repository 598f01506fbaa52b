import { describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { type PocketIdVersion, pocketIdClient } from '../../kit/provider/pocket-id/people.ts'
import { pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { statusOf } from '../../kit/requests.ts'
import { portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startAnswering(({ headers }) => new Response(headers.get('authorization') ?? 'none')))
const provider = keep(await startBadProvider())

const ROUTE = routeTo(upstream, 'app.test', 'portal = "home"\nallow = ["user"]\ntokens = true')
const gateFor = (at: Parameters<typeof providerTable>[0], more: string): Promise<Gate> =>
  startGate([providerTable(at, more), portalTable('roles.user = { any = true, clients = true }'), ROUTE].join('\n'))

const on = keep(await gateFor(provider, 'access_tokens = { client_audience = true }'))
const off = keep(await gateFor(provider, 'access_tokens = { audience = "https://api.example" }'))
const ids = keep(await gateFor(provider, 'bearer_id_tokens = true'))

const statusAt = (gate: Gate, token: string) =>
  statusOf(gate, '/', { host: 'app.test', accept: '*/*', 'x-forwarded-for': '', authorization: `Bearer ${token}` })

/** What each token is, besides being signed, for the client and somebody's; what it is called in each claim. */
const KINDS = {
  'access token': { claims: {}, typ: 'Bearer', type: 'oauth-access-token', use: 'access' },
  'ID token of a sign-in': { claims: { nonce: 'n', at_hash: 'h' }, typ: 'ID', type: 'id-token', use: 'id' },
  'ID token of a refresh': { claims: {}, typ: 'ID', type: 'id-token', use: 'id' },
  'refresh token': { claims: { rt: 'r' }, typ: 'Refresh', type: 'refresh-token', use: 'refresh' },
  'offline refresh token': { claims: {}, typ: 'Offline', type: 'offline-token', use: 'offline' },
  'logout token': {
    claims: { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
    typ: 'Logout',
    type: 'logout-token',
    use: 'logout',
  },
  'client credentials': { claims: { sub: 'script' }, typ: 'Bearer', type: 'oauth-access-token', use: 'access' },
  'something that nobody knows': { claims: {}, typ: 'Voucher', type: 'voucher', use: 'voucher' },
} as const
type Kind = keyof typeof KINDS

/** By what nothing but its other claims tells. */
const UNTOLD: ReadonlySet<Kind> = new Set([
  'access token',
  'ID token of a refresh',
  'refresh token',
  'offline refresh token',
  'client credentials',
  'something that nobody knows',
])
const isAccess = (kind: Kind) => kind === 'access token' || kind === 'client credentials'
const isId = (kind: Kind) => kind.startsWith('ID token')

/** In what claim it says what it is. */
const STATED = ['typ', 'type', 'token_use', 'nothing'] as const
type Stated = (typeof STATED)[number]

function tokenOf(kind: Kind, stated: Stated): Promise<string> {
  const { claims, typ, type, use } = KINDS[kind]
  const said = { typ: { typ }, type: { type }, token_use: { token_use: use }, nothing: {} }[stated]
  const header = { typ: 'JWT' }
  return provider.accessToken(provider.clientId, { header, claims: { client_id: undefined, ...claims, ...said } })
}

const ROWS = (Object.keys(KINDS) as Kind[]).flatMap(kind => STATED.map(stated => [kind, stated] as const))

describe('a token whose audience is the client', () => {
  test.each(ROWS)('%s, which says so by %s: taken as what it is, or not at all', async (kind, stated) => {
    const token = await tokenOf(kind, stated)
    const isTold = stated !== 'nothing'
    // Without a word, an ID token of a refresh is the same: none of them passes.
    const asAccess = isTold && isAccess(kind)
    const asId = isTold ? isAccess(kind) || isId(kind) : UNTOLD.has(kind) || isId(kind)
    expect([await statusAt(on, token), await statusAt(off, token), await statusAt(ids, token)]).toEqual([
      asAccess ? 200 : 401,
      401,
      asId ? 200 : 401,
    ])
  })

  test('is an access token by a claim that no ID token has, and not by one that both have', async () => {
    const bare = (claims: Record<string, unknown>) =>
      provider.accessToken(provider.clientId, { header: { typ: 'JWT' }, claims: { client_id: undefined, ...claims } })
    const came: Record<string, number> = {}
    const both = { azp: provider.clientId, sid: 's', auth_time: 1, acr: '1', amr: ['pwd'], jti: 'j' }
    for (const claims of [
      { scope: 'openid' },
      { scp: ['a'] },
      { client_id: 'script' },
      { cid: 'c' },
      { appid: 'a' },
      both,
    ]) {
      came[Object.keys(claims)[0] ?? ''] = await statusAt(on, await bare(claims))
    }
    expect(came).toEqual({ scope: 200, scp: 200, client_id: 200, cid: 200, appid: 200, azp: 401 })
  })

  test('is an access token by its type in the header (RFC 9068 §2.1), unless a claim calls it another of the known kinds', async () => {
    const typed = (claims: Record<string, unknown>) =>
      provider.accessToken(provider.clientId, {
        header: { typ: 'at+jwt' },
        claims: { client_id: undefined, ...claims },
      })
    expect(await statusAt(on, await typed({}))).toBe(200)
    expect(await statusAt(on, await typed({ type: 'employee' }))).toBe(200)
    for (const type of ['refresh-token', 'ID', 'Refresh_Token']) {
      expect([type, await statusAt(on, await typed({ type }))]).toEqual([type, 401])
    }
  })

  test('says so once: of two claims, both have to say that it is an access token, in text', async () => {
    for (const claims of [
      { type: 'access', typ: 'ID' },
      { typ: 1 },
      { type: null },
      { token_use: ['access'] },
      { typ: '' },
    ]) {
      const token = await provider.accessToken(provider.clientId, { header: { typ: 'JWT' }, claims })
      expect([claims, await statusAt(on, token)]).toEqual([claims, 401])
    }
  })

  test('may have the issuer beside it where client_id is the client, as from Pocket ID 2.10 on, and nothing else', async () => {
    const [client, issuer] = [provider.clientId, provider.issuer]
    const rows: readonly [Record<string, unknown>, number][] = [
      [{ aud: [client, issuer], client_id: client }, 200],
      [{ aud: [issuer, client], client_id: client }, 200],
      [{ aud: [client, issuer], client_id: 'other' }, 401],
      [{ aud: [client, issuer], client_id: undefined }, 401],
      [{ aud: [client, issuer, 'https://api.example'], client_id: client }, 401],
      [{ aud: [client, 'https://api.example/x'], client_id: client }, 401],
      [{ aud: [client, issuer], client_id: client, azp: 'other' }, 401],
      [{ aud: [issuer], client_id: client }, 401],
    ]
    for (const [claims, status] of rows) {
      expect([claims, await statusAt(on, await provider.accessToken(client, { claims }))]).toEqual([claims, status])
    }
  })
})

test('an audience of our own takes no refresh token and no ID token either', async () => {
  for (const claims of [{ type: 'refresh-token' }, { typ: 'Refresh' }, { token_use: 'id' }]) {
    const token = await provider.accessToken('https://api.example', { header: { typ: 'JWT' }, claims })
    expect([claims, await statusAt(off, token)]).toEqual([claims, 401])
  }
  const right = await provider.accessToken('https://api.example', { header: { typ: 'JWT' }, claims: { typ: 'Bearer' } })
  expect(await statusAt(off, right)).toBe(200)
})

describe.each<PocketIdVersion>(['2.9', '2.14'])('at Pocket ID %s, with client_audience = true', version => {
  test('access tokens of a sign-in, of a refresh and of the client itself are taken, and nothing else that it gives', async () => {
    const callback = 'https://auth.example/cb'
    const client = pocketIdClient('gate', { secrets: ['secret-of-the-gate'], callbackURLs: [callback] })
    await using there = await pocketId({ version, clients: [client] })
    await using gate = await gateFor(there, 'access_tokens = { client_audience = true }')
    const redeem = async (form: Record<string, string>) => {
      const body = new URLSearchParams({ client_id: 'gate', client_secret: 'secret-of-the-gate', ...form })
      const answer = await fetch(`${there.issuer}/api/oidc/token`, { method: 'POST', body })
      return (await answer.json()) as { access_token: string; id_token?: string; refresh_token?: string }
    }
    const code = there.issueCode('openid groups')
    const first = await redeem({ grant_type: 'authorization_code', code, redirect_uri: callback })
    const second = await redeem({ grant_type: 'refresh_token', refresh_token: first.refresh_token ?? '' })
    const machine = await redeem({ grant_type: 'client_credentials' })
    const statuses = async (...tokens: readonly (string | undefined)[]) =>
      Promise.all(tokens.map(token => statusAt(gate, token ?? 'missing')))
    expect(await statuses(first.access_token, second.access_token, machine.access_token)).toEqual([200, 200, 200])
    expect(await statuses(first.id_token, second.id_token)).toEqual([401, 401])
    expect(await statuses(first.refresh_token, second.refresh_token)).toEqual([401, 401])
  })
})

test('a token by which somebody was found goes on where the route says so, and one that is not good never does', async () => {
  const passing = ROUTE.replace('tokens = true', 'tokens = true\npass_authorization = true')
  const rest = [providerTable(provider, 'bearer_id_tokens = true'), portalTable('roles.user = { any = true }')]
  await using gate = await startGate([...rest, passing].join('\n'))
  const token = await tokenOf('ID token of a sign-in', 'typ')
  const [head = '', claims = '', signature = ''] = token.split('.')
  const forged = [head, claims, signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`].join(
    '.',
  )
  const bodyAt = async (at: Gate, sent: string) => {
    const fields = { host: 'app.test', accept: '*/*', authorization: `Bearer ${sent}` }
    const answer = await fetch(`http://127.0.0.1:${at.port}/`, { headers: fields, redirect: 'manual' })
    return [answer.status, await answer.text()]
  }
  expect(await bodyAt(gate, token)).toEqual([200, `Bearer ${token}`])
  expect(await bodyAt(ids, token)).toEqual([200, 'none'])
  expect(await bodyAt(gate, forged)).toEqual([401, expect.stringContaining('access.token')])
})

test('tokens of other clients of the provider are taken where the file names these, of whatever kind, and no others', async () => {
  await using gate = await gateFor(provider, 'bearer_id_tokens = ["other", "https://api.example"]')
  const signed = (aud: string | string[], claims: Record<string, unknown>) =>
    provider.accessToken(typeof aud === 'string' ? aud : (aud[0] ?? ''), {
      header: { typ: 'JWT' },
      claims: { client_id: undefined, ...claims, aud },
    })
  const own = provider.clientId
  const came: Record<string, readonly number[]> = {}
  for (const [what, aud, claims] of [
    ['an ID token of another', 'other', { nonce: 'n', at_hash: 'h', azp: 'other' }],
    ['an access token of a third for an API', 'https://api.example', { azp: 'third', scope: 'a' }],
    ['one of its own', own, { nonce: 'n', azp: own }],
    ['one of its own that was made for another', [own, 'x'], { nonce: 'n', azp: 'x' }],
    ['one that nobody named', 'third', { nonce: 'n', azp: 'third' }],
    ['a logout token', 'other', { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }],
    ['a refresh token', 'other', { typ: 'Refresh' }],
  ] as const) {
    const token = await signed([...(typeof aud === 'string' ? [aud] : aud)], claims)
    came[what] = [await statusAt(gate, token), await statusAt(ids, token)]
  }
  expect(came).toEqual({
    'an ID token of another': [200, 401],
    'an access token of a third for an API': [200, 401],
    'one of its own': [200, 200],
    'one of its own that was made for another': [401, 401],
    'one that nobody named': [401, 401],
    'a logout token': [401, 401],
    'a refresh token': [401, 401],
  })
})
