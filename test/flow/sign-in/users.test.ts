import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runTokens } from '../../../src/cli/tokens.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { fakeClock } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { basic, bearer } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { metricOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { providerTable, routeTo, SILENT } from '../../kit/toml.ts'
import { codeAt, SECOND_FACTOR } from '../../kit/totp.ts'

const keep = untilTheEnd()
const upstream = keep(
  startStreaming(({ headers }) =>
    ['subject', 'user-name', 'user-roles', 'provider'].map(name => headers.get(`x-token-${name}`)).join(' '),
  ),
)
const hash = (word: string) => Bun.password.hash(word, { algorithm: 'bcrypt', cost: 4 })
const [secret, other, geheim] = await Promise.all([hash('secret'), hash('other'), hash('geheim')])

const HOME = 'home.test'
const AWAY = 'app.test'

/** A file with a provider that is nothing but a file of users; `providers` are those of the portal. */
function file(more = '', groups = 'family', providers = '"people"'): string {
  const route = (host: string, lines: string) =>
    routeTo(upstream, host, `portal = "home"\nheaders = "x-token"\n${lines}`)
  return `[providers.people]
users = "users.htpasswd"
label = "People"
groups = ["${groups}"]
${more}
[portals.home]
url = "http://${HOME}"
insecure_cookies = true
providers = [${providers}]
roles.user = { any = true }
roles.family = { groups = ["family"] }
roles.root = { subjects = ["htpasswd:root"] }
${[
  route(AWAY, 'allow = ["user"]'),
  route(AWAY, 'path = "/root"\nallow = ["root"]'),
  route(AWAY, 'path = "/fresh"\nallow = [{ roles = ["user"], max_age = "15m" }]'),
  route(AWAY, 'path = "/strong"\nallow = [{ roles = ["user"], amr = ["phr"] }]'),
].join('\n')}`
}

async function start(toml = file(), clock = fakeClock(Date.now())) {
  const gate = await startGate(toml, { ports: { now: clock.now }, files: USERS })
  return Object.assign(gate, { clock })
}

const USERS = { 'users.htpasswd': `ada:${secret}\nroot:${other}\n` }

function save(gate: Gate, text: string): void {
  writeFileSync(join(gate.folder, 'users.htpasswd'), text)
  gate.server.reload()
}

const browserOf = (gate: Gate) => browserAt(gate, HOME, AWAY)

test('people of a file sign in by the form, arrive where they were going, and are known by name and groups', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const form = await browser.open(`http://${AWAY}/deep?x=1`)
  expect([form.response.status, form.address.host]).toEqual([200, HOME])
  expect(form.html.field('Password').attribute('type')).toBe('password')
  const wrong = await browser.submit(form, { name: 'ada', password: 'wrong' })
  expect([wrong.response.status, wrong.text.includes('is not right')]).toEqual([403, true])
  // The name stays, and the password is what comes next.
  const field = (label: string) => ['value', 'autofocus'].map(name => wrong.html.field(label).attribute(name))
  expect([field('User name'), field('Password')]).toEqual([
    ['ada', null],
    [null, ''],
  ])
  const page = await browser.submit(wrong, { name: 'ada', password: 'secret' })
  expect([page.address.href, page.text]).toEqual([`http://${AWAY}/deep?x=1`, 'htpasswd:ada ada user family '])
  const signIns = (result: string) => metricOf(gate, `sallyport_sign_ins_total{provider="people",result="${result}"}`)
  expect([await signIns('refused'), await signIns('completed'), await signIns('failed')]).toEqual([1, 1, 0])
  expect((await browser.open(`http://${AWAY}/root`)).response.status).toBe(403)
  const root = browserOf(gate)
  const own = await root.submit(await root.open(`http://${AWAY}/root`), { name: 'root', password: 'other' })
  expect(own.text).toBe('htpasswd:root root user family root ')
})

