/** What must not work where nobody signs for who someone is (RFC 9700 §4). */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { type BadProvider, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { type OAuth2StandIn, startOAuth2 } from '../../kit/provider/oauth2.ts'
import { EVERYONE, routeForUsers } from '../../kit/toml.ts'

const USER = { id: 1, login: 'ada', name: 'Ada' }
let one: OAuth2StandIn
let two: OAuth2StandIn
let openid: BadProvider
let gate: Gate
let upstream: Bun.Server<undefined>

beforeAll(async () => {
  upstream = startTellingFields()
  one = startOAuth2('github', { user: USER })
  two = startOAuth2('github', { user: USER })
  openid = await startBadProvider()
  const table = (name: string, { clientId, clientSecret, endpoints }: OAuth2StandIn) =>
    `[providers.${name}]\ntype = "oauth2"\nclient_auth = "client_secret_post"\nscopes = ["x"]\nclient_id = "${clientId}"\nclient_secret = "${clientSecret}"\n${endpoints}\n`
  gate = await startGate(`${table('one', one)}${table('two', two)}
[providers.openid]
issuer = "${openid.issuer}"
client_id = "${openid.clientId}"
client_secret = "${openid.clientSecret}"
[portals.home]
providers = ["one", "two", "openid"]
insecure_cookies = true
${EVERYONE}
${routeForUsers(upstream, 'app.example', 'headers = "x-token"')}`)
})
beforeEach(() => {
  for (const replacementWorker of [one, two]) {
    replacementWorker.person = { user: USER }
    replacementWorker.instead.clear()
    replacementWorker.answer = {}
    replacementWorker.asked.length = 0
  }
  openid.behave({ signsInAtOnce: true })
})
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  for (const part of [one, two, openid]) await part[Symbol.asyncDispose]()
  await upstream.stop(true)
})

const BEGIN = 'http://app.example/.sallyport/login?return=%2F&provider='
const browse = () => browserAt(gate, 'app.example')

/** A sign-in up to where the provider has the browser: its state, and where it would come back to. */
async function begun(name: 'one' | 'two' | 'openid') {
  const browser = browse()
  const location = (await browser.visit(BEGIN + name)).headers.get('location') ?? ''
  const query = new URL(location).searchParams
  return { browser, query, callback: new URL(query.get('redirect_uri') ?? '') }
}

/** What came of coming back there with these parameters: the status, and whether somebody is signed in by it. */
async function comeBack(
  browser: ReturnType<typeof browse>,
  callback: URL,
  parameters: Readonly<Record<string, string>>,
): Promise<readonly [status: number, isSignedIn: boolean]> {
  const address = new URL(callback)
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value)
  const { status } = await browser.visit(address)
  const inside = await browser.visit('http://app.example/')
  return [status, inside.status === 200]
}

test('the control: a sign-in by each of them works', async () => {
  for (const name of ['one', 'two', 'openid'] as const) {
    const page = await browse().open(BEGIN + name)
    expect([name, page.response.status]).toEqual([name, 200])
  }
})

describe('one user endpoint, asked for two members', () => {
  const OWN_NAME = { id: 2, login: '1', name: 'Mallory' }
  const table = (name: string, sub: string) =>
    `[providers.${name}]\ntype = "oauth2"\nclient_auth = "client_secret_post"\nscopes = ["x"]\nclient_id = "${one.clientId}"\nclient_secret = "${one.clientSecret}"\n${one.endpoints}\nclaims = { sub = "${sub}" }\n`
  const file = (first: string) => `${table('byId', first)}${table('byLogin', 'login')}
[portals.home]
providers = ["byId", "byLogin"]
insecure_cookies = true
${EVERYONE}
${routeForUsers(upstream, 'app.example', 'headers = "x-token"')}`

  async function signIn(at: Gate, provider: string, user: Record<string, unknown>) {
    one.person = { user }
    const browser = browserAt(at, 'app.example')
    expect((await browser.open(BEGIN + provider)).response.status).toBe(200)
    return browser
  }
  const sessionsOf = async (browser: ReturnType<typeof browserAt>) => {
    const page = await (await browser.visit('http://app.example/.sallyport/sessions')).text()
    return page.match(/name="act" value="end"/g)?.length
  }

  test('whoever calls themselves what another is numbered is not that one', async () => {
    await using at = await startGate(file('id'))
    const ada = await signIn(at, 'byId', USER)
    const mallory = await signIn(at, 'byLogin', OWN_NAME)
    expect([await sessionsOf(ada), await sessionsOf(mallory)]).toEqual([1, 1])
  })

  test('nor once the file says the other member for all', async () => {
    await using at = await startGate(file('id'))
    const ada = await signIn(at, 'byId', USER)
    at.save(file('login'))
    expect(at.server.reload()).toBe('changed')
    expect((await ada.visit('http://app.example/')).status).not.toBe(200)
    const mallory = await signIn(at, 'byId', OWN_NAME)
    expect(await sessionsOf(mallory)).toBe(1)
  })
})

