import { describe, expect, test } from 'bun:test'
import { guestIdentity } from '../../src/session/credentials/guest-links.ts'
import { decide, type Given, rule } from './given.ts'

const GUEST = guestIdentity('guest:1', 'Aunt')

const asGuest = (given: Given) => decide({ ...given, who: GUEST })

describe('a guest', () => {
  test('has no role, whatever the portal gives to everyone', () => {
    expect(asGuest({ allow: { kind: 'roles', roles: ['user'] } })).toMatchObject({
      verdict: 'deny',
      reason: 'guest.none',
    })
    expect(asGuest({ allow: [{ roles: ['user'] }] })).toMatchObject({ verdict: 'deny', reason: 'guest.none' })
  })

  test('is not somebody who is signed in', () => {
    expect(asGuest({ allow: { kind: 'authenticated' } }).verdict).toBe('deny')
    expect(asGuest({ allow: { kind: 'authenticated' }, deny: [{ methods: ['PUT'] }] }).verdict).toBe('deny')
  })

  test('passes where nobody has to sign in', () => {
    expect(asGuest({ allow: { kind: 'public' } }).verdict).toBe('allow')
    expect(asGuest({ allow: [{ networks: ['192.0.2.0/24'], isAnonymous: true }] }).verdict).toBe('allow')
  })

  test('passes by a rule for guests, when its other keys hold too', () => {
    expect(asGuest({ allow: [{ isForGuests: true }] }).verdict).toBe('allow')
    expect(asGuest({ allow: [{ isForGuests: true, methods: ['GET'] }] }).verdict).toBe('allow')
    expect(asGuest({ allow: [{ isForGuests: true, methods: ['PUT'] }] })).toMatchObject({
      verdict: 'deny',
      reason: 'method.other',
    })
    expect(asGuest({ allow: [{ isForGuests: true, networks: ['10.0.0.0/8'] }], facts: { client: null } }).verdict).toBe(
      'deny',
    )
  })

  test.each([
    { not: rule({ groups: ['interns'] }) },
    { networks: ['192.0.2.0/24'] },
    { any: [rule({ methods: ['GET'] })] },
  ])('does not pass by what a rule for people leaves open: %o', keys => {
    expect(asGuest({ allow: [keys] }).verdict).toBe('deny')
  })

  test('is shut out by deny like anyone', () => {
    expect(asGuest({ allow: [{ isForGuests: true }], deny: [{ networks: ['192.0.2.0/24'] }] }).reason).toBe(
      'rule.denied',
    )
  })

  test('is never asked for a newer sign-in, having none', () => {
    expect(
      asGuest({ allow: [{ isForGuests: true }, { roles: ['user'], maxAgeMs: 60_000 }], deny: [{ methods: ['GET'] }] })
        .verdict,
    ).toBe('deny')
  })
})

describe('a rule for guests', () => {
  test('lets in nobody else: strangers sign in where that could help, and are denied where it could not', () => {
    expect(decide({ allow: [{ isForGuests: true }] })).toMatchObject({ verdict: 'deny', reason: 'guest.only' })
    expect(decide({ allow: [{ isForGuests: true }], who: null }).verdict).toBe('deny')
    expect(decide({ allow: [{ isForGuests: true }, { roles: ['user'] }], who: null }).verdict).toBe('sign-in')
    expect(decide({ allow: [{ isForGuests: true }, { roles: ['user'] }] }).verdict).toBe('allow')
  })

  test('is told to nobody: a role that would do is', () => {
    const denial = decide({ allow: [{ isForGuests: true }, { roles: ['admin'] }] })
    expect(denial).toMatchObject({ verdict: 'deny', needed: ['admin'] })
  })
})