test('tabs of a browser that never signed in here, which send their forms at once, are one session', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const forms = await Promise.all(['/1', '/2', '/3'].map(path => browser.open(`http://${AWAY}${path}`)))
  const pages = await Promise.all(forms.map(form => browser.submit(form, { name: 'ada', password: 'secret' })))
  expect(pages.map(({ address, response }) => [address.pathname, response.status])).toEqual([
    ['/1', 200],
    ['/2', 200],
    ['/3', 200],
  ])
  await eventually(async () => (await metricOf(gate, 'sallyport_sessions')) === 1, 'no session is left over')
  // Somebody else's browser has one of its own.
  const other = browserOf(gate)
  await other.submit(await other.open(`http://${AWAY}/`), { name: 'ada', password: 'secret' })
  expect(await metricOf(gate, 'sallyport_sessions')).toBe(2)
})

test('beside a provider the page has both, and the other way leads there', async () => {
  await using gate = await start(file(providerTable(SILENT), 'family', '"id", "people"'))
  const browser = browserOf(gate)
  const form = await browser.open(`http://${AWAY}/`)
  expect(form.text).toContain('provider=id')
  expect(form.text).not.toContain('provider=people')
  const page = await browser.submit(form, { name: 'ada', password: 'secret' })
  expect(page.text).toBe('htpasswd:ada ada user family people')
})

test('a save that takes a name, changes a password or the groups ends that person’s sessions, and nobody else’s', async () => {
  await using gate = await start()
  const [ada, root] = [browserOf(gate), browserOf(gate)]
  const enter = async (browser: BrowserLite, name: string, password: string) =>
    (await browser.submit(await browser.open(`http://${AWAY}/`), { name, password })).text
  const isIn = async (browser: BrowserLite) => (await browser.visit(`http://${AWAY}/`)).status === 200
  await enter(ada, 'ada', 'secret')
  await enter(root, 'root', 'other')
  save(gate, `ada:${geheim}\nroot:${other}\n`)
  await eventually(async () => !(await isIn(ada)), 'ada is out')
  expect(await isIn(root)).toBe(true)
  await eventually(() => gate.told('Sessions were ended').length > 0, 'her sessions are over')
  // Put back, it brings nobody back.
  save(gate, `ada:${secret}\nroot:${other}\n`)
  expect(await isIn(ada)).toBe(false)
  expect(await enter(ada, 'ada', 'secret')).toContain('htpasswd:ada')
  save(gate, `ada:${secret}\n`)
  await eventually(async () => !(await isIn(root)), 'root is out')
  expect(await isIn(ada)).toBe(true)
  gate.save(file('', 'others'))
  gate.server.reload()
  await eventually(async () => !(await isIn(ada)), 'groups are those of the file')
  expect(await enter(ada, 'ada', 'secret')).toBe('htpasswd:ada ada user ')
})

