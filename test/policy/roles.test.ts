import { describe, expect, test } from 'bun:test'
import type { RoleRule } from '../../src/config/keys/portals.ts'
import { NOBODY_IN_PARTICULAR } from '../../src/config/keys/rules.ts'
import { NO_TRUST, NO_TRUSTED_EMAILS, type TrustedEmails } from '../../src/identity/claim-trust.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { compileRoles } from '../../src/policy/roles.ts'

const NOTHING: RoleRule = { any: false, clients: false, ...NOBODY_IN_PARTICULAR }

/** Whether someone with these claims has a role that one rule (or any of several) gives. */
function holds(
  rules: Partial<RoleRule> | readonly Partial<RoleRule>[],
  claims: Record<string, unknown>,
  provider = 'id',
  trusted: TrustedEmails = NO_TRUSTED_EMAILS,
): boolean {
  const list = (Array.isArray(rules) ? rules : [rules]) as readonly Partial<RoleRule>[]
  const { of } = compileRoles(new Map([['role', list.map(rule => ({ ...NOTHING, ...rule }))]]), {
    ...NO_TRUST,
    trusted,
  })
  return of(makeIdentity(provider, 'https://id.example', 'ada', claims)).includes('role')
}

describe('a user of a file, at a portal with another provider', () => {
  const fileGroups = new Map([['people', new Set(['family'])]])
  const ada = makeIdentity('people', 'users:people', 'htpasswd:ada', { groups: ['family', 'admins'] })
  const judge = (rule: Partial<RoleRule>, who = ada) =>
    compileRoles(new Map([['role', [{ ...NOTHING, ...rule }]]]), { ...NO_TRUST, fileGroups }).judges.get('role')?.(who)
  const named = { providers: ['people'] }
  test('has groups of their own only for rules that name the provider', () => {
    expect(judge({ groups: ['admins'] })).toBe('unknown')
    expect(judge({ groups: ['admins'], ...named })).toBe('yes')
    expect(judge({ groups: ['admins', 'family'] })).toBe('yes')
    expect(judge({ groups: ['others'] })).toBe('no')
  })
  test('the same by patterns and by claims', () => {
    expect(judge({ like: new Map([['groups', ['adm*']]]) })).toBe('unknown')
    expect(judge({ like: new Map([['groups', ['adm*']]]), ...named })).toBe('yes')
    expect(judge({ like: new Map([['groups', ['fam*']]]) })).toBe('yes')
    expect(judge({ claims: new Map([['groups', ['admins']]]) })).toBe('unknown')
    expect(judge({ claims: new Map([['groups', ['admins']]]), ...named })).toBe('yes')
  })
  test('while those of another provider count as ever', () => {
    const boss = makeIdentity('id', 'https://id.example', 'boss', { groups: ['admins'] })
    expect(judge({ groups: ['admins'] }, boss)).toBe('yes')
  })
  test('is meant by users, and nobody of that name elsewhere is', () => {
    expect(judge({ users: ['ada'] })).toBe('yes')
    expect(judge({ users: ['bob'] })).toBe('no')
    const others = [{ preferred_username: 'ada' }, { name: 'ada' }].map(claims =>
      makeIdentity('id', 'https://id.example', 'ada', claims),
    )
    expect(others.map(who => judge({ users: ['ada'] }, who))).toEqual(['no', 'no'])
  })
})

describe('a rule', () => {
  test('with any holds for everyone who is signed in', () => expect(holds({ any: true }, {})).toBe(true))
  test('without a key holds for nobody', () => expect(holds({}, { email: 'a@b.example', groups: ['x'] })).toBe(false))
  test('needs every key that it has', () => {
    const rule = { groups: ['staff'], claims: new Map([['department', ['it']]]) }
    expect(holds(rule, { groups: ['staff'], department: 'it' })).toBe(true)
    expect(holds(rule, { groups: ['staff'] })).toBe(false)
    expect(holds(rule, { department: 'it' })).toBe(false)
  })
  test('of several is enough', () => {
    const rules = [{ groups: ['admins'] }, { subjects: ['ada'] }]
    expect(holds(rules, {})).toBe(true)
    expect(holds([{ groups: ['admins'] }, { subjects: ['bob'] }], {})).toBe(false)
  })
  test('names a provider', () => {
    expect(holds({ providers: ['id'] }, {})).toBe(true)
    expect(holds({ providers: ['other'] }, {})).toBe(false)
  })
})

