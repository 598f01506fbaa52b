import { describe, expect, test } from 'bun:test'
import type { AccessRule } from '../../src/config/keys/rules.ts'
import type { Identity } from '../../src/identity/identity.ts'
import type { Facts } from '../../src/policy/condition.ts'
import { describeRule } from '../../src/policy/describe.ts'
import { missingReasons, type Reason } from '../../src/policy/reasons.ts'
import { looksAtAge } from '../../src/policy/sign-in-conditions.ts'
import { ada, decide, type Given, NOON, policyOf, rule, verdict } from './given.ts'

type Keys = Partial<AccessRule>
const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A rule, who asks and how, and whether the rule holds: yes, no, or nobody can say. */
type Case = readonly [
  title: string,
  keys: Keys,
  who: Identity,
  facts: Partial<Facts>,
  outcome: 'yes' | 'no' | 'unknown',
]

const like = (claim: string, ...patterns: readonly string[]) => new Map([[claim, patterns]])
const MINE = { email: 'Ada@B.example', email_verified: true }

const within = { networks: ['10.0.0.0/8', 'fd00::/8'] }
const office = {
  schedule: { spans: [{ fromMinute: 480, untilMinute: 1080 }], days: [0, 1, 2, 3, 4], timezone: 'Europe/Berlin' },
}
const night = { schedule: { spans: [{ fromMinute: 1320, untilMinute: 1800 }], days: [4], timezone: 'UTC' } }
const friday = { schedule: { spans: null, days: [4], timezone: 'UTC' } }
const at = (iso: string) => ({ nowMs: Date.parse(iso) })
const season = {
  from: { atMs: Date.UTC(2026, 0, 1), text: '' },
  until: { atMs: Date.UTC(2026, 1, 1), text: '' },
}

const bot = new Map([['User-Agent', ['*bot', 'bot*b']]])
const debug = new Map([['debug', ['*']]])
const asking = (query: string) => ({ target: { path: '/', readings: [], query } })

