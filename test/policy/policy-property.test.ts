import { expect, setDefaultTimeout, test } from 'bun:test'
import fc from 'fast-check'
import type { AccessRule, PersonRule } from '../../src/config/keys/rules.ts'
import type { Identity } from '../../src/identity/identity.ts'
import type { Facts } from '../../src/policy/condition.ts'
import { decidePolicy } from '../../src/policy/policy.ts'
import { parseTarget } from '../../src/route/target.ts'
import { ada, FACTS, NOON, policyOf, ROLES, rule } from './given.ts'

// Thousands of trees take as long as whatever else the machine does leaves them.
setDefaultTimeout(300_000)

/**
 * The rules as their documentation says them, written as plainly as possible and without a line of the program's own: sets of
 * the answers that are still possible, where an answer that cannot be given is both.
 */
type Possible = ReadonlySet<boolean>
const YES: Possible = new Set([true])
const NO: Possible = new Set([false])
const BOTH: Possible = new Set([true, false])
const certain = (answer: boolean) => (answer ? YES : NO)

function combine(
  parts: readonly Possible[],
  join: (one: boolean, other: boolean) => boolean,
  start: boolean,
): Possible {
  let sum = certain(start)
  for (const part of parts) {
    const before = [...sum]
    sum = new Set([...part].flatMap(one => before.map(other => join(one, other))))
  }
  return sum
}
const every = (parts: readonly Possible[]) => combine(parts, (one, other) => one && other, true)
const some = (parts: readonly Possible[]) => combine(parts, (one, other) => one || other, false)
const contrary = (part: Possible): Possible => new Set([...part].map(answer => !answer))

function personal(keys: PersonRule, who: Identity): readonly Possible[] {
  const { claims } = who
  const parts: Possible[] = []
  if (keys.subjects) parts.push(certain(keys.subjects.includes(who.subject)))
  if (keys.providers) parts.push(certain(keys.providers.includes(who.provider)))
  if (keys.groups) {
    const held = claims.groups
    if (held === undefined) parts.push(NO)
    else if (!Array.isArray(held)) parts.push(BOTH)
    else if (held.some(group => keys.groups?.includes(group))) parts.push(YES)
    else parts.push(held.some(group => typeof group !== 'string') ? BOTH : NO)
  }
  if (keys.emails || keys.domains) {
    const held = claims.email
    if (held === undefined) parts.push(NO)
    else if (typeof held !== 'string' || held.split('@').length !== 2 || !/^[\x21-\x7e]+$/.test(held)) parts.push(BOTH)
    else if (held.startsWith('@') || held.endsWith('@')) parts.push(BOTH)
    else {
      const [, domain = ''] = held.toLowerCase().split('@')
      const isListed = keys.emails?.includes(held.toLowerCase()) || keys.domains?.includes(domain)
      const isDisowned = claims.email_verified !== true
      parts.push(isListed ? (isDisowned ? BOTH : YES) : NO)
    }
  }
  for (const [name, values] of keys.claims ?? []) {
    const held = claims[name]
    const list = Array.isArray(held) ? held : [held]
    if (held === undefined) parts.push(NO)
    else if (list.some(entry => values.includes(entry))) parts.push(YES)
    else parts.push(list.every(entry => ['string', 'number', 'boolean'].includes(typeof entry)) ? NO : BOTH)
  }
  for (const [name, patterns] of keys.like ?? []) {
    const held = claims[name]
    const list = Array.isArray(held) ? held : [held]
    const isAs = (entry: unknown) =>
      typeof entry === 'string' &&
      patterns.some(pattern => new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(entry))
    if (held === undefined) parts.push(NO)
    else if (list.some(isAs)) parts.push(YES)
    else parts.push(list.every(entry => typeof entry === 'string') ? NO : BOTH)
  }
  // The same people, where no provider is trusted with its addresses.
  if (keys.requireEmail || keys.requireVerifiedEmail) {
    const held = claims.email
    if (held === undefined) parts.push(NO)
    else if (typeof held !== 'string' || held === '') parts.push(BOTH)
    else parts.push(certain(claims.email_verified === true))
  }
  return parts
}

