/** What RFC 7643 and RFC 7644 ask of whoever takes what is pushed, row by row. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { startSaying } from '../../kit/applications/answering.ts'
import { fakeClock } from '../../kit/clock.ts'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { groupOf, type Pushed, patchOf, push, SCIM_KEY, userOf } from '../../kit/scim.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, SILENT } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startSaying('the application'))
const clock = fakeClock(Date.UTC(2026, 0, 2, 3, 4, 5))
const gate = keep(
  await startGate(
    [providerTable(SILENT, SCIM_KEY), portalTable(EVERYONE), routeForUsers(upstream, 'app.example')].join('\n'),
    { ports: { now: clock.now } },
  ),
)
const BASE = 'http://app.example/.sallyport/scim/v2/id'
const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error'
const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'
const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'

const ask = (method: string, path: string, body?: object | string) => push(gate, method, path, body)

async function idOf(made: Promise<Pushed>): Promise<string> {
  const { status, body } = await made
  expect(status).toBe(201)
  return body.id
}

/** Everything that tests before have left is deleted, so that each begins with nothing. */
beforeEach(async () => {
  for (const what of ['Users', 'Groups']) {
    const all = (await ask('GET', `/${what}`)).body.Resources as readonly { readonly id: string }[]
    for (const { id } of all) expect((await ask('DELETE', `/${what}/${id}`)).status).toBe(204)
  }
})

/** An error as §3.12 has it: its status as text, and its own word where there is one. */
function refusal({ status, body, fields }: Pushed): readonly unknown[] {
  expect(fields.get('content-type')).toBe('application/scim+json')
  expect([body.schemas, body.status, typeof body.detail]).toEqual([[ERROR], String(status), 'string'])
  return [status, body.scimType]
}