const CASES: readonly Case[] = [
  ['a field', { headers: bot }, ada(), { sent: { 'user-agent': 'a bot' } }, 'yes'],
  ['a field that says something else', { headers: bot }, ada(), { sent: { 'user-agent': 'curl' } }, 'no'],
  ['a field that is not there', { headers: bot }, ada(), { sent: {} }, 'no'],
  [
    'a field that is named as what every object has, and is not there',
    { headers: new Map([['constructor', ['*']]]) },
    ada(),
    { sent: {} },
    'no',
  ],
  ['a field of which nobody knows', { headers: bot }, ada(), { sent: null }, 'unknown'],
  ['a repeated field, one as the rule says', { headers: bot }, ada(), { sent: { 'user-agent': 'bot, x' } }, 'unknown'],
  ['a repeated field, each as the rule says', { headers: bot }, ada(), { sent: { 'user-agent': 'bot, b' } }, 'unknown'],
  [
    'a repeated field, by a pattern that holds for all of it',
    { headers: new Map([['User-Agent', ['*b*']]]) },
    ada(),
    { sent: { 'user-agent': 'bot, bat' } },
    'yes',
  ],
  [
    'a comma in brackets',
    { headers: new Map([['User-Agent', ['*Chrome*']]]) },
    ada(),
    { sent: { 'user-agent': 'Mozilla/5.0 (KHTML, like Gecko) Chrome/156' } },
    'yes',
  ],
  [
    'a bracket that is never closed',
    { headers: new Map([['User-Agent', ['*good*']]]) },
    ada(),
    { sent: { 'user-agent': 'good (, bad' } },
    'unknown',
  ],
  [
    'lines that open and close a quote around one that is as the rule says',
    { headers: new Map([['X-App', ['mine']]]) },
    ada(),
    { sent: { 'x-app': '"a, mine, b"' } },
    'unknown',
  ],
  [
    'lines that open and close a bracket around one that is as the rule says',
    { headers: new Map([['X-App', ['mine']]]) },
    ada(),
    { sent: { 'x-app': '(a, mine, b)' } },
    'unknown',
  ],
  [
    'values of which one has a bracket in brackets that closes nothing, each as the rule says',
    { headers: new Map([['X-App', ['a *', 'mine']]]) },
    ada(),
    { sent: { 'x-app': 'a (b \\) c, d), mine' } },
    'yes',
  ],
  ['a query', { query: debug }, ada(), asking('?debug=1'), 'yes'],
  ['a query without a value', { query: debug }, ada(), asking('?a&debug'), 'yes'],
  ['another query', { query: debug }, ada(), asking('?debugger=1'), 'no'],
  ['no query', { query: debug }, ada(), asking(''), 'no'],
  ['a query whose name is encoded', { query: debug }, ada(), asking('?%64ebug=1'), 'unknown'],
  ['a query behind a semicolon', { query: debug }, ada(), asking('?a=1;debug=1'), 'unknown'],
  ['a value', { query: new Map([['mode', ['a b', 'c']]]) }, ada(), asking('?mode=c'), 'yes'],
  ['a value that is encoded', { query: new Map([['mode', ['a b']]]) }, ada(), asking('?mode=a%20b'), 'unknown'],
  ['a value with a plus', { query: new Map([['mode', ['a b']]]) }, ada(), asking('?mode=a+b'), 'unknown'],
  [
    'two values, one as the rule says',
    { query: new Map([['mode', ['c']]]) },
    ada(),
    asking('?mode=c&mode=d'),
    'unknown',
  ],
  ['two values, both as the rule says', { query: new Map([['mode', ['c']]]) }, ada(), asking('?mode=c&mode=c'), 'yes'],
  ['a query where no address is known', { query: debug }, ada(), { target: null }, 'unknown'],
  ['an expression', { pathRegexp: ['^/[0-9]+$'] }, ada(), { target: { path: '/17', readings: [], query: '' } }, 'yes'],
  [
    'an expression, elsewhere',
    { pathRegexp: ['^/[0-9]+$'] },
    ada(),
    { target: { path: '/x', readings: [], query: '' } },
    'no',
  ],
  ['an expression, nowhere', { pathRegexp: ['^/'] }, ada(), { target: null }, 'unknown'],
  [
    'a path and an expression',
    { paths: ['/a*'], pathRegexp: ['[0-9]$'] },
    ada(),
    { target: { path: '/a7', readings: [], query: '' } },
    'yes',
  ],
  [
    'letters that do not count',
    { paths: ['/Docs'], ignoresCase: true },
    ada(),
    { target: { path: '/dOCS', readings: ['/docs'], query: '' } },
    'yes',
  ],
  ['a role', { roles: ['admin'] }, ada({ groups: ['admins'] }), {}, 'yes'],
  ['one of two roles', { roles: ['intern', 'admin'] }, ada({ groups: ['admins'] }), {}, 'yes'],
  ['a role that is not held', { roles: ['admin'] }, ada({ groups: ['users'] }), {}, 'no'],
  ['a role that an odd claim decides', { roles: ['admin'] }, ada({ groups: 'admins' }), {}, 'unknown'],
  ['a role that the portal does not know', { roles: ['boss'] }, ada({ groups: ['boss'] }), {}, 'no'],
  ['a subject', { subjects: ['ada'] }, ada(), {}, 'yes'],
  ['another subject', { subjects: ['Ada'] }, ada(), {}, 'no'],
  ['a provider', { providers: ['id'] }, ada(), {}, 'yes'],
  ['another provider', { providers: ['other'] }, ada(), {}, 'no'],
  ['an e-mail address', { emails: ['a@b.example'] }, ada({ email: 'A@B.example', email_verified: true }), {}, 'yes'],
  ['an e-mail address that nobody verified', { emails: ['a@b.example'] }, ada({ email: 'a@b.example' }), {}, 'unknown'],
  ['another e-mail address', { emails: ['a@b.example'] }, ada({ email: 'c@b.example' }), {}, 'no'],
  [
    'an unverified address',
    { emails: ['a@b.example'] },
    ada({ email: 'a@b.example', email_verified: false }),
    {},
    'unknown',
  ],
  ['text as a pattern says', { like: like('team', 'it-*') }, ada({ team: 'it-north' }), {}, 'yes'],
  ['text as no pattern says', { like: like('team', 'it-*', '*-it') }, ada({ team: 'xit-north' }), {}, 'no'],
  ['a pattern, in another letter case', { like: like('team', 'it-*') }, ada({ team: 'IT-north' }), {}, 'no'],
  ['a pattern is of the whole text', { like: like('team', 'it') }, ada({ team: 'kit' }), {}, 'no'],
  ['a pattern for a claim that is absent', { like: like('team', '*') }, ada(), {}, 'no'],
  ['a pattern for a name that objects have', { like: like('constructor', '*') }, ada(), {}, 'no'],
  ['a pattern for a claim in a claim', { like: like('a.b', '*x') }, ada({ a: { b: 'wx' } }), {}, 'yes'],
  ['a pattern for an entry of a list', { like: like('team', 'it-*') }, ada({ team: ['hr', 'it-x'] }), {}, 'yes'],
  ['a pattern for no entry of a list', { like: like('team', 'it-*') }, ada({ team: ['hr'] }), {}, 'no'],
  ['a pattern for a list with odd entries', { like: like('team', 'it-*') }, ada({ team: ['hr', 7] }), {}, 'unknown'],
  ['a pattern for a number', { like: like('team', '*') }, ada({ team: 7 }), {}, 'unknown'],
  ['a pattern for null', { like: like('team', '*') }, ada({ team: null }), {}, 'unknown'],
  ['a pattern for a table', { like: like('team', '*') }, ada({ team: { a: 'b' } }), {}, 'unknown'],
  ['patterns for two claims', { like: new Map([...like('a', 'x*'), ...like('b', '*y')]) }, ada({ a: 'x1' }), {}, 'no'],
  ['a group as a pattern says', { like: like('groups', '*-admins') }, ada({ groups: ['a', 'db-admins'] }), {}, 'yes'],
  ['no group as a pattern says', { like: like('groups', '*-admins') }, ada({ groups: ['admins'] }), {}, 'no'],
  ['groups that are text', { like: like('groups', '*') }, ada({ groups: 'db-admins' }), {}, 'unknown'],
  ['a subject as a pattern says', { like: like('sub', 'a*') }, ada(), {}, 'yes'],
  ['an address as a pattern says', { like: like('email', 'a*@b.example') }, ada(MINE), {}, 'yes'],
  ['an address as no pattern says', { like: like('email', '*@c.example') }, ada(MINE), {}, 'no'],
  [
    'a pattern for an address of nobody',
    { like: like('email', '*@b.example') },
    ada({ email: 'a@b.example' }),
    {},
    'unknown',
  ],
  [
    'a pattern for addresses in a list',
    { like: like('email', '*') },
    ada({ ...MINE, email: ['a@b.example'] }),
    {},
    'unknown',
  ],
  [
    'a pattern for an address with two @',
    { like: like('email', '*@b.example') },
    ada({ ...MINE, email: 'a@c@b.example' }),
    {},
    'unknown',
  ],
  ['a pattern for no address', { like: like('email', '*') }, ada(), {}, 'no'],
  ['an address with two @', { domains: ['b.example'] }, ada({ email: 'a@c.example@b.example' }), {}, 'unknown'],
  ['a look-alike address', { domains: ['b.example'] }, ada({ email: 'а@b.example' }), {}, 'unknown'],
  ['an address that is a list', { domains: ['b.example'] }, ada({ email: ['a@b.example'] }), {}, 'unknown'],
  ['no address', { domains: ['b.example'] }, ada(), {}, 'no'],
  [
    'a verified address',
    { requireVerifiedEmail: true },
    ada({ email: 'a@b.example', email_verified: true }),
    {},
    'yes',
  ],
  ['an address of which nothing is said', { requireVerifiedEmail: true }, ada({ email: 'a@b.example' }), {}, 'no'],
  ['none that could be verified', { requireVerifiedEmail: true }, ada({ email_verified: true }), {}, 'no'],
  ['an address that counts', { requireEmail: true }, ada({ email: 'a@b.example', email_verified: true }), {}, 'yes'],
  ['one that does not count', { requireEmail: true }, ada({ email: 'a@b.example' }), {}, 'no'],
  ['none that could count', { requireEmail: true }, ada({ email_verified: true }), {}, 'no'],
  ['an empty one', { requireEmail: true }, ada({ email: '', email_verified: true }), {}, 'unknown'],
  ['a claim', { claims: new Map([['level', [3]]]) }, ada({ level: [1, 3] }), {}, 'yes'],
  ['a claim in a claim', { claims: new Map([['a.b', ['x']]]) }, ada({ a: { b: ['x', 'y'] } }), {}, 'yes'],
  ['another value of one', { claims: new Map([['a.b', ['x']]]) }, ada({ a: { b: 'y' } }), {}, 'no'],
  ['one that is not there', { claims: new Map([['a.b', ['x']]]) }, ada({ a: { c: 'x' } }), {}, 'no'],
  ['a claim that holds none', { claims: new Map([['a.b', ['x']]]) }, ada({ a: 'x' }), {}, 'unknown'],
  ['an inherited one', { claims: new Map([['a.constructor.name', ['Object']]]) }, ada({ a: {} }), {}, 'no'],
  [
    'a name with a dot before a claim in one',
    { claims: new Map([['a.b', ['x']]]) },
    ada({ 'a.b': 'y', a: { b: 'x' } }),
    {},
    'no',
  ],
  ['a claim of another type', { claims: new Map([['level', [3]]]) }, ada({ level: '3' }), {}, 'no'],
  ['an odd claim', { claims: new Map([['level', [3]]]) }, ada({ level: { value: 3 } }), {}, 'unknown'],
  ['a claim that is null', { claims: new Map([['level', [3]]]) }, ada({ level: null }), {}, 'unknown'],
  ['an inherited claim', { claims: new Map([['toString', [3]]]) }, ada(), {}, 'no'],

  ['an address inside', within, ada(), { client: '10.1.2.3' }, 'yes'],
  ['an address outside', within, ada(), { client: '11.1.2.3' }, 'no'],
  ['an IPv6 address inside', within, ada(), { client: 'fd12::1' }, 'yes'],
  ['an IPv4 address inside IPv6', within, ada(), { client: '::ffff:10.1.2.3' }, 'yes'],
  ['an address that is not known', within, ada(), { client: null }, 'unknown'],
  ['a short spelling of an address', within, ada(), { client: '10.1' }, 'unknown'],
  ['an address with a port', within, ada(), { client: '10.1.2.3:80' }, 'unknown'],
  ['an address with leading zeros', within, ada(), { client: '010.1.2.3' }, 'unknown'],
  ['a method', { methods: ['GET', 'HEAD'] }, ada(), { method: 'HEAD' }, 'yes'],
  ['another method', { methods: ['GET', 'HEAD'] }, ada(), { method: 'POST' }, 'no'],

  ['the first minute', office, ada(), at('2026-01-05T07:00:00Z'), 'yes'],
  ['the minute before', office, ada(), at('2026-01-05T06:59:59Z'), 'no'],
  ['the last minute', office, ada(), at('2026-01-05T16:59:59Z'), 'yes'],
  ['the minute after', office, ada(), at('2026-01-05T17:00:00Z'), 'no'],
  ['a Sunday', office, ada(), at('2026-01-04T12:00:00Z'), 'no'],
  ['summer time', office, ada(), at('2026-07-06T06:00:00Z'), 'yes'],
  ['a day from its first minute on', friday, ada(), at('2026-01-02T00:00:00Z'), 'yes'],
  ['a day to its last minute', friday, ada(), at('2026-01-02T23:59:59Z'), 'yes'],
  ['the minute after a day', friday, ada(), at('2026-01-03T00:00:00Z'), 'no'],
  ['a night that has begun', night, ada(), at('2026-01-02T22:00:00Z'), 'yes'],
  ['a night that began yesterday', night, ada(), at('2026-01-03T05:59:00Z'), 'yes'],
  ['the end of a night', night, ada(), at('2026-01-03T06:00:00Z'), 'no'],
  ['the night before', night, ada(), at('2026-01-02T03:00:00Z'), 'no'],
  ['the evening after', night, ada(), at('2026-01-03T22:30:00Z'), 'no'],
  ['the first moment', season, ada(), at('2026-01-01T00:00:00Z'), 'yes'],
  ['a moment before the first', season, ada(), at('2025-12-31T23:59:59Z'), 'no'],
  ['the last moment', season, ada(), at('2026-01-31T23:59:59Z'), 'yes'],
  ['the moment after the last', season, ada(), at('2026-02-01T00:00:00Z'), 'no'],
  ['no time at all', season, ada(), { nowMs: Number.NaN }, 'unknown'],

  ['an empty rule', {}, ada(), {}, 'unknown'],
  ['all of two', { all: [given({ subjects: ['ada'] }), given({ roles: ['user'] })] }, ada(), {}, 'yes'],
  ['one of all', { all: [given({ subjects: ['ada'] }), given({ roles: ['admin'] })] }, ada(), {}, 'no'],
  ['any of two', { any: [given({ subjects: ['bob'] }), given({ roles: ['user'] })] }, ada(), {}, 'yes'],
  ['none of any', { any: [given({ subjects: ['bob'] }), given({ roles: ['admin'] })] }, ada(), {}, 'no'],
  ['the contrary of no', { not: given({ subjects: ['bob'] }) }, ada(), {}, 'yes'],
  ['the contrary of yes', { not: given({ subjects: ['ada'] }) }, ada(), {}, 'no'],
  ['the contrary of unknown', { not: given(within) }, ada(), { client: null }, 'unknown'],
  ['keys beside a combination', { subjects: ['bob'], any: [given({ roles: ['user'] })] }, ada(), {}, 'no'],
]

