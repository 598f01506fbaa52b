import { describe, expect, test } from 'bun:test'
import { exportPKCS8, generateKeyPair } from 'jose'
import { publicClientKey } from '../../../src/identity/tokens/client-authentication.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { browserAt, type Page } from '../../kit/browser/browser-lite.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type PocketIdVersion, pocketIdClient } from '../../kit/provider/pocket-id/people.ts'
import { pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { startProvider, type TestAccount } from '../../kit/provider/provider.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers } from '../../kit/toml.ts'

const APP = 'http://app.example'
const CALLBACK = `${APP}/.sallyport/callback`
const keep = untilTheEnd()
const upstream = keep(startAnswering(request => new Response(`for ${request.headers.get('remote-groups')}`)))
const REST = `${portalTable(`refresh = "10s"\n${EVERYONE}`)}${routeForUsers(upstream, 'app.example', 'headers = "remote"')}`

/** What the browser was sent to the provider with. */
function askedBy(page: Page, issuer: string): URLSearchParams {
  const addresses = [...page.trail, page.address.href].map(address => new URL(address))
  const asked = addresses.find(({ origin, searchParams }) => origin === issuer && searchParams.has('client_id'))
  return asked?.searchParams ?? new URLSearchParams()
}

describe('RFC 9126 at a certified provider', () => {
  test('that requires it: the address has no more than a name for what is asked, by a client with a key', async () => {
    const key = await exportPKCS8((await generateKeyPair('ES256', { extractable: true })).privateKey)
    const accounts: TestAccount[] = [{ sub: 'ada', groups: ['a'] }]
    const client = { client_id: 'gate', redirect_uris: [CALLBACK], jwks: { keys: [await publicClientKey(key)] } }
    await using provider = await startProvider({
      accounts,
      requiresPushed: true,
      clients: [{ ...client, token_endpoint_auth_method: 'private_key_jwt' }],
    })
    let offsetMs = 0
    await using gate = await startGate(
      `[providers.id]\nissuer = "${provider.issuer}"\nclient_id = "gate"\nclient_key = "k.pem"\n${REST}`,
      { files: { 'k.pem': key }, ports: { now: () => Date.now() + offsetMs } },
    )
    const browser = browserAt(gate, 'app.example')
    const asked = askedBy(await browser.open(`${APP}/`), provider.issuer)
    expect([...asked.keys()].sort()).toEqual(['client_id', 'request_uri'])
    expect(asked.get('request_uri')).toStartWith('urn:ietf:params:oauth:request_uri:')
    expect((await browserAt(gate, 'app.example').signIn(`${APP}/`, 'ada')).text).toBe('for a')
    const other = browserAt(gate, 'app.example')
    await other.signIn(`${APP}/`, 'ada')
    accounts.splice(0, 1, { sub: 'ada', groups: ['b'] })
    offsetMs += 11_000
    await other.visit(`${APP}/`)
    await eventually(async () => (await other.open(`${APP}/`)).text === 'for b', 'the groups are others')
  })

  test('that does not: nothing is pushed, unless the file says so', async () => {
    const clients = [{ client_id: 'gate', client_secret: 'a-secret', redirect_uris: [CALLBACK] }]
    await using provider = await startProvider({ accounts: [{ sub: 'ada' }], clients })
    await using plain = await startGate(providerTable(provider) + REST)
    await using pushing = await startGate(providerTable(provider, 'par = "always"') + REST)
    const open = async (gate: typeof plain) =>
      askedBy(await browserAt(gate, 'app.example').open(`${APP}/`), provider.issuer)
    expect((await open(plain)).has('request_uri')).toBe(false)
    expect([...(await open(pushing)).keys()].sort()).toEqual(['client_id', 'request_uri'])
    expect((await browserAt(pushing, 'app.example').signIn(`${APP}/`, 'ada')).response.status).toBe(200)
  })

  test.each([
    ['a callback that it does not know', { redirect_uris: ['http://other.example/'] }, 'invalid_request'],
    ['a wrong secret', { client_secret: 'another-secret' }, 'invalid_client'],
  ])('that refuses the request for %s: told with its word, and without what was asked', async (_, changed, word) => {
    const right = { client_id: 'gate', client_secret: 'a-secret', redirect_uris: [CALLBACK] }
    await using provider = await startProvider({
      requiresPushed: true,
      accounts: [],
      clients: [{ ...right, ...changed }],
    })
    await using gate = await startGate(providerTable({ ...provider, clientSecret: 'a-secret' }) + REST)
    const { response } = await browserAt(gate, 'app.example').open(`${APP}/`)
    expect(response.status).toBe(502)
    const [line = ''] = gate.told('provider.request')
    expect(JSON.parse(line)).toMatchObject({ provider_error: word })
    expect(line).not.toMatch(/state=|nonce|code_challenge/)
  })

  test('a request_uri that somebody else puts into an address of ours goes nowhere', async () => {
    const clients = [{ client_id: 'gate', client_secret: 'a-secret', redirect_uris: [CALLBACK] }]
    await using provider = await startProvider({ accounts: [], clients })
    await using gate = await startGate(providerTable(provider, 'par = "always"') + REST)
    const evil = 'request_uri=urn:evil&request=x&client_id=evil'
    for (const path of [`/?${evil}`, `/.sallyport/login?${evil}&return=/`]) {
      const asked = askedBy(await browserAt(gate, 'app.example').open(APP + path), provider.issuer)
      expect(asked.get('client_id')).toBe('gate')
      expect(asked.getAll('request_uri')).toEqual([expect.stringContaining('urn:ietf:params:oauth:request_uri:')])
      expect(asked.has('request')).toBe(false)
    }
  })
})

describe.each<PocketIdVersion>(['2.9', '2.14'])('at Pocket ID %s', version => {
  test('a client that has to push its requests signs people in, with the proof that is read there', async () => {
    const client = pocketIdClient('gate', { secrets: ['its-secret'], requiresPushedAuthorizationRequests: true })
    await using provider = await pocketId({ version, clients: [client] })
    provider.allowRedirect(CALLBACK)
    await using gate = await startGate(providerTable(provider, 'par = "always"') + REST)
    expect((await browserAt(gate, 'app.example').signIn(`${APP}/`, 'ada')).response.status).toBe(200)
  })

  test('with an address for programs, people sign in by internal_url', async () => {
    await using provider = await pocketId({ version, hasInner: true })
    provider.allowRedirect(CALLBACK)
    await using gate = await startGate(providerTable(provider, `internal_url = "${provider.inner}"`) + REST)
    expect((await browserAt(gate, 'app.example').signIn(`${APP}/`, 'ada')).response.status).toBe(200)
    const programs = provider.asked.filter(({ path }) => /token|userinfo|jwks|openid-configuration/.test(path))
    expect(programs.length).toBeGreaterThan(2)
    expect(programs.filter(({ isInner }) => !isInner)).toEqual([])
  })
})
