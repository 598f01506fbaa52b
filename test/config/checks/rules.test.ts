import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { localToEpochMs, openWallClock } from '../../../src/base/time-zone.ts'
import type { AccessRule } from '../../../src/config/keys/rules.ts'
import { accepts, check, complete } from '../checks.ts'

/** The rules of a route whose `allow` (and more) is this. */
function route(allow: string, more = '') {
  const [found] = accepts(
    `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nportal = "home"\nallow = ${allow}\n${more}`,
  ).routes
  if (found === undefined) throw new TypeError('one route in, one route out')
  return found
}

function rule(keys: string): AccessRule {
  const { allow } = route(`[{ ${keys} }]`)
  const [only] = allow.kind === 'rules' ? allow.rules : []
  if (only === undefined) throw new TypeError(`no rule in ${JSON.stringify(allow)}`)
  return only
}

/** What a rule says, without the keys that it has not. */
function said(one: AccessRule): Record<string, unknown> {
  return Object.fromEntries(Object.entries(one).filter(([, value]) => value !== null && value !== false))
}

describe('allow and deny', () => {
  test('roles alone stay names', () => {
    expect(route('["user"]').allow).toEqual({ kind: 'roles', roles: ['user'] })
    expect(route('"user"').allow).toEqual({ kind: 'roles', roles: ['user'] })
  })
  test('a role beside a rule is a rule', () => {
    const { allow } = route('["user", { groups = ["a"] }]')
    expect(allow.kind === 'rules' ? allow.rules.map(said) : allow).toEqual([{ roles: ['user'] }, { groups: ['a'] }])
  })
  test('a single rule needs no list', () => expect(said(rule('groups = "a"'))).toEqual({ groups: ['a'] }))
  test('rules may have tables of their own', () => {
    const { allow, deny } = route('"authenticated"', '[[routes.deny]]\nroles = "user"\n[[routes.deny]]\ngroups = "a"')
    expect(allow).toEqual({ kind: 'authenticated' })
    expect(deny.map(said)).toEqual([{ roles: ['user'] }, { groups: ['a'] }])
  })
  test('nothing is denied unless it is said', () => expect(route('"public"').deny).toEqual([]))
  test('a route of anonymous rules needs no portal', () =>
    expect(
      accepts(
        '[[routes]]\nhost = "a.example"\nupstream = "http://a"\nallow = { networks = "10.0.0.0/8", anonymous = true }\n[[routes]]\nhost = "b.example"\nupstream = "http://b"\nallow = "public"\nportal = "home"',
      ).routes[0]?.portal,
    ).toBeNull())
  test('conditions combine', () =>
    expect(said(rule('any = [{ roles = "user" }, { not = { amr = ["mfa", "hwk"] } }]')).any).toMatchObject([
      { roles: ['user'] },
      { not: { amr: ['mfa', 'hwk'] } },
    ]))
})

describe('times', () => {
  const hours: [string, object][] = [
    ['"08:00-18:00"', { fromMinute: 480, untilMinute: 1080 }],
    ['"8:00 - 18:00"', { fromMinute: 480, untilMinute: 1080 }],
    ['"22:00-06:00"', { fromMinute: 1320, untilMinute: 1800 }],
    ['"00:00-24:00"', { fromMinute: 0, untilMinute: 1440 }],
    ['"12:00-00:00"', { fromMinute: 720, untilMinute: 1440 }],
  ]
  test.each(hours)('hours %s', (written, span) =>
    expect(rule(`hours = ${written}`).schedule).toEqual({ spans: [span as never], days: null, timezone: 'UTC' }),
  )
  const days: [string, number[]][] = [
    ['"mon"', [0]],
    ['"mon-fri"', [0, 1, 2, 3, 4]],
    ['["sat-mon", "Wed"]', [0, 2, 5, 6]],
    ['["mon-wed", "tue-thu"]', [0, 1, 2, 3]],
  ]
  test.each(days)('days %s', (written, expected) =>
    expect(rule(`days = ${written}, timezone = "Europe/Berlin"`).schedule).toEqual({
      spans: null,
      days: expected,
      timezone: 'Europe/Berlin',
    }),
  )
  const moments: [string, string][] = [
    ['from = 2026-07-01', '2026-07-01T00:00:00Z'],
    ['until = 2026-07-01', '2026-07-02T00:00:00Z'],
    ['until = "2026-07-01", timezone = "Europe/Berlin"', '2026-07-01T22:00:00Z'],
    ['from = 2026-07-01T08:00:00, timezone = "Europe/Berlin"', '2026-07-01T06:00:00Z'],
    ['from = 2026-07-01 08:00:00Z', '2026-07-01T08:00:00Z'],
    ['from = "2026-07-01 08:00"', '2026-07-01T08:00:00Z'],
    ['until = 2026-07-01T08:00:00+05:30', '2026-07-01T02:30:00Z'],
  ]
  test.each(moments)('%s is %s', (written, iso) => {
    const { from, until } = rule(written)
    expect(new Date((from ?? until)?.atMs ?? Number.NaN)).toEqual(new Date(iso))
  })
})

describe('a zone', () => {
  test('has its own weekday and minute, in summer and in winter', () => {
    const clock = openWallClock('America/New_York')
    expect(clock(Date.parse('2026-07-06T03:59:59Z'))).toEqual({ weekday: 6, minute: 1439 })
    expect(clock(Date.parse('2026-07-06T04:00:00Z'))).toEqual({ weekday: 0, minute: 0 })
    expect(clock(Date.parse('2026-01-05T04:59:00Z'))).toEqual({ weekday: 6, minute: 1439 })
  })
  test('takes an hour that it skips as the one after, and the first of an hour that it has twice', () => {
    expect(new Date(localToEpochMs('2026-03-29T02:30', 'Europe/Berlin'))).toEqual(new Date('2026-03-29T01:30:00Z'))
    expect(new Date(localToEpochMs('2026-10-25T02:30', 'Europe/Berlin'))).toEqual(new Date('2026-10-25T00:30:00Z'))
  })
  test('that is none is refused at once', () => expect(() => openWallClock('Mars/Olympus')).toThrow(RangeError))
})

test('any rules with a piece cut out, doubled or moved are answered with diagnostics, never with an exception', () => {
  const good = complete(`[[routes]]
host = "app.example.com"
upstream = "http://app"
portal = "home"
allow = ["user", { roles = "user", any = [{ networks = "10.0.0.0/8" }, { not = { acr = ["a"] } }], max_age = "1h" },
  { hours = "22:00-06:00", days = ["mon-fri"], timezone = "Europe/Berlin", from = 2026-01-01, until = 2026-02-01T08:00:00Z },
  { networks = ["fd00::/8"], methods = ["GET"], anonymous = true }]
deny = { subjects = ["a"], all = [{ claims = { a = [1, true] } }] }
`)
  expect(check(good).ok).toBe(true)
  const cut = fc.tuple(
    fc.nat(good.length),
    fc.nat(40),
    fc.nat(good.length),
    fc.constantFrom('', '{', ']', '"', ',', '1'),
  )
  fc.assert(
    fc.property(cut, ([start, length, to, extra]) => {
      const piece = good.slice(start, start + length)
      const rest = good.slice(0, start) + good.slice(start + length)
      for (const text of [rest, rest.slice(0, to) + piece + extra + rest.slice(to)]) {
        const result = check(text)
        const found = result.ok ? result.warnings : result.diagnostics
        expect(result.ok).toBe(!found.some(({ severity }) => severity === 'error'))
      }
    }),
    { numRuns: 1500 },
  )
})