function given(keys: Keys): AccessRule {
  const [rule] = policyRules(keys)
  if (rule === undefined) throw new TypeError('one rule in, one rule out')
  return rule
}

function policyRules(keys: Keys): readonly AccessRule[] {
  const { allow } = policyOf({ allow: [keys] })
  return allow.kind === 'rules' ? allow.rules : []
}

describe('a rule', () => {
  for (const [title, keys, who, facts, outcome] of CASES) {
    test(`${title}: ${outcome}`, () => {
      const isYes = outcome === 'yes'
      expect(verdict({ allow: [keys], who, facts })).toBe(isYes ? 'allow' : 'deny')
      expect(verdict({ allow: [{ not: given(keys) }], who, facts })).toBe(outcome === 'no' ? 'allow' : 'deny')
      expect(verdict({ allow: { kind: 'authenticated' }, deny: [keys], who, facts })).toBe(
        outcome === 'no' ? 'allow' : 'deny',
      )
      expect(verdict({ allow: { kind: 'public' }, deny: [{ not: given(keys) }], who, facts })).toBe(
        isYes ? 'allow' : 'deny',
      )
    })
  }

  test('in deny wins over any in allow', () =>
    expect(decide({ allow: [{ roles: ['user'] }], deny: [{ subjects: ['ada'] }] })).toMatchObject({
      verdict: 'deny',
      reason: 'rule.denied',
    }))

  test('that throws denies', () => {
    const who = {
      ...ada(),
      get groups(): readonly string[] {
        throw new Error('odd')
      },
    }
    expect(decide({ allow: [{ groups: ['x'] }], who })).toMatchObject({ verdict: 'deny', reason: 'rule.broken' })
    expect(verdict({ allow: { kind: 'authenticated' }, deny: [{ groups: ['x'] }], who })).toBe('deny')
  })
})

