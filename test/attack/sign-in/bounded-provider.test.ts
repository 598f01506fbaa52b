import { beforeEach, expect, test } from 'bun:test'
import { decodeJwt } from 'jose'
import { startTellingFields } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { BAD_PROVIDER_CLIENT, type BadProvider, startBadProvider } from '../../kit/provider/bad-provider.ts'

const HOST = 'app.example'
const keep = untilTheEnd()
const upstream = keep(startTellingFields())
const home = keep(await startBadProvider())
const partner = keep(await startBadProvider())

/** What both of them say of somebody: the one as it is, the other because it means harm. */
const BOSS = {
  preferred_username: 'boss',
  email: 'boss@home.example',
  email_verified: true,
  groups: ['admins'],
  roles: ['root'],
}

beforeEach(() => {
  for (const one of [home, partner]) one.behave({ signsInAtOnce: true, claims: BOSS, userinfo: BOSS })
})

const provider = (name: string, { issuer }: BadProvider, more: string) =>
  `[providers.${name}]\nissuer = "${issuer}"\nclient_id = "${BAD_PROVIDER_CLIENT.clientId}"\nclient_secret = "${BAD_PROVIDER_CLIENT.clientSecret}"\n${more}\n`

const BOUNDS = 'prefix = "partner-"\nemail_domains = ["partner.example"]'

function gateWith(bounds: string): Promise<Gate> {
  return startGate(`${provider('home', home, '')}${provider('partner', partner, bounds)}
[portals.p]
providers = ["home", "partner"]
insecure_cookies = true
roles.user = { any = true }
[[routes]]
host = "${HOST}"
upstream = { to = "http://127.0.0.1:${upstream.port}", basic_auth = { user = "{preferred_username}", password = "p" } }
portal = "p"
allow = ["user"]
headers = "caddy-security"
assertion = { audience = "app", header = "X-Assertion" }
[[routes]]
host = "${HOST}"
path = "/admin"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "p"
allow = [{ groups = ["admins"] }, { emails = ["boss@home.example"] }]
[[routes]]
host = "${HOST}"
path = "/partner"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "p"
allow = [{ groups = ["partner-admins"] }]
`)
}

async function visit(gate: Gate, name: string) {
  const browser = browserAt(gate, HOST)
  const page = await browser.open(`http://${HOST}/.sallyport/login?return=%2F&provider=${name}`)
  expect(page.response.status).toBe(200)
  const fields = JSON.parse(page.text) as Record<string, string>
  const status = async (path: string) => (await browser.open(`http://${HOST}${path}`)).response.status
  const { sub, groups, email } = decodeJwt(fields['x-assertion'] ?? '')
  return {
    fields: [fields['x-token-subject'], fields['x-token-user-email'], fields['x-token-user-roles']],
    user: Buffer.from(fields.authorization?.slice('Basic '.length) ?? '', 'base64').toString(),
    assertion: [sub, groups, email],
    statuses: [await status('/admin'), await status('/partner')],
  }
}

test('a provider within bounds is nobody of the other to rules, and applications can tell its people apart', async () => {
  await using gate = await gateWith(BOUNDS)
  expect(await visit(gate, 'home')).toEqual({
    fields: ['user-1', 'boss@home.example', 'admins root user'],
    user: 'boss:p',
    assertion: ['user-1', ['admins'], 'boss@home.example'],
    statuses: [200, 403],
  })
  expect(await visit(gate, 'partner')).toEqual({
    fields: ['partner-user-1', undefined, 'partner-admins partner-root user'],
    user: 'partner-boss:p',
    assertion: ['partner-user-1', ['partner-admins'], undefined],
    statuses: [403, 200],
  })
  expect(gate.told('identity.providers')).toEqual([])
})

test('the other has no name of it, in any letter case, and nobody there is taken for its people', async () => {
  await using gate = await gateWith(BOUNDS)
  const mimicked = {
    ...BOSS,
    preferred_username: 'Partner-Boss',
    groups: [
      'admins',
      ...['partner-admins', 'PARTNER-ADMINS', '\uff50artner-admins', 'p\u00e4rtner-admins'],
      ...['\u200bpartner-admins', 'part\u00adner-admins', ' partner-admins'],
    ],
    roles: ['partner-root', 'writer'],
  }
  home.behave({ signsInAtOnce: true, claims: mimicked, userinfo: mimicked })
  expect(await visit(gate, 'home')).toEqual({
    fields: ['user-1', 'boss@home.example', 'admins writer user'],
    user: '',
    assertion: ['user-1', ['admins'], 'boss@home.example'],
    statuses: [200, 403],
  })
  const said = gate.told('begin like those of another one').map(line => JSON.parse(line))
  expect(said).toMatchObject([{ provider: 'home', claims: ['preferred_username', 'groups'] }])
  // Its own people are as they were.
  expect((await visit(gate, 'partner')).statuses).toEqual([403, 200])
  const claims = { ...BOSS, sub: 'partner-user-1' }
  home.behave({ signsInAtOnce: true, claims, userinfo: claims })
  const page = await browserAt(gate, HOST).open(`http://${HOST}/.sallyport/login?return=%2F&provider=home`)
  expect([page.response.status, gate.told('provider.subject').length]).toEqual([403, 1])
})

test('and its own addresses count', async () => {
  await using gate = await gateWith(BOUNDS)
  const email = 'Ada@Partner.example'
  partner.behave({ signsInAtOnce: true, claims: { ...BOSS, email }, userinfo: { ...BOSS, email } })
  expect((await visit(gate, 'partner')).fields[1]).toBe(email)
})
