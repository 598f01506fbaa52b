import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runExplain } from '../../../src/cli/explain.ts'
import { runRequests } from '../../../src/cli/requests.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { runOn } from '../../kit/commands.ts'
import { bearer, FORM, PAGE, SCRIPT } from '../../kit/fields.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { form } from '../../kit/guest-links.ts'
import { plant } from '../../kit/log/planted.ts'
import { McpClient } from '../../kit/mcp/client.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { fetchFrom, sendForm } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(
  startStreaming(({ headers }) => `${headers.get('x-token-subject')} ${headers.get('x-token-user-roles') ?? ''}`),
)
const hash = (word: string) => Bun.password.hash(word, { algorithm: 'bcrypt', cost: 4 })
const FIRST = 'the password of the first'
const SECOND = 'the password of the second'
for (const word of [FIRST, SECOND]) plant(word, 'a password of a form')
const [first, second, others] = await Promise.all([hash(FIRST), hash(SECOND), hash('of somebody else')])

const HOME = 'home.test'
const AWAY = 'app.test'
const RESOURCE = `http://${AWAY}/mcp`

function file(users: string): string {
  const route = (lines: string) =>
    routeTo(upstream, AWAY, `portal = "home"\nheaders = "x-token"\ntokens = true\n${lines}`)
  return `[providers.people]
users = "${users}"
[portals.home]
url = "http://${HOME}"
insecure_cookies = true
providers = ["people"]
personal_tokens = true
guest_links = { allow = ["user"] }
requests = true
roles.user = { any = true }
roles.family = { groups = ["family"] }
${[
  route('allow = ["user", { guest_link = true }]'),
  route('path = "/album"\nallow = ["family"]'),
  routeTo(upstream, AWAY, 'portal = "home"\npath = "/mcp"\nallow = ["user"]\nmcp = true'),
].join('\n')}`
}

/** What a file says: `NAME:HASH`, or the tables of users.toml. */
interface Person {
  readonly name: string
  readonly hash: string
  readonly id?: string
  readonly tokens?: number
}

function textOf(users: string, people: readonly Person[]): string {
  if (!users.endsWith('.toml')) return people.map(({ name, hash }) => `${name}:${hash}\n`).join('')
  return people
    .map(({ name, hash, id = `id-of-${name}`, tokens }) =>
      [
        '[[users]]',
        `id = "${id}"`,
        `name = "${name}"`,
        `hash = "${hash}"`,
        ...(tokens === undefined ? [] : [`token_epoch = ${tokens}`]),
        '',
      ].join('\n'),
    )
    .join('\n')
}

const OTHER: Person = { name: 'bob', hash: others }
const ADA: Person = { name: 'ada', hash: first, id: 'the-first-ada' }
const ADA_TOO: Person = { name: 'ada', hash: second, id: 'the-second-ada' }

async function start(users: string, people: readonly Person[], more: Parameters<typeof startGate>[1] = {}) {
  return startGate(file(users), { ...more, files: { [users]: textOf(users, people) } })
}

function save(gate: Gate, users: string, people: readonly Person[]): void {
  writeFileSync(join(gate.folder, users), textOf(users, people))
  gate.server.reload()
}

async function signIn(gate: Gate, password: string): Promise<BrowserLite> {
  const browser = browserAt(gate, HOME, AWAY)
  const page = await browser.submit(await browser.open(`http://${AWAY}/`), { name: 'ada', password })
  expect(page.text).toStartWith('htpasswd:ada ')
  // The portal's own host, too: tokens and links are made there.
  await browser.open(`http://${HOME}/.sallyport/sessions`)
  return browser
}

/** Everything that somebody can have under their name. */
interface Belongings {
  readonly token: string
  readonly guest: string
  readonly access: string
  /** Good once: a new one takes its place. */
  refresh: string
  readonly client: McpClient
}

