/** What a provider pushes by SCIM holds for whoever is signed in, everywhere and at once. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { runTokens } from '../../../src/cli/tokens.ts'
import { startSaying } from '../../kit/applications/answering.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { askAsAll, collectBelongings, streamAsAll } from '../../kit/belongings.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { runOn } from '../../kit/commands.ts'
import { bearer } from '../../kit/fields.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { statusOf } from '../../kit/requests.ts'
import { groupOf, patchOf, push, SCIM_KEY, SCIM_TOKEN, userOf } from '../../kit/scim.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { isOnly, twoWorkers } from '../../kit/sessions/two-workers.ts'
import { providerTable, routeTo, SILENT } from '../../kit/toml.ts'
import { openEvents } from '../../kit/wire/streams.ts'

const HOST = 'app.example'

/** What is open is looked at by nobody but whoever hears of a push. */
const ALONE = { recheckMs: 3_600_000 }

const keep = untilTheEnd()
const upstream = keep(startStreaming(({ headers }) => headers.get('x-token-user-roles') ?? ''))

function toml(scim = SCIM_KEY): string {
  return `${providerTable(SILENT, scim)}
[portals.home]
providers = ["id"]
insecure_cookies = true
personal_tokens = true
guest_links = { allow = ["user"], max_uses = 5 }

[portals.home.roles]
user = { any = true }
staff = { groups = ["staff"] }

${routeTo(upstream, HOST, 'portal = "home"\nallow = ["user", { guest_link = true }]\ntokens = true\nheaders = "x-token"')}`
}

async function known(gate: Gate, sub = 'ada'): Promise<string> {
  const made = await push(gate, 'POST', '/Users', userOf(sub))
  expect(made.status).toBe(201)
  return made.body.id
}

const signInAgain = (gate: Gate, sub = 'ada') =>
  gate.signIn(HOST, { sub }).then(
    () => 'signed in',
    (error: { readonly code?: string }) => error.code,
  )

