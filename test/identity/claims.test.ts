import { describe, expect, test } from 'bun:test'
import type { ClaimNames } from '../../src/config/keys/oauth2.ts'
import type { GroupsForm } from '../../src/config/resolve/providers.ts'
import { createIdentityReader, findClaim } from '../../src/identity/claims.ts'
import { quietPorts } from '../kit/clock.ts'

const NONE: ClaimNames = { email: null, email_verified: null, groups: null, name: null, preferred_username: null }

describe('a claim is found by its name', () => {
  const claims = {
    realm_access: { roles: ['admin'] },
    'https://example.com/groups': ['ops'],
    resource_access: { 'my.client': { roles: ['reader'] }, my: { client: 'other' } },
    'flat.name': 'itself',
    flat: { name: 'nested' },
    text: 'no table',
    list: [{ roles: ['admin'] }],
  }
  test.each<[name: string, found: unknown]>([
    ['realm_access.roles', ['admin']],
    ['https://example.com/groups', ['ops']],
    ['resource_access.my.client.roles', ['reader']],
    ['flat.name', 'itself'],
    ['realm_access.other', undefined],
    ['other.roles', undefined],
    ['realm_access.', undefined],
    ['.roles', undefined],
    // What should hold it holds no claims: nothing can be said, which is not the same as its being absent.
    ['text.roles', null],
    ['list.roles', null],
    ['list.0', null],
    ['toString', undefined],
    ['realm_access.constructor', undefined],
    ['__proto__.polluted', undefined],
  ])('%s', (name, found) => {
    expect(findClaim(claims, name)).toEqual(found)
  })
})

describe('what a provider calls otherwise', () => {
  const made = (
    claims: Record<string, unknown>,
    names: Partial<ClaimNames>,
    groupsForm: GroupsForm = { kind: 'list' },
  ) => {
    const naming = {
      name: 'id',
      claims: { ...NONE, ...names },
      groupsForm,
      hasRoleGroups: false,
      namedClaims: ['realm_access.roles'],
      emailDomains: null,
      prefix: '',
      othersPrefixes: [],
    }
    return createIdentityReader(naming, quietPorts({ now: Date.now }))('https://id.example', 'ada', claims)
  }

  test('are groups, name and user name to rules and applications', () => {
    const said = { realm_access: { roles: ['admin', 'user'] }, display: 'Ada L', login: 'ada' }
    const names = { groups: 'realm_access.roles', name: 'display', preferred_username: 'login' }
    expect(made(said, names)).toMatchObject({
      groups: ['admin', 'user'],
      name: 'Ada L',
      preferredUsername: 'ada',
      claims: { groups: ['admin', 'user'], realm_access: { roles: ['admin', 'user'] }, login: null },
    })
  })

  test('counts alone: what has the usual name is something else there', () => {
    const identity = made({ groups: ['admin'], teams: ['staff'] }, { groups: 'teams' })
    expect(identity.groups).toEqual(['staff'])
    const absent = made({ groups: ['admin'] }, { groups: 'teams' })
    expect([absent.groups, Object.keys(absent.claims)]).toEqual([[], []])
  })

  test('an address in another claim is not verified by email_verified, which is about email', () => {
    const identity = made({ email: 'ada@example.com', email_verified: true, upn: 'root@example.com' }, { email: 'upn' })
    expect([identity.email, identity.emailVerified]).toEqual(['root@example.com', null])
    expect(identity.claims).not.toHaveProperty('email_verified')
  })

  test('unless the file names what says so of that address, by true alone', () => {
    const names = { email: 'upn', email_verified: 'xms_edov' }
    const verified = (edov: unknown) =>
      made({ email_verified: true, upn: 'ada@example.com', xms_edov: edov }, names).emailVerified
    expect([true, false, 'true', 1, undefined].map(verified)).toEqual([true, false, false, false, null])
  })

  test('groups are one text with a separator, where the file says so', () => {
    const text = { kind: 'text', separator: ',' } as const
    const groups = (value: unknown) => made({ groups: value }, {}, text).groups
    expect(groups('admins, family ,, a b')).toEqual(['admins', 'family', 'a b'])
    expect(groups(['admins', 'a,b'])).toEqual(['admins', 'a,b'])
    expect([groups(''), groups(7), groups({ admins: true })]).toEqual([[], [], []])
    expect(made({ groups: 'admins,family' }, {}).groups).toEqual([])
    expect(
      made({ nested: { teams: 'a|b' } }, { groups: 'nested.teams' }, { kind: 'text', separator: '|' }),
    ).toMatchObject({
      groups: ['a', 'b'],
      claims: { groups: ['a', 'b'] },
    })
  })

  test('groups are the names in a table, where the file says so', () => {
    const roles = { admin: { '2451': 'id.example.com' }, user: {} }
    const names = { groups: 'urn:zitadel:iam:org:project:roles' }
    const said = { 'urn:zitadel:iam:org:project:roles': roles }
    expect(made(said, names, { kind: 'keys' }).groups).toEqual(['admin', 'user'])
    expect(made(said, names).groups).toEqual([])
    expect(made({ 'urn:zitadel:iam:org:project:roles': ['a'] }, names, { kind: 'keys' }).groups).toEqual(['a'])
  })

  test('groups that the provider keeps elsewhere are unknown, and not none (OpenID Connect Core 1.0 §5.6.2)', () => {
    const said = { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example' } } }
    expect(made(said, {}).claims.groups).toBeNull()
    expect(made(said, { groups: 'roles' }).claims).not.toHaveProperty('groups')
    expect(made({ ...said, groups: ['a'] }, {}).groups).toEqual(['a'])
  })

  test('leaves everything as it is where the file names nothing', () => {
    const said = { email: 'ada@example.com', email_verified: true, groups: ['a'] }
    expect(made(said, {})).toMatchObject({ email: 'ada@example.com', emailVerified: true, groups: ['a'], claims: said })
  })
})
