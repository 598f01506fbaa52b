import { describe, expect, test } from 'bun:test'
import { check } from '../checks.ts'

const FILE = `
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
[portals.home]
url = "https://auth.example.com"
providers = ["id"]
roles.user = { any = true }
roles.ops = { groups = ["ops"] }
roles.admin = { groups = ["admins"] }
`
const route = (path: string, rules: string, host = '"app.example.com"') =>
  `[[routes]]\nhost = ${host}\n${path}\nupstream = "http://app"\nportal = "home"\n${rules}\n`
const ALONE = 'path = "=/admin"'
const LAN = '{ networks = ["10.0.0.0/8"], anonymous = true }'
const NOBODY = 'deny = [{ networks = ["0.0.0.0/0", "::/0"] }]'

/** Where `check` warns of a path that is stricter alone, and of nothing else. */
function told(...routes: readonly string[]): readonly string[] {
  return toldIn(FILE, ...routes)
}

function toldIn(file: string, ...routes: readonly string[]): readonly string[] {
  const result = check(file + routes.join(''))
  const diagnostics = result.ok ? result.warnings : result.diagnostics
  return diagnostics.map(({ code, path }) => `${code} ${path}`)
}

const IN_SECOND = ['route.slash routes[1].path']

describe('a path alone, and what serves it with a slash at its end:', () => {
  test.each([
    ['"authenticated"', '"public"'],
    ['["user"]', '"public"'],
    ['["ops"]', '"public"'],
    ['["ops"]', '"authenticated"'],
    ['["ops"]', '["user"]'],
    ['["ops"]', '["ops", "admin"]'],
    ['["ops"]', '["admin"]'],
    ['["user"]', `["user", ${LAN}]`],
    ['[{ roles = ["ops"], amr = ["otp"] }]', '["ops"]'],
    ['"authenticated"\ndeny = ["ops"]', '"authenticated"'],
    ['"authenticated"\ndeny = ["ops"]', '"public"'],
    [`"public"\n${NOBODY}`, '["admin"]'],
  ])('allow = %s is stricter than allow = %s', (strict, below) => {
    expect(told(route('', `allow = ${below}`), route(ALONE, `allow = ${strict}`))).toEqual(IN_SECOND)
  })

  test.each([
    ['max_body = "1MB"', ''],
    ['max_body = "1MB"', 'max_body = "2MB"'],
    ['max_body = "1MB"', 'max_body = "off"'],
    ['methods = ["GET"]', ''],
    ['methods = ["GET"]', 'methods = ["GET", "POST"]'],
    ['rate = { requests = 5, per = "1m" }', ''],
    ['rate = { requests = 5, per = "1m" }', 'rate = { requests = 5, per = "10s" }'],
    ['websockets = false', ''],
    ['service_workers = false', ''],
  ])('%s is stricter than "%s"', (strict, below) => {
    const open = 'allow = "public"\n'
    expect(told(route('', open + below), route(ALONE, open + strict))).toEqual(IN_SECOND)
    expect(told(route('', open + strict), route(ALONE, open + below))).toEqual([])
    expect(told(route('', `${open}${NOBODY}\n${below}`), route(ALONE, `${open}${strict}`))).toEqual([])
  })

  test('a size for all routes is not stricter than one that a route says for itself', () => {
    const file = (strict: string) => [
      '[server]\nmax_body = "1MB"\n',
      route('', 'allow = "public"\nmax_body = "2MB"'),
      route(ALONE, `allow = "public"\n${strict}`),
    ]
    expect([told(...file('')), told(...file('max_body = "2MB"'))]).toEqual([IN_SECOND, []])
  })

  test.each([
    ['"public"', '"authenticated"'],
    ['"public"', '["ops"]'],
    ['"authenticated"', '["ops"]'],
    ['["user"]', '"authenticated"'],
    ['["ops", "admin"]', '["ops"]'],
    [`[{ roles = ["ops"], amr = ["otp"] }]`, `[{ amr = ["otp"], roles = ["ops"] }]`],
    ['"authenticated"', '"authenticated"\ndeny = ["ops"]'],
    ['"public"', `"public"\n${NOBODY}`],
    [`"authenticated"\n${NOBODY}`, `"public"\n${NOBODY}`],
  ])('allow = %s is not stricter than allow = %s', (lax, below) => {
    expect(told(route('', `allow = ${below}`), route(ALONE, `allow = ${lax}`))).toEqual([])
  })

  test('an address that nobody reaches is no page where it is above the callback of a portal', () => {
    const toldBy = (callback: string, rules: string) => {
      const file = FILE.replace('roles.user', `callback_path = "${callback}"\nroles.user`)
      return toldIn(file, route('', 'allow = "authenticated"'), route(ALONE, `allow = "public"\n${rules}`))
    }
    expect(toldBy('/Admin/callback', NOBODY)).toEqual([])
    expect(toldBy('/admin-callback', NOBODY)).toEqual(IN_SECOND)
    expect(toldBy('/admin/callback', 'methods = ["GET"]')).toEqual(IN_SECOND)
  })

  test('counts only the route that has that spelling', () => {
    const open = route('', 'allow = "public"')
    const strict = 'allow = ["ops"]'
    expect(told(open, route('path = "/admin"\nexact = true', strict))).toEqual(IN_SECOND)
    expect(told(open, route('path = "/admin"', strict))).toEqual([])
    expect(told(open, route('path = "/admin"', strict), route(ALONE, strict))).toEqual([])
    expect(told(open, route('path = ["=/a", "=/b"]', strict))).toEqual([
      'route.slash routes[1].path[0]',
      'route.slash routes[1].path[1]',
    ])
    // Nothing serves it: it is 404 with a slash at its end.
    expect(told(route('path = "/other"', 'allow = "public"'), route(ALONE, strict))).toEqual([])
    expect(told(route('', 'allow = "public"', '"other.example.com"'), route(ALONE, strict))).toEqual([])
    // A path alone that is stricter is told once, however many hosts it is on.
    const hosts = '["a.example.com", "b.example.com"]'
    expect(told(route('', 'allow = "public"', hosts), route(ALONE, strict, hosts))).toEqual(IN_SECOND)
  })
})
