/** What guest links and API tokens have in common, whoever made them: those of operators by command, those of users on a page. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { runGuests } from '../../../src/cli/guests.ts'
import { runSessions } from '../../../src/cli/sessions.ts'
import { runTokens } from '../../../src/cli/tokens.ts'
import { fakeClock } from '../../kit/clock.ts'
import { createToken, runOn, type StoreCommand } from '../../kit/commands.ts'
import { basic, bearer, PAGE, SCRIPT } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { AUTH, form, type Made, type Person, portal, startBoard } from '../../kit/guest-links.ts'
import { htmlPage } from '../../kit/html.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import type { Fields } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { openEvents } from '../../kit/wire/streams.ts'

const board = untilTheEnd()(startBoard())
const { ask, create, open, person, route, seen } = board

const BOTH = 'guest_links = { allow = ["admin"], max_uses = 5 }\npersonal_tokens = true'

function routes(offered = BOTH): string {
  const guests = offered === '' ? '' : ', { guest_link = true }'
  return [
    portal(offered),
    route('app.test', `allow = ["user"${guests}]\ntokens = true`),
    route('app.test', `path = "/admin"\nallow = ["admin"${guests}]\ntokens = true`),
    route('app.test', 'path = "/people"\nallow = ["user"]'),
  ].join('\n')
}

/** One that was made, and opened where it has to be. */
interface Issued {
  readonly id: string
  readonly secret: string
  /** How its holder comes. */
  readonly fields: Fields
}

interface Kind {
  readonly command: StoreCommand
  readonly make: (gate: Gate) => Promise<Issued>
  readonly lifetimeMs: number
  /** What a holder without it is answered. */
  readonly refused: number
  /** How its holder is called in the access log. */
  readonly shown: (made: Issued) => string
  /** Other requests that have its secret in them. */
  readonly others: (made: Issued) => readonly { readonly path: string; readonly fields: Fields }[]
}

/** One that users make. */
interface OwnKind {
  readonly page: 'guests' | 'tokens'
  readonly command: StoreCommand
  readonly refused: number
  /** What it is answered where its maker no longer has the role of the route. */
  readonly without: number
  /** A form that makes one, with these fields in place of its own. */
  readonly form: (more?: Fields) => string
  readonly odd: readonly Fields[]
  readonly label: string
}

const HOUR_MS = 3_600_000

const tokenForm = (more: Fields = {}) => `${new URLSearchParams({ act: 'create', name: 'phone', days: '7', ...more })}`
const guestForm = (more: Fields = {}) => form({ address: 'http://app.test/', hours: '1', ...more })

const OWN = {
  'a guest link of a user': {
    page: 'guests',
    command: runGuests,
    refused: 302,
    without: 302,
    form: guestForm,
    odd: ['6', '0', '1.5', ''].map((uses): Fields => ({ uses })).concat([{ hours: '2' }, { hours: '1000' }]),
    label: 'Guest links',
  },
  'a personal token': {
    page: 'tokens',
    command: runTokens,
    refused: 401,
    without: 403,
    form: tokenForm,
    odd: [{ days: '99999' }, { days: '' }],
    label: 'Your tokens',
  },
} as const satisfies Readonly<Record<string, OwnKind>>

/** Sends the form, and opens what came of it. */
async function makeOwn(gate: Gate, by: Person, own: OwnKind): Promise<Issued> {
  const answer = await by.send(own.form())
  expect(answer.status).toBe(200)
  const { link, links, token, tokens } = JSON.parse(answer.text)
  if (token !== undefined) return { id: tokens[0].id, secret: token, fields: bearer(token) }
  return opened(gate, { link, id: links[0].id, text: new URL(link).searchParams.get('link') ?? '' })
}

async function opened(gate: Gate, made: Made): Promise<Issued> {
  return { id: made.id, secret: made.text, fields: { cookie: (await open(gate, made)).cookie } }
}

const ofGuest = {
  command: runGuests,
  refused: 302,
  lifetimeMs: HOUR_MS,
  shown: ({ id }: Issued) => id,
  others: ({ secret }: Issued) => [
    { path: `/.sallyport/guest?link=${secret}`, fields: {} },
    { path: `/.sallyport/guest?link=${secret}&link=x`, fields: {} },
  ],
}
const ofToken = {
  command: runTokens,
  refused: 401,
  others: ({ secret }: Issued) => [
    { path: '/admin', fields: basic(`x:${secret}`) },
    { path: '/people', fields: { 'x-sallyport-token': secret } },
    { path: '/', fields: bearer(`${secret}x`) },
  ],
}