describe('groups', () => {
  const cases: [unknown, boolean][] = [
    [['admins'], true],
    [['users', 'admins'], true],
    [['admins,users'], false],
    [['Admins'], false],
    [['admins '], false],
    [['аdmins'], false],
    ['admins', false],
    [{ 0: 'admins' }, false],
    [[['admins']], false],
    [[], false],
    [null, false],
    [undefined, false],
  ]
  test.each(cases)('%j match "admins": %p', (groups, expected) => {
    expect(holds({ groups: ['admins'] }, { groups })).toBe(expected)
  })
})

describe('e-mail', () => {
  const cases: [Record<string, unknown>, boolean][] = [
    [{ email: 'aunt@example.org' }, true],
    [{ email: 'Aunt@Example.ORG' }, true],
    [{ email: 'anyone@friends.example' }, true],
    [{ email: 'anyone@sub.friends.example' }, false],
    [{ email: 'anyone@notfriends.example' }, false],
    [{ email: 'mallory@evil.example@friends.example' }, false],
    [{ email: 'mallory@friends.example@evil.example' }, false],
    [{ email: 'anyone@friendѕ.example' }, false],
    [{ email: '\u212A@friends.example' }, false],
    [{ email: 'friends.example' }, false],
    [{ email: '@friends.example' }, false],
    [{ email: ['aunt@example.org'] }, false],
    [{}, false],
  ]
  test.each(cases)('%j matches the address or the domain: %p', (claims, expected) => {
    const rule = { emails: ['aunt@example.org'], domains: ['friends.example'] }
    expect(holds(rule, { ...claims, email_verified: true })).toBe(expected)
    expect(holds(rule, claims, 'id', new Set(['id']))).toBe(expected)
  })

  test.each([undefined, false, 'true', 1, null])('that is verified: %j, matches nothing', verified => {
    const claims = { email: 'aunt@example.org', email_verified: verified }
    const address = { claims: new Map([['email', ['aunt@example.org']]]) }
    for (const rule of [{ emails: ['aunt@example.org'] }, { domains: ['example.org'] }, address]) {
      expect(holds(rule, claims)).toBe(false)
      expect(holds(rule, claims, 'id', new Set(['other']))).toBe(false)
      expect(holds(rule, claims, 'id', new Set(['id']))).toBe(true)
      expect(holds(rule, { ...claims, email_verified: true })).toBe(true)
    }
  })

  test('may have to be verified', () => {
    const rule = { domains: ['friends.example'], requireVerifiedEmail: true }
    expect(holds(rule, { email: 'a@friends.example' })).toBe(false)
    expect(holds(rule, { email: 'a@friends.example' }, 'id', new Set(['id']))).toBe(false)
    expect(holds(rule, { email: 'a@friends.example', email_verified: true })).toBe(true)
  })
})

describe('any claim', () => {
  const cases: [unknown, boolean][] = [
    ['it', true],
    [['hr', 'it'], true],
    [7, true],
    [true, true],
    ['7', false],
    [1, false],
    ['IT', false],
    [{ it: true }, false],
    [undefined, false],
    [null, false],
  ]
  test.each(cases)('%j matches it, 7 or true: %p', (value, expected) => {
    expect(holds({ claims: new Map([['department', ['it', 7, true]]]) }, { department: value })).toBe(expected)
  })

  test('is looked up in the claims alone, never in what objects inherit', () => {
    expect(holds({ claims: new Map([['constructor', ['x']]]) }, {})).toBe(false)
    expect(holds({ claims: new Map([['toString', ['x']]]) }, {})).toBe(false)
  })
})
