import { describe, expect, test } from 'bun:test'
import { compileChance, type Known, sketchOf } from '../../src/policy/partial-identity.ts'
import { decideAccess } from '../../src/policy/policy.ts'
import type { Truth } from '../../src/policy/truth.ts'
import { FACTS, type Given, policyOf, portalOf, routeOf, rule } from './given.ts'

const ADA: Known = { provider: '', subject: '', email: 'ada@corp.test', isEmailVerified: null }

/** What can be said of somebody of whom a log has an address and no more. */
function chance(given: Given, known: Partial<Known> = {}): Truth {
  return compileChance(routeOf(given), portalOf(given))(sketchOf({ ...ADA, ...known }), FACTS)
}

const CASES: readonly (readonly [what: string, given: Given, truth: Truth, verified?: Truth])[] = [
  ['everyone', { allow: { kind: 'public' } }, 'yes'],
  ['everyone who is signed in', { allow: { kind: 'authenticated' } }, 'yes'],
  ['a role that everyone has', { allow: { kind: 'roles', roles: ['user'] } }, 'yes'],
  ['a role by a group', { allow: { kind: 'roles', roles: ['admin'] } }, 'unknown'],
  ['one of both', { allow: { kind: 'roles', roles: ['admin', 'user'] } }, 'yes'],
  ['a group', { allow: [{ groups: ['staff'] }] }, 'unknown'],
  ['no group', { allow: [{ not: rule({ groups: ['staff'] }) }] }, 'unknown'],
  ['a subject', { allow: [{ subjects: ['ada-1'] }] }, 'unknown'],
  ['no subject', { allow: [{ not: rule({ subjects: ['ada-1'] }) }] }, 'unknown'],
  ['a provider', { allow: [{ providers: ['id'] }] }, 'unknown'],
  ['a claim', { allow: [{ claims: new Map([['department', ['it']]]) }] }, 'unknown'],
  ['a claim within another', { allow: [{ claims: new Map([['realm.department', ['it']]]) }] }, 'unknown'],
  ['their address', { allow: [{ emails: ['ada@corp.test'] }] }, 'unknown', 'yes'],
  ['their domain', { allow: [{ domains: ['corp.test'] }] }, 'unknown', 'yes'],
  ['another address', { allow: [{ emails: ['bob@corp.test'] }] }, 'no', 'no'],
  ['an address that counts', { allow: [{ requireEmail: true }] }, 'unknown', 'yes'],
  ['a sign-in of late', { allow: [{ maxAgeMs: 60_000 }] }, 'unknown'],
  ['a way of signing in', { allow: [{ amr: ['otp'] }] }, 'unknown'],
  ['nobody of a group', { allow: { kind: 'public' }, deny: [{ groups: ['interns'] }] }, 'unknown'],
  ['nobody who signed in by a password', { allow: { kind: 'public' }, deny: [{ amr: ['pwd'] }] }, 'unknown'],
  ['a network, which is another', { allow: [{ networks: ['10.0.0.0/8'] }] }, 'no'],
]

describe('of somebody of whom only an address is known', () => {
  test.each(CASES)('a route for %s', (_, given, truth, verified = truth) => {
    expect([chance(given), chance(given, { isEmailVerified: true })]).toEqual([truth, verified])
  })

  test('what cannot be said lets nobody in', () => {
    for (const [, given, truth] of CASES) {
      const { verdict } = decideAccess(policyOf(given), sketchOf(ADA), FACTS)
      if (truth !== 'yes') expect(verdict).not.toBe('allow')
    }
  })
})
