import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runExplain } from '../../src/cli/explain.ts'
import type { Explanation } from '../../src/server/preview/explain.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const FILE = `
[server]
trusted_proxies = "10.0.0.2"
verify = "127.0.0.1:9080"
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
label = "Pocket ID"
[portals.home]
url = "https://auth.example.com"
providers = ["id"]
callback_path = "/oauth2/callback"
compat = "oauth2-proxy"
roles = { user = { any = true }, admin = { groups = ["admins"] } }
[[routes]]
host = "app.example.com"
upstream = "http://app:3000"
portal = "home"
allow = ["user"]
[[routes]]
host = "lab.example.com"
upstream = "http://lab:3000"
portal = "home"
allow = [{ groups = ["Lab"], not = { groups = ["Guests"] } }]
deny = [{ roles = ["admin"] }, { groups = ["Interns"] }]
[[routes]]
host = "vault.example.com"
upstream = "http://vault:3000"
portal = "home"
allow = [
  { roles = ["admin"], networks = ["10.0.0.0/8"] },
  { roles = ["user"], hours = "08:00-18:00", days = "mon-fri", timezone = "Europe/Berlin", max_age = "15m" },
]
deny = [{ networks = ["203.0.113.0/24"] }]
[[routes]]
host = "mail.example.com"
upstream = "http://mail:3000"
portal = "home"
allow = [{ emails = ["ada@example.com"] }, { like = { email = "*@eu.example.com", groups = ["*-post", "mail"] } }]
[[routes]]
host = "hook.example.com"
upstream = "http://hook:3000"
allow = [{ networks = ["192.0.2.0/24"], methods = ["POST"], anonymous = true }]
[[routes]]
host = "inside.example.com"
upstream = "http://inside:3000"
portal = "home"
allow = [{ groups = ["ops"], networks = ["10.0.0.0/8"] }]
[[routes]]
host = "behind.example.com"
verify = true
allow = "public"
[[routes]]
host = ["status.example.com", "status.example.org"]
path = ["/", "=/sw.js"]
respond = { body = "" }
allow = "public"
[[routes]]
host = "old.example.com"
redirect = "https://app.example.com{path}"
allow = "public"
`

const keep = untilTheEnd()
const folder = keep(temporaryFolder())
writeFileSync(join(folder.path, 'routes.toml'), FILE)

/** Runs the command at noon on a Thursday, UTC. */
function run(...argv: string[]): { code: number; out: string; err: string } {
  const out: string[] = []
  const err: string[] = []
  const io = {
    stdout: (text: string) => void out.push(text),
    stderr: (text: string) => void err.push(text),
    colour: { stdout: false, stderr: false },
    terminal: { stdout: false, stderr: false },
    cwd: folder.path,
    env: () => undefined,
    readText: (path: string) => readFileSync(path, 'utf8'),
    readBytes: (path: string) => readFileSync(path),
  }
  const code = runExplain(argv, io, { ...io, ...quietPorts({ now: () => Date.parse('2026-01-01T12:00:00Z') }) })
  if (typeof code !== 'number') throw new Error('nothing is read where nobody asks for access')
  return { code, out: out.join(''), err: err.join('') }
}

function explain(...argv: string[]): Explanation & { readonly code: number } {
  const { code, out } = run(...argv, '--json')
  return { ...(JSON.parse(out) as Explanation), code }
}

describe('explain', () => {
  test.each([
    ['lab', 'has lab; rules ask for Lab'],
    ['Lab,Guests', 'has Lab, Guests; rules refuse Guests'],
    ['Lab,Interns', 'has Lab, Interns; rules refuse admins, Interns'],
    ['Lab,admins', 'has Lab, admins; rules refuse admins, Interns'],
    ['Lab', null],
  ])('says which groups somebody came with who is refused by them: %s', (groups, said) => {
    const asked = ['lab.example.com', '--as', `sub=ada,groups=${groups}`]
    expect(explain(...asked)).toMatchObject({ code: said === null ? 0 : 4, groups: said })
    if (said !== null) expect(run(...asked).out).toContain(`groups   ${said}\n`)
  })

  test('an e-mail address that is not verified is named where it has a part, with the ways out', () => {
    const unverified = (email: string) => ['mail.example.com', '--as', `sub=ada,email=${email}`]
    expect(explain(...unverified('ada@example.com'))).toMatchObject({
      code: 4,
      unverified_email: {
        says: 'ada@example.com is not verified at Pocket ID',
        alone: true,
        hint: expect.stringMatching(/verify it there; or set emails = "trusted" in \[providers\.id\]/),
      },
    })
    expect(run(...unverified('ada@example.com')).out).toContain(
      'e-mail   ada@example.com is not verified at Pocket ID, and nothing else is in the way: verify it there',
    )
    expect(explain(...unverified('eve@example.com')).unverified_email).toMatchObject({ alone: false })
    expect(explain(...unverified('ada@example.com,email_verified=true'))).toMatchObject({
      code: 0,
      unverified_email: null,
    })
    expect(explain('app.example.com', '--as', 'sub=ada,email=ada@example.com').unverified_email).toBeNull()
  })

  test('of a table with several hosts and paths the one is named that takes the request', () => {
    expect(explain('status.example.com/x').route).toBe('status.example.com/')
    expect(explain('status.example.org/sw.js').route).toBe('status.example.org/sw.js (exact)')
    expect(explain('status.example.org/sw.js/x').route).toBe('status.example.org/')
  })

  test('a rule by patterns is tried, and named by them', () => {
    const as = (email: string, group: string) => ['mail.example.com', '--as', `sub=b,email=${email},groups=${group}`]
    expect(run(...as('bob@eu.example.com,email_verified=true', 'hr-post'))).toMatchObject({
      code: 0,
      out: expect.stringContaining('email like *@eu.example.com, groups like *-post or mail'),
    })
    expect(explain(...as('bob@eu.example.com,email_verified=true', 'hr')).code).toBe(4)
    expect(explain(...as('bob@eu.example.com', 'mail')).unverified_email).toMatchObject({ alone: true })
  })

  test('a route that a proxy in front asks about says where it asks', () => {
    expect(explain('behind.example.com').upstream).toEqual([
      'the proxy in front, which asks at 127.0.0.1:9080 (verify)',
    ])
  })

  const cases: [argv: string[], verdict: string, reason: string, code: number][] = [
    [['app.example.com', '--as', 'sub=ada'], 'allow', 'role.held', 0],
    [['app.example.com'], 'sign-in', 'identity.none', 3],
    [['app.example.com/.sallyport/login'], 'allow', 'reserved', 0],
    [['auth.example.com/oauth2/callback'], 'allow', 'reserved', 0],
    [['app.example.com/oauth2/callback'], 'sign-in', 'identity.none', 3],
    [['app.example.com/oauth2/sign_out?rd=/bye'], 'allow', 'reserved', 0],
    [['auth.example.com/ping'], 'allow', 'reserved', 0],
    [['app.example.com/oauth2/other'], 'sign-in', 'identity.none', 3],
    [['hook.example.com/ping', '--ip', '192.0.2.1'], 'deny', 'method.other', 4],
    [['other.example.com'], 'no-route', 'route.none', 5],
    [['vault.example.com', '--as', 'sub=ada'], 'deny', 'rule.denied', 4],
    [['vault.example.com', '--as', 'sub=ada', '--ip', '198.51.100.1'], 'allow', 'rule.held', 0],
    [['vault.example.com', '--as', 'sub=ada', '--ip', '::ffff:203.0.113.1'], 'deny', 'rule.denied', 4],
    [
      ['vault.example.com', '--as', 'sub=ada', '--ip', '10.0.0.1', '--at', '2026-01-01T19:00:00+01:00'],
      'deny',
      'hours.outside',
      4,
    ],
    [
      ['vault.example.com', '--as', 'sub=ada,groups=admins', '--ip', '10.0.0.1', '--at', '2026-01-03'],
      'allow',
      'rule.held',
      0,
    ],
    [['vault.example.com', '--as', 'sub=ada', '--ip', '10.0.0.1', '--signed-in', '16m'], 'step-up', 'sign_in.old', 3],
    [['vault.example.com', '--as', 'sub=ada,auth_time=1767265200', '--ip', '10.0.0.1'], 'step-up', 'sign_in.old', 3],
    [['hook.example.com', '--ip', '192.0.2.1', '--method', 'post'], 'allow', 'rule.held', 0],
    [['hook.example.com', '--ip', '192.0.2.1'], 'deny', 'method.other', 4],
    [['hook.example.com', '--method', 'POST'], 'deny', 'network.unreadable', 4],
    [['inside.example.com', '--ip', '192.0.2.1'], 'deny', 'network.outside', 4],
    [['inside.example.com'], 'sign-in', 'identity.none', 3],
    [['inside.example.com', '--ip', '10.0.0.1'], 'sign-in', 'identity.none', 3],
  ]
  test.each(cases)('%j: %s, %s', (argv, verdict, reason, code) =>
    expect(explain(...argv)).toMatchObject({ verdict, reason, code }),
  )

  const needs: [argv: string[], needs: string | null][] = [
    [['inside.example.com', '--ip', '192.0.2.1'], 'signed in, group ops, network 10.0.0.0/8'],
    [['inside.example.com', '--ip', '10.0.0.1'], 'signed in, group ops, network 10.0.0.0/8'],
    [['app.example.com'], 'signed in, role user'],
    [['app.example.com', '--as', 'sub=ada'], null],
    [['vault.example.com', '--as', 'sub=ada', '--ip', '203.0.113.1'], 'not network 203.0.113.0/24'],
    [['hook.example.com', '--ip', '192.0.2.1'], 'network 192.0.2.0/24, method POST, signed in or not'],
  ]
  test.each(needs)('%j: what would have to change is %j', (argv, needed) =>
    expect(explain(...argv)).toMatchObject({ needs: needed }),
  )

  test('lists every rule that was tried, with its outcome', () => {
    const { rules } = explain('vault.example.com', '--as', 'sub=ada', '--ip', '10.0.0.1')
    expect(rules).toEqual([
      {
        list: 'deny',
        number: 1,
        rule: 'network 203.0.113.0/24',
        outcome: 'fails',
        missing: [{ reason: 'network.outside', why: 'the client is in none of the networks' }],
      },
      {
        list: 'allow',
        number: 1,
        rule: 'role admin, network 10.0.0.0/8',
        outcome: 'fails',
        missing: [{ reason: 'role.missing', why: 'the user has none of the roles' }],
      },
      {
        list: 'allow',
        number: 2,
        rule: 'role user, 08:00 to 18:00, Monday to Friday (Europe/Berlin), signed in at most 15 min ago',
        outcome: 'holds',
        missing: [],
      },
    ])
  })

  test('says what a new sign-in has to show', () =>
    expect(explain('vault.example.com', '--as', 'sub=ada', '--ip', '10.0.0.1', '--signed-in', '1h').step_up).toEqual({
      max_age: 900,
      acr: [],
      amr: [],
    }))

  test('is read by people', () => {
    const { out } = run('vault.example.com', '--as', 'sub=ada')
    expect(out).toContain('allow    2 rules, but for 1 deny rule (portal home)')
    expect(out).toContain('from     an unknown address (--ip) at 2026-01-01T12:00:00.000Z')
    expect(out).toContain('deny 1: network 203.0.113.0/24: unknown')
    expect(out).toContain('the address of the client is not known (network.unreadable)')
    expect(out).toEndWith(
      'verdict  deny: a deny rule of the route holds, or cannot be ruled out (rule.denied)\nneeds    not network 203.0.113.0/24\n',
    )
  })

  const wrong: [string, string[], string][] = [
    ['no address', [], 'needs an address'],
    ['an IP address that is none', ['app.example.com', '--ip', '10.1'], '10.1 is not an IP address'],
    ['a time that is none', ['app.example.com', '--at', 'noon'], '"noon" is not a date'],
    ['an age that is none', ['app.example.com', '--signed-in', '20'], '"20" is not a duration'],
    ['an unknown option', ['app.example.com', '--ipp', '1.1.1.1'], '--ipp'],
  ]
  test.each(wrong)('refuses %s with exit code 2', (_what, argv, said) => {
    const { code, err } = run(...argv)
    expect([code, err.includes(said)]).toEqual([2, true])
  })
})

test('who is asked about comes by a provider of the portal of that route, and not by any other of the file', () => {
  const file = `${FILE}
