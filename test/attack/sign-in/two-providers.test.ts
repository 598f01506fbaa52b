import { afterAll, beforeAll, expect, test } from 'bun:test'
import { runSessions } from '../../../src/cli/sessions.ts'
import { runTokens } from '../../../src/cli/tokens.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { openSessionState } from '../../../src/process/session-state.ts'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { quietPorts } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { BAD_PROVIDER_CLIENT, type BadProvider, startBadProvider } from '../../kit/provider/bad-provider.ts'

/** Two providers of one portal, at each of which somebody else is called this. */
const SUB = 'user-1'
const HOST = 'app.example'
type At = 'home' | 'away'

let gate: Gate
let upstream: Bun.Server<undefined>
const providers = new Map<At, BadProvider>()

beforeAll(async () => {
  upstream = startTellingFields()
  for (const name of ['home', 'away'] as const) providers.set(name, await startBadProvider())
  const tables = [...providers].map(
    ([name, { issuer }]) =>
      `[providers.${name}]\nissuer = "${issuer}"\nclient_id = "${BAD_PROVIDER_CLIENT.clientId}"\nclient_secret = "${BAD_PROVIDER_CLIENT.clientSecret}"\n`,
  )
  const route = (path: string, more: string) =>
    `[[routes]]\nhost = "${HOST}"\npath = "${path}"\nupstream = "http://127.0.0.1:${upstream.port}"\nportal = "p"\ntokens = true\nheaders = "x-token"\n${more}\n`
  gate = await startGate(`${tables.join('\n')}
[portals.p]
providers = ["home", "away"]
insecure_cookies = true
admin_role = "root"
personal_tokens = true
guest_links = { allow = ["user"] }
roles.user = { any = true }
roles.root = { provider = "home", subjects = ["${SUB}"] }
${route('/', 'allow = ["user", { guest_link = true }]')}
${route('/root', 'allow = ["root"]')}
${route('/rule', `allow = [{ provider = "home", any = [{ subjects = ["${SUB}"] }, { groups = ["admins"] }] }]`)}
`)
})
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  for (const provider of providers.values()) await provider.stop()
  await upstream.stop(true)
})

async function signIn(at: At): Promise<{ readonly cookie: string; readonly id: string }> {
  const { sessions } = openSessionState(gate.server.config, quietPorts({ now: Date.now }))
  const identity = makeIdentity(at, providers.get(at)?.issuer ?? '', SUB, { sub: SUB, groups: ['admins'] })
  const secrets = { idToken: 'x', refreshToken: null }
  const { token, session } = await sessions.start({ portal: 'p', host: HOST, identity, secrets })
  await sessions.close()
  return { cookie: `sallyport=${token}`, id: session.id }
}

function ask(path: string, fields: Record<string, string>, init: RequestInit = {}): Promise<Response> {
  const headers = { host: HOST, ...fields }
  return fetch(`http://127.0.0.1:${gate.port}${path}`, { redirect: 'manual', ...init, headers })
}

async function post(path: string, cookie: string, fields: Record<string, string>): Promise<unknown> {
  const from = { cookie, 'sec-fetch-site': 'same-origin', accept: 'application/json' }
  return (await ask(path, from, { method: 'POST', body: new URLSearchParams(fields) })).json()
}

const statusAt = async (path: string, cookie: string) => (await ask(path, { cookie })).status
const list = async (path: string, cookie: string): Promise<unknown> =>
  (await ask(path, { cookie, accept: 'application/json' })).json()

test('who is called the same at another provider passes no rule for the one, and is told apart by the application', async () => {
  const [one, other] = [await signIn('home'), await signIn('away')]
  for (const path of ['/root', '/rule']) {
    expect([path, await statusAt(path, one.cookie)]).toEqual([path, 200])
    expect([path, await statusAt(path, other.cookie)]).toEqual([path, 403])
  }
  const told = async (cookie: string) => {
    const fields = (await (await ask('/', { cookie, 'x-token-provider': 'home' })).json()) as Record<string, string>
    return [fields['x-token-subject'], fields['x-token-provider']]
  }
  expect(await told(one.cookie)).toEqual([SUB, 'home'])
  expect(await told(other.cookie)).toEqual([SUB, 'away'])
})

