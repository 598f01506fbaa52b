import { describe, expect, test } from 'bun:test'
import type { HeaderPreset } from '../../../src/config/values/headers.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { compileIdentityFields } from '../../../src/proxy/fields/identity.ts'
import { ADA as PERSON } from '../../kit/people.ts'

const ADA = { ...PERSON, sub: 'ada-1', department: 'it', level: 3, realm_access: { roles: ['ops'] } }

function tells(
  spec: HeaderPreset | Record<string, string>,
  claims: Record<string, unknown> = ADA,
  roles: readonly string[] = ['user', 'admin'],
  hasSeveral = false,
) {
  const fields = compileIdentityFields(
    typeof spec === 'string'
      ? { kind: 'preset', preset: spec }
      : { kind: 'table', fields: Object.entries(spec).map(([name, template]) => ({ name, template })) },
    hasSeveral,
  )
  return fields === null
    ? null
    : Object.fromEntries(fields(makeIdentity('id', 'https://id.example', 'ada-1', claims), roles))
}

test('all_roles is what the provider calls roles or groups, and then the portal’s roles, each once', () => {
  const of = (claims: Record<string, unknown>, roles: readonly string[] = ['user']) =>
    tells({ 'X-Roles': '{all_roles}' }, claims, roles)?.['x-roles']
  expect(of(ADA)).toBe('admins users ops user')
  expect(of({ groups: ['user', 'a'] })).toBe('user a')
  expect(of({ roles: ['r'], role: 'one', group: ['g'], app_metadata: { authorization: { roles: ['m'] } } })).toBe(
    'r one g m user',
  )
  // A blank in a name would make two of it.
  expect(of({ groups: ['x admin', 'a%20b', 'c\nd', '', 3] }, [])).toBe('x%20admin a%2520b c%0Ad')
  expect(of({}, [])).toBeUndefined()
})

describe('a preset', () => {
  test('none tells nothing', () => expect(tells('none')).toBeNull())
  test('x-token', () =>
    expect(tells('x-token')).toEqual({
      'x-token-subject': 'ada-1',
      'x-token-user-name': 'Ada',
      'x-token-user-email': 'ada@example.com',
      'x-token-user-roles': 'user admin',
    }))
  test('x-forwarded', () =>
    expect(tells('x-forwarded')).toEqual({
      'x-forwarded-user': 'ada-1',
      'x-forwarded-email': 'ada@example.com',
      'x-forwarded-groups': 'admins,users',
      'x-forwarded-preferred-username': 'ada',
    }))
  test('x-auth-request', () =>
    expect(tells('x-auth-request')).toMatchObject({
      'x-auth-request-user': 'ada-1',
      'x-auth-request-groups': 'admins,users',
    }))
  test('remote', () =>
    expect(tells('remote')).toEqual({
      'remote-user': 'ada',
      'remote-name': 'Ada',
      'remote-email': 'ada@example.com',
      'remote-groups': 'admins,users',
    }))
  test('leaves out what the provider did not say', () =>
    expect(tells('x-token', { sub: 'ada-1' }, [])).toEqual({ 'x-token-subject': 'ada-1' }))
})

describe('where people come from several places', () => {
  const cases: [HeaderPreset, string][] = [
    ['x-token', 'x-token-provider'],
    ['x-forwarded', 'x-forwarded-provider'],
    ['caddy-security', 'x-token-provider'],
    ['x-auth-request', 'x-auth-request-provider'],
    ['remote', 'remote-provider'],
  ]
  test.each(cases)('the preset %s says from which', (preset, name) => {
    expect(tells(preset, ADA, [], true)).toEqual({ ...tells(preset, ADA, []), [name]: 'id' })
    expect(tells(preset, ADA, [])).not.toHaveProperty(name)
  })
  test('none says nothing, and a table what it says', () => {
    expect(tells('none', ADA, [], true)).toBeNull()
    expect(tells({ 'X-Who': '{sub}' }, ADA, [], true)).toEqual({ 'x-who': 'ada-1' })
  })
})

describe('a table', () => {
  const cases: [string, string | undefined][] = [
    ['{name} <{email}>', 'Ada <ada@example.com>'],
    ['{claims.department}', 'it'],
    ['{claims.level}', '3'],
    ['{claims.groups}', 'admins,users'],
    ['{claims.realm_access.roles}', 'ops'],
    ['{claims.realm_access}', undefined],
    ['{claims.department.roles}', undefined],
    ['{claims.absent}', undefined],
    ['{claims.toString}', undefined],
    ['{provider}', 'id'],
    ['dept={claims.department};{claims.absent}', 'dept=it;'],
    ['{unknown}', undefined],
    // What asks for nothing is said of everybody; what asks for something that nobody knows, of nobody.
    ['fixed', 'fixed'],
    ['level={claims.absent}', undefined],
    ['{claims.absent}{claims.department}', 'it'],
    ['{claims.a}{claims.b}{claims.c}{claims.d}{claims.e}', undefined],
  ]
  test.each(cases)('with %p tells %p', (template, value) => {
    expect(tells({ 'X-Field': template })?.['x-field']).toBe(value)
  })
})

describe('a value on the wire', () => {
  const utf8 = (text: string) => Buffer.from(text, 'utf8').toString('latin1')
  const cases: [string, string][] = [
    ['Zoë ☃', utf8('Zoë ☃')],
    ['à', utf8('à')],
    ['a\r\nX-Admin: 1', 'a  X-Admin: 1'],
    ['\0a\u0085b\u007f', 'a b'],
    [' padded ', 'padded'],
  ]
  test.each(cases)('of %j is %j', (name, value) => {
    expect(tells({ 'x-name': '{name}' }, { name })?.['x-name']).toBe(value)
  })
  test('of a group with a comma is still one group', () => {
    expect(tells('remote', { groups: ['a,admins', '50%'] })?.['remote-groups']).toBe('a%2Cadmins,50%25')
  })
  test('is always one that fetch can send', () => {
    const value = tells({ 'x-name': '{name}' }, { name: 'Ж\n\t\u2028' })?.['x-name'] ?? ''
    expect(() => new Headers({ 'x-name': value })).not.toThrow()
  })
})