needs('valkey-server').test.each(['sqlite', 'redis'])(
  'who guesses a name from everywhere keeps its owner out of no browser and no network of theirs, by %s',
  async kind => {
    await using valkey = kind === 'redis' ? await startValkey() : null
    await using gate = await startGate(file(), {
      files: USERS,
      server: 'trusted_proxies = ["127.0.0.1"]',
      askAgainMs: 20,
      // A machine that is slow with eleven guesses would be given one back meanwhile.
      ports: { now: fakeClock(Date.now()).now },
      ...(valkey === null ? {} : shared(valkey.url())),
    })
    const at = (address: string) => {
      const headers = { 'x-forwarded-for': address }
      const hosts = { [HOME]: `127.0.0.1:${gate.port}`, [AWAY]: `127.0.0.1:${gate.port}` }
      return Object.assign(new BrowserLite({ hosts, headers }), { headers })
    }
    const enter = async (browser: BrowserLite, name: string, password: string) => {
      const page = await browser.submit(await browser.open(`http://${AWAY}/`), { name, password })
      return page.response.status
    }
    const leave = async (browser: BrowserLite) => browser.submit(await browser.open(`http://${HOME}/.sallyport/logout`))
    const ada = at('192.0.2.1')
    expect(await enter(ada, 'ada', 'secret')).toBe(200)
    await leave(ada)
    const strangers = await Promise.all(
      Array.from({ length: 31 }, (_, index) => enter(at(`10.0.${index}.1`), 'ada', `guess${index}`)),
    )
    expect(strangers.sort()).toEqual([...Array.from({ length: 30 }, () => 403), 429])
    const stranger = at('198.51.100.1')
    expect(await enter(stranger, 'ada', 'secret')).toBe(429)
    // Nobody else is held up there, and a browser of one is a stranger to another.
    expect(await enter(stranger, 'root', 'other')).toBe(200)
    await leave(stranger)
    expect(await enter(stranger, 'ada', 'secret')).toBe(429)
    // A browser of hers, anywhere; and anything at a network of hers.
    ada.headers['x-forwarded-for'] = '203.0.113.9'
    expect(await enter(ada, 'ada', 'secret')).toBe(200)
    await leave(ada)
    expect(await enter(at('192.0.2.1'), 'ada', 'secret')).toBe(200)
    // Nor does her browser guess without end.
    const codes: number[] = []
    for (let index = 0; index < 11; index++) codes.push(await enter(ada, 'ada', `guess${index}`))
    expect(codes).toEqual([...Array.from({ length: 10 }, () => 403), 429])
    expect(gate.told('close to its limit', '"user":"ada"')).toHaveLength(1)
    expect(gate.log.join('')).not.toContain('guess1')
  },
)

test('a browser that signed in by a password of before is a stranger once there is another', async () => {
  const trusted = { server: 'trusted_proxies = ["127.0.0.1"]', askAgainMs: 20 }
  await using gate = await startGate(file(), { files: USERS, ...trusted })
  const at = (address: string) => {
    const hosts = { [HOME]: `127.0.0.1:${gate.port}`, [AWAY]: `127.0.0.1:${gate.port}` }
    const headers = { 'x-forwarded-for': address }
    return Object.assign(new BrowserLite({ hosts, headers }), { headers })
  }
  const enter = async (browser: BrowserLite, password: string) =>
    (await browser.submit(await browser.open(`http://${AWAY}/`), { name: 'ada', password })).response.status
  const thief = at('192.0.2.1')
  expect(await enter(thief, 'secret')).toBe(200)
  save(gate, `ada:${geheim}\nroot:${other}\n`)
  await eventually(async () => (await thief.visit(`http://${AWAY}/`)).status !== 200, 'the old password is out')
  // The name has no guesses left: a stranger has to wait, and whoever is known has some of their own.
  await Promise.all(Array.from({ length: 31 }, (_, index) => enter(at(`10.0.${index}.1`), `guess${index}`)))
  thief.headers['x-forwarded-for'] = '203.0.113.9'
  expect(await enter(thief, 'guess')).toBe(429)
})

test('a rule with max_age is met by the form, one with a method that it is not is refused', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  const given = { name: 'ada', password: 'secret' }
  await browser.submit(await browser.open(`http://${AWAY}/`), given)
  gate.clock.advance(20 * 60_000)
  const again = await browser.open(`http://${AWAY}/fresh`)
  expect(again.html.has('input[type="password"]')).toBe(true)
  expect((await browser.submit(again, given)).text).toContain('htpasswd:ada')
  const strong = await browser.submit(await browser.open(`http://${AWAY}/strong`), given)
  expect(strong.response.status).toBe(403)
  expect(strong.text).not.toContain('htpasswd:ada')
})

test('signing out ends it', async () => {
  await using gate = await start()
  const browser = browserOf(gate)
  await browser.submit(await browser.open(`http://${AWAY}/`), { name: 'ada', password: 'secret' })
  const page = await browser.submit(await browser.open(`http://${HOME}/.sallyport/logout`))
  expect((await browser.visit(`http://${AWAY}/`)).status).toBe(302)
  expect([page.text.includes('You are signed out'), page.text.includes('sign-in provider')]).toEqual([true, false])
})