/** All answers that a rule may give. `freshly`: as if the sign-in were just what it asks for. */
function reference(keys: AccessRule, who: Identity | null, facts: Facts, freshly: boolean): Possible {
  const parts: Possible[] = []
  if (keys.roles) {
    const judge = (name: string) =>
      who === null ? NO : some((ROLES.get(name) ?? []).map(one => (one.any ? YES : every(personal(one, who)))))
    parts.push(some(keys.roles.map(judge)))
  }
  const about = personal(keys, who ?? ada())
  parts.push(...(who === null ? about.map(() => NO) : about))
  const signIn = (answer: () => Possible) => parts.push(who === null ? NO : freshly ? YES : answer())
  if (keys.maxAgeMs !== null) {
    const most = keys.maxAgeMs
    signIn(() => {
      const stated = who?.claims.auth_time
      const atMs = stated === undefined ? facts.signedInAtMs : typeof stated === 'number' ? stated * 1000 : null
      if (atMs === null || atMs > facts.nowMs + 60_000) return BOTH
      return certain(facts.nowMs - atMs <= most)
    })
  }
  if (keys.acr) {
    const { acr } = keys
    signIn(() => {
      const held = who?.claims.acr
      return held === undefined ? NO : typeof held !== 'string' ? BOTH : certain(acr.includes(held))
    })
  }
  if (keys.networks) {
    const inside = facts.client?.startsWith('10.') || facts.client?.startsWith('::ffff:10.')
    parts.push(facts.client === null || facts.client === 'junk' ? BOTH : certain(inside === true))
  }
  if (keys.methods) parts.push(facts.method === null ? BOTH : certain(keys.methods.includes(facts.method)))
  if (keys.paths) {
    const { target } = facts
    const [path = '', ...readings] = target === null ? [] : [target.path, ...target.readings]
    // Each pattern as an expression, which this may take its time for.
    const like = (one: string, flags: string) =>
      keys.paths?.some(pattern =>
        new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, flags).test(one),
      )
    const seen = [path, ...readings].map(one => like(one, 'i') === true)
    const isWhole = like(path, '') === true && seen.every(Boolean)
    parts.push(target === null ? BOTH : isWhole ? YES : seen.some(Boolean) ? BOTH : NO)
  }
  if (keys.schedule) {
    const now = new Date(facts.nowMs)
    const minute = now.getUTCHours() * 60 + now.getUTCMinutes()
    const today = (now.getUTCDay() + 6) % 7
    const begins = (weekday: number) => keys.schedule?.days === null || keys.schedule?.days.includes(weekday) === true
    const holds = (keys.schedule.spans ?? [{ fromMinute: 0, untilMinute: 1440 }]).some(
      ({ fromMinute, untilMinute }) =>
        (begins(today) && minute >= fromMinute && minute < untilMinute) ||
        (begins((today + 6) % 7) && minute + 1440 >= fromMinute && minute + 1440 < untilMinute),
    )
    parts.push(certain(holds))
  }
  if (keys.all) parts.push(every(keys.all.map(part => reference(part, who, facts, freshly))))
  if (keys.any) parts.push(some(keys.any.map(part => reference(part, who, facts, freshly))))
  if (keys.not) parts.push(contrary(reference(keys.not, who, facts, freshly)))
  return every(parts)
}

const text = (...values: string[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 })
const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 4 })

const span = fc
  .tuple(fc.integer({ min: 0, max: 1439 }), fc.integer({ min: 1, max: 1440 }))
  .map(([fromMinute, length]) => ({ fromMinute, untilMinute: fromMinute + length }))

const leaf = {
  roles: text('user', 'admin', 'intern', 'boss'),
  subjects: text('ada', 'bob'),
  groups: text('admins', 'interns'),
  emails: text('a@b.example', 'c@d.example'),
  domains: text('b.example', 'd.example'),
  claims: fc.constantFrom(new Map([['level', [3, 'x']]]), new Map([['team', [true]]])),
  like: fc.constantFrom(new Map([['level', ['*x', '3']]]), new Map([['acr', ['h*', '*o*']]])),
  requireEmail: fc.constant(true),
  requireVerifiedEmail: fc.constant(true),
  maxAgeMs: fc.constantFrom(60_000, 3_600_000),
  acr: text('low', 'high'),
  networks: fc.constant(['10.0.0.0/8']),
  methods: text('GET', 'POST'),
  paths: text('/a', '/a*', '*.css', '/A/*', '*/b/*', '/a*b*.css'),
  schedule: fc.record({
    spans: fc.option(fc.array(span, { minLength: 1, maxLength: 2 })),
    days: fc.option(fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 })),
    timezone: fc.constant('UTC'),
  }),
}

/** Only some keys at a time, or no rule would ever hold. */
const keysOf = fc
  .tuple(fc.record(leaf), fc.subarray(Object.keys(leaf), { minLength: 1, maxLength: 3 }))
  .map(([full, chosen]) => rule(Object.fromEntries(Object.entries(full).filter(([name]) => chosen.includes(name)))))
  .filter(keys => Object.values(keys).some(value => value !== null && value !== false))

const { tree } = fc.letrec<{ tree: AccessRule }>(tie => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 3, arbitrary: keysOf },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          keysOf,
          fc.record({
            any: optional(fc.array(tie('tree'), { minLength: 1, maxLength: 2 })),
            all: optional(fc.array(tie('tree'), { minLength: 1, maxLength: 2 })),
            not: optional(tie('tree')),
          }),
        )
        .map(([keys, parts]): AccessRule => ({ ...keys, ...parts })),
    },
  ),
}))

