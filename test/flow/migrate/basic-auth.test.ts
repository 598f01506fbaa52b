import { expect } from 'bun:test'
import { type App, startApp } from '../../kit/applications/app.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { freePort } from '../../kit/programs/child.ts'
import { type Front, startCaddy } from '../../kit/programs/front.ts'
import { routeForUsers } from '../../kit/toml.ts'
import { imported } from '../../migrate/imported.ts'

const { afterAll, beforeAll, test } = needs('caddy')

const HOST = 'app.example.test'
const OTHER = 'other.example.test'
const PASSWORDS = { bob: 'correct horse', 'eve b': 'pä:ss' }

let app: App
let caddy: Front
let gate: Gate
let site: string
const lines: string[] = []
const folder = temporaryFolder()

/** What the report says to write in place of the `deny` that closes the route. */
const BY_HAND = `portal = "passwords"
passwords = true
allow = [{ provider = "htpasswd" }]`

/** The route of the imported file, opened as its note says, beside an application behind a portal where people sign in. */
function openedByHand(routes: string): string {
  const route = routes.slice(routes.indexOf('[[routes]]'))
  const opened = route.replace(/^allow = "public"\ndeny = \[\{ networks .*$/m, BY_HAND)
  if (opened === route) throw new Error(`no closed route in ${routes}`)
  return `${PORTAL}
[portals.passwords]
htpasswd = "people.htpasswd"

${opened}
${routeForUsers(app, OTHER)}`
}

beforeAll(async () => {
  app = await startApp((_, response) => response.end('the application'))
  for (const [name, password] of Object.entries(PASSWORDS)) {
    const hash = await Bun.password.hash(password, { algorithm: 'bcrypt', cost: 4 })
    lines.push(`${name}:${hash}`)
  }
  const users = lines.map(line => line.replace(/^(.*?):(.*)$/, '    "$1" $2')).join('\n')
  const port = await freePort()
  site = `http://${HOST}:${port} {\n  basicauth {\n${users}\n  }\n  reverse_proxy 127.0.0.1:${app.port}\n}\n`
  caddy = await startCaddy(folder.path, port, site)
  const { routes } = await imported(site, ['--caddy', Bun.which('caddy') ?? 'caddy'])
  gate = await startGate(openedByHand(routes), { files: { 'people.htpasswd': `${lines.join('\n')}\n` } })
})
afterAll(async () => {
  await gate?.[Symbol.asyncDispose]()
  await caddy?.[Symbol.asyncDispose]()
  await app?.stop()
  folder[Symbol.dispose]()
})

test('basic_auth stays closed until somebody writes its lines, and no hash is copied', async () => {
  const { code, notes, routes, everything } = await imported(site, ['--caddy', Bun.which('caddy') ?? 'caddy'])
  expect(code).toBe(1)
  expect(routes).toContain('deny = [{ networks = ["0.0.0.0/0", "::/0"] }]  # everyone, until you decide: basic_auth')
  expect(notes.join('\n')).toContain('name it as htpasswd in a separate portal without providers')
  for (const line of lines) expect(everything).not.toContain(line.slice(line.indexOf('$')))
})

function basic(pair: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

const REQUESTS: readonly (readonly [about: string, headers: Record<string, string>, isLetIn: boolean])[] = [
  ['nobody', {}, false],
  ['a password that is right', basic('bob:correct horse'), true],
  ['another, with a colon and letters beyond ASCII', basic('eve b:pä:ss'), true],
  ['a password that is wrong', basic('bob:wrong'), false],
  ['the password of somebody else', basic('bob:pä:ss'), false],
  ['no password', basic('bob:'), false],
  ['a name in capitals', basic('BOB:correct horse'), false],
  ['a name that is not there', basic('dan:correct horse'), false],
  ['another scheme', { authorization: 'Bearer x' }, false],
]

test.each(REQUESTS)(
  'written as the report says, a route lets in whom Caddy lets in: %s',
  async (_, headers, isLetIn) => {
    const ask = async (port: number) => {
      const response = await fetch(`http://127.0.0.1:${port}/x`, { headers: { host: HOST, ...headers } })
      const challenge = response.headers.get('www-authenticate')
      return [response.status, (await response.text()) === 'the application', challenge?.startsWith('Basic ') === true]
    }
    const before = await ask(caddy.port)
    expect(before).toEqual(isLetIn ? [200, true, false] : [401, false, true])
    expect(await ask(gate.port)).toEqual(before)
  },
)

test('a sign-in at another portal opens nothing there', async () => {
  const { cookie } = await gate.signIn(OTHER)
  const at = (host: string) => fetch(`http://127.0.0.1:${gate.port}/x`, { headers: { host, cookie } })
  expect(await (await at(OTHER)).text()).toBe('the application')
  expect((await at(HOST)).status).toBe(401)
})
