/** Providers without OpenID Connect: GitHub and Discord as their public documents describe them, and any other. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { type OAuth2StandIn, startOAuth2 } from '../../kit/provider/oauth2.ts'
import { portalTable, routeForUsers, routeTo } from '../../kit/toml.ts'

const OCTOCAT = { login: 'octocat', id: 583231, name: 'The Octocat', email: 'profile@example.com', type: 'User' }
const EMAILS = [
  { email: 'spare@example.com', primary: false, verified: true },
  { email: 'octocat@example.com', primary: true, verified: true },
]
const NELLY = {
  id: '80351110224678912',
  username: 'nelly',
  global_name: 'Nelly',
  email: 'nelly@example.com',
  verified: true,
}

let upstream: Bun.Server<undefined>
beforeAll(() => {
  upstream = startTellingFields()
})
afterAll(() => upstream.stop(true))

async function gateWith(standIn: OAuth2StandIn, lines: string, roles: string): Promise<Gate> {
  return startGate(`[providers.id]
client_id = "${standIn.clientId}"
client_secret = "${standIn.clientSecret}"
${standIn.endpoints}
${lines}
${portalTable(roles)}
${routeForUsers(upstream, 'app.example', 'headers = "x-token"')}
${routeTo(upstream, 'mfa.example', 'portal = "home"\nallow = [{ amr = ["otp"] }]')}`)
}

type Fields = Readonly<Record<string, string>>

async function fieldsOf(browser: BrowserLite): Promise<Fields> {
  const page = await browser.open('http://app.example/')
  expect(page.response.status).toBe(200)
  return JSON.parse(page.text) as Fields
}

describe('GitHub', () => {
  let github: OAuth2StandIn
  let gate: Gate
  beforeAll(async () => {
    github = startOAuth2('github', { user: OCTOCAT })
    gate = await gateWith(github, 'preset = "github"', 'roles.user = { groups = ["acme/ops", "solo"] }')
  })
  beforeEach(() => {
    github.person = { user: OCTOCAT, emails: EMAILS, orgs: ['acme'], teams: ['acme/ops'] }
    github.asked.length = 0
    github.instead.clear()
    github.answer = {}
  })
  afterAll(async () => {
    await gate[Symbol.asyncDispose]()
    await github[Symbol.asyncDispose]()
  })
  const browse = () => browserAt(gate, 'app.example', 'mfa.example')

  test('signs people in by their number, with the address that it has verified and their teams as groups', async () => {
    const fields = await fieldsOf(browse())
    expect(fields['x-token-subject']).toBe('583231')
    expect(fields['x-token-user-name'] ?? fields['x-token-name']).toBe('The Octocat')
    expect(fields['x-token-user-email'] ?? fields['x-token-email']).toBe('octocat@example.com')
  })

  test('is asked with state and PKCE, for its own callback, and for JSON', async () => {
    await fieldsOf(browse())
    const { query } = github.asked.find(({ path }) => path === '/authorize') ?? {}
    expect(query?.get('redirect_uri')).toBe('http://app.example/.sallyport/callback/id')
    expect([query?.get('code_challenge_method'), query?.get('scope'), query?.has('nonce')]).toEqual([
      'S256',
      'user:email read:org',
      false,
    ])
    const token = github.asked.find(({ path }) => path === '/token')
    expect(token?.fields.get('accept')).toBe('application/json')
    const user = github.asked.find(({ path }) => path === '/api/user')
    expect([user?.fields.get('authorization')?.startsWith('Bearer '), user?.query.toString()]).toEqual([true, ''])
  })

  test('an address that it has not verified, or that only a profile shows, counts for nothing', async () => {
    const [spare] = EMAILS
    github.person = { user: OCTOCAT, emails: spare === undefined ? [] : [spare], orgs: ['solo'] }
    expect(JSON.stringify(await fieldsOf(browse()))).not.toContain('@example.com')
    const unverified = { email: 'octocat@example.com', primary: true, verified: false }
    github.person = { user: OCTOCAT, emails: [unverified], orgs: ['solo'] }
    expect(JSON.stringify(await fieldsOf(browse()))).not.toContain('@example.com')
  })

  test('all of somebody’s groups are read, page by page', async () => {
    const many = Array.from({ length: 130 }, (_, index) => `org-${index}`)
    github.person = { user: OCTOCAT, emails: EMAILS, orgs: [...many, 'solo'] }
    await fieldsOf(browse())
    expect(github.asked.filter(({ path }) => path === '/api/user/orgs').length).toBe(2)
  })

  test('its no with status 200 is a no', async () => {
    github.instead.set('/token', () => Response.json({ error: 'bad_verification_code', error_description: 'expired' }))
    const page = await browse().open('http://app.example/')
    expect(page.response.status).toBe(502)
    expect(gate.told('provider.token', 'bad_verification_code').length).toBe(1)
  })

  test('a rule that asks how or when somebody signed in is refused, without going round', async () => {
    const browser = browse()
    await fieldsOf(browser)
    github.asked.length = 0
    expect((await browser.open('http://mfa.example/')).response.status).toBe(403)
    expect(gate.told('sign_in.step_up', 'OAuth 2.0').length).toBeGreaterThan(0)
  })
})

test('GitHub: groups that this token may not see are unknown, so that deny counts them too', async () => {
  await using github = startOAuth2('github', { user: OCTOCAT, emails: EMAILS, orgs: ['acme'] })
  await using gate = await startGate(`[providers.id]
preset = "github"
client_id = "${github.clientId}"
client_secret = "${github.clientSecret}"
scopes = ["user:email"]
${github.endpoints}
${portalTable('roles.user = { any = true }')}
${routeForUsers(upstream, 'app.example')}
${routeForUsers(upstream, 'deny.example', 'deny = [{ groups = ["acme"] }]')}`)
  const browser = browserAt(gate, 'app.example', 'deny.example')
  expect((await browser.open('http://app.example/')).response.status).toBe(200)
  expect((await browser.open('http://deny.example/')).response.status).toBe(403)
})

test('Discord: people by their id, a verified address, and the ids of servers as groups', async () => {
  await using discord = startOAuth2('discord', { user: NELLY, guilds: ['197038439483310086'] })
  await using gate = await gateWith(discord, 'preset = "discord"', 'roles.user = { groups = ["197038439483310086"] }')
  const fields = await fieldsOf(browserAt(gate, 'app.example'))
  expect(fields['x-token-subject']).toBe('80351110224678912')
  expect(JSON.stringify(fields)).toContain('nelly@example.com')
  discord.person = { user: { ...NELLY, verified: false }, guilds: ['197038439483310086'] }
  expect(JSON.stringify(await fieldsOf(browserAt(gate, 'app.example')))).not.toContain('nelly@example.com')
  // What a server is called is for whoever runs it to say.
  discord.person = { user: NELLY, guilds: ['1'] }
  expect((await browserAt(gate, 'app.example').open('http://app.example/')).response.status).toBe(403)
})

test('any other: where it is and what it calls things is in the file', async () => {
  const user = { uid: 7, mail: 'ada@example.com', mail_ok: true, login: 'ada', teams: 'admins; family' }
  await using plain = startOAuth2('discord', { user })
  await using gate = await gateWith(
    plain,
    `type = "oauth2"
client_auth = "client_secret_post"
claims = { sub = "uid", email = "mail", email_verified = "mail_ok", groups = "teams", preferred_username = "login" }
groups_separator = ";"`,
    'roles.user = { groups = ["family"] }',
  )
  const fields = await fieldsOf(browserAt(gate, 'app.example'))
  expect(fields['x-token-subject']).toBe('7')
  expect(JSON.stringify(fields)).toContain('ada@example.com')
})