describe('nobody', () => {
  const cases: [string, Given, string][] = [
    ['is asked to sign in where that may help', { allow: [{ roles: ['admin'] }] }, 'sign-in'],
    [
      'is asked where only who they are is missing',
      { allow: [{ ...within, roles: ['user'] }], facts: { client: '10.0.0.1' } },
      'sign-in',
    ],
    ['is not asked where the network is wrong for everyone', { allow: [{ ...within, roles: ['user'] }] }, 'deny'],
    ['needs a sign-in for a rule that names no one', { allow: [within], facts: { client: '10.0.0.1' } }, 'sign-in'],
    [
      'needs none for an anonymous rule',
      { allow: [{ ...within, isAnonymous: true }], facts: { client: '10.0.0.1' } },
      'allow',
    ],
    ['stays out of an anonymous rule from elsewhere', { allow: [{ ...within, isAnonymous: true }] }, 'deny'],
    [
      'stays out of it from an unknown address',
      { allow: [{ ...within, isAnonymous: true }], facts: { client: null } },
      'deny',
    ],
    [
      'may sign in where another rule is for people',
      { allow: [{ ...within, isAnonymous: true }, { roles: ['user'] }] },
      'sign-in',
    ],
    ['is not who a rule excludes, and has to say so', { allow: [{ not: given({ subjects: ['bob'] }) }] }, 'sign-in'],
    ['is denied by a network', { allow: { kind: 'public' }, deny: [{ networks: ['192.0.2.0/24'] }] }, 'deny'],
    ['is not whom deny names', { allow: { kind: 'public' }, deny: [{ subjects: ['bob'] }] }, 'allow'],
    [
      'is not among those whom deny spares',
      { allow: { kind: 'public' }, deny: [{ not: given({ roles: ['user'] }) }] },
      'sign-in',
    ],
    ['is denied where there is nowhere to sign in', { allow: [{ roles: ['user'] }], hasPortal: false }, 'deny'],
    [
      'passes an anonymous rule without a portal',
      { allow: [{ networks: ['192.0.2.1/32'], isAnonymous: true }], hasPortal: false },
      'allow',
    ],
  ]
  for (const [title, one, expected] of cases) {
    test(title, () => expect(verdict({ ...one, who: null })).toBe(expected as 'allow'))
  }
})