const KINDS: Readonly<Record<string, Kind>> = {
  'a guest link of an operator': {
    ...ofGuest,
    make: async gate => opened(gate, await create(gate, 'http://app.test/', '--expires', '1h')),
  },
  'a guest link of a user': {
    ...ofGuest,
    make: async gate => makeOwn(gate, await person(gate, 'ada', ['admins']), OWN['a guest link of a user']),
  },
  'a token of an operator': {
    ...ofToken,
    make: async gate => {
      const { token, id } = await createToken(gate, ['--expires', '1h'])
      return { id, secret: token, fields: bearer(token) }
    },
    lifetimeMs: HOUR_MS,
    shown: () => 'token:backup',
  },
  'a personal token': {
    ...ofToken,
    make: async gate => makeOwn(gate, await person(gate, 'ada', [], 'tokens'), OWN['a personal token']),
    lifetimeMs: 7 * 24 * HOUR_MS,
    shown: () => '"ada"',
  },
}

const statusAt = async (gate: Gate, { fields }: Issued, path = '/') =>
  (await ask(gate, { path, fields: { ...PAGE, ...fields } })).status
const listenAs = (gate: Gate, { fields }: Issued, path = '/events') =>
  openEvents(
    gate,
    'app.test',
    Object.entries(fields).map(field => field.join(': ')),
    path,
  )

describe.each(Object.entries(KINDS))('%s', (_kind, { command, make, lifetimeMs, refused, shown, others }) => {
  test('ends with its time, and not before', async () => {
    const clock = fakeClock(Date.now())
    await using gate = await startGate(routes(), { ports: { now: clock.now } })
    const made = await make(gate)
    clock.advance(lifetimeMs - 60_000)
    expect(await statusAt(gate, made)).toBe(200)
    clock.advance(120_000)
    expect(await statusAt(gate, made)).toBe(refused)
  })

  test('is refused soon after a command has revoked it, once, and its streams are closed, and no others', async () => {
    await using gate = await startGate(routes(), { recheckMs: 20 })
    const [kept, made] = [await make(gate), await make(gate)]
    using goesOn = await listenAs(gate, kept)
    using events = await listenAs(gate, made)
    expect((await runOn(gate, command, ['revoke', made.id])).code).toBe(0)
    await eventually(async () => (await statusAt(gate, made)) === refused, 'it is refused')
    await eventually(events.isOver, 'the stream is closed')
    expect([await statusAt(gate, kept), goesOn.isOver()]).toEqual([200, false])
    expect((await runOn(gate, command, ['revoke', made.id])).code).toBe(1)
  })

  needs('valkey-server').test('is good on every machine, and on none once it is revoked on one', async () => {
    await using valkey = await startValkey()
    await using one = await startGate(routes(), shared(valkey.url()))
    await using other = await startGate(routes(), shared(valkey.url()))
    const made = await make(one)
    for (const gate of [one, other]) expect(await statusAt(gate, made)).toBe(200)
    expect((await runOn(one, command, ['revoke', made.id])).code).toBe(0)
    for (const gate of [one, other]) {
      await eventually(async () => (await statusAt(gate, made)) === refused, 'it is refused')
    }
    expect(JSON.parse((await runOn(other, command, ['list', '--json'])).out)).toEqual([])
  })

  test('has its secret in no log, no list, no database, and sends it to no application', async () => {
    await using gate = await startGate(routes(), { server: 'log_level = "debug"' })
    const before = seen.length
    const made = await make(gate)
    expect(await statusAt(gate, made)).toBe(200)
    const asked = others(made)
    for (const one of asked) await ask(gate, one)
    await eventually(() => gate.access.length > asked.length, 'each request has its record')
    const files = ['sallyport.db', 'sallyport.db-wal'].map(name => readFileSync(`${gate.folder}/${name}`, 'latin1'))
    const lists = [await runOn(gate, command, ['list']), await runOn(gate, command, ['list', '--json'])]
    expect(JSON.parse(lists[1]?.out ?? '')).toMatchObject([{ id: made.id }])
    const held = Object.values(made.fields).map(value => value.slice(value.search(/[= ]/) + 1))
    for (const text of [...gate.log, ...gate.access, ...files, ...lists.map(({ out }) => out), ...seen.slice(before)]) {
      for (const secret of [made.secret, ...held]) expect(text).not.toContain(secret)
    }
    expect(gate.access.some(line => line.includes(shown(made)))).toBe(true)
  })
})