async function belongingsOf(gate: Gate, browser: BrowserLite): Promise<Belongings> {
  const cookie = browser.cookieHeader(new URL(`http://${HOME}/.sallyport/x`))
  const send = async (page: string, fields: Record<string, string>) =>
    (await sendForm(gate, page, { ...SCRIPT, host: HOME, cookie }, fields)).json() as Promise<Record<string, string>>
  const { token = '' } = await send('tokens', { act: 'create', name: 'script', days: '30' })
  const made = await send('guests', Object.fromEntries(new URLSearchParams(form({ address: `http://${AWAY}/` }))))
  const link = new URL(made.link ?? 'x:').searchParams.get('link') ?? ''
  const opened = await sendForm(gate, 'guest', { ...FORM, host: AWAY }, { link })
  const guest = opened.headers.getSetCookie().find(line => line.startsWith('sallyport-guest-')) ?? ''
  const client = new McpClient(gate, HOME)
  await client.register()
  const { body } = await client.redeem(await client.code(RESOURCE, cookie), RESOURCE)
  const role = { return: '/album', role: 'family', text: '' }
  await sendForm(gate, 'ask', { ...FORM, host: AWAY, cookie: browser.cookieHeader(new URL(`http://${AWAY}/`)) }, role)
  const listed = await runOn(gate, runRequests, ['list', '--json'])
  const [request] = (JSON.parse(listed.out) as { requests: { id: string }[] }).requests
  expect((await runOn(gate, runRequests, ['grant', request?.id ?? '', '--for', 'always'])).code).toBe(0)
  const away = browser.cookieHeader(new URL(`http://${AWAY}/`))
  await eventually(
    async () => (await status(gate, '/album', { ...PAGE, cookie: away })) === 200,
    'the role is heard of',
  )
  return {
    token,
    guest: guest.split(';', 1)[0] ?? '',
    access: body.access_token ?? '',
    refresh: body.refresh_token ?? '',
    client,
  }
}

async function status(gate: Gate, path: string, fields: Record<string, string>): Promise<number> {
  const answer = await fetchFrom(gate, path, { host: AWAY, ...fields }, { redirect: 'manual' })
  await answer.body?.cancel()
  return answer.status
}

/** What of somebody's is still good; `album` is what a granted role opens. */
async function goodOf(gate: Gate, had: Belongings, browser: BrowserLite) {
  const { token, guest, access, client } = had
  const cookie = browser.cookieHeader(new URL(`http://${AWAY}/`))
  const refreshed = await client.refresh(had.refresh)
  had.refresh = refreshed.body.refresh_token ?? had.refresh
  return {
    token: (await status(gate, '/', bearer(token))) === 200,
    albumByToken: (await status(gate, '/album', bearer(token))) === 200,
    guest: (await status(gate, '/', { ...PAGE, cookie: guest })) === 200,
    mcp: (await status(gate, '/mcp', bearer(access))) === 200,
    album: (await status(gate, '/album', { ...PAGE, cookie })) === 200,
    refresh: refreshed.status === 200,
  }
}

const ALL = { token: true, albumByToken: true, guest: true, mcp: true, album: true, refresh: true }
const NONE = { token: false, albumByToken: false, guest: false, mcp: false, album: false, refresh: false }

const FORMATS = ['users.htpasswd', 'users.toml'] as const

