import { describe, expect, test } from 'bun:test'
import { NO_TRUST } from '../../src/identity/claim-trust.ts'
import { type Identity, makeIdentity } from '../../src/identity/identity.ts'
import { NO_FACTS } from '../../src/policy/condition.ts'
import { compileMembers, decideOutsider, membersOf } from '../../src/policy/members.ts'
import { compilePolicy } from '../../src/policy/policy.ts'
import { compileRoles } from '../../src/policy/roles.ts'
import { accepts } from '../config/checks.ts'

const portal = (lines: string) => `[portals.home]
url = "https://auth.example.com"
providers = ["id"]
${lines}
[portals.home.roles]
user = { any = true }
all = { any = true, clients = true }
family = { groups = ["family"] }
`

const configOf = (members: string) => accepts(portal(members === '' ? '' : `members = ${members}`))

/** Who of these is one. */
function judge(members: string, identity: Identity): string {
  const config = configOf(members)
  const home = config.portals.get('home')
  if (home === undefined) throw new Error('there is a portal')
  return compileMembers(home, compileRoles(home.roles, NO_TRUST))?.(identity) ?? 'everybody'
}

const someone = (claims: Record<string, unknown> = {}) => makeIdentity('id', 'https://id.example.com', 'ada', claims)

describe('members of a portal', () => {
  const CASES: readonly (readonly [members: string, who: Identity, is: string])[] = [
    ['', someone(), 'everybody'],
    ['"authenticated"', someone(), 'everybody'],
    ['"family"', someone({ groups: ['family'] }), 'yes'],
    ['["family"]', someone({ groups: ['others'] }), 'no'],
    ['[{ groups = ["family"] }]', someone({ groups: ['family'] }), 'yes'],
    ['{ groups = ["family"] }', someone(), 'no'],
    // Of what cannot be judged nobody is a member, under not least of all.
    ['[{ groups = ["family"] }]', someone({ groups: 'family' }), 'unknown'],
    ['[{ roles = ["user"], not = { groups = ["interns"] } }]', someone({ groups: 'x' }), 'unknown'],
    ['[{ roles = ["user"], not = { groups = ["interns"] } }]', someone({ groups: ['interns'] }), 'no'],
    ['[{ roles = ["user"], not = { groups = ["interns"] } }]', someone({ groups: [] }), 'yes'],
    ['[{ emails = ["ada@example.org"] }]', someone({ email: 'ada@example.org', email_verified: true }), 'yes'],
    ['[{ emails = ["ada@example.org"] }]', someone({ email: 'ada@example.org' }), 'unknown'],
    // A program in its own name has to be meant.
    ['["user"]', { ...someone(), isClient: true }, 'no'],
    ['["all"]', { ...someone(), isClient: true }, 'yes'],
    ['[{ provider = "id" }]', { ...someone(), isClient: true }, 'no'],
    ['[{ provider = "id" }]', someone(), 'yes'],
    ['[{ subjects = ["ada"] }]', { ...someone(), isClient: true }, 'yes'],
    // What a token was made with is all that it has.
    ['["family"]', { ...someone({ groups: ['family'] }), roles: ['user'] }, 'no'],
    ['["family"]', { ...someone(), roles: ['family'] }, 'yes'],
  ]
  test.each(CASES)('%s: %p is one: %s', (members, who, is) => expect(judge(members, who)).toBe(is))

  test('are told from others by all that decides it', () => {
    const mark = (text: string) => membersOf(accepts(text)).get('home')?.mark
    const before = portal('members = ["family"]')
    expect(mark(before)).toBe(mark(`# a comment\n${before}`))
    expect(mark(before)).not.toBe(mark(portal('members = ["all"]')))
    expect(mark(before)).not.toBe(mark(before.replace('["family"] }', '["elders"] }')))
    expect(mark(portal(''))).toBeUndefined()
  })
})

test('who is no member is nobody: let in where nobody has to sign in, and not sent to sign in elsewhere', () => {
  const open = compilePolicy({ allow: { kind: 'public' }, deny: [], methods: null }, null)
  expect(decideOutsider(open, NO_FACTS)).toMatchObject({ verdict: 'allow' })
  const roles = compileRoles(new Map(), NO_TRUST)
  const closed = compilePolicy({ allow: { kind: 'authenticated' }, deny: [], methods: ['GET'] }, roles)
  expect(decideOutsider(closed, { ...NO_FACTS, method: 'GET' })).toMatchObject({
    verdict: 'deny',
    reason: 'member.none',
  })
  expect(decideOutsider(closed, { ...NO_FACTS, method: 'PUT' })).toMatchObject({ reason: 'method.not_listed' })
})