describe.each(Object.entries<OwnKind>(OWN))('%s', (_kind, own) => {
  const { page, command, refused, without, label } = own
  const key = page === 'guests' ? 'links' : 'tokens'

  test('may what its maker may now: it loses a role with them, and its streams, and has it again', async () => {
    await using gate = await startGate(routes(), { recheckMs: 20 })
    const made = await makeOwn(gate, await person(gate, 'ada', ['admins'], page), own)
    using events = await listenAs(gate, made, '/admin/events')
    expect(await statusAt(gate, made, '/admin')).toBe(200)
    // A sign-in is when the gate hears of somebody anew, as a refresh is.
    await person(gate, 'ada', [], page)
    await eventually(async () => (await statusAt(gate, made, '/admin')) === without, 'the role is gone')
    await eventually(events.isOver, 'the stream is closed')
    await person(gate, 'ada', ['admins'], page)
    await eventually(async () => (await statusAt(gate, made, '/admin')) === 200, 'the role is back')
  })

  test('rests once an admin has ended a session of its maker, by page or by command, until they sign in', async () => {
    await using gate = await startGate(routes(), { recheckMs: 20 })
    const [ada, root] = [await person(gate, 'ada', ['admins'], page), await person(gate, 'root', ['roots'], page)]
    const made = await makeOwn(gate, ada, own)
    const sessions = { host: AUTH, cookie: root.pageCookie, path: '/.sallyport/sessions' }
    const idOfAda = async () => {
      const all = { ...sessions, path: '/.sallyport/sessions?all=1', fields: { accept: 'application/json' } }
      const listed: { sessions: { id: string; subject: string }[] } = JSON.parse((await ask(gate, all)).text)
      return listed.sessions.find(({ subject }) => subject === 'ada')?.id ?? ''
    }
    const ends = [
      async () => {
        const body = `act=end&all=1&id=${await idOfAda()}`
        expect((await ask(gate, { ...sessions, method: 'POST', body, fields: SCRIPT })).status).toBe(200)
      },
      async () => expect((await runOn(gate, runSessions, ['revoke', '--subject', 'ada'])).code).toBe(0),
      async () => expect((await runOn(gate, runSessions, ['revoke', '--', await idOfAda()])).code).toBe(0),
    ]
    for (const end of ends) {
      await eventually(async () => (await statusAt(gate, made)) === 200, 'it is good')
      await end()
      await eventually(async () => (await statusAt(gate, made)) === refused, 'it rests')
      expect(JSON.parse((await runOn(gate, command, ['list', '--json'])).out)).toHaveLength(1)
      await person(gate, 'ada', ['admins'], page)
    }
  })

  test('is listed for its maker, who alone of users revokes it, at once', async () => {
    await using gate = await startGate(routes())
    const [ada, bob] = [await person(gate, 'ada', ['admins'], page), await person(gate, 'bob', ['admins'], page)]
    const made = await makeOwn(gate, ada, own)
    expect([(await ada.list())[key].map(({ id }) => id), (await bob.list())[key]]).toEqual([[made.id], []])
    expect(JSON.parse((await bob.send(`act=revoke&id=${made.id}`)).text)).toEqual({ revoked: false })
    expect(await statusAt(gate, made)).toBe(200)
    expect(JSON.parse((await ada.send(`act=revoke&id=${made.id}`)).text)).toEqual({ revoked: true })
    expect([await statusAt(gate, made), (await ada.list())[key]]).toEqual([refused, []])
  })

  test('is made on its page alone, by whoever is signed in there, and with nothing odd', async () => {
    await using gate = await startGate(routes())
    const ada = await person(gate, 'ada', ['admins'], page)
    const { 'sec-fetch-site': _, ...unsaid } = SCRIPT
    const wrong: readonly (readonly [status: number, form: string, fields: Fields])[] = [
      [403, own.form(), { ...SCRIPT, 'sec-fetch-site': 'cross-site' }],
      [403, own.form(), { ...SCRIPT, 'sec-fetch-site': 'same-site' }],
      [403, own.form(), { ...unsaid, origin: 'http://other.test' }],
      [403, own.form(), unsaid],
      [403, own.form({ proof: 'x' }), unsaid],
      [400, own.form({ act: 'other' }), SCRIPT],
      [400, own.form({ name: ' ' }), SCRIPT],
      [400, own.form({ name: 'n'.repeat(101) }), SCRIPT],
      ...own.odd.map((fields): readonly [number, string, Fields] => [400, own.form(fields), SCRIPT]),
    ]
    for (const [status, body, fields] of wrong) {
      expect([body, fields, (await ada.send(body, fields)).status]).toEqual([body, fields, status])
    }
    const path = `/.sallyport/${page}`
    const elsewhere = { path, method: 'POST', body: own.form(), fields: SCRIPT }
    expect((await ask(gate, { ...elsewhere, cookie: ada.cookie })).status).toBe(403)
    expect((await ask(gate, { ...elsewhere, host: AUTH })).status).toBe(401)
    const led = await ask(gate, { path, cookie: ada.cookie })
    expect([led.status, led.headers.get('location')]).toEqual([302, `http://${AUTH}${path}`])
    expect((await ask(gate, { path, host: AUTH, fields: SCRIPT })).status).toBe(401)
    expect((await ask(gate, { path, host: AUTH })).status).toBe(302)
    expect((await ada.list())[key]).toEqual([])
  })

  test('has its page in the menu, and neither where the portal does not offer it', async () => {
    await using gate = await startGate(routes())
    await using none = await startGate(routes(''))
    const led: (string | null)[] = []
    for (const at of [gate, none]) {
      const { pageCookie } = await person(at, 'ada', ['admins'], page)
      led.push(htmlPage((await ask(at, { host: AUTH, path: '/.sallyport/', cookie: pageCookie })).text).link(label))
    }
    expect(led).toEqual([`/.sallyport/${page}`, null])
    const ada = await person(none, 'ada', ['admins'], page)
    expect([
      (await ada.send(own.form())).status,
      (await ask(none, { path: `/.sallyport/${page}`, cookie: ada.cookie })).status,
    ]).toEqual([404, 404])
  })
})

