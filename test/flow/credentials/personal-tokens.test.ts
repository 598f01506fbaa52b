import { beforeEach, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { aheadClock } from '../../kit/clock.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startProviderFor, type TestAccount } from '../../kit/provider/provider.ts'
import { providerTable, routeTo } from '../../kit/toml.ts'

/** Little, so that the provider's clock, which nobody moves, stays within the tolerance of ours. */
const STEP_MS = 11_000
const APP = 'http://app.example'
const ADA = { sub: 'ada', name: 'Ada', groups: ['staff'] }
const ROOT = { sub: 'root', name: 'Root', groups: ['admins'] }

const clock = aheadClock()
const accounts: TestAccount[] = []

const keep = untilTheEnd()
const upstream = keep(
  startAnswering(
    request => new Response(`${request.headers.get('x-token-subject')}: ${request.headers.get('x-token-user-roles')}`),
  ),
)
const provider = keep(await startProviderFor(accounts, `${APP}/.sallyport/callback`))
const route = (more: string) =>
  routeTo(upstream, 'app.example', `portal = "home"\nheaders = "x-token"\ntokens = true\n${more}`)
const gate = keep(
  await startGate(
    `
${providerTable(provider)}
[portals.home]
providers = ["id"]
insecure_cookies = true
refresh = "10s"
admin_role = "admin"
personal_tokens = true

[portals.home.roles]
staff = { groups = ["staff"] }
admin = { groups = ["admins"] }
user = { any = true }

${route('allow = ["user"]')}
${route('path = "/staff"\nallow = ["staff"]')}
${route('path = "/hook"\nallow = ["user"]\nmethods = ["POST"]')}
${route('path = "/fresh"\nallow = [{ roles = ["user"], max_age = "15m" }]')}
${route('path = "/people"\nallow = ["user"]').replace('tokens = true', '')}
`,
    { ports: clock },
  ),
)
beforeEach(() => {
  clock.setAhead(0)
  accounts.splice(0, accounts.length, ADA, ROOT)
})

async function signIn(login: string): Promise<BrowserLite> {
  const browser = browserAt(gate, 'app.example')
  expect((await browser.signIn(`${APP}/`, login)).response.status).toBe(200)
  return browser
}

/** Fills in the page's own form for a new token. */
async function makeToken(browser: BrowserLite): Promise<string> {
  const page = await browser.open(`${APP}/.sallyport/tokens`)
  const made = await browser.submit(page, { name: 'script', days: '30' })
  return made.html.texts('code')[0] ?? ''
}

async function ask(token: string, path = '/'): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${gate.port}${path}`, {
    headers: { host: 'app.example', authorization: `Bearer ${token}` },
  })
  return answer.status === 200 ? answer.text() : `${answer.status}`
}

test('a personal token loses a group that its owner lost at the provider, and has it again when they have', async () => {
  const browser = await signIn('ada')
  const token = await makeToken(browser)
  expect(await ask(token, '/staff')).toBe('ada: staff user')
  for (const [groups, expected] of [
    [[], '403'],
    [['staff'], 'ada: staff user'],
  ] as const) {
    accounts.splice(0, 1, { ...ADA, groups })
    clock.advance(STEP_MS)
    // A visit while the answer before is still being written asks for none.
    await eventually(async () => {
      await browser.visit(`${APP}/`)
      return (await ask(token, '/staff')) === expected
    }, `the groups are ${groups.join()}`)
  }
  expect(await ask(token)).toBe('ada: staff user')
})

test('a personal token of someone whom the provider no longer knows rests until they sign in again', async () => {
  const browser = await signIn('ada')
  const token = await makeToken(browser)
  expect(await ask(token)).toBe('ada: staff user')
  accounts.splice(0, 1)
  clock.advance(STEP_MS)
  await browser.visit(`${APP}/`)
  await eventually(async () => (await ask(token)) === '401', 'the token rests')
  accounts.splice(0, 0, ADA)
  expect(await ask(token)).toBe('401')
  await signIn('ada')
  expect(await ask(token)).toBe('ada: staff user')
})

test('a personal token follows the roles of the file in force', async () => {
  const token = await makeToken(await signIn('ada'))
  const body = await Bun.file(gate.configPath).text()
  await Bun.write(gate.configPath, body.replace('groups = ["staff"]', 'groups = ["crew"]'))
  expect(gate.server.reload()).toBe('changed')
  expect(await ask(token, '/staff')).toBe('403')
  await Bun.write(gate.configPath, body)
  gate.server.reload()
  expect(await ask(token, '/staff')).toBe('ada: staff user')
})

test('signing out leaves a personal token as it was', async () => {
  const browser = await signIn('ada')
  const token = await makeToken(browser)
  await browser.submit(await browser.open(`${APP}/.sallyport/logout`))
  expect(await ask(token)).toBe('ada: staff user')
})

test('the page names the places that would take the token of whoever looks at it', async () => {
  const shown = async (login: string) => (await (await signIn(login)).open(`${APP}/.sallyport/tokens`)).html.texts('p')
  expect(await shown('ada')).toContain('Works at app.example, app.example/staff, app.example/hook.')
  expect(await shown('root')).toContain('Works at app.example, app.example/hook.')
})