test('and sees and ends none of the sessions, tokens and links of the other', async () => {
  const [one, other] = [await signIn('home'), await signIn('away')]
  const made = (await post('/.sallyport/tokens', one.cookie, { act: 'create', name: 'mine', days: '7' })) as {
    readonly token: string
    readonly tokens: readonly { readonly id: string }[]
  }
  const bearer = async (path: string) => (await ask(path, { authorization: `Bearer ${made.token}` })).status
  expect(await bearer('/root')).toBe(200)

  expect(await list('/.sallyport/tokens', other.cookie)).toEqual({ tokens: [] })
  const id = made.tokens[0]?.id ?? ''
  expect(await post('/.sallyport/tokens', other.cookie, { act: 'revoke', id })).toEqual({ revoked: false })
  expect(await bearer('/root')).toBe(200)
  const wanted = { act: 'create', name: 'Photos', address: `http://${HOST}/`, hours: '4', uses: '1' }
  const [link] = ((await post('/.sallyport/guests', one.cookie, wanted)) as { links: { id: string }[] }).links
  expect(link).toBeDefined()
  expect(await list('/.sallyport/guests', other.cookie)).toEqual({ links: [] })
  expect(await post('/.sallyport/guests', other.cookie, { act: 'revoke', id: link?.id ?? '' })).toEqual({
    revoked: false,
  })

  const { sessions } = (await list('/.sallyport/sessions', other.cookie)) as { sessions: Record<string, unknown>[] }
  expect(sessions.map(({ id }) => id)).toContain(other.id)
  expect(new Set(sessions.map(({ provider }) => provider))).toEqual(new Set(['away']))
  expect(await post('/.sallyport/sessions', other.cookie, { act: 'end', id: one.id })).toMatchObject({
    code: 'access.denied',
  })
  expect(await statusAt('/root', one.cookie)).toBe(200)
  // An admin who ends the other's session puts no token of their own to rest.
  await post('/.sallyport/sessions', one.cookie, { act: 'end', id: other.id })
  expect(await statusAt('/', other.cookie)).toBe(401)
  expect(await bearer('/root')).toBe(200)
})

test('OpenID Connect Back-Channel Logout 1.0 §2.6: a provider ends the sessions of its own people alone', async () => {
  const [one, other] = [await signIn('home'), await signIn('away')]
  const token = await providers.get('away')?.logoutToken({ claims: { sub: SUB, sid: undefined } })
  const answer = await ask(
    '/.sallyport/backchannel-logout',
    {},
    {
      method: 'POST',
      body: new URLSearchParams({ logout_token: token ?? '' }),
    },
  )
  expect(answer.status).toBe(200)
  expect(await statusAt('/', other.cookie)).toBe(401)
  expect(await statusAt('/', one.cookie)).toBe(200)
})

test('lists for operators and admins say at which provider each has signed in', async () => {
  const [one] = [await signIn('home'), await signIn('away')]
  const { out } = await runOn(gate, runSessions, ['list'])
  expect(out).toMatch(/^ID +WHO +PROVIDER +PORTAL/)
  for (const name of ['home', 'away']) expect(out).toMatch(new RegExp(` user-1 +${name} +p `))
  for (const path of ['/.sallyport/admin', '/.sallyport/sessions?all=1']) {
    const page = await (
      await ask(path, { cookie: one.cookie, accept: 'text/html', 'sec-fetch-dest': 'document' })
    ).text()
    for (const name of ['home', 'away'])
      expect(page).toMatch(new RegExp(`<p class="soft small[a-z ]*">(?:<[a-z]+>)*${name}(?: ·|<)`))
  }
})

test('sessions revoke --subject --provider ends those of that provider alone', async () => {
  const [one, other] = [await signIn('home'), await signIn('away')]
  const run = (...argv: readonly string[]) => runOn(gate, runSessions, argv)
  expect(await run('revoke', '--subject', SUB, '--provider', 'hoem')).toMatchObject({ code: 1 })
  expect(await run('revoke', '--subject', SUB, '--provider', 'away', '--json')).toMatchObject({ code: 0 })
  await eventually(async () => (await statusAt('/', other.cookie)) === 401, 'the one of that provider is out')
  expect(await statusAt('/', one.cookie)).toBe(200)
})

test('tokens create --subject is told at which provider', async () => {
  const create = (...more: readonly string[]) => {
    const argv = ['create', '--json', '--name', 'n', '--portal', 'p', '--subject', SUB, '--roles', 'user', ...more]
    return runOn(gate, runTokens, argv)
  }
  expect(await create()).toMatchObject({ code: 1, err: expect.stringContaining('--provider') })
  expect(await create('--provider', 'hoem')).toMatchObject({ code: 1 })
  const { out } = await create('--provider', 'away')
  const { token, provider } = JSON.parse(out) as { readonly token: string; readonly provider: string }
  expect(provider).toBe('away')
  const answer = await ask('/', { authorization: `Bearer ${token}` })
  expect(await answer.json()).toMatchObject({ 'x-token-subject': SUB, 'x-token-provider': 'away' })
})