test('who signs out where the portal has a provider too is told to sign out there', async () => {
  await using gate = await start(file(providerTable(SILENT), 'family', '"id", "people"'))
  const page = await browserOf(gate).open(`http://${HOME}/.sallyport/signed-out`)
  expect(page.text).toContain('sign out at your sign-in provider too')
})

test('who comes with HTTP Basic from the same file is in the same groups', async () => {
  const both = file().replace('[portals.home]', '[portals.home]\nhtpasswd = "users.htpasswd"')
  await using gate = await start(both.replaceAll('allow = ["user"]', 'allow = ["user"]\npasswords = true'))
  const headers = { host: AWAY, ...basic('ada:secret') }
  const answer = await fetch(`http://127.0.0.1:${gate.port}/`, { headers })
  expect(await answer.text()).toBe('htpasswd:ada ada user family htpasswd')
  gate.save(
    both.replaceAll('allow = ["user"]', 'allow = ["user"]\npasswords = true').replace('["family"]\n', '["none"]\n'),
  )
  gate.server.reload()
  expect(await (await fetch(`http://127.0.0.1:${gate.port}/`, { headers })).text()).toBe(
    'htpasswd:ada ada user htpasswd',
  )
})

test('what a users.toml says of a user counts in rules and reaches applications: groups, address and name', async () => {
  const users = (more: string) =>
    `[[users]]\nid = "id-of-ada"\nname = "ada"\nhash = "${secret}"\ngroups = ["admins"]\n${more}\n[[users]]\nid = "id-of-root"\nname = "root"\nhash = "${other}"\n`
  const text = file()
    .replace('users.htpasswd', 'users.toml')
    .replace('[portals.home]', '[portals.home]\nhtpasswd = "users.toml"')
    .replace(
      'roles.root = ',
      'roles.admin = { groups = ["admins"] }\nroles.mail = { emails = ["ada@example.com"] }\nroles.root = ',
    )
    .replaceAll('allow = ["user"]', 'allow = ["user"]\npasswords = true')
  const said = users('email = "ada@example.com"\ndisplay_name = "Ada Lovelace"')
  await using gate = await startGate(text, { files: { 'users.toml': said } })
  const [ada, root] = [browserOf(gate), browserOf(gate)]
  const form = await ada.open(`http://${AWAY}/`)
  const page = await ada.submit(form, { name: 'ada', password: 'secret' })
  expect(page.text).toBe('htpasswd:ada Ada Lovelace user family admin mail people')
  const another = await root.submit(await root.open(`http://${AWAY}/`), { name: 'root', password: 'other' })
  expect(another.text).toBe('htpasswd:root root user family root people')
  const byBasic = async () =>
    (await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: AWAY, ...basic('ada:secret') } })).text()
  expect(await byBasic()).toBe('htpasswd:ada Ada Lovelace user family admin mail htpasswd')
  // What the file says next counts at once: by Basic, and by a new sign-in.
  writeFileSync(join(gate.folder, 'users.toml'), users('').replace('["admins"]', '[]'))
  gate.server.reload()
  expect(await byBasic()).toBe('htpasswd:ada ada user family htpasswd')
  await eventually(async () => (await ada.visit(`http://${AWAY}/`)).status === 302, 'ada signs in anew')
  expect((await root.visit(`http://${AWAY}/`)).status).toBe(200)
})