describe('a new sign-in is asked for', () => {
  const recent = { maxAgeMs: 15 * MINUTE }
  const hourAgo = { signedInAtMs: NOON - HOUR }
  test('when the sign-in is too old, and not before', () => {
    const aged = (ms: number) => verdict({ allow: [recent], facts: { signedInAtMs: NOON - ms } })
    expect(aged(15 * MINUTE)).toBe('allow')
    expect(aged(15 * MINUTE + 1)).toBe('step-up')
  })
  test('by what the provider says of the time, where it says something', () => {
    const stated = (auth_time: unknown) => verdict({ allow: [recent], who: ada({ auth_time }), facts: hourAgo })
    expect(stated(NOON / 1000 - 60)).toBe('allow')
    expect(stated(NOON / 1000 - 3600)).toBe('step-up')
    expect(stated(NOON / 1000 + 30)).toBe('allow')
    expect(stated(NOON / 1000 + 3600)).toBe('step-up')
    expect(stated(String(NOON / 1000))).toBe('step-up')
    expect(stated(null)).toBe('step-up')
    expect(stated(Number.NaN)).toBe('step-up')
  })
  test('with what it has to show', () => {
    expect(decide({ allow: [{ ...recent, acr: ['phr', 'phrh'] }], facts: hourAgo })).toMatchObject({
      verdict: 'step-up',
      reason: 'sign_in.old',
      demand: { maxAgeS: 900, acr: ['phr', 'phrh'], amr: [] },
    })
    expect(decide({ allow: [{ ...recent, acr: ['phr'] }], who: ada({ acr: 'phr' }), facts: hourAgo })).toMatchObject({
      demand: { maxAgeS: 900, acr: [] },
    })
    expect(decide({ allow: [{ acr: ['phr'], amr: ['mfa'] }], who: ada({ acr: 'low' }) })).toMatchObject({
      reason: 'acr.other',
      demand: { maxAgeS: null, acr: ['phr'], amr: ['mfa'] },
    })
    expect(decide({ allow: [{ amr: ['mfa'] }], who: ada({ amr: ['pwd'] }) })).toMatchObject({
      reason: 'amr.other',
      demand: { maxAgeS: null, acr: [], amr: ['mfa'] },
    })
    expect(
      decide({ allow: [{ all: [given(recent), given({ maxAgeMs: 5 * MINUTE })] }], facts: hourAgo }),
    ).toMatchObject({
      demand: { maxAgeS: 300 },
    })
  })
  test('for the alternative that it would satisfy', () =>
    expect(
      decide({
        allow: [{ any: [given({ acr: ['low'], roles: ['admin'] }), given({ acr: ['high'] })] }],
      }),
    ).toMatchObject({ demand: { acr: ['high'] } }))
  test('where deny is in the way until then', () =>
    expect(decide({ allow: { kind: 'authenticated' }, deny: [{ not: given(recent) }], facts: hourAgo })).toMatchObject({
      verdict: 'step-up',
      demand: { maxAgeS: 900 },
    }))
  test('never where anything else is missing too', () => {
    expect(verdict({ allow: [{ ...recent, roles: ['admin'] }], facts: hourAgo })).toBe('deny')
    expect(verdict({ allow: [{ ...recent, ...within }], facts: hourAgo })).toBe('deny')
    expect(verdict({ allow: [recent], deny: [{ subjects: ['ada'] }], facts: hourAgo })).toBe('deny')
    expect(verdict({ allow: [recent], deny: [within], facts: { ...hourAgo, client: null } })).toBe('deny')
  })
  test('of nobody, who signs in as ever', () => expect(verdict({ allow: [recent], who: null })).toBe('sign-in'))
  test('and what it shows makes the rule hold', () => {
    const shown = ada({ auth_time: NOON / 1000, acr: 'phr', amr: ['pwd', 'mfa'] })
    expect(verdict({ allow: [{ ...recent, acr: ['phr'], amr: ['mfa'] }], who: shown, facts: hourAgo })).toBe('allow')
  })
  test('claims about it are held to their types', () => {
    expect(verdict({ allow: [{ acr: ['phr'] }], who: ada({ acr: ['phr'] }) })).toBe('step-up')
    expect(verdict({ allow: [{ amr: ['mfa'] }], who: ada({ amr: 'mfa' }) })).toBe('step-up')
    expect(verdict({ allow: { kind: 'authenticated' }, deny: [{ acr: ['low'] }], who: ada({ acr: ['low'] }) })).toBe(
      'deny',
    )
  })
})