const DEACTIVATE: Readonly<Record<string, (gate: Gate, id: string) => Promise<{ readonly status: number }>>> = {
  'a whole user who is not active': (gate, id) => push(gate, 'PUT', `/Users/${id}`, userOf('ada', { active: false })),
  'a change of active': (gate, id) =>
    push(gate, 'PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'active', value: false })),
  'a change without a path, in words': (gate, id) =>
    push(gate, 'PATCH', `/Users/${id}`, patchOf({ op: 'Replace', value: { active: 'False' } })),
  'a deletion': (gate, id) => push(gate, 'DELETE', `/Users/${id}`),
}

describe.each(Object.entries(DEACTIVATE))('%s', (_what, deactivate) => {
  test('ends sessions, their streams, tokens and guest links, and lets nobody in until they are active again', async () => {
    await using gate = await startGate(toml(), ALONE)
    const id = await known(gate)
    const { cookie } = await gate.signIn(HOST, { sub: 'ada' })
    const other = (await gate.signIn(HOST, { sub: 'bob' })).cookie
    const all = await collectBelongings(gate, HOST, cookie)
    const open = await streamAsAll(gate, all)
    expect(await askAsAll(gate, all)).toEqual([200, 200, 200])
    expect((await deactivate(gate, id)).status).toBeOneOf([200, 204])
    expect(await askAsAll(gate, all)).toEqual([401, 401, 401])
    await eventually(() => open() === 0, 'every stream has ended')
    expect(gate.told('deactivated a user', '"user":"ada"')).toHaveLength(1)
    expect(await signInAgain(gate)).toBe('provider.inactive')
    // Whoever was never pushed, and is not this person, is not touched.
    expect(await statusOf(gate, '/', { host: HOST, cookie: other })).toBe(200)
    expect([200, 201]).toContain((await revive(gate, id)).status)
    // What has ended has ended: the person comes back by signing in, and then so does what follows them.
    expect(await askAsAll(gate, all)).toEqual([401, 401, 401])
    expect(await signInAgain(gate)).toBe('signed in')
    await eventually(async () => (await askAsAll(gate, all)).join() === '401,200,200', 'tokens and links work again')
  })
})

/** By a change where the user is still there, and as somebody new where not. */
async function revive(gate: Gate, id: string): Promise<{ readonly status: number }> {
  const changed = await push(gate, 'PATCH', `/Users/${id}`, patchOf({ op: 'add', path: 'active', value: true }))
  return changed.status === 404 ? push(gate, 'POST', '/Users', userOf('ada')) : changed
}

needs('valkey-server').describe('other processes', () => {
  const STORES: Readonly<Record<string, () => Promise<{ readonly store: string } & AsyncDisposable>>> = {
    sqlite: async () => {
      const folder = temporaryFolder()
      const [dispose] = [async () => folder[Symbol.dispose]()]
      return { store: join(folder.path, 's.db'), [Symbol.asyncDispose]: dispose }
    },
    redis: async () => {
      const valkey = await startValkey()
      return { store: valkey.url(), [Symbol.asyncDispose]: () => valkey[Symbol.asyncDispose]() }
    },
  }

  test.each(Object.entries(STORES))('over %s hear of it, and a restart forgets nothing of it', async (_name, start) => {
    await using place = await start()
    const options = { ...shared(place.store), ...ALONE }
    await using gate = await startGate(toml(), options)
    await using other = await startGate(toml(), options)
    await eventually(async () => (await push(gate, 'GET', '/Users')).status === 200, 'the store is there')
    const id = await known(gate)
    const all = await collectBelongings(other, HOST, (await other.signIn(HOST, { sub: 'ada' })).cookie)
    const open = await streamAsAll(other, all)
    expect(await askAsAll(other, all)).toEqual([200, 200, 200])
    await push(gate, 'PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'active', value: false }))
    await eventually(async () => (await askAsAll(other, all)).join() === '401,401,401', 'the other one has heard')
    await eventually(() => open() === 0, 'every stream has ended')
    expect(await signInAgain(other)).toBe('provider.inactive')
    await using later = await startGate(toml(), options)
    expect(await signInAgain(later)).toBe('provider.inactive')
    expect((await push(later, 'GET', `/Users/${id}`)).body.active).toBe(false)
  })
})

test('both workers of the executable hear of it, and so do those that start after a crash', async () => {
  using folder = temporaryFolder()
  const people = keep(await startProviderFor([{ sub: 'ada', name: 'Ada' }]))
  const site = await twoWorkers(folder.path, people, keep(startSaying('let through')), SCIM_KEY)
  await using child = await site.start()
  const cookie = await site.signIn()
  await eventually(async () => isOnly(await site.statuses(cookie), 200), 'both let them through')
  const at = { host: site.host }
  const made = await push(site, 'POST', '/Users', userOf('ada'), at)
  expect(made.status).toBe(201)
  expect((await push(site, 'DELETE', `/Users/${made.body.id}`, undefined, at)).status).toBe(204)
  await eventually(async () => isOnly(await site.statuses(cookie), 401), 'both turn them away')
  await site.killAll(child)
  await using later = await site.start()
  expect(isOnly(await site.statuses(cookie), 401)).toBe(true)
  expect((await push(site, 'POST', '/Users', userOf('ada', { active: false }), at)).body.id).toBe(made.body.id)
  await site.killAll(later)
}, 300_000)

test('a token that an operator made for a person rests while they are not active, and is listed so', async () => {
  await using gate = await startGate(toml(), ALONE)
  const id = await known(gate)
  const argv = ['create', '--name', 'n', '--portal', 'home', '--roles', 'user', '--subject', 'ada', '--provider', 'id']
  const token = (await runOn(gate, runTokens, argv)).out.trim()
  const ask = () => statusOf(gate, '/', { host: HOST, ...bearer(token) })
  using stream = await openEvents(gate, HOST, [`Authorization: Bearer ${token}`])
  expect(await ask()).toBe(200)
  await push(gate, 'PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'active', value: false }))
  expect(await ask()).toBe(401)
  await eventually(stream.isOver, 'the stream has ended')
  const listed = await runOn(gate, runTokens, ['list', '--json'])
  expect(JSON.parse(listed.out)).toMatchObject([{ subject: 'ada', resting: true }])
  await push(gate, 'PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'active', value: true }))
  expect(await ask()).toBe(200)
})

test('without scim in the file, nothing that was pushed counts; with it again, it does', async () => {
  using folder = temporaryFolder()
  const options = shared(join(folder.path, 's.db'))
  await using gate = await startGate(toml(), options)
  await using without = await startGate(toml(''), options)
  await push(gate, 'DELETE', `/Users/${await known(gate)}`)
  expect([await signInAgain(gate), await signInAgain(without)]).toEqual(['provider.inactive', 'signed in'])
  const headers = { host: HOST, cookie: (await without.signIn(HOST, { sub: 'ada' })).cookie }
  expect([await statusOf(gate, '/', headers), await statusOf(without, '/', headers)]).toEqual([401, 200])
  for (const [scim, expected] of [
    ['', 200],
    [SCIM_KEY, 401],
  ] as const) {
    gate.save(toml(scim))
    expect(gate.server.reload()).toBe('changed')
    expect(await statusOf(gate, '/', headers)).toBe(expected)
    expect((await push(gate, 'GET', '/Users')).status).toBe(scim === '' ? 404 : 200)
  }
})

const GROUPS = `scim = { token = "${SCIM_TOKEN}", groups = { "The staff" = "staff" } }`

/** The roles that the application is told of. */
async function roles(gate: Gate, cookie: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host: HOST, cookie } })
  return answer.text()
}

describe('groups that are pushed', () => {
  test('are those of live sessions at once, and in place of what was said at sign-in, where the file says so', async () => {
    await using gate = await startGate(toml(GROUPS))
    const { cookie } = await gate.signIn(HOST, { sub: 'ada', groups: ['staff'] })
    expect(await roles(gate, cookie)).toBe('user staff')
    const id = await known(gate)
    expect(await roles(gate, cookie)).toBe('user')
    const group = await push(gate, 'POST', '/Groups', groupOf('The staff', [id]))
    expect([group.status, await roles(gate, cookie)]).toEqual([201, 'user staff'])
    // A name that is not in the table is nobody's group, whatever it is.
    await push(gate, 'PUT', `/Groups/${group.body.id}`, groupOf('staff', [id]))
    expect(await roles(gate, cookie)).toBe('user')
    await push(gate, 'PUT', `/Groups/${group.body.id}`, groupOf('The staff', [id]))
    expect(await roles(gate, cookie)).toBe('user staff')
    const remove = patchOf({ op: 'remove', path: `members[value eq "${id}"]` })
    await push(gate, 'PATCH', `/Groups/${group.body.id}`, remove)
    expect(await roles(gate, cookie)).toBe('user')
    await push(
      gate,
      'PATCH',
      `/Groups/${group.body.id}`,
      patchOf({ op: 'add', path: 'members', value: [{ value: id }] }),
    )
    expect(await roles(gate, cookie)).toBe('user staff')
    await push(gate, 'DELETE', `/Groups/${group.body.id}`)
    expect(await roles(gate, cookie)).toBe('user')
  })

  test('are heard of by other processes, and count no longer once the file has no table of them', async () => {
    using folder = temporaryFolder()
    const options = { ...shared(join(folder.path, 's.db')), ...ALONE }
    await using gate = await startGate(toml(GROUPS), options)
    await using other = await startGate(toml(GROUPS), options)
    const { cookie } = await gate.signIn(HOST, { sub: 'ada', groups: ['staff'] })
    expect(await roles(other, cookie)).toBe('user staff')
    const id = await known(gate)
    await eventually(async () => (await roles(other, cookie)) === 'user', 'the other one has heard that there are none')
    await push(gate, 'POST', '/Groups', groupOf('The staff', [id]))
    await eventually(async () => (await roles(other, cookie)) === 'user staff', 'the other one has heard of the group')
    await push(gate, 'DELETE', `/Groups/${(await push(gate, 'GET', '/Groups')).body.Resources[0].id}`)
    expect(await roles(gate, cookie)).toBe('user')
    gate.save(toml())
    expect(gate.server.reload()).toBe('changed')
    expect(await roles(gate, cookie)).toBe('user staff')
  })

  test('change nothing where the file does not say so, nor for whoever was not pushed', async () => {
    await using gate = await startGate(toml(), ALONE)
    const { cookie } = await gate.signIn(HOST, { sub: 'ada', groups: ['staff'] })
    await push(gate, 'POST', '/Groups', groupOf('The staff', [await known(gate)]))
    expect(await roles(gate, cookie)).toBe('user staff')
    await using other = await startGate(toml(GROUPS))
    const eve = (await other.signIn(HOST, { sub: 'eve', groups: ['staff'] })).cookie
    await known(other)
    expect(await roles(other, eve)).toBe('user staff')
  })
})

describe('whoever comes from the provider itself', async () => {
  const AUDIENCE = 'https://gate.example/api'
  const provider = keep(await startBadProvider(() => Math.floor(Date.now() / 1000)))
  provider.behave({ signsInAtOnce: true })
  const written = `${providerTable(provider, `${SCIM_KEY}\naccess_tokens = { audience = "${AUDIENCE}" }`)}
[portals.home]
providers = ["id"]
insecure_cookies = true
roles.user = { any = true }

${routeTo(upstream, HOST, 'portal = "home"\nallow = ["user"]\ntokens = true')}`
  const DEACTIVATED = patchOf({ op: 'replace', path: 'active', value: false })

  test('is told that they are not active, with an ID token however new', async () => {
    await using gate = await startGate(written, ALONE)
    const id = await known(gate, 'user-1')
    const browser = browserAt(gate, HOST)
    expect((await browser.open(`http://${HOST}/`)).response.status).toBe(200)
    await push(gate, 'PATCH', `/Users/${id}`, DEACTIVATED)
    const page = await browser.open(`http://${HOST}/`)
    expect([page.response.status, page.text.includes('This account is not active here.')]).toEqual([403, true])
    expect(gate.told('provider.inactive', 'user-1').length).toBeGreaterThan(0)
  })

  test('has no access token that works, checked before or not, and no stream that stands on one', async () => {
    await using gate = await startGate(written, ALONE)
    const id = await known(gate, 'user-1')
    const [seen, unseen] = [await provider.accessToken(AUDIENCE), await provider.accessToken(AUDIENCE)]
    const ask = (token: string) => statusOf(gate, '/', { host: HOST, ...bearer(token) })
    using stream = await openEvents(gate, HOST, [`Authorization: Bearer ${seen}`])
    expect(await ask(seen)).toBe(200)
    await push(gate, 'PATCH', `/Users/${id}`, DEACTIVATED)
    expect([await ask(seen), await ask(unseen)]).toEqual([401, 401])
    await eventually(stream.isOver, 'the stream has ended')
    await push(gate, 'PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'active', value: true }))
    expect(await ask(seen)).toBe(200)
  })
})