test('beside another provider, groups of a user’s own open only what a rule opens to that file, and close whatever they close', async () => {
  const users = `[[users]]\nid = "id-of-ada"\nname = "ada"\nhash = "${secret}"\ngroups = ["admins"]\n`
  const paths = {
    admins: 'allow = [{ groups = ["admins"] }]',
    like: 'allow = [{ like = { groups = ["adm*"] } }]',
    role: 'allow = ["admin"]',
    named: 'allow = [{ groups = ["admins"], provider = "people" }]',
    within: 'allow = [{ provider = "people", any = [{ groups = ["admins"] }] }]',
    user: 'allow = [{ users = ["ada"] }]',
    other: 'allow = [{ users = ["bob"] }]',
    family: 'allow = ["family"]',
    denied: 'allow = ["user"]\ndeny = [{ groups = ["admins"] }]',
    not: 'allow = [{ roles = ["user"], not = { groups = ["admins"] } }]',
  }
  const routes = Object.entries(paths).map(([path, lines]) =>
    routeTo(upstream, AWAY, `path = "/${path}"\nportal = "home"\n${lines}`),
  )
  const text = (providers: string) =>
    `${file(providerTable(SILENT), 'family', providers)}\n${routes.join('\n')}`
      .replace('users.htpasswd', 'users.toml')
      .replace('roles.root = ', 'roles.admin = { groups = ["admins"] }\nroles.root = ')
  await using gate = await startGate(text('"id", "people"'), { files: { 'users.toml': users } })
  const ada = browserOf(gate)
  await ada.submit(await ada.open(`http://${AWAY}/`), { name: 'ada', password: 'secret' })
  const open = async () => {
    const found: string[] = []
    for (const path of Object.keys(paths))
      if ((await ada.visit(`http://${AWAY}/${path}`)).status === 200) found.push(path)
    return found
  }
  expect(await open()).toEqual(['named', 'within', 'user', 'family'])
  // Where people of the file are all there are, their groups need no name.
  gate.save(text('"people"'))
  gate.server.reload()
  await eventually(async () => (await open()).includes('admins'), 'the groups count')
  expect(await open()).toEqual(['admins', 'like', 'role', 'named', 'within', 'user', 'family'])
})

test('who has a second factor in a users.toml is asked for it by the form, and let in by no password alone', async () => {
  const users = `[[users]]\nid = "id-of-ada"\nname = "ada"\nhash = "${secret}"\ntotp = "${SECOND_FACTOR}"\n[[users]]\nid = "id-of-root"\nname = "root"\nhash = "${other}"\n`
  const text = file()
    .replace('users.htpasswd', 'users.toml')
    .replace('[portals.home]', '[portals.home]\nhtpasswd = "users.toml"')
    .replaceAll('allow = ["user"]', 'allow = ["user"]\npasswords = true')
  const clock = fakeClock(Date.now())
  await using gate = await startGate(text, { ports: { now: clock.now }, files: { 'users.toml': users } })
  const ada = browserOf(gate)
  const form = await ada.open(`http://${AWAY}/`)
  const asked = await ada.submit(form, { name: 'ada', password: 'secret' })
  expect([asked.response.status, asked.html.has('input[name="code"]')]).toEqual([200, true])
  expect((await ada.visit(`http://${AWAY}/`)).status).toBe(302)
  const page = await ada.submit(asked, { code: codeAt(clock.now()) })
  expect(page.text).toStartWith('htpasswd:ada ')
  const byBasic = async (pair: string) =>
    (await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: AWAY, ...basic(pair) } })).status
  expect([await byBasic('ada:secret'), await byBasic('root:other')]).toEqual([401, 200])
})

test('a token for one of them works until the file has another password, and none is made for a stranger', async () => {
  await using gate = await start(file().replaceAll('allow = ["user"]', 'allow = ["user"]\ntokens = true'))
  const argv = (subject: string) =>
    ['create', '--name', 'laptop', '--portal', 'home', '--subject', subject, '--roles', 'user'] as const
  expect((await runOn(gate, runTokens, argv('htpasswd:eve'))).code).toBe(1)
  const { code, out } = await runOn(gate, runTokens, argv('htpasswd:ada'))
  expect(code).toBe(0)
  const ask = () =>
    fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: AWAY, ...bearer(out.trim()) }, redirect: 'manual' })
  const answer = await ask()
  expect([answer.status, await answer.text()]).toEqual([200, 'htpasswd:ada  user '])
  save(gate, `ada:${geheim}\n`)
  expect((await ask()).status).toBe(401)
})