const WRONG = [
  [
    'guests create',
    runGuests,
    [
      [2, 'create', '--name', 'n'],
      [2, 'create', '--url', 'http://app.test/'],
      [2, 'create', '--name', 'n', '--url', 'http://app.test/a/..%2fb'],
      [2, 'create', '--name', 'n', '--url', 'ftp://app.test/'],
      [2, 'create', '--name', 'n', '--url', 'http://app.test/', '--uses', '0'],
      [2, 'create', '--name', 'n', '--url', 'http://app.test/', '--expires', '5'],
      [2, 'make'],
      [2, 'revoke'],
      [1, 'create', '--name', 'n', '--url', 'http://app.test/people'],
      [1, 'create', '--name', 'n', '--url', 'http://nowhere.test/'],
      [1, 'revoke', 'guest:0'],
    ],
    'There are no guest links.\n',
  ],
  [
    'tokens create',
    runTokens,
    [
      [2, 'create', '--portal', 'home', '--service', 's'],
      [2, 'create', '--name', 'n', '--service', 's'],
      [2, 'create', '--name', 'n', '--portal', 'home'],
      ...[
        ['--subject', 'ada'],
        ['--methods', ''],
        ['--networks', '10.0.0.1/8'],
        ['--host', 'https://app.test'],
        ['--path', '/a/../b'],
        ['--expires', '90'],
        ['--expires', '4000d'],
      ].map(more => [2, 'create', '--name', 'n', '--portal', 'home', '--service', 's', ...more] as const),
      [1, 'create', '--name', 'n', '--portal', 'home', '--service', 's', '--roles', 'usre'],
      [1, 'create', '--name', 'n', '--portal', 'hom', '--service', 's'],
    ],
    'There are no tokens.\n',
  ],
] as const satisfies readonly (readonly [string, StoreCommand, readonly (readonly [number, ...string[]])[], string])[]

test.each(WRONG)('%s refuses what would be something else than was meant', async (_what, command, wrong, none) => {
  await using gate = await startGate(routes())
  for (const [code, ...argv] of wrong) {
    expect([argv, (await runOn(gate, command, argv)).code]).toEqual([argv, code])
  }
  expect((await runOn(gate, command, ['list'])).out).toBe(none)
})