const claims = fc.record(
  {
    groups: fc.constantFrom<unknown>(['admins'], ['interns', 'x'], 'admins', ['admins,interns'], [3], ['Admins'], null),
    email: fc.constantFrom<unknown>(
      'a@b.example',
      'A@B.Example',
      'z@d.example',
      'a@b.example@d.example',
      'а@b.example',
      'a@Ь.example',
      '@b.example',
      ['a@b.example'],
      '\u212A@b.example',
    ),
    email_verified: fc.constantFrom<unknown>(true, false, 'true', 1),
    level: fc.constantFrom<unknown>(3, '3', [1, 3], { v: 3 }, [[3]], 'x', null),
    team: fc.constantFrom<unknown>(true, 'true', [true], [{}]),
    auth_time: fc.constantFrom<unknown>(NOON / 1000, NOON / 1000 - 1800, NOON / 1000 + 90, String(NOON / 1000)),
    acr: fc.constantFrom<unknown>('low', 'high', ['high'], 1),
  },
  { requiredKeys: [] },
)

const facts = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', null),
  target: fc.constantFrom<Facts['target']>(
    null,
    ...['/a', '/A/x', '/a/b/x', '/x.css', '/a;x.css', '/a/b.css', '/ab/', '/aBx.css', '/a//b/x'].map(path =>
      parseTarget('GET', path, 'app.example'),
    ),
  ),
  client: fc.constantFrom('10.1.2.3', '192.0.2.1', '::ffff:10.1.2.3', 'junk', null),
  nowMs: fc.integer({ min: NOON - 4 * 86_400_000, max: NOON + 4 * 86_400_000 }),
  signedInAtMs: fc.constantFrom(NOON, NOON - 1_800_000),
})

/** What comes out by the reference: nothing is allowed that is not certain. */
function expected(allow: readonly AccessRule[], deny: readonly AccessRule[], who: Identity | null, facts: Facts) {
  const isAllowed = (freshly: boolean) => {
    const isShutOut = deny.some(one => reference(one, who, facts, freshly).has(true))
    const isLetIn = allow.some(
      one => (who !== null || one.isAnonymous) && !reference(one, who, facts, freshly).has(false),
    )
    return isLetIn && !isShutOut
  }
  return { now: isAllowed(false), freshly: isAllowed(true) }
}

test('any tree of rules, about anyone, comes out as its documentation says', () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(
      fc.array(tree, { minLength: 1, maxLength: 3 }),
      fc.array(tree, { maxLength: 1 }),
      claims,
      facts,
      (allow, deny, held, given) => {
        const who = ada(held)
        const all: Facts = { ...FACTS, ...given }
        const { verdict, reason } = decidePolicy(policyOf({ allow, deny }), who, all)
        const { now, freshly } = expected(allow, deny, who, all)
        seen.set(verdict, (seen.get(verdict) ?? 0) + 1)
        expect(reason).not.toBe('rule.broken')
        expect(verdict).toBe(now ? 'allow' : freshly ? 'step-up' : 'deny')
      },
    ),
    { numRuns: 3000 },
  )
  // The property would hold for a policy that never allows, too.
  for (const verdict of ['allow', 'deny', 'step-up']) expect(seen.get(verdict) ?? 0).toBeGreaterThan(30)
})

test('nobody passes but by an anonymous rule, and is asked to sign in wherever someone would pass', () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(
      fc.array(fc.tuple(tree, fc.boolean()), { minLength: 1, maxLength: 3 }),
      fc.array(tree, { maxLength: 1 }),
      claims,
      facts,
      (entries, deny, held, given) => {
        const allow = entries.map(([one, isAnonymous]): AccessRule => ({ ...one, isAnonymous }))
        const all: Facts = { ...FACTS, ...given, signedInAtMs: null }
        const policy = policyOf({ allow, deny })
        const { verdict } = decidePolicy(policy, null, all)
        seen.set(verdict, (seen.get(verdict) ?? 0) + 1)
        expect(verdict === 'allow').toBe(expected(allow, deny, null, all).now)
        const signedIn = decidePolicy(policy, ada(held), { ...all, signedInAtMs: all.nowMs }).verdict
        const isHelped = allow.some(one => !one.isAnonymous) && signedIn !== 'deny'
        if (verdict === 'deny') {
          const own = policyOf({ allow: allow.filter(one => !one.isAnonymous), deny })
          if (isHelped) expect(decidePolicy(own, ada(held), { ...all, signedInAtMs: all.nowMs }).verdict).toBe('deny')
        }
      },
    ),
    { numRuns: 2000 },
  )
  // Nobody passes about fifty times: thirty would be missed once in two hundred runs.
  for (const verdict of ['allow', 'deny', 'sign-in']) expect(seen.get(verdict) ?? 0).toBeGreaterThan(10)
})
