import { describe, expect, test } from 'bun:test'
import { type CheckResult, checkConfig } from '../../../src/config/check.ts'
import { holdExpectations } from '../../../src/server/preview/expect.ts'

const FILE = `
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
[providers.other]
issuer = "https://other.example.com"
client_id = "gate"
[portals.home]
url = "https://auth.example.com"
providers = ["other", "id"]
roles = { user = { any = true }, admin = { provider = "id", groups = ["admins"] }, known = { provider = "id", emails = ["ada@example.com"] } }
[[routes]]
host = "app.example.com"
upstream = "http://app:3000"
portal = "home"
allow = ["user"]
[[routes]]
host = "app.example.com"
path = "/admin"
upstream = "http://app:3000"
portal = "home"
allow = ["admin"]
[[routes]]
host = "mail.example.com"
upstream = "http://mail:3000"
portal = "home"
allow = ["known", { claims = { department = "it" }, provider = "id" }]
[[routes]]
host = "inside.example.com"
upstream = "http://inside:3000"
portal = "home"
allow = [{ roles = ["user"], networks = ["10.0.0.0/8"], methods = ["GET"] }]
[[routes]]
host = "office.example.com"
upstream = "http://office:3000"
portal = "home"
allow = [{ roles = ["user"], hours = "08:00-18:00", max_age = "15m" }]
[[routes]]
host = "open.example.com"
upstream = "http://open:3000"
allow = "public"
`

function hold(expectations: string, file = FILE): CheckResult {
  return holdExpectations(
    checkConfig(file + expectations, {
      file: '/etc/routes.toml',
      shownAs: 'routes.toml',
      readText: () => 's3cret',
      readBytes: () => new Uint8Array(),
      env: name => (name === 'HIDDEN' ? 'app.example.com' : undefined),
    }),
  )
}

const expectation = (address: string, verdict: string, more = '') =>
  `[[expect]]\naddress = "${address}"\nverdict = "${verdict}"\n${more}\n`

/** What a file with one expectation comes to: `met`, or its one mistake. */
function outcome(...given: Parameters<typeof expectation>): string {
  const result = hold(expectation(...given))
  if (result.ok) return 'met'
  return result.diagnostics.map(({ code, message }) => `${code} ${message}`).join('\n')
}

describe('[[expect]]', () => {
  const MET: readonly Parameters<typeof expectation>[] = [
    ['https://open.example.com', 'allow'],
    ['app.example.com', 'sign-in'],
    ['https://app.example.com/x', 'allow', 'as = {}'],
    ['https://app.example.com/admin', 'deny', 'as = { subject = "bob" }'],
    ['https://app.example.com/admin', 'allow', 'as = { provider = "id", groups = "admins" }'],
    ['https://app.example.com/admin', 'allow', 'as = { roles = ["admin"] }'],
    ['https://mail.example.com', 'allow', 'as = { provider = "id", email = "ada@example.com" }'],
    [
      'https://mail.example.com',
      'deny',
      'as = { provider = "id", email = "ada@example.com", claims = { email_verified = false } }',
    ],
    ['https://mail.example.com', 'deny', 'as = { claims = { department = "it" } }'],
    ['https://mail.example.com', 'allow', 'as = { provider = "id", claims = { department = "it" } }'],
    ['https://inside.example.com', 'allow', 'as = {}\nip = "10.1.2.3"'],
    ['https://inside.example.com', 'deny', 'as = {}'],
    ['https://inside.example.com', 'deny', 'as = {}\nip = "10.1.2.3"\nmethod = "POST"'],
    ['https://office.example.com', 'allow', 'as = {}\nat = "2026-12-24T12:00:00Z"'],
    ['https://office.example.com', 'deny', 'as = {}\nat = "2026-12-24T19:00:00+01:00"'],
    ['https://office.example.com', 'step-up', 'as = {}\nat = "2026-12-24T12:00:00Z"\nsigned_in = "16m"'],
    ['https://none.example.com', 'no-route'],
    ['https://app.example.com/%61dmin', 'allow', 'as = { provider = "id", groups = ["admins"] }'],
  ]
  test.each(MET)('%s comes to %s, %s', (address, verdict, more = '') =>
    expect(outcome(address, verdict, more)).toBe('met'),
  )

  test('knows who is a member of the portal', () => {
    const members = FILE.replace('[portals.home]\n', '[portals.home]\nmembers = ["admin"]\n')
    expect(members).not.toBe(FILE)
    const told = (verdict: string, as: string) => {
      const result = hold(expectation('https://app.example.com/x', verdict, as), members)
      return result.ok ? 'met' : result.diagnostics.map(({ message }) => message).join()
    }
    expect(told('allow', 'as = { provider = "id", groups = "admins" }')).toBe('met')
    expect(told('deny', 'as = { provider = "id" }')).toBe('met')
    expect(told('allow', 'as = { provider = "id" }')).toContain('members of the portal does not match this user')
  })

  test('one that is broken is a mistake at its verdict, with what it comes to and why', () => {
    const result = hold(expectation('https://app.example.com/admin', 'allow', 'as = { groups = "staff" }'))
    expect(result.ok ? [] : result.diagnostics).toEqual([
      {
        severity: 'error',
        code: 'expect.broken',
        message: '"https://app.example.com/admin" gets "deny", not "allow": the user has none of the roles',
        hint: 'fix the rules, or the expectation; sallyport explain tries every rule',
        path: 'expect[0].verdict',
        file: 'routes.toml',
        line: FILE.split('\n').length + 2,
        column: 11,
        length: 7,
      },
    ])
  })

  test('each that is broken is told, and those that are met are not', () => {
    const result = hold(
      expectation('open.example.com', 'deny') +
        expectation('app.example.com', 'sign-in') +
        expectation('a.example', 'allow'),
    )
    expect(result.ok ? [] : result.diagnostics.map(({ path }) => path)).toEqual([
      'expect[0].verdict',
      'expect[2].verdict',
    ])
  })

  test('where rules look at times, an expectation says when: a file that is good by day is good at night', () =>
    expect(outcome('https://office.example.com', 'allow', 'as = {}')).toContain('depends on the time'))

  test('what came from the environment is in no mistake', () => {
    const said = outcome('https://${HIDDEN}/admin', 'allow', 'as = { groups = "staff" }')
    expect(said).toContain('"https://${HIDDEN}/admin" gets "deny"')
    expect(said).not.toContain('app.example.com')
  })

  test('a file without expectations, and one with mistakes, is what it was', () => {
    const good = checkConfig(FILE, { file: '/r', readText: () => '', readBytes: () => new Uint8Array(), env: () => '' })
    expect(holdExpectations(good)).toBe(good)
    const bad = hold(expectation('open.example.com', 'allow', 'how = 1'))
    expect(bad.ok ? [] : bad.diagnostics.map(({ code }) => code)).toEqual(['key.unknown'])
  })
})