describe('an answer is taken where its sign-in was begun for it, once, and nowhere else', () => {
  test('not with another state', async () => {
    const { browser, query, callback } = await begun('one')
    const code = one.issueCode(query.get('code_challenge') ?? '', '')
    const [status, isIn] = await comeBack(browser, callback, { code, state: 'A'.repeat(43) })
    expect([status < 400, isIn]).toEqual([false, false])
    expect(one.asked.some(({ path }) => path === '/token')).toBe(false)
  })

  // RFC 9700 §4.4: the attacker's provider has the honest one's code sent to where its own is expected, and is given it to redeem.
  test.each([
    ['an OAuth 2.0 provider, whose code comes to the callback of another', 'one', '/.sallyport/callback/two'],
    ['an OAuth 2.0 provider, whose code comes to that of OpenID providers', 'one', '/.sallyport/callback'],
    ['an OpenID provider, whose code comes to that of an OAuth 2.0 one', 'openid', '/.sallyport/callback/one'],
    ['a provider that has no callback of its own', 'openid', '/.sallyport/callback/openid'],
    ['one that is not there', 'one', '/.sallyport/callback/three'],
  ] as const)('not at another callback: %s', async (_title, name, path) => {
    const { browser, query, callback } = await begun(name)
    const before = openid.asked.token
    const code = one.issueCode(query.get('code_challenge') ?? '', '')
    const elsewhere = new URL(path, callback)
    const [status, isIn] = await comeBack(browser, elsewhere, { code, state: query.get('state') ?? '' })
    expect([status < 400, isIn]).toEqual([false, false])
    const redeemed = [...one.asked, ...two.asked].some(asked => asked.path === '/token')
    expect([redeemed, openid.asked.token]).toEqual([false, before])
  })

  test('not in another browser, and not twice', async () => {
    const { browser, query, callback } = await begun('one')
    const state = query.get('state') ?? ''
    const code = one.issueCode(query.get('code_challenge') ?? '', '')
    const other = browse()
    await other.visit(`${BEGIN}one`)
    expect((await comeBack(other, callback, { code, state }))[1]).toBe(false)
    expect((await comeBack(browser, callback, { code, state }))[1]).toBe(false)
  })

  test('not with a code of another sign-in (RFC 7636)', async () => {
    const { browser, query, callback } = await begun('one')
    const stolen = one.issueCode('another-challenge', '')
    const [status, isIn] = await comeBack(browser, callback, { code: stolen, state: query.get('state') ?? '' })
    expect([status, isIn]).toEqual([502, false])
  })
})

describe('who somebody is', () => {
  test('is asked at the user endpoint alone: a redirect leads the access token nowhere', async () => {
    let stolen = 0
    await using thief = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () => {
        stolen++
        return Response.json(USER)
      },
    })
    for (const status of [301, 302, 307, 308] as const) {
      one.instead.set('/api/user', () => Response.redirect(`http://127.0.0.1:${thief.port}/user`, status))
      expect((await browse().open(`${BEGIN}one`)).response.status).toBe(502)
    }
    expect(stolen).toBe(0)
  })

  test.each<[string, unknown]>([
    ['an object', { id: { $ne: 1 } }],
    ['a list', { id: [1] }],
    ['empty', { id: '' }],
    ['absent', {}],
    ['null', { id: null }],
    ['yes', { id: true }],
    ['half a number', { id: 1.5 }],
    ['a number too long to be told from the next one', { id: 2 ** 53 }],
    ['a text without end', { id: 'a'.repeat(256) }],
    ['one of our own', { id: 'guest:ada' }],
    ['one of our own, misspelt', { id: 'HTPASSWD%3Aada' }],
    ['a name that every object has', JSON.parse('{"__proto__":{"id":1}}')],
  ])('is never %s', async (_title, user) => {
    one.instead.set('/api/user', () => Response.json(user))
    const browser = browse()
    const page = await browser.open(`${BEGIN}one`)
    expect([403, 502]).toContain(page.response.status)
    expect((await browser.visit('http://app.example/')).status).not.toBe(200)
  })

  test.each<[string, () => Response]>([
    ['a page', () => new Response('<html>1</html>')],
    ['a list', () => Response.json([USER])],
    ['an error', () => Response.json({ message: 'Bad credentials' }, { status: 401 })],
    ['another success', () => Response.json(USER, { status: 201 })],
  ])('is not said by %s', async (_title, answer) => {
    one.instead.set('/api/user', answer)
    expect((await browse().open(`${BEGIN}one`)).response.status).toBe(502)
  })

  test('says nothing of how they signed in, whatever it claims, and makes nobody another provider’s', async () => {
    const claims = { iss: openid.issuer, acr: 'gold', amr: ['otp'], auth_time: 1, sub: 'user-1', aud: 'x', exp: 1 }
    one.person = { user: { ...USER, ...claims } }
    const page = await browse().open(`${BEGIN}one`)
    const fields = JSON.parse(page.text) as Record<string, string>
    expect([fields['x-token-subject'], fields['x-token-provider']]).toEqual(['1', 'one'])
    expect(page.text).not.toContain('gold')
  })
})
