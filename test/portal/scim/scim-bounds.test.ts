/** What one who pushes may come to: pages that stay small, and a directory that stays within what a gate keeps in memory. */
import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { directoryIdOf, type PushedGroup, type PushedUser, resourceIdOf } from '../../../src/session/scim/resource.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { startSaying } from '../../kit/applications/answering.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { groupOf, patchOf, push, SCIM_KEY, userOf } from '../../kit/scim.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, routeTo, SILENT } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startSaying('the application'))
const TOML = [
  providerTable(SILENT, SCIM_KEY),
  portalTable(EVERYONE),
  routeForUsers(upstream, 'app.example'),
  routeTo(upstream, 'open.example', 'allow = "public"'),
].join('\n')

function user(sub: string, displayName: string | null = null): PushedUser {
  const id = resourceIdOf('user', sub)
  const times = { createdAtMs: 1, changedAtMs: 1 }
  return { kind: 'user', id, ...times, externalId: sub, userName: sub, displayName, isActive: true, isGone: false }
}

function group(name: string, members: readonly string[]): PushedGroup {
  const times = { createdAtMs: 1, changedAtMs: 1 }
  return { kind: 'group', id: resourceIdOf('group', name), ...times, externalId: name, displayName: name, members }
}

/** A gate whose provider has pushed all of this before. */
async function gateWith(folder: string, all: readonly (PushedUser | PushedGroup)[]): Promise<Gate> {
  const path = join(folder, 's.db')
  await openSqliteStore(path, quietPorts({ now: () => Date.now() })).close()
  const directory = directoryIdOf({ provider: 'id', issuer: SILENT.issuer })
  const database = new Database(path)
  const insert = database.query('INSERT INTO pushed (directory, id, value) VALUES (?, ?, ?)')
  database.transaction(() => {
    for (const one of all) insert.run(directory, one.id, JSON.stringify(one))
  })()
  database.close()
  return startGate(TOML, shared(path))
}

async function isServing(gate: Gate): Promise<void> {
  expect(await (await fetchFrom(gate, '/', { host: 'open.example' })).text()).toBe('the application')
}

describe('2 000 people in each of 340 groups', async () => {
  const folder = keep(temporaryFolder())
  const users = Array.from({ length: 2_000 }, (_, index) => user(`u${index}`))
  const ids = users.map(({ id }) => id)
  const groups = Array.from({ length: 340 }, (_, index) => group(`g${index}`, ids))
  const gate = keep(await gateWith(folder.path, [...users, ...groups]))

  test('are listed a page of 20 000 members at a time, and whoever reads on by itemsPerPage has all of them', async () => {
    const found = new Set<string>()
    let pages = 0
    for (let startIndex = 1; ; ) {
      const { status, text, body } = await push(gate, 'GET', `/Groups?count=1000&startIndex=${startIndex}`)
      expect([status, body.totalResults, body.itemsPerPage, body.Resources.length]).toEqual([200, 340, 10, 10])
      expect(text.length).toBeLessThan(4_000_000)
      for (const one of body.Resources) {
        expect(one.members).toHaveLength(2_000)
        found.add(one.id)
      }
      pages++
      startIndex += body.itemsPerPage
      if (startIndex > body.totalResults) break
    }
    expect([pages, found.size]).toEqual([34, 340])
    await isServing(gate)
  }, 300_000)

  test('are listed twenty times at once, and others are answered in between', async () => {
    const answered: string[] = []
    const lists = Array.from({ length: 20 }, async () => {
      expect((await push(gate, 'GET', '/Groups')).status).toBe(200)
      answered.push('list')
    })
    const others = Array.from({ length: 3 }, async () => {
      await isServing(gate)
      answered.push('other')
    })
    await Promise.all([...lists, ...others])
    expect(answered.filter(one => one === 'other')).toHaveLength(3)
    // Not once all lists are done, as where one after the other held the event loop.
    expect(answered.lastIndexOf('other')).toBeLessThan(answered.lastIndexOf('list'))
  }, 300_000)

  test('are 200 a page at most where no members are shown', async () => {
    for (const path of ['/Users', '/Users?count=1000', '/Groups?excludedAttributes=members', '/Groups?attributes=id']) {
      const { body } = await push(gate, 'GET', path)
      expect([path, body.itemsPerPage, body.Resources.length]).toEqual([path, 200, 200])
    }
    expect((await push(gate, 'GET', '/Users?startIndex=1901')).body).toMatchObject({
      totalResults: 2000,
      itemsPerPage: 100,
    })
  })

  test('are more members than one provider may push: they become fewer, and never more', async () => {
    const id = groups[0]?.id ?? ''
    const one = { value: ids[0] }
    const more = await push(gate, 'POST', '/Groups', groupOf('one more', ids.slice(0, 1)))
    expect([more.status, more.body.detail]).toEqual([
      403,
      'the groups of one provider have at most 250000 members together',
    ])
    expect((await push(gate, 'POST', '/Groups', groupOf('empty'))).status).toBe(201)
    const [filter, path] = [`members[value eq "${ids[0]}"]`, 'members']
    expect((await push(gate, 'PATCH', `/Groups/${id}`, patchOf({ op: 'remove', path: filter }))).status).toBe(200)
    const again = patchOf({ op: 'add', path, value: [one] })
    expect((await push(gate, 'PATCH', `/Groups/${id}`, again)).status).toBe(403)
    // One for another is not more.
    const swap = patchOf({ op: 'remove', path: `members[value eq "${ids[1]}"]` }, { op: 'add', path, value: [one] })
    expect((await push(gate, 'PATCH', `/Groups/${id}`, swap)).status).toBe(200)
    expect((await push(gate, 'GET', `/Groups/${id}`)).body.members).toHaveLength(1_999)
    expect(gate.told('What a provider pushed was refused', '250000').length).toBe(2)
    await isServing(gate)
  })
})