describe('one decision serves a whole session', () => {
  const cases: [string, Given, boolean][] = [
    ['roles', { allow: { kind: 'roles', roles: ['user'] } }, true],
    ['people, levels and methods of sign-in', { allow: [{ roles: ['user'], acr: ['a'], amr: ['b'] }] }, true],
    ['networks', { allow: [within] }, false],
    ['methods', { allow: [{ methods: ['GET'] }] }, false],
    ['paths', { allow: [{ paths: ['/a*'] }] }, false],
    ['hours', { allow: [office] }, false],
    ['dates', { allow: [season] }, false],
    ['the age of the sign-in', { allow: [{ maxAgeMs: 1 }] }, false],
    ['networks in deny', { allow: { kind: 'public' }, deny: [within] }, false],
    ['networks deep inside', { allow: [{ any: [given({ all: [given({ not: given(within) })] })] }] }, false],
  ]
  for (const [title, one, isStatic] of cases) {
    test(`${isStatic ? 'for' : 'not for'} ${title}`, () => expect(policyOf(one).isStatic).toBe(isStatic))
  }
  test('and plain roles compile to no rules at all', () =>
    expect(policyOf({ allow: { kind: 'roles', roles: ['user'] } }).rules).toBeNull())
})

describe('who is turned away is told', () => {
  const told = (one: Given) => {
    const decision = decide(one)
    if (decision.verdict !== 'deny') throw new Error(`not denied: ${decision.verdict}`)
    return { needed: decision.needed, codes: decision.reasons.map(({ code }) => code) }
  }
  test('the roles that are missing', () => {
    expect(told({ allow: { kind: 'roles', roles: ['admin'] } })).toEqual({ needed: ['admin'], codes: ['role.missing'] })
    expect(told({ allow: [{ roles: ['admin'] }, { roles: ['intern'] }] })).toEqual({
      needed: ['admin', 'intern'],
      codes: ['role.missing'],
    })
    expect(told({ allow: { kind: 'roles', roles: ['admin'] }, deny: [within] })).toEqual({
      needed: ['admin'],
      codes: ['role.missing'],
    })
  })
  test('the network and the hours of rules that are theirs', () => {
    expect(told({ allow: [{ roles: ['user'], ...within }] }).codes).toEqual(['network.outside'])
    expect(told({ allow: [{ roles: ['user'], ...within }], facts: { client: null } }).codes).toEqual([
      'network.unreadable',
    ])
    const decision = decide({ allow: [office], facts: at('2026-01-04T12:00:00Z') })
    expect(decision).toMatchObject({
      reasons: [
        {
          code: 'hours.outside',
          say: 'It is open only at certain times: 08:00 to 18:00, Monday to Friday (Europe/Berlin).',
        },
      ],
    })
  })
  test('nothing of rules that are for others', () => {
    const others = { subjects: ['bob'], ...office }
    expect(told({ allow: [others], facts: at('2026-01-04T12:00:00Z') })).toEqual({
      needed: [],
      codes: ['person.other'],
    })
    expect(told({ allow: [{ roles: ['admin'], subjects: ['bob'] }] })).toEqual({ needed: [], codes: ['person.other'] })
    expect(told({ allow: [others, { roles: ['user'], ...within }], facts: at('2026-01-04T12:00:00Z') }).codes).toEqual([
      'network.outside',
    ])
    // It misses less, and is for somebody else.
    const forAda = { subjects: ['ada'], ...within, ...office }
    expect(told({ allow: [{ subjects: ['bob'] }, forAda], facts: at('2026-01-04T12:00:00Z') }).codes).toEqual([
      'network.outside',
      'hours.outside',
    ])
  })
  test('no more than that a rule shuts them out', () =>
    expect(told({ allow: { kind: 'public' }, deny: [{ subjects: ['ada'] }] }).codes).toEqual(['rule.denied']))
  test('and the log, what was missing: a rule that shuts out, where one of them holds', () => {
    const logged = (deny: Keys) => {
      const decision = decide({ allow: [{ roles: ['admin'] }], deny: [deny] })
      return 'trials' in decision ? missingReasons(decision.trials) : null
    }
    expect(logged({ subjects: ['ada'] })).toContain('rule.denied')
    expect(logged({ subjects: ['bob'] })).toEqual(['role.missing'])
  })
  test('as nobody, what holds for everyone', () => {
    expect(told({ allow: [{ ...within, isAnonymous: true }], who: null }).codes).toEqual(['network.outside'])
    expect(told({ allow: [{ ...within, roles: ['user'] }], who: null }).codes).toEqual(['person.other'])
  })
})