describe.each(FORMATS)('a name of %s that is used again', users => {
  test('inherits nothing: no token, guest link, MCP grant or granted role, and sees none of them', async () => {
    await using gate = await start(users, [ADA, OTHER])
    const ada = await signIn(gate, FIRST)
    const had = await belongingsOf(gate, ada)
    expect(await goodOf(gate, had, ada)).toEqual(ALL)
    save(gate, users, [OTHER])
    await eventually(async () => (await status(gate, '/', bearer(had.token))) === 401, 'the name is gone')
    save(gate, users, [ADA_TOO, OTHER])
    const next = await signIn(gate, SECOND)
    expect(await goodOf(gate, had, next)).toEqual(NONE)
    const asked = [`http://${AWAY}/album`, '--as', 'sub=htpasswd:ada', '--json']
    expect(JSON.parse((await runOn(gate, runExplain, asked)).out)).toMatchObject({ verdict: 'deny', granted: [] })
    for (const page of ['tokens', 'guests']) {
      const cookie = next.cookieHeader(new URL(`http://${HOME}/.sallyport/x`))
      const answer = await fetchFrom(gate, `/.sallyport/${page}`, { host: HOME, cookie, accept: 'application/json' })
      const body = (await answer.json()) as Record<string, readonly unknown[]>
      expect([page, body[page === 'tokens' ? 'tokens' : 'links']]).toEqual([page, []])
    }
    // What the second one has is theirs, and goes on.
    const own = await belongingsOf(gate, next)
    expect(await goodOf(gate, own, next)).toEqual(ALL)
    expect(await goodOf(gate, had, next)).toEqual({ ...NONE, album: true })
    expect(await status(gate, '/', { ...PAGE, cookie: ada.cookieHeader(new URL(`http://${AWAY}/`)) })).toBe(302)
  })

  test('inherits nothing where it left while the gate was not running, or is another’s at the next start', async () => {
    using folder = temporaryFolder()
    const store = shared(join(folder.path, 'sallyport.db'))
    const had = await (async () => {
      await using gate = await start(users, [ADA, OTHER], store)
      return await belongingsOf(gate, await signIn(gate, FIRST))
    })()
    if (users.endsWith('.htpasswd')) {
      // Without ids nobody can tell two of a name apart: the gate has to have seen the file without it.
      await using gate = await start(users, [OTHER], store)
      const ended = () => [
        gate.told('A token was revoked', '"by":"file"').length,
        gate.told('A guest link was revoked', '"by":"file"').length,
        gate.told('A granted role was revoked', '"by":"file"', '"number":1').length,
        gate.told('Sessions were ended', '"number":1').length,
      ]
      await eventually(() => ended().join() === '2,1,1,1', 'everything is ended, one after the other')
    }
    await using gate = await start(users, [ADA_TOO, OTHER], store)
    const moved = { ...had, client: new McpClient(gate, HOME) }
    moved.client.clientId = had.client.clientId
    expect(await goodOf(gate, moved, await signIn(gate, SECOND))).toEqual(NONE)
  })

  test('keeps everything where it is the same user: at the next start, and where somebody else leaves', async () => {
    using folder = temporaryFolder()
    const store = shared(join(folder.path, 'sallyport.db'))
    const had = await (async () => {
      await using gate = await start(users, [ADA, OTHER], store)
      return await belongingsOf(gate, await signIn(gate, FIRST))
    })()
    await using gate = await start(users, [ADA], store)
    const moved = { ...had, client: new McpClient(gate, HOME) }
    moved.client.clientId = had.client.clientId
    expect(await goodOf(gate, moved, await signIn(gate, FIRST))).toEqual(ALL)
    // And `explain` knows of the role by the name that people type.
    const asked = [`http://${AWAY}/album`, '--as', 'sub=htpasswd:ada', '--json']
    expect(JSON.parse((await runOn(gate, runExplain, asked)).out)).toMatchObject({
      verdict: 'allow',
      roles: ['user', 'family'],
    })
  })
})

describe.each(FORMATS)('another password in %s', users => {
  test('ends sessions and MCP grants for good, also once the user has signed in with it; tokens rest until then', async () => {
    await using gate = await start(users, [ADA, OTHER])
    const before = await signIn(gate, FIRST)
    const had = await belongingsOf(gate, before)
    save(gate, users, [{ ...ADA, hash: second }, OTHER])
    await eventually(async () => (await status(gate, '/', bearer(had.token))) === 401, 'the token rests')
    expect(await goodOf(gate, had, before)).toEqual(NONE)
    const after = await signIn(gate, SECOND)
    expect(await goodOf(gate, had, after)).toEqual({ ...ALL, mcp: false, refresh: false })
    const cookie = before.cookieHeader(new URL(`http://${AWAY}/`))
    expect(await status(gate, '/', { ...PAGE, cookie })).toBe(302)
  })
})

