import { afterEach, expect, test } from 'bun:test'
import type { ProviderConfig } from '../../src/config/resolve/providers.ts'
import { ask } from '../../src/console/network.ts'
import { readText } from '../../src/console/read-file.ts'
import { bareError } from '../../src/identity/http.ts'
import { createProviderPool } from '../../src/identity/pool.ts'
import { BAD_PROVIDER_CLIENT, type BadProvider, endless, startBadProvider } from '../kit/provider/bad-provider.ts'
import { providerConfig } from '../kit/provider/config.ts'
import { refusal } from '../kit/thrown.ts'

const LIMITS = { timeoutMs: 20_000, maxBytes: 64 * 1024 }
const LOGIN = { redirectUri: 'http://127.0.0.1/cb', state: 's', nonce: 'n', codeVerifier: 'v'.repeat(43) }

let nowMs = 1_900_000_000_000
const logged: string[] = []
const ports = {
  now: () => nowMs,
  ask,
  resolve: async () => [],
  readText,
  log: {
    debug() {},
    info: (text: string) => void logged.push(text),
    warn: (text: string) => void logged.push(text),
    error() {},
  },
}
let current: BadProvider | null = null
const stops: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  logged.length = 0
})

async function start(nowS?: () => number): Promise<BadProvider> {
  const bad = await startBadProvider(nowS)
  stops.push(bad.stop)
  current = bad
  return bad
}

const config = (issuer: string, over: Partial<ProviderConfig> = {}) =>
  providerConfig({ issuer, ...BAD_PROVIDER_CLIENT }, over)

function begin(issuer: string, over: Partial<ProviderConfig> = {}) {
  return createProviderPool(ports, LIMITS).client(config(issuer, over)).begin(LOGIN)
}

test('making a client asks nothing; the first sign-in asks once, later ones from memory for an hour', async () => {
  const bad = await start()
  const client = createProviderPool(ports, LIMITS).client(config(bad.issuer))
  expect(bad.asked.discovery).toBe(0)
  await client.begin(LOGIN)
  nowMs += 59 * 60_000
  await client.begin(LOGIN)
  expect(bad.asked.discovery).toBe(1)
  nowMs += 2 * 60_000
  await client.begin(LOGIN)
  expect(bad.asked.discovery).toBe(2)
})

const tooLong = () => {
  const issuer = current?.issuer ?? ''
  const document = {
    issuer,
    authorization_endpoint: `${issuer}/a`,
    token_endpoint: `${issuer}/t`,
    jwks_uri: `${issuer}/j`,
  }
  return new Response(JSON.stringify(document) + ' '.repeat(LIMITS.maxBytes), {
    headers: { 'content-type': 'application/json' },
  })
}
const trickle = () =>
  new Response(
    new ReadableStream({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('{'))
      },
    }),
    { headers: { 'content-type': 'application/json' } },
  )

