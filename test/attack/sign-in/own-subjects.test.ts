/** A provider, or whoever may choose a `sub` there, calls somebody what only Sallyport calls people. */
import { Database } from 'bun:sqlite'
import { beforeEach, describe, expect, test } from 'bun:test'
import { runTokens } from '../../../src/cli/tokens.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { openSessionState } from '../../../src/process/session-state.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { aheadClock, quietPorts } from '../../kit/clock.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { providerTable } from '../../kit/toml.ts'

const HOST = 'app.example'
const AUDIENCE = 'https://gate.example'
const PASSWORDS = `ada:${Bun.password.hashSync('right', { algorithm: 'bcrypt', cost: 4 })}\n`
const clock = aheadClock()
/** Subjects of requests as the upstream saw them. */
const seen: (string | null)[] = []

const keep = untilTheEnd()
const bad = keep(await startBadProvider(clock.nowS))
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      seen.push(request.headers.get('x-token-subject'))
      return new Response('in')
    },
  }),
)
const route = (path: string, allow: string) =>
  `[[routes]]\nhost = "${HOST}"\npath = "${path}"\nupstream = "http://127.0.0.1:${upstream.port}"\nportal = "home"\nheaders = "x-token"\ntokens = true\npasswords = true\nallow = ${allow}\n`
const gate = keep(
  await startGate(
    `
${providerTable(bad, `access_tokens = { audience = "${AUDIENCE}" }`)}
[portals.home]
providers = ["id"]
htpasswd = "people.htpasswd"
insecure_cookies = true
refresh = "1m"

[portals.home.roles]
user = { any = true }

${route('/', '["user"]')}
${route('/ada', '[{ subjects = ["htpasswd:ada"] }]')}
`,
    { ports: clock, files: { 'people.htpasswd': PASSWORDS } },
  ),
)
beforeEach(() => {
  clock.setAhead(0)
  seen.length = 0
})

const OWN = [
  'htpasswd:ada',
  'HTPASSWD:ada',
  'htpasswd%3Aada',
  ' htpasswd:ada',
  'guest:0123456789abcdef',
  'token:backup',
]

function asSubject(sub: string): void {
  bad.behave({ givesRefreshToken: true, signsInAtOnce: true, claims: { sub }, userinfo: { sub } })
}

async function status(path: string, headers: Record<string, string>): Promise<number> {
  return (await fetch(`http://127.0.0.1:${gate.port}${path}`, { headers: { host: HOST, ...headers } })).status
}

test('whom the file of passwords names is that person', async () => {
  const authorization = `Basic ${btoa('ada:right')}`
  expect([await status('/ada', { authorization }), seen.at(-1)]).toEqual([200, 'htpasswd:ada'])
})

describe.each(OWN)('somebody whom the provider calls %p', sub => {
  test('does not sign in, and reads why; so does whoever reads the log', async () => {
    asSubject(sub)
    const browser = browserAt(gate, HOST)
    const page = await browser.open(`http://${HOST}/`)
    expect(page.response.status).toBe(403)
    expect(page.html.one('h1').text).toBe('This account cannot be used here')
    expect(page.html.text).toContain('reserved')
    expect(browser.cookie(HOST, 'sallyport')).toBeNull()
    const line = gate.log.findLast(text => text.includes('provider.subject'))
    expect(line).toContain(JSON.stringify(sub))
    expect(line).toContain('let the provider state another sub')
    expect(seen).toEqual([])
  })

  test('has no access token that is good, and ends nobody’s session', async () => {
    const token = await bad.logoutToken({
      claims: { sub, aud: AUDIENCE, sid: undefined, events: undefined },
      header: { typ: 'at+jwt' },
    })
    const authorization = `Bearer ${token}`
    expect([await status('/', { authorization }), await status('/ada', { authorization })]).toEqual([401, 401])
    const body = `logout_token=${await bad.logoutToken({ claims: { sub } })}`
    const headers = { host: HOST, 'content-type': 'application/x-www-form-urlencoded' }
    const told = await fetch(`http://127.0.0.1:${gate.port}/.sallyport/backchannel-logout`, {
      ...{ method: 'POST', headers, body },
    })
    expect(told.status).toBe(400)
    expect(seen).toEqual([])
  })

  test('is not signed in by a session that a store has had from before', async () => {
    const { sessions } = openSessionState(gate.server.config, quietPorts(clock))
    const secrets = { idToken: 'x', refreshToken: null }
    const right = { portal: 'home', host: HOST, identity: makeIdentity('id', bad.issuer, 'ada', {}), secrets }
    const { token, session } = await sessions.start(right)
    await sessions.close()
    const database = new Database(`${gate.folder}/sallyport.db`)
    const identity = JSON.stringify({ ...right.identity, subject: sub })
    expect(database.run('UPDATE sessions SET identity = ? WHERE id = ?', [identity, session.id]).changes).toBe(1)
    database.close()
    const cookie = `sallyport=${token}`
    expect([await status('/', { cookie }), await status('/ada', { cookie })]).toEqual([401, 401])
  })

  test('is no one’s token', async () => {
    const argv = ['create', '--name', 'n', '--portal', 'home', '--subject', sub]
    const made = await runIn(gate.folder, io => runTokens(argv, io, { ...io, ...quietPorts(clock) }))
    expect([made.code, made.out]).toEqual([1, ''])
    expect(made.err).toContain('no provider may use the subject')
  })
})

test('somebody whom the provider calls so from some day on is signed out at the refresh', async () => {
  asSubject('ada')
  const browser = browserAt(gate, HOST)
  expect((await browser.open(`http://${HOST}/`)).response.status).toBe(200)
  const cookie = `sallyport=${browser.cookie(HOST, 'sallyport')}`
  bad.behave({ refresh: { claims: { sub: 'htpasswd:ada' } }, userinfo: { sub: 'htpasswd:ada' } })
  clock.advance(120_000)
  await status('/', { cookie })
  await eventually(async () => (await status('/', { cookie })) === 401, 'the session is over')
  expect(seen).not.toContain('htpasswd:ada')
})