describe('a resource', () => {
  test('§3.3: is made with 201, Location, and what is ours: id and meta', async () => {
    const { status, fields, body } = await ask('POST', '/Users', userOf('made', { displayName: 'Ada' }))
    const location = `${BASE}/Users/${body.id}`
    expect([status, fields.get('location'), fields.get('content-type')]).toEqual([
      201,
      location,
      'application/scim+json',
    ])
    const at = new Date(clock.now()).toISOString()
    expect(body).toEqual({
      schemas: [USER],
      id: body.id,
      externalId: 'made',
      userName: 'made',
      displayName: 'Ada',
      active: true,
      meta: { resourceType: 'User', created: at, lastModified: at, location },
    })
    expect((await ask('GET', `/Users/${body.id}`)).body).toEqual(body)
  })

  test('RFC 7643 §3.1: id and meta of whoever pushes count for nothing, lastModified is when something was said last', async () => {
    const given = { id: 'mine', meta: { created: '0001-01-01T00:00:00Z', lastModified: '0001-01-01T00:00:00Z' } }
    const made = await ask('POST', '/Users', userOf('meta', given))
    expect(made.body.id).not.toBe('mine')
    clock.advance(60_000)
    const changed = await ask('PUT', `/Users/${made.body.id}`, userOf('meta', { ...given, userName: 'other' }))
    expect(changed.body.meta).toMatchObject({
      created: made.body.meta.created,
      lastModified: new Date(clock.now()).toISOString(),
    })
    expect([changed.status, changed.body.id, changed.body.userName]).toEqual([200, made.body.id, 'other'])
  })

  test('RFC 7643 §2.1: names of attributes count whatever their letters', async () => {
    const sent = { SCHEMAS: [USER], ExternalID: 'letters', username: 'letters', ACTIVE: false }
    const { status, body } = await ask('POST', '/Users', sent)
    expect([status, body.externalId, body.active]).toEqual([201, 'letters', false])
  })

  test('§3.5.1: PUT says the whole; who says nothing of active leaves it as it was', async () => {
    const id = await idOf(ask('POST', '/Users', userOf('whole', { displayName: 'Ada', active: false })))
    const { body } = await ask('PUT', `/Users/${id}`, { schemas: [USER], externalId: 'whole', userName: 'w' })
    expect([body.active, 'displayName' in body, body.userName]).toEqual([false, false, 'w'])
  })

  test('§3.6: a deleted one is 404 to everything, and may be made again', async () => {
    const id = await idOf(ask('POST', '/Users', userOf('gone')))
    expect((await ask('DELETE', `/Users/${id}`)).status).toBe(204)
    for (const [method, body] of [
      ['GET', undefined],
      ['PUT', userOf('gone')],
      ['PATCH', patchOf({ op: 'replace', path: 'active', value: true })],
      ['DELETE', undefined],
    ] as const) {
      expect([method, ...refusal(await ask(method, `/Users/${id}`, body))]).toEqual([method, 404, undefined])
    }
    expect(await idOf(ask('POST', '/Users', userOf('gone')))).toBe(id)
    const group = await idOf(ask('POST', '/Groups', groupOf('Gone')))
    expect((await ask('DELETE', `/Groups/${group}`)).status).toBe(204)
    expect((await ask('GET', `/Groups/${group}`)).status).toBe(404)
  })

  test('one that was inactive before it was deleted is so when it is made again, unless that says otherwise', async () => {
    const { active: _, ...silent } = Object(userOf('back'))
    const activeOf = async (body: object) => (await ask('POST', '/Users', body)).body.active
    const id = await idOf(ask('POST', '/Users', silent))
    expect((await ask('PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'active', value: false }))).status).toBe(
      200,
    )
    await ask('DELETE', `/Users/${id}`)
    expect(await activeOf(silent)).toBe(false)
    await ask('DELETE', `/Users/${id}`)
    expect(await activeOf({ ...silent, active: true })).toBe(true)
    await ask('DELETE', `/Users/${id}`)
    expect(await activeOf(silent)).toBe(true)
  })

  test('a user is none of the groups, and a group none of the users', async () => {
    const [user, group] = [
      await idOf(ask('POST', '/Users', userOf('kind'))),
      await idOf(ask('POST', '/Groups', groupOf('Kind'))),
    ]
    for (const path of [`/Groups/${user}`, `/Users/${group}`]) {
      expect((await ask('GET', path)).status).toBe(404)
      expect((await ask('DELETE', path)).status).toBe(404)
    }
  })
})

const list = async (query: string, what = 'Users') => (await ask('GET', `/${what}?${query}`)).body

describe('§3.4.2: a list', () => {
  const names = (body: Pushed['body']) => body.Resources.map((one: { userName: string }) => one.userName)

  beforeEach(async () => {
    for (const name of ['one', 'two', 'three', 'Four "4"']) {
      clock.advance(1)
      await idOf(ask('POST', '/Users', userOf(`sub-${name}`, { userName: name, active: name !== 'two' })))
    }
  })

  test.each([
    ['', 4, 1, ['one', 'two', 'three', 'Four "4"']],
    ['count=2', 4, 1, ['one', 'two']],
    ['startIndex=3&count=2', 4, 3, ['three', 'Four "4"']],
    ['startIndex=4', 4, 4, ['Four "4"']],
    ['startIndex=9', 4, 9, []],
    ['startIndex=0&count=1', 4, 1, ['one']],
    ['startIndex=-5&count=1', 4, 1, ['one']],
    ['count=0', 4, 1, []],
    ['count=-1', 4, 1, []],
    ['count=1000&startIndex=1', 4, 1, ['one', 'two', 'three', 'Four "4"']],
  ] as const)('§3.4.2.4: of "%s"', async (query, total, startIndex, expected) => {
    const body = await list(query)
    expect(body).toMatchObject({ schemas: [LIST], totalResults: total, startIndex, itemsPerPage: expected.length })
    expect(names(body)).toEqual([...expected])
  })

  test.each([
    ['userName eq "one"', ['one']],
    ['USERNAME EQ "ONE"', ['one']],
    ['externalId eq "sub-two"', ['two']],
    ['externalId eq "SUB-TWO"', []],
    ['userName eq "Four \\"4\\""', ['Four "4"']],
    ['active eq false', ['two']],
    ['active eq true and userName eq "three"', ['three']],
    [`${USER}:userName eq "two"`, ['two']],
    ['userName eq "one" and externalId eq "sub-two"', []],
    [Array(10).fill('userName eq "one"').join(' and '), ['one']],
  ] as const)('§3.4.2.2: with the filter %s', async (filter, expected) => {
    expect(names(await list(`filter=${encodeURIComponent(filter)}`))).toEqual([...expected])
  })

  test.each([
    'userName',
    'userName eq',
    'userName eq one',
    'userName co "o"',
    'userName eq "one" or userName eq "two"',
    'not (userName eq "one")',
    'password eq "x"',
    'userName eq "one" and',
    'userName eq "one" userName eq "two"',
    '',
    `userName eq "${'x'.repeat(3000)}"`,
    Array(11).fill('userName eq "one"').join(' and '),
  ])('§3.4.2.2: the filter %p is none that is known', async filter => {
    expect(refusal(await ask('GET', `/Users?filter=${encodeURIComponent(filter)}`))).toEqual([400, 'invalidFilter'])
  })

  test('§3.9: has the attributes that were asked for, and always id and schemas', async () => {
    const keys = async (query: string) => Object.keys((await list(query)).Resources[0]).sort()
    expect(await keys('attributes=userName')).toEqual(['id', 'schemas', 'userName'])
    expect(await keys(`attributes=${USER}:userName,meta.created`)).toEqual(['id', 'meta', 'schemas', 'userName'])
    expect(await keys('excludedAttributes=meta,id,active')).toEqual(['externalId', 'id', 'schemas', 'userName'])
  })

  test('what is no number is refused', async () => {
    expect(refusal(await ask('GET', '/Users?count=all'))).toEqual([400, 'invalidValue'])
  })
})

describe('§3.5.2: a change', () => {
  const USERS: readonly (readonly [string, object, object])[] = [
    ['of active', { op: 'replace', path: 'active', value: false }, { active: false }],
    ['in other letters', { op: 'REPLACE', path: 'Active', value: false }, { active: false }],
    ['with the schema before it', { op: 'replace', path: `${USER}:active`, value: false }, { active: false }],
    ['that adds', { op: 'add', path: 'displayName', value: 'Ada' }, { displayName: 'Ada' }],
    ['that removes', { op: 'remove', path: 'displayName' }, { displayName: undefined }],
    ['without a path', { op: 'replace', value: { userName: 'x', active: false } }, { userName: 'x', active: false }],
    ['of what is not kept', { op: 'replace', path: 'name.givenName', value: 'Ada' }, { userName: 'patched' }],
    [
      'of an extension',
      { op: 'add', path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department', value: 'x' },
      { userName: 'patched' },
    ],
    ['of some addresses', { op: 'replace', path: 'emails[type eq "work"].value', value: 'a@b.test' }, { active: true }],
    ['of the active of another schema', { op: 'replace', path: 'urn:x:User:active', value: false }, { active: true }],
  ]

  test.each(USERS)('%s', async (_what, operation, expected) => {
    const id = await idOf(ask('POST', '/Users', userOf('patched', { displayName: 'Old' })))
    const { status, body } = await ask('PATCH', `/Users/${id}`, patchOf(operation))
    const seen = Object.fromEntries(Object.keys(expected).map(name => [name, body[name]]))
    expect([status, seen]).toEqual([200, { ...expected }])
    expect((await ask('GET', `/Users/${id}`)).body).toEqual(body)
  })

  test.each<[string, object | string, number, string | undefined]>([
    ['without a schema', { Operations: [{ op: 'replace', path: 'active', value: false }] }, 400, 'invalidValue'],
    ['of another schema', userOf('x'), 400, 'invalidSyntax'],
    ['without operations', patchOf(), 400, 'invalidValue'],
    ['that moves', patchOf({ op: 'move', path: 'active' }), 400, 'invalidSyntax'],
    ['§3.5.2.2: that removes nothing in particular', patchOf({ op: 'remove' }), 400, 'noTarget'],
    ['with a path that is none', patchOf({ op: 'replace', path: 'active..x', value: 1 }), 400, 'invalidPath'],
    ['of a part of active', patchOf({ op: 'replace', path: 'active.x', value: true }), 400, 'invalidPath'],
    ['of active to a word', patchOf({ op: 'replace', path: 'active', value: 'perhaps' }), 400, 'invalidValue'],
    ['that removes active', patchOf({ op: 'remove', path: 'active' }), 400, 'invalidValue'],
    ['that removes the name', patchOf({ op: 'remove', path: 'userName' }), 400, 'invalidValue'],
    ['of the id', patchOf({ op: 'replace', path: 'id', value: 'x' }), 400, 'mutability'],
    ['of externalId', patchOf({ op: 'replace', path: 'externalId', value: 'eve' }), 400, 'mutability'],
  ])('%s is refused', async (_what, body, status, scimType) => {
    const id = await idOf(ask('POST', '/Users', userOf('refused')))
    expect(refusal(await ask('PATCH', `/Users/${id}`, body))).toEqual([status, scimType])
    expect((await ask('GET', `/Users/${id}`)).body).toMatchObject({ userName: 'refused', active: true })
  })

  test('§3.5.2: holds as a whole or not at all', async () => {
    const id = await idOf(ask('POST', '/Users', userOf('atomic')))
    const both = patchOf({ op: 'replace', path: 'userName', value: 'x' }, { op: 'replace', path: 'active', value: 3 })
    expect(refusal(await ask('PATCH', `/Users/${id}`, both))).toEqual([400, 'invalidValue'])
    expect((await ask('GET', `/Users/${id}`)).body.userName).toBe('atomic')
  })

  test('of members adds, replaces and removes them', async () => {
    const [a, b, c] = [
      await idOf(ask('POST', '/Users', userOf('a'))),
      await idOf(ask('POST', '/Users', userOf('b'))),
      await idOf(ask('POST', '/Users', userOf('c'))),
    ]
    const group = await idOf(ask('POST', '/Groups', groupOf('Team', [a])))
    const values = (...ids: string[]) => ids.map(value => ({ value }))
    for (const [operation, expected] of [
      [{ op: 'add', path: 'members', value: values(b, a) }, [a, b]],
      [{ op: 'add', value: { members: values(c) } }, [a, b, c]],
      [{ op: 'remove', path: `members[value eq "${a}"]` }, [b, c]],
      [{ op: 'remove', path: 'members', value: values(b) }, [c]],
      [{ op: 'replace', path: 'members', value: values(a, b) }, [a, b]],
      [{ op: 'remove', path: 'members[value eq "nobody"]' }, [a, b]],
      [{ op: 'remove', path: 'members' }, []],
      [{ op: 'add', path: 'members', value: { value: c } }, [c]],
    ] as const) {
      const { status, body } = await ask('PATCH', `/Groups/${group}`, patchOf(operation))
      const members = body.members.map((one: { value: string }) => one.value)
      expect([JSON.stringify(operation), status, members]).toEqual([JSON.stringify(operation), 200, [...expected]])
    }
    const { body } = await ask('GET', `/Groups/${group}`)
    expect(body.members).toEqual([{ value: c, $ref: `${BASE}/Users/${c}`, type: 'User' }])
    for (const [operation, scimType] of [
      [{ op: 'add', path: 'members', value: values('nobody') }, 'invalidValue'],
      [{ op: 'add', path: 'members', value: 'x' }, 'invalidSyntax'],
      [{ op: 'remove', path: 'members[type eq "User"]' }, 'invalidFilter'],
      [{ op: 'replace', path: `members[value eq "${c}"]`, value: values(a) }, 'invalidPath'],
    ] as const) {
      expect(refusal(await ask('PATCH', `/Groups/${group}`, patchOf(operation)))).toEqual([400, scimType])
    }
  })
})

describe('§3.12: what is refused', () => {
  test.each<[string, string, string, object | string, number, string | undefined]>([
    ['no JSON', 'POST', '/Users', '{', 400, 'invalidSyntax'],
    ['a list', 'POST', '/Users', '[]', 400, 'invalidSyntax'],
    ['no schema', 'POST', '/Users', { externalId: 'x', userName: 'x' }, 400, 'invalidValue'],
    ['another schema', 'POST', '/Users', groupOf('x'), 400, 'invalidSyntax'],
    ['no externalId', 'POST', '/Users', { schemas: [USER], userName: 'x' }, 400, 'invalidValue'],
    ['no userName', 'POST', '/Users', { schemas: [USER], externalId: 'x' }, 400, 'invalidValue'],
    ['a number as externalId', 'POST', '/Users', userOf('x', { externalId: 7 }), 400, 'invalidValue'],
    ['no displayName', 'POST', '/Groups', { schemas: [GROUP] }, 400, 'invalidValue'],
    ['members that are none', 'POST', '/Groups', groupOf('x', ['nobody']), 400, 'invalidValue'],
    ['nothing of that name', 'GET', '/Users/nobody', '', 404, undefined],
    ['no such address', 'GET', '/Things', '', 404, undefined],
    ['Bulk', 'POST', '/Bulk', '{}', 501, undefined],
    ['§3.11: Me', 'GET', '/Me', '', 501, undefined],
  ])('%s', async (_what, method, path, body, status, scimType) => {
    expect(refusal(await ask(method, path, method === 'GET' ? undefined : body))).toEqual([status, scimType])
  })

  test('§3.3: who is there already', async () => {
    await idOf(ask('POST', '/Users', userOf('twice')))
    expect(refusal(await ask('POST', '/Users', userOf('twice', { userName: 'other' })))).toEqual([409, 'uniqueness'])
    const named = groupOf('Twice', [], { externalId: 'g' })
    await idOf(ask('POST', '/Groups', named))
    expect(refusal(await ask('POST', '/Groups', named))).toEqual([409, 'uniqueness'])
  })

  test('a body of another type, and a method of no address', async () => {
    const fields = { 'content-type': 'text/plain' }
    expect(refusal(await push(gate, 'POST', '/Users', userOf('x'), { fields }))).toEqual([415, undefined])
    expect(
      (
        await push(gate, 'POST', '/Users', userOf('json'), {
          fields: { 'content-type': 'application/json; charset=utf-8' },
        })
      ).status,
    ).toBe(201)
    for (const [method, path, allow] of [
      ['PUT', '/Users', 'GET, HEAD, POST'],
      ['POST', '/Users/x', 'GET, HEAD, PUT, PATCH, DELETE'],
      ['DELETE', '/Schemas', 'GET, HEAD'],
    ] as const) {
      const answer = await ask(method, path, '{}')
      expect([method, answer.status, answer.fields.get('allow')]).toEqual([method, 405, allow])
    }
  })
})

test('§4: what can be done here is described', async () => {
  const config = (await ask('GET', '/ServiceProviderConfig')).body
  expect(config).toMatchObject({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
    patch: { supported: true },
    bulk: { supported: false },
    filter: { supported: true, maxResults: 200 },
    changePassword: { supported: false },
    sort: { supported: false },
    etag: { supported: false },
    authenticationSchemes: [{ type: 'oauthbearertoken' }],
  })
  const types = (await ask('GET', '/ResourceTypes')).body
  expect(types.Resources.map((one: { id: string; schema: string }) => [one.id, one.schema])).toEqual([
    ['User', USER],
    ['Group', GROUP],
  ])
  expect((await ask('GET', '/ResourceTypes/Group')).body.endpoint).toBe('/Groups')
  expect((await ask('GET', '/Schemas')).body.totalResults).toBe(2)
  const attributes = (await ask('GET', `/Schemas/${USER}`)).body.attributes as readonly { readonly name: string }[]
  expect(attributes.map(({ name }) => name)).toEqual(['userName', 'externalId', 'displayName', 'active'])
  expect(refusal(await ask('GET', '/Schemas/urn:x'))).toEqual([404, undefined])
  expect(refusal(await ask('GET', '/ResourceTypes?filter=x'))).toEqual([403, undefined])
})