test.each([
  ['answers 500', () => new Response('oops', { status: 500 })],
  ['answers 404', () => new Response('no', { status: 404 })],
  ['answers a page of HTML', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
  ['answers half a document', () => new Response('{"issuer":', { headers: { 'content-type': 'application/json' } })],
  ['answers null', () => Response.json(null)],
  ['redirects', () => Response.redirect('https://evil.example/', 302)],
  ['sends without end', endless],
  ['sends a right document that is too long', tooLong],
  ['sends a first byte and then nothing', trickle],
  ['is silent', () => new Promise<Response>(() => {})],
] as const)('a provider that %s is down, says when to try again, and heals alone', async (_title, answer) => {
  const bad = await start()
  bad.behave({ instead: { discovery: answer } })
  // Some never end; what is right may take its time.
  const limits = { ...LIMITS, timeoutMs: 300 }
  const client = createProviderPool(ports, limits).client(config(bad.issuer))
  const error = await refusal(client.begin(LOGIN))
  expect(error.code).toBe('provider.down')
  expect(error.retryAfterS).toBe(1)

  limits.timeoutMs = LIMITS.timeoutMs
  bad.behave({})
  const asked = bad.asked.discovery
  expect((await refusal(client.begin(LOGIN))).code).toBe('provider.down')
  expect(bad.asked.discovery).toBe(asked)
  nowMs += 1001
  expect(await client.begin(LOGIN)).toStartWith(`${bad.issuer}/authorize?`)
  expect(logged).toEqual(['discovery failed', 'the sign-in provider answers again'])
})

test('a provider that does not listen is down; the delay doubles up to thirty seconds', async () => {
  const bad = await startBadProvider()
  await bad.stop()
  const client = createProviderPool(ports, LIMITS).client(config(bad.issuer))
  const delays: (number | undefined)[] = []
  for (let attempt = 0; attempt < 7; attempt++) {
    const error = await refusal(client.begin(LOGIN))
    expect(error.code).toBe('provider.down')
    delays.push(error.retryAfterS)
    nowMs += (error.retryAfterS ?? 0) * 1000
  }
  expect(delays).toEqual([1, 2, 4, 8, 16, 30, 30])
})

test('a crowd that finds the provider down asks it once', async () => {
  const bad = await start()
  bad.behave({ instead: { discovery: () => new Response('', { status: 503 }) } })
  const client = createProviderPool(ports, LIMITS).client(config(bad.issuer))
  await Promise.all(Array.from({ length: 50 }, () => refusal(client.begin(LOGIN))))
  expect(bad.asked.discovery).toBe(1)
})

test('a document that is an hour old stays in use while refreshing it fails', async () => {
  const bad = await start()
  const client = createProviderPool(ports, LIMITS).client(config(bad.issuer))
  await client.begin(LOGIN)
  bad.behave({ instead: { discovery: () => new Response('', { status: 500 }) } })
  nowMs += 61 * 60_000
  expect(await client.begin(LOGIN)).toStartWith(`${bad.issuer}/authorize?`)
  expect(await client.begin(LOGIN)).toStartWith(`${bad.issuer}/authorize?`)
  expect(bad.asked.discovery).toBe(2)
})

test('a clock set back an hour does not keep a failure alive', async () => {
  const bad = await start()
  bad.behave({ instead: { discovery: () => new Response('', { status: 500 }) } })
  const client = createProviderPool(ports, LIMITS).client(config(bad.issuer))
  await refusal(client.begin(LOGIN))
  bad.behave({})
  nowMs -= 3_600_000
  expect(await client.begin(LOGIN)).toStartWith(`${bad.issuer}/authorize?`)
})

test.each([
  ['discovery-issuer-mismatch', { issuer: 'https://evil.example' }],
  ['an issuer that differs by a slash', { issuer: 'SLASH' }],
  ['no authorization endpoint', { authorization_endpoint: undefined }],
  ['a token endpoint that is no address', { token_endpoint: 'nowhere' }],
  ['an authorization endpoint that is a script', { authorization_endpoint: 'javascript:alert(1)' }],
  ['no keys', { jwks_uri: undefined }],
] as const)('%s: the provider is not set up correctly', async (_title, discovery) => {
  const bad = await start()
  bad.behave({
    discovery: 'issuer' in discovery && discovery.issuer === 'SLASH' ? { issuer: `${bad.issuer}/` } : discovery,
  })
  const error = await refusal(begin(bad.issuer))
  expect(error.code).toBe('provider.discovery')
  expect(error.retryAfterS).toBe(1)
})

test('metadata_url is asked in the place of the well-known address, for the same issuer', async () => {
  const bad = await start()
  const metadataUrl = `${bad.issuer}/.well-known/openid-configuration`
  bad.behave({ discovery: { issuer: 'http://127.0.0.1:1/tenant' } })
  expect(await begin('http://127.0.0.1:1/tenant', { metadataUrl })).toStartWith(`${bad.issuer}/authorize?`)
})

test('what stands behind its question mark is asked for, and told to nobody', async () => {
  const bad = await start()
  const metadataUrl = `${bad.issuer}/.well-known/openid-configuration?key=planted`
  for (const discovery of [
    () => new Response('oops', { status: 500 }),
    () => new Response('<html>'),
    () => Response.json({ issuer: 'https://other.example' }),
    () => Response.json({ issuer: bad.issuer, authorization_endpoint: 'https://other.example/?planted' }),
    () => new Promise<Response>(() => {}),
  ]) {
    bad.behave({ instead: { discovery } })
    const client = createProviderPool(ports, { ...LIMITS, timeoutMs: 300 }).client(config(bad.issuer, { metadataUrl }))
    const { message, hint, facts, cause } = await refusal(client.begin(LOGIN))
    expect(JSON.stringify([message, hint, facts, String(cause)])).not.toContain('planted')
  }
})

test('a reload with another secret keeps what was discovered; a provider out of use is forgotten', async () => {
  const bad = await start()
  const pool = createProviderPool(ports, LIMITS)
  await pool.client(config(bad.issuer)).begin(LOGIN)
  const changed = config(bad.issuer, { clientSecret: 'another' })
  await pool.client(changed).begin(LOGIN)
  pool.retain([changed])
  await pool.client(changed).begin(LOGIN)
  expect(bad.asked.discovery).toBe(1)
  expect(pool.client(changed)).toBe(pool.client(changed))
  pool.retain([])
  await pool.client(changed).begin(LOGIN)
  expect(bad.asked.discovery).toBe(2)
})

test('whoever asks for it has discovery and keys asked for anew, each once, and one that does not answer stays in use', async () => {
  const bad = await start(() => Math.floor(nowMs / 1000))
  const pool = createProviderPool(ports, LIMITS)
  const client = pool.client(config(bad.issuer))
  const logout = async () => (await client.readLogoutToken(await bad.logoutToken())).subject
  expect(await logout()).toBe('user-1')
  pool.askAnew()
  expect([await logout(), await logout()]).toEqual(['user-1', 'user-1'])
  expect([bad.asked.discovery, bad.asked.jwks]).toEqual([2, 2])

  bad.behave({ instead: { discovery: () => new Response('', { status: 503 }) } })
  pool.askAnew()
  expect([await logout(), await logout()]).toEqual(['user-1', 'user-1'])
  expect([bad.asked.discovery, client.state().kind]).toEqual([3, 'fails'])
})

test('what was on its way when it was to be asked for anew is not kept', async () => {
  const bad = await start()
  const [came, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const discovery = async () => {
    came.resolve()
    await go.promise
    return new Response('', { status: 503 })
  }
  const pool = createProviderPool(ports, LIMITS)
  const client = pool.client(config(bad.issuer))
  await client.begin(LOGIN)
  nowMs += 61 * 60_000
  bad.behave({ instead: { discovery } })
  const first = client.begin(LOGIN)
  await came.promise
  pool.askAnew()
  bad.behave({})
  go.resolve()
  await first
  nowMs += 2_000
  await client.begin(LOGIN)
  expect([bad.asked.discovery, client.state().kind]).toEqual([3, 'answers'])
})

test('a proxy named in the environment is not used', async () => {
  const bad = await start()
  process.env.HTTP_PROXY = 'http://127.0.0.1:1'
  try {
    expect(await begin(bad.issuer)).toStartWith(`${bad.issuer}/authorize?`)
  } finally {
    Reflect.deleteProperty(process.env, 'HTTP_PROXY')
  }
})

test('an error is reduced to name, code and sentence; what a parser could not read is not quoted', () => {
  const thrown = Object.assign(new TypeError('wrong', { cause: { token: 'secret' } }), { code: 'X', body: 'secret' })
  const bare = bareError(thrown)
  expect([bare.name, bare.message, Reflect.get(bare, 'code')]).toEqual(['TypeError', 'wrong', 'X'])
  expect(Bun.inspect(bare, { depth: 5 })).not.toContain('secret')
  expect(bareError(new SyntaxError('Unexpected identifier "secret"')).message).not.toContain('secret')
  expect(bareError('secret').message).not.toContain('secret')
})
