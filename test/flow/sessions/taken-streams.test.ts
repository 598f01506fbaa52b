/** Streams that a file no longer takes in the way in which they came, though its rules would let the same people in. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { collectBelongings, startEvents } from '../../kit/belongings.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { BAD_PROVIDER_CLIENT, type BadProvider, startBadProvider } from '../../kit/provider/bad-provider.ts'

const HOST = 'app.example'
const AUDIENCE = 'https://gate.example'
const PASSWORDS = `ada:${Bun.password.hashSync('right', { algorithm: 'bcrypt', cost: 4 })}\n`
let bad: BadProvider
let upstream: Bun.Server<undefined>

beforeAll(async () => {
  bad = await startBadProvider()
  upstream = startEvents()
})
afterAll(async () => {
  await upstream.stop(true)
  await bad.stop()
})

interface Written {
  readonly access?: boolean
  readonly portal?: string
  readonly route?: string
}

const ALL = 'tokens = true\npasswords = true'

function toml({ access = true, portal = 'home', route = ALL }: Written = {}): string {
  const portalTable = (name: string) => `
[portals.${name}]
providers = ["id"]
htpasswd = "people.htpasswd"
insecure_cookies = true
personal_tokens = true
guest_links = { allow = ["user"] }
roles.user = { any = true }
`
  return `
[providers.id]
issuer = "${bad.issuer}"
client_id = "${BAD_PROVIDER_CLIENT.clientId}"
client_secret = "s"
${access ? `access_tokens = { audience = "${AUDIENCE}" }` : ''}
${portalTable('home')}${portalTable('other')}
[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "${portal}"
allow = ["user", { guest_link = true }]
${route}

[[routes]]
host = "other.example"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "${portal === 'home' ? 'other' : 'home'}"
allow = ["user"]
`
}

/** A gate with an event stream open for each way of coming; answers which are. */
async function openAll(gate: Gate): Promise<() => string[]> {
  const { session, token, guest } = await collectBelongings(gate, HOST, (await gate.signIn(HOST)).cookie)
  const access = await bad.logoutToken({
    claims: { aud: AUDIENCE, sid: undefined, events: undefined },
    header: { typ: 'at+jwt' },
  })
  const comers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    access: { host: HOST, authorization: `Bearer ${access}` },
    guest,
    password: { host: HOST, authorization: `Basic ${btoa('ada:right')}` },
    session,
    token,
  }
  const open = new Set<string>()
  for (const [name, headers] of Object.entries(comers)) {
    const answer = await fetch(`http://127.0.0.1:${gate.port}/events`, { headers })
    expect([name, answer.status]).toEqual([name, 200])
    const reader = answer.body?.getReader()
    await reader?.read()
    open.add(name)
    const readOn = async (): Promise<void> => {
      while ((await reader?.read())?.done === false);
    }
    void readOn()
      .catch(() => undefined)
      .finally(() => open.delete(name))
  }
  return () => [...open]
}

const CASES: readonly (readonly [string, Written, readonly string[]])[] = [
  ['no tokens', { route: 'passwords = true' }, ['guest', 'password', 'session']],
  ['no passwords', { route: 'tokens = true' }, ['access', 'guest', 'session', 'token']],
  ['no access tokens', { access: false }, ['guest', 'password', 'session', 'token']],
  ['another portal', { portal: 'other' }, []],
]
test.each(CASES)(
  'a file by which a route has %s ends the streams that came so, and no others',
  async (_what, written, left) => {
    await using gate = await startGate(toml(), { files: { 'people.htpasswd': PASSWORDS } })
    const open = await openAll(gate)
    gate.save(toml(written))
    expect(gate.server.reload()).toBe('changed')
    await eventually(() => open().length <= left.length, 'they have ended')
    await Bun.sleep(50)
    expect(open()).toEqual([...left])
  },
)