test('one group has at most 20 000 members, however they come', async () => {
  using folder = temporaryFolder()
  const users = Array.from({ length: 20_001 }, (_, index) => user(`u${index}`))
  const ids = users.map(({ id }) => id)
  const large = group('large', ids.slice(0, 20_000))
  await using gate = await gateWith(folder.path, [...users, large])
  const add = patchOf({ op: 'add', path: 'members', value: [{ value: ids[20_000] }] })
  const refused = await push(gate, 'PATCH', `/Groups/${large.id}`, add)
  expect([refused.status, refused.body.detail]).toEqual([413, 'a group has at most 20000 members'])
  // Those who were listed with it are on the next page.
  await push(gate, 'POST', '/Groups', groupOf('small', ids.slice(0, 1)))
  const first = (await push(gate, 'GET', '/Groups')).body
  const second = (await push(gate, 'GET', '/Groups?startIndex=2')).body
  expect([first, second].map(({ itemsPerPage, Resources }) => [itemsPerPage, Resources[0].displayName])).toEqual([
    [1, 'large'],
    [1, 'small'],
  ])
  await isServing(gate)
})

test('what one provider pushes has at most 32 MB', async () => {
  using folder = temporaryFolder()
  // Of three bytes each.
  const long = '語'.repeat(1000)
  const users = Array.from({ length: 5_500 }, (_, index) => ({ ...user(`u${index}`, long), userName: long }))
  await using gate = await gateWith(folder.path, users)
  const refused = await push(gate, 'POST', '/Users', userOf('one-more'))
  expect([refused.status, refused.body.detail]).toEqual([403, 'what one provider pushes has at most 33554432 bytes'])
  const id = users[0]?.id ?? ''
  expect((await push(gate, 'PATCH', `/Users/${id}`, patchOf({ op: 'remove', path: 'displayName' }))).status).toBe(200)
  const grown = patchOf({ op: 'replace', path: 'displayName', value: long })
  expect((await push(gate, 'PATCH', `/Users/${id}`, grown)).status).toBe(403)
  // Nobody is kept in by it: to say that somebody is not active takes less than is there.
  const off = patchOf({ op: 'remove', path: 'displayName' }, { op: 'replace', path: 'active', value: false })
  expect((await push(gate, 'PATCH', `/Users/${users[1]?.id}`, off)).status).toBe(200)
  await isServing(gate)
})
