import { beforeEach, expect } from 'bun:test'
import { askBy } from '../../../src/base/http-client.ts'
import { readText } from '../../../src/console/read-file.ts'
import { createProviderPool } from '../../../src/identity/pool.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { quietPorts } from '../../kit/clock.ts'
import { startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { BAD_PROVIDER_CLIENT, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { providerConfig } from '../../kit/provider/config.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { refusal } from '../../kit/thrown.ts'
import { EVERYONE, portalTable, providerTable, routeSaying } from '../../kit/toml.ts'

const { describe, test } = needs('openssl')

/** A machine of the internet, and one of a private network. */
const OUTSIDE = '93.184.216.34'
const INSIDE = '10.0.0.7'
const ISSUER = 'https://id.example'

const keep = untilTheEnd()
const authority = makeAuthority()
const provider = keep(await startBadProvider())

/** What reached each machine, as host and path: after TLS, as whoever is there sees it. */
const heard: { readonly [address: string]: string[] } = { [OUTSIDE]: [], [INSIDE]: [] }
/** What was dialled, and what names lead to. */
const dialled: string[] = []
const resolved: string[] = []
const names = new Map<string, readonly string[] | (() => readonly string[])>()
const machines = new Map<string, Bun.Server<unknown>>()

/** A machine with a certificate for these names, behind which the provider is. */
function startMachine(address: string, ...certified: readonly string[]): Bun.Server<unknown> {
  const { cert, key } = authority.issue(certified.map(name => `DNS:${name}`).join(','))
  return Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: { cert, key },
    async fetch(request) {
      const { host, pathname, search } = new URL(request.url)
      heard[address]?.push(host + pathname)
      const { method, headers } = request
      headers.delete('host')
      const body = method === 'POST' ? await request.text() : null
      return fetch(provider.issuer + pathname + search, { method, headers, body })
    },
  })
}

const outside = keep(startMachine(OUTSIDE, 'id.example', 'keys.example', 'mixed.example', 'moving.example'))
const inside = keep(startMachine(INSIDE, 'git.corp.example', 'mixed.example', 'moving.example'))
/** The same machine, where the issuer is inside itself. */
const insideIssuer = keep(startMachine(INSIDE, 'id.example', 'git.corp.example'))

const resolve = async (host: string): Promise<readonly string[]> => {
  resolved.push(host)
  const found = names.get(host) ?? []
  return typeof found === 'function' ? found() : found
}

/** The network: a name that is dialled as it is leads where it leads by now. */
const ask = askBy(async (address, init) => {
  const { hostname, origin, protocol } = new URL(address)
  if (protocol === 'http:') return fetch(address, init)
  dialled.push(hostname)
  const found = names.get(hostname) ?? [hostname]
  const [ip = ''] = typeof found === 'function' ? found() : found
  const machine = machines.get(ip)
  if (machine === undefined) throw Object.assign(new Error('nothing is there'), { code: 'ECONNREFUSED' })
  const tls = { serverName: hostname, ...init.tls, ca: authority.cert }
  return fetch(address.replace(origin, `https://127.0.0.1:${machine.port}`), {
    ...init,
    headers: {
      ...Object.fromEntries(new Headers(init.headers)),
      host: new Headers(init.headers).get('host') ?? hostname,
    },
    tls,
  })
})

beforeEach(() => {
  for (const list of [heard[OUTSIDE], heard[INSIDE], dialled, resolved]) list?.splice(0)
  names.clear()
  for (const name of ['id.example', 'keys.example']) names.set(name, [OUTSIDE])
  names.set('git.corp.example', [INSIDE])
  names.set('mixed.example', [OUTSIDE, INSIDE])
  machines.clear()
  machines.set(OUTSIDE, outside)
  machines.set(INSIDE, inside)
  machines.set('127.0.0.1', inside)
  machines.set('[::1]', inside)
})

/** A discovery document of an issuer of the internet, with other endpoints. */
function leads(over: Readonly<Record<string, string>>): void {
  provider.behave({
    claims: { iss: ISSUER },
    discovery: {
      issuer: ISSUER,
      authorization_endpoint: `${ISSUER}/authorize`,
      token_endpoint: `${ISSUER}/token`,
      userinfo_endpoint: `${ISSUER}/userinfo`,
      jwks_uri: `${ISSUER}/jwks`,
      ...over,
    },
  })
}

function clientWith(over: Parameters<typeof providerConfig>[1] = {}) {
  const ports = { ...quietPorts({ now: Date.now }), ask, resolve, readText }
  return createProviderPool(ports).client(providerConfig({ ...BAD_PROVIDER_CLIENT, issuer: ISSUER }, over))
}

const LOGIN = { redirectUri: 'https://app.example/cb', state: 's', nonce: 'n', codeVerifier: 'v'.repeat(43) }
const signIn = (client: ReturnType<typeof clientWith>) =>
  client.finish(new URLSearchParams({ code: provider.issueCode('n'), state: 's', iss: ISSUER }), LOGIN)