describe('nobody who is signed in, where no sign-in would help, is refused for what no sign-in can change:', () => {
  const outside = { client: '192.0.2.1' }
  const elsewhere = { networks: ['10.0.0.0/8'] }
  const cases: readonly (readonly [what: string, allow: readonly Keys[], reason: Reason, told: readonly Reason[]])[] = [
    ['the network', [elsewhere], 'network.outside', ['network.outside']],
    ['the network, of a rule about people', [{ groups: ['ops'], ...elsewhere }], 'network.outside', ['person.other']],
    ['the method', [{ roles: ['user'], methods: ['POST'] }], 'method.other', ['person.other']],
    ['the hours', [night], 'hours.outside', ['hours.outside']],
    ['what the rule excludes', [{ not: rule({ networks: ['192.0.2.0/24'] }) }], 'rule.excluded', []],
    [
      'of several entries, the one with the least in the way',
      [{ ...elsewhere, methods: ['POST'] }, { subjects: ['ada'], ...season, methods: ['PUT'] }, { methods: ['PUT'] }],
      'method.other',
      ['network.outside', 'method.other'],
    ],
    ['a link for guests, where only that lets in', [{ isForGuests: true }], 'guest.only', ['person.other']],
  ]
  test.each(cases)('%s', (_what, allow, reason, told) => {
    const decision = decide({ allow, who: null, facts: outside })
    expect(decision).toMatchObject({ verdict: 'deny', reason })
    expect(decision.verdict === 'deny' && decision.reasons.map(({ code }) => code)).toEqual([...told])
  })
})

