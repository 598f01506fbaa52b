import { describe, expect, test } from 'bun:test'
import type { Allow } from '../../src/config/keys/allow.ts'
import { NO_TRUST } from '../../src/identity/claim-trust.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { NO_FACTS } from '../../src/policy/condition.ts'
import { compilePolicy, decidePolicy } from '../../src/policy/policy.ts'

const ADA = makeIdentity('id', 'https://id.example', 'ada', {})
const PUBLIC: Allow = { kind: 'public' }
const AUTHENTICATED: Allow = { kind: 'authenticated' }
const ADMINS: Allow = { kind: 'roles', roles: ['admin', 'root'] }

interface Case {
  readonly allow: Allow
  readonly who: typeof ADA | null
  readonly roles?: readonly string[] | null
  readonly methods?: readonly string[]
  readonly method?: string
  readonly verdict: string
  readonly reason: string
}

function decide({ allow, who, roles = [], methods, method = 'GET' }: Case) {
  const portal =
    roles === null ? null : { of: () => roles, judges: new Map(), aboutEmail: new Set<string>(), ...NO_TRUST }
  const policy = compilePolicy({ allow, deny: [], methods: methods ?? null }, portal)
  return decidePolicy(policy, who, { ...NO_FACTS, method })
}

describe('the decision', () => {
  const cases: Case[] = [
    { allow: PUBLIC, who: null, verdict: 'allow', reason: 'route.public' },
    { allow: PUBLIC, who: ADA, verdict: 'allow', reason: 'route.public' },
    { allow: AUTHENTICATED, who: null, verdict: 'sign-in', reason: 'identity.none' },
    { allow: AUTHENTICATED, who: ADA, verdict: 'allow', reason: 'identity.signed_in' },
    { allow: ADMINS, who: null, verdict: 'sign-in', reason: 'identity.none' },
    { allow: ADMINS, who: ADA, verdict: 'deny', reason: 'role.missing' },
    { allow: ADMINS, who: ADA, roles: ['user'], verdict: 'deny', reason: 'role.missing' },
    { allow: ADMINS, who: ADA, roles: ['user', 'root'], verdict: 'allow', reason: 'role.held' },
    { allow: ADMINS, who: ADA, roles: null, verdict: 'deny', reason: 'portal.unknown' },
    { allow: AUTHENTICATED, who: ADA, roles: null, verdict: 'deny', reason: 'portal.unknown' },
    { allow: { kind: 'roles', roles: [] }, who: ADA, roles: ['admin'], verdict: 'deny', reason: 'role.missing' },
    { allow: PUBLIC, who: ADA, methods: ['GET'], method: 'POST', verdict: 'deny', reason: 'method.not_listed' },
    { allow: PUBLIC, who: null, methods: ['GET'], method: 'HEAD', verdict: 'deny', reason: 'method.not_listed' },
    { allow: PUBLIC, who: null, methods: ['GET', 'HEAD'], method: 'HEAD', verdict: 'allow', reason: 'route.public' },
  ]
  test.each(cases)('%j', one => {
    expect(decide(one)).toMatchObject({ verdict: one.verdict, reason: one.reason })
  })

  test('a denial says which roles would do and which are held', () => {
    expect(decide({ allow: ADMINS, who: ADA, roles: ['user'], verdict: '', reason: '' })).toMatchObject({
      needed: ['admin', 'root'],
      roles: ['user'],
    })
  })
})