describe('a provider of the internet does not lead here to', () => {
  test.each([
    'https://git.corp.example/token',
    'https://git.corp.example:8443/token',
    'https://10.0.0.7/token',
    'https://127.0.0.1/token',
    'https://2130706433/token',
    'https://[::1]/token',
    'https://[::ffff:10.0.0.7]/token',
    'https://localhost/token',
    'https://app.localhost/token',
    'https://169.254.169.254/latest/meta-data',
    'https://mixed.example/token',
  ])('%s', async address => {
    leads({ token_endpoint: address })
    const error = await refusal(signIn(clientWith()))
    expect([error.code, error.hint]).toEqual([
      'provider.discovery',
      expect.stringContaining(`back_channel_origins = ["${new URL(address).origin}"]`),
    ])
    expect(heard[INSIDE]).toEqual([])
    expect(dialled).toEqual(['id.example'])
  })

  test.each(['jwks_uri', 'userinfo_endpoint'])('a host inside by its %s', async name => {
    leads({ [name]: 'https://git.corp.example/x' })
    await refusal(signIn(clientWith()))
    expect(heard[INSIDE]).toEqual([])
  })

  test('a name that is public when it is looked at, and inside when it is dialled', async () => {
    let count = 0
    names.set('moving.example', () => (count++ === 0 ? [OUTSIDE] : [INSIDE]))
    leads({ jwks_uri: 'https://moving.example/jwks' })
    await signIn(clientWith())
    expect(heard[INSIDE]).toEqual([])
    expect(heard[OUTSIDE]).toContain('moving.example/jwks')
    // And it is looked at each time.
    const other = clientWith()
    expect((await refusal(signIn(other))).code).toBe('provider.discovery')
    expect(heard[INSIDE]).toEqual([])
  })

  test('a host inside while its own name says that it is there itself', async () => {
    leads({ token_endpoint: 'https://git.corp.example/token' })
    let count = 0
    names.set('id.example', () => (count++ === 0 ? [OUTSIDE] : [INSIDE]))
    expect((await refusal(signIn(clientWith()))).code).toBe('provider.discovery')
    // The machine inside has no certificate of that name.
    expect(heard[INSIDE]).toEqual([])
    expect(dialled).toEqual(['id.example', INSIDE])
  })

  test.each(['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'userinfo_endpoint'])(
    'an address with a user and a password in it, by %s',
    async name => {
      leads({ [name]: 'https://ada:planted-word@id.example/x' })
      const error = await refusal(clientWith().begin(LOGIN))
      expect([error.code, error.facts.endpoint]).toEqual(['provider.discovery', name])
      expect(JSON.stringify([error.message, error.hint, error.facts])).not.toContain('planted-word')
    },
  )
})

test('nobody is sent to sign out at an address with a user and a password in it', async () => {
  leads({ end_session_endpoint: 'https://ada:planted-word@id.example/end' })
  const request = { idToken: 'x', returnTo: 'https://app.example/', state: 's' }
  expect(await clientWith().endSession(request)).toBeNull()
})

describe('a provider leads here to', () => {
  test('its own origin, which nobody looks at', async () => {
    leads({})
    expect((await signIn(clientWith())).identity.subject).toBeString()
    expect([resolved, [...new Set(dialled)]]).toEqual([[], ['id.example']])
  })

  test('another host of the internet, by the address that was looked at and under its name', async () => {
    leads({ jwks_uri: 'https://keys.example/jwks' })
    await signIn(clientWith())
    expect(resolved).toEqual(['keys.example'])
    expect(dialled.filter(host => host !== 'id.example')).toEqual([OUTSIDE])
    expect(heard[OUTSIDE]).toContain('keys.example/jwks')
  })

  test('the next address of a host whose first one takes no connection', async () => {
    names.set('keys.example', ['2606:2800:220:1::1', '93.184.216.35', OUTSIDE])
    leads({ jwks_uri: 'https://keys.example/jwks' })
    await signIn(clientWith())
    expect(dialled.filter(host => host !== 'id.example')).toEqual(['93.184.216.35', OUTSIDE])
  })

  test('a host inside that stands in the file', async () => {
    leads({ token_endpoint: 'https://git.corp.example/token' })
    await signIn(clientWith({ backChannelOrigins: ['https://git.corp.example'] }))
    expect(heard[INSIDE]).toEqual(['git.corp.example/token'])
  })

  test('a host inside where it is inside itself', async () => {
    machines.set(INSIDE, insideIssuer)
    names.set('id.example', [INSIDE])
    leads({ token_endpoint: 'https://git.corp.example/token' })
    await signIn(clientWith())
    expect(heard[INSIDE]).toContain('git.corp.example/token')
    expect(heard[OUTSIDE]).toEqual([])
  })
})

test('a logout token of a stranger leads a gate nowhere, which says so and goes on', async () => {
  leads({ jwks_uri: 'https://git.corp.example/jwks' })
  const client = { ...BAD_PROVIDER_CLIENT, issuer: ISSUER }
  await using gate = await startGate(
    providerTable(client) +
      portalTable(EVERYONE) +
      routeSaying('open', 'app.example', 'portal = "home"\nallow = "public"'),
    { ports: { ask, resolve } },
  )
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  const claims = { iss: ISSUER, aud: client.clientId, sub: 'ada', jti: 'j', iat: Math.floor(Date.now() / 1000), events }
  const token = `${part({ alg: 'RS256', typ: 'logout+jwt' })}.${part(claims)}.${'A'.repeat(342)}`
  const answer = await fetch(`http://127.0.0.1:${gate.port}/.sallyport/backchannel-logout`, {
    method: 'POST',
    headers: { host: 'app.example' },
    body: new URLSearchParams({ logout_token: token }),
  })
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(heard[OUTSIDE]).toEqual(['id.example/.well-known/openid-configuration'])
  expect([heard[INSIDE], dialled]).toEqual([[], ['id.example']])
  expect(gate.log.join('\n')).toContain('back_channel_origins')
  expect((await fetchFrom(gate, '/', { host: 'app.example' })).status).toBe(200)
})