describe('a program in its own name', () => {
  const program = Object.freeze({ ...ada({ groups: ['staff'] }), isClient: true })
  const asks = (given: Omit<Parameters<typeof verdict>[0], 'who'>) => verdict({ ...given, who: program })

  test('is nobody of those who are signed in, beside a deny neither', () => {
    const allow = { kind: 'authenticated' } as const
    expect(decide({ allow, who: program }).reason).toBe('client.none')
    expect(decide({ allow, who: program, deny: [{ groups: ['banned'] }] }).reason).toBe('client.none')
    expect(verdict({ allow, deny: [{ groups: ['banned'] }] })).toBe('allow')
  })

  test.each<[string, Parameters<typeof verdict>[0]['allow']]>([
    ['a provider alone', [{ providers: ['id'] }]],
    ['a method', [{ methods: ['GET'] }]],
    ['a provider in a part of it', [{ all: [rule({ providers: ['id'] }), rule({ methods: ['GET'] })] }]],
    ['one choice that is wide', [{ any: [rule({ providers: ['id'] }), rule({ groups: ['none'] })] }]],
    ['a provider, and not somebody', [{ providers: ['id'], not: rule({ groups: ['banned'] }) }]],
  ])('is nobody whom an entry means that says no more of people than %s', (_, allow) => {
    expect(verdict({ allow })).toBe('allow')
    expect(asks({ allow })).toBe('deny')
  })

  test('is whom an entry names, or lets in without a sign-in', () => {
    for (const entry of [{ groups: ['staff'] }, { subjects: ['ada'] }, { all: [rule({ subjects: ['ada'] })] }]) {
      expect(asks({ allow: [entry] })).toBe('allow')
    }
    expect(asks({ allow: [{ methods: ['GET'], isAnonymous: true }] })).toBe('allow')
  })
})

test('a rule is said in one line, each of its keys', () => {
  const all: Keys = {
    roles: ['user', 'admin'],
    providers: ['id'],
    subjects: ['s'],
    users: ['u'],
    emails: ['a@b.example'],
    domains: ['b.example'],
    groups: ['g'],
    claims: new Map([['level', [1, 2]]]),
    like: like('name', 'a*'),
    requireEmail: true,
    requireVerifiedEmail: true,
    networks: ['10.0.0.0/8'],
    methods: ['GET'],
    paths: ['/x'],
    pathRegexp: ['^/y'],
    ignoresCase: true,
    headers: bot,
    query: debug,
    ...office,
    from: { ...season.from, text: '2026-01-01' },
    until: { ...season.until, text: '2026-02-01' },
    maxAgeMs: 600_000,
    acr: ['high'],
    amr: ['otp'],
    all: [rule({ roles: ['one'] })],
    any: [rule({ roles: ['two'] }), rule({ roles: ['three'] })],
    not: rule({ roles: ['four'] }),
    isAnonymous: true,
    isForGuests: true,
  }
  expect(describeRule(rule(all)).split(', ')).toEqual([
    'guests by a link',
    'role user or admin',
    'provider id',
    'subject s',
    'user u',
    'e-mail a@b.example',
    'domain b.example',
    'group g',
    'claim level 1 or 2',
    'name like a*',
    'an e-mail address that counts',
    'a verified e-mail address',
    'network 10.0.0.0/8',
    'method GET',
    'path /x',
    'path by expression ^/y',
    'in any letter case',
    'header User-Agent like *bot or bot*b',
    'query debug like *',
    '08:00 to 18:00',
    'Monday to Friday (Europe/Berlin)',
    'from 2026-01-01',
    'until 2026-02-01',
    'signed in at most 10 min ago',
    'acr high',
    'amr otp',
    'all of (role one)',
    'any of (role two; role three)',
    'not (role four)',
    'signed in or not',
  ])
})

test('a rule looks at the age of a sign-in where it says so itself, or any part of it does', () => {
  const aged = rule({ maxAgeMs: 1 })
  const plain = rule({ roles: ['user'], all: [rule({})], any: [rule({})], not: rule({}) })
  expect([plain, rule({})].map(looksAtAge)).toEqual([false, false])
  const within: readonly Keys[] = [
    { all: [plain, aged] },
    { any: [plain, aged] },
    { not: aged },
    { not: rule({ all: [aged] }) },
  ]
  expect([aged, ...within.map(keys => rule(keys))].map(looksAtAge)).toEqual([true, true, true, true, true])
})
