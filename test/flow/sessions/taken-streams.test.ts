/** Streams that a file no longer takes in the way in which they came, though its rules would let the same people in. */
import { expect, test } from 'bun:test'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { collectBelongings, openStreams } from '../../kit/belongings.ts'
import { basic, bearer } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const HOST = 'app.example'
const AUDIENCE = 'https://gate.example'
const PASSWORDS = `ada:${Bun.password.hashSync('right', { algorithm: 'bcrypt', cost: 4 })}\n`
const keep = untilTheEnd()
const upstream = keep(startStreaming())
const bad = keep(await startBadProvider())

interface Written {
  /** What the table of the provider says of tokens. */
  readonly access?: string
  readonly portal?: string
  readonly route?: string
}

const ALL = 'tokens = true\npasswords = true'

const PORTAL = `htpasswd = "people.htpasswd"
personal_tokens = true
guest_links = { allow = ["user"] }
roles.user = { any = true }`

const ACCESS = `access_tokens = { audience = "${AUDIENCE}" }`

function toml({ access = ACCESS, portal = 'home', route = ALL }: Written = {}): string {
  const elsewhere = portal === 'home' ? 'other' : 'home'
  return [
    providerTable(bad, access),
    portalTable(PORTAL),
    portalTable(PORTAL, 'other'),
    routeTo(upstream, HOST, `portal = "${portal}"\nallow = ["user", { guest_link = true }]\n${route}`),
    routeTo(upstream, 'other.example', `portal = "${elsewhere}"\nallow = ["user"]`),
  ].join('\n')
}

/** A gate with an event stream open for each way of coming; answers which are. */
async function openAll(gate: Gate): Promise<() => readonly string[]> {
  const { session, token, guest } = await collectBelongings(gate, HOST, (await gate.signIn(HOST)).cookie)
  const access = await bad.accessToken(AUDIENCE)
  return openStreams(gate, {
    access: { host: HOST, ...bearer(access) },
    guest,
    password: { host: HOST, ...basic('ada:right') },
    session,
    token,
  })
}

const OTHER = 'access_tokens = { audience = "https://other.example" }'

const CASES: readonly (readonly [string, Written, readonly string[]])[] = [
  ['no tokens', { route: 'passwords = true' }, ['guest', 'password', 'session']],
  ['no passwords', { route: 'tokens = true' }, ['access', 'guest', 'session', 'token']],
  ['no access tokens', { access: '' }, ['guest', 'password', 'session', 'token']],
  ['access tokens for another audience', { access: OTHER }, ['guest', 'password', 'session', 'token']],
  [
    'an audience of its own',
    { route: `${ALL}\naudience = "https://own.example"` },
    ['guest', 'password', 'session', 'token'],
  ],
  ['nothing else', { access: `${ACCESS}\nlabel = "Ours"` }, ['access', 'guest', 'password', 'session', 'token']],
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