test('another epoch of tokens ends API tokens and guest links for good, and leaves roles', async () => {
  const users = 'users.toml'
  await using gate = await start(users, [ADA, OTHER])
  const had = await belongingsOf(gate, await signIn(gate, FIRST))
  save(gate, users, [{ ...ADA, hash: second, tokens: 1 }, OTHER])
  const after = await signIn(gate, SECOND)
  expect(await goodOf(gate, had, after)).toEqual({ ...NONE, album: true })
  // Whatever the file says next, no earlier epoch comes back by the user's own new tokens.
  const own = await sendForm(
    gate,
    'tokens',
    { ...SCRIPT, host: HOME, cookie: after.cookieHeader(new URL(`http://${HOME}/.sallyport/x`)) },
    { act: 'create', name: 'new', days: '30' },
  )
  const { token } = (await own.json()) as { token: string }
  expect(await status(gate, '/', bearer(token))).toBe(200)
  expect(await status(gate, '/', bearer(had.token))).toBe(401)
})

test('a file of lines that becomes a users.toml gives nobody what belonged to a name before', async () => {
  using folder = temporaryFolder()
  const store = shared(join(folder.path, 'sallyport.db'))
  const had = await (async () => {
    await using gate = await start('users.htpasswd', [ADA], store)
    return await belongingsOf(gate, await signIn(gate, FIRST))
  })()
  await using gate = await start('users.toml', [ADA], store)
  const moved = { ...had, client: new McpClient(gate, HOME) }
  moved.client.clientId = had.client.clientId
  expect(await goodOf(gate, moved, await signIn(gate, FIRST))).toEqual(NONE)
  await eventually(() => gate.told('A token was revoked', '"by":"file"').length === 2, 'both tokens are ended')
})

needs('valkey-server').describe.each(['sqlite', 'redis'] as const)('gates that share a store (%s)', kind => {
  test.each(FORMATS)(
    'agree about who a name of %s is, and what one of them ended is over at the other',
    async users => {
      using folder = temporaryFolder()
      await using valkey = kind === 'redis' ? await startValkey() : null
      const store = shared(valkey === null ? join(folder.path, 'sallyport.db') : valkey.url())
      await using one = await start(users, [ADA, OTHER], store)
      await using other = await start(users, [ADA, OTHER], store)
      const had = await belongingsOf(one, await signIn(one, FIRST))
      expect(await status(other, '/', bearer(had.token))).toBe(200)
      await eventually(
        async () => (await status(other, '/album', bearer(had.token))) === 200,
        'the other knows the role',
      )
      // One gate has the new file; the other one goes on with the old, and makes nothing of the first user's the second's.
      save(one, users, [OTHER])
      if (users.endsWith('.htpasswd')) {
        // Gates over a server wait until all have the same file; workers of one machine have one.
        const judged = kind === 'redis' ? one : other
        await eventually(async () => (await status(judged, '/', bearer(had.token))) === 401, 'it is over')
      }
      save(one, users, [ADA_TOO, OTHER])
      const next = await signIn(one, SECOND)
      await eventually(
        async () => JSON.stringify(await goodOf(one, had, next)) === JSON.stringify(NONE),
        'nothing is inherited',
      )
      save(other, users, [ADA_TOO, OTHER])
      const elsewhere = { ...had, client: new McpClient(other, HOME) }
      elsewhere.client.clientId = had.client.clientId
      const there = await signIn(other, SECOND)
      await eventually(
        async () => JSON.stringify(await goodOf(other, elsewhere, there)) === JSON.stringify(NONE),
        'nothing is inherited there',
      )
    },
    300_000,
  )
})