[providers.work]
issuer = "https://work.example.com"
client_id = "gate"
emails = "trusted"
[portals.work]
providers = ["work"]
roles = { staff = { provider = "work", emails = ["eve@example.com"] } }
[[routes]]
host = "staff.example.com"
upstream = "http://staff:3000"
portal = "work"
allow = ["staff"]
`
  writeFileSync(join(folder.path, 'two.toml'), file)
  const asked = (more: string) =>
    explain('staff.example.com', '--config', 'two.toml', '--as', `sub=eve,email=eve@example.com${more}`)
  expect(asked('')).toMatchObject({ code: 0, roles: ['staff'], unverified_email: null })
  expect(asked(',provider=id')).toMatchObject({ code: 4, roles: [] })
})

test('nobody has a session by a provider that the portal does not have, whoever they are', () => {
  const other = `${FILE}
[providers.work]
issuer = "https://work.example.com"
client_id = "gate"
[portals.work]
providers = ["work"]
`
  writeFileSync(join(folder.path, 'other.toml'), other)
  for (const provider of ['work', 'no-such'])
    expect(explain('app.example.com', '--config', 'other.toml', '--as', `sub=eve,provider=${provider}`)).toMatchObject({
      code: 4,
      verdict: 'deny',
      reason: 'member.none',
      needs: 'a sign-in by id',
    })
  expect(explain('app.example.com', '--config', 'other.toml', '--as', 'sub=eve,provider=id')).toMatchObject({ code: 0 })
  expect(explain('status.example.com', '--config', 'other.toml', '--as', 'sub=eve,provider=work').code).toBe(0)
})

test('a route without an upstream is told by what it answers', () => {
  expect(explain('https://old.example.com/x').upstream).toEqual(['redirect with status 302'])
})

needs('openssl').test('says which certificate a browser is shown', () => {
  const own = temporaryFolder()
  const { cert, key } = makeAuthority().issue('DNS:app.example.com')
  writeFileSync(join(own.path, 'app.pem'), cert)
  writeFileSync(join(own.path, 'app.key'), key)
  writeFileSync(join(own.path, 'routes.toml'), `[tls]\ncertificates = [{ cert = "app.pem", key = "app.key" }]\n${FILE}`)
  const config = ['--config', join(own.path, 'routes.toml')]
  expect(run('https://app.example.com/', ...config).out).toContain('the certificate for app.example.com, until 20')
  expect(run('https://vault.example.com/', ...config).out).toContain('which is not for vault.example.com')
  expect(run('https://app.example.com/').out).not.toContain('certificate')
  own[Symbol.dispose]()
})
