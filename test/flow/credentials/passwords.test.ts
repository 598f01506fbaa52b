import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runTokens } from '../../../src/cli/tokens.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { fakeClock } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { basic, bearer, PAGE } from '../../kit/fields.ts'
import { eventually, type Gate, type GateOptions, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { openEvents } from '../../kit/wire/streams.ts'

/** Every request as the upstream saw it: its fields. */
const seen: string[] = []
const hashes: Record<string, string> = {}

const keep = untilTheEnd()
const upstream = keep(
  startStreaming(({ headers }) => {
    seen.push(JSON.stringify(headers.toJSON()))
    return `${headers.get('x-token-subject')} ${headers.get('x-token-user-roles')}`
  }),
)
for (const word of ['secret', 'other', 'geheim']) {
  hashes[word] = await Bun.password.hash(word, { algorithm: 'bcrypt', cost: 4 })
}

const FILE = '${HTPASSWD}'

function routes(portal = PORTAL.replace('providers = ["id"]', `providers = ["id"]\nhtpasswd = "${FILE}"`)): string {
  const route = (host: string, more: string) => routeTo(upstream, host, `portal = "home"\nheaders = "x-token"\n${more}`)
  return [
    portal.replace(
      'admin = { groups = ["admins"] }',
      'admin = { subjects = ["htpasswd:root"] }\nscript = { provider = "htpasswd" }',
    ),
    route('app.test', 'allow = ["user"]\npasswords = true'),
    route('app.test', 'path = "/admin"\nallow = ["admin"]\npasswords = true'),
    route('app.test', 'path = "/people"\nallow = [{ not = { provider = "htpasswd" } }]\npasswords = true'),
    route('app.test', 'path = "/fresh"\nallow = [{ roles = ["user"], max_age = "15m" }]\npasswords = true'),
    route('app.test', 'path = "/browser"\nallow = ["user"]'),
    route('app.test', 'path = "/passed"\nallow = ["user"]\npasswords = true\npass_authorization = true'),
    route('open.test', 'allow = "public"'),
  ].join('\n')
}

/** A gate with this file of passwords. */
async function start(
  people: string,
  options: GateOptions = {},
  toml = routes(),
): Promise<Gate & { readonly path: string; rewrite(text: string): void }> {
  const path = join(process.env.TMPDIR ?? '/tmp', `people-${crypto.randomUUID()}`)
  writeFileSync(path, people)
  const gate = await startGate(toml, { ...options, env: { HTPASSWD: path } })
  return Object.assign(gate, { path, rewrite: (text: string) => writeFileSync(path, text) })
}

const people = (extra = '') => `# people\nada:${hashes.secret}\nroot:${hashes.other}\ngäst:${hashes.geheim}\n${extra}`

async function ask(gate: Gate, path: string, fields: Readonly<Record<string, string>> = {}, host = 'app.test') {
  const before = seen.length
  const answer = await fetch(`http://127.0.0.1:${gate.port}${path}`, {
    redirect: 'manual',
    headers: { host, ...fields },
  })
  const body = await answer.text()
  return { status: answer.status, body, headers: answer.headers, forwarded: seen.slice(before).join('\n') }
}

test('a name and its password let in whom the file names, with the roles of the file in force, and go no further', async () => {
  await using gate = await start(people())
  for (const [pair, told] of [
    ['ada:secret', 'htpasswd:ada user script'],
    ['root:other', 'htpasswd:root user admin script'],
    ['gäst:geheim', 'htpasswd:gäst user script'],
  ] as const) {
    const { status, body, forwarded } = await ask(gate, '/', basic(pair))
    // The upstream sees the bytes of UTF-8 as characters, and answers them so.
    expect([status, Buffer.from(body, 'latin1').toString('utf8')]).toEqual([200, told])
    expect(forwarded).not.toContain('authorization')
  }
  expect((await ask(gate, '/admin', basic('ada:secret'))).status).toBe(403)
  expect((await ask(gate, '/admin', basic('root:other'))).status).toBe(200)
  expect((await ask(gate, '/people', basic('ada:secret'))).status).toBe(403)
  expect((await ask(gate, '/fresh', { ...PAGE, ...basic('ada:secret') })).status).toBe(403)
})

test('and go on where the route says so', async () => {
  await using gate = await start(people())
  const { status, forwarded } = await ask(gate, '/passed', basic('ada:secret'))
  expect([status, forwarded]).toEqual([200, expect.stringContaining(JSON.stringify(basic('ada:secret')).slice(1, -1))])
  expect(await ask(gate, '/passed', basic('ada:other'))).toMatchObject({ status: 401, forwarded: '' })
})

test('whatever is wrong is 401 with a challenge, never a redirect, and nothing is forwarded', async () => {
  await using gate = await start(people())
  const { cookie } = await gate.signIn('app.test')
  for (const pair of ['ada:secre', 'ada:secret ', 'Ada:secret', 'bob:secret', ':secret', 'ada:', 'root:secret']) {
    const { status, body, headers, forwarded } = await ask(gate, '/', { ...PAGE, ...basic(pair), cookie })
    expect([pair, status, forwarded]).toEqual([pair, 401, ''])
    expect(JSON.parse(body).code).toBe('access.password')
    expect(headers.get('www-authenticate')).toBe('Basic realm="sallyport", charset="UTF-8"')
  }
})

test('a file with one user: another name with that user’s right password is 401, and nothing is forwarded', async () => {
  await using gate = await start(`ada:${hashes.secret}\n`)
  for (const name of ['bob', 'Ada', 'ada ', '']) {
    const { status, forwarded } = await ask(gate, '/', basic(`${name}:secret`))
    expect([name, status, forwarded]).toEqual([name, 401, ''])
  }
  expect((await ask(gate, '/', basic('ada:secret'))).body).toBe('htpasswd:ada user script')
})

test('only routes that say so take passwords: elsewhere Basic is the application’s own', async () => {
  await using gate = await start(people())
  const own = basic('ada:secret')
  const open = await ask(gate, '/', own, 'open.test')
  expect([open.status, open.body]).toEqual([200, 'null null'])
  expect(open.forwarded).toContain(own.authorization)
  expect((await ask(gate, '/browser', own)).status).toBe(401)
  const bearer = await ask(gate, '/', { authorization: 'Bearer the-application-s' })
  expect(bearer.status).toBe(401)
})

test('a file that is saved counts at once: new passwords work, old ones and people who left do not, though they were remembered', async () => {
  await using gate = await start(people())
  for (const pair of ['ada:secret', 'root:other']) expect((await ask(gate, '/', basic(pair))).status).toBe(200)
  gate.rewrite(`ada:${hashes.geheim}\n`)
  await eventually(() => gate.told('The changed file is in use').length > 0, 'the file is read again')
  expect((await ask(gate, '/', basic('ada:geheim'))).status).toBe(200)
  expect((await ask(gate, '/', basic('ada:secret'))).status).toBe(401)
  expect((await ask(gate, '/', basic('root:other'))).status).toBe(401)
  gate.rewrite('ada:geheim\n')
  await eventually(() => gate.told('The changed file has errors').length > 0, 'a password in clear text is refused')
  expect(gate.log.join('\n')).not.toContain('ada:geheim')
  expect((await ask(gate, '/', basic('ada:geheim'))).status).toBe(200)
})

test('a stream that a password opened is closed once the file no longer has it', async () => {
  await using gate = await start(people(), { recheckMs: 20 })
  using events = await openEvents(gate, 'app.test', [`Authorization: ${basic('ada:secret').authorization}`])
  await Bun.sleep(100)
  expect(events.isOver()).toBe(false)
  gate.rewrite(`root:${hashes.other}\n`)
  await eventually(events.isOver, 'the stream is closed')
})

test('an address that gives wrong passwords is held up, by names that exist and by names that do not, and let in again later', async () => {
  const clock = fakeClock(Date.now())
  await using gate = await start(people(), { ports: { now: clock.now }, server: 'trusted_proxies = ["127.0.0.1"]' })
  const from = (address: string, pair: string) => ask(gate, '/', { ...basic(pair), 'x-forwarded-for': address })
  expect((await from('192.0.2.7', 'root:other')).status).toBe(200)
  for (let index = 0; index < 10; index++)
    expect((await from('192.0.2.7', `who${index % 3}:x${index}`)).status).toBe(401)
  const held = await from('192.0.2.7', 'ada:secret')
  expect([held.status, held.headers.get('retry-after'), held.forwarded]).toEqual([429, '30', ''])
  // Who was known a moment ago at the same address is not held up; nor is anybody elsewhere.
  expect((await from('192.0.2.7', 'root:other')).status).toBe(200)
  expect((await from('192.0.2.8', 'ada:secret')).status).toBe(200)
  expect((await from('2001:db8::1', 'ada:x')).status).toBe(401)
  clock.advance(30_000)
  expect((await from('192.0.2.7', 'gäst:geheim')).status).toBe(200)
  expect((await from('192.0.2.7', 'ada:x')).status).toBe(401)
  expect((await from('192.0.2.7', 'ada:secret')).status).toBe(200)
  expect((await from('192.0.2.7', 'ada:y')).status).toBe(429)
  expect(gate.told('wrong passwords').length).toBeGreaterThan(0)
})

test('right passwords are never counted, however many people share an address', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `user${index}`)
  await using gate = await start(names.map(name => `${name}:${hashes.secret}`).join('\n'))
  const answers = await Promise.all(names.map(name => ask(gate, '/', basic(`${name}:secret`))))
  expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200))
})

test('a portal with passwords alone asks for one, and has no pages to sign in at', async () => {
  const alone = `[portals.home]\nhtpasswd = "${FILE}"\ninsecure_cookies = true\n[portals.home.roles]\nuser = { any = true }\nadmin = { groups = ["admins"] }\n`
  const toml = routes(alone).replace(
    /\[\[routes\]\]\nhost = "app.test"\nupstream = "[^"]*"\nportal = "home"\nheaders = "x-token"\npath = "\/browser"\nallow = \["user"\]\n/,
    '',
  )
  await using gate = await start(people(), {}, toml)
  const asked = await ask(gate, '/', PAGE)
  expect([asked.status, asked.headers.get('www-authenticate')?.startsWith('Basic ')]).toEqual([401, true])
  expect((await ask(gate, '/', basic('ada:secret'))).body).toBe('htpasswd:ada user script')
  expect((await ask(gate, '/.sallyport/login', PAGE)).status).toBe(404)
})

test('a token for a name of the file ends with its password and with the name, and none is made for a stranger', async () => {
  const alone = `[portals.home]\nhtpasswd = "${FILE}"\ninsecure_cookies = true\nroles.user = { any = true }\n`
  const route = routeTo(
    upstream,
    'app.test',
    'portal = "home"\nheaders = "x-token"\nallow = ["user"]\npasswords = true\ntokens = true',
  )
  await using gate = await start(people(), {}, alone + route)
  const make = (subject: string) =>
    runOn(
      gate,
      (argv, io, ports) =>
        runTokens(argv, io, { ...ports, env: name => (name === 'HTPASSWD' ? gate.path : undefined) }),
      ['create', '--name', 'laptop', '--portal', 'home', '--subject', subject, '--roles', 'user'],
    )
  const stranger = await make('htpasswd:eve')
  expect([stranger.code, stranger.err]).toEqual([1, 'there is no user "htpasswd:eve" in the htpasswd of its portal\n'])
  const made = await make('htpasswd:ada')
  expect(made.code).toBe(0)
  const { authorization } = bearer(made.out.trim())
  const status = async () => (await ask(gate, '/', { authorization })).status
  expect((await ask(gate, '/', { authorization })).body).toBe('htpasswd:ada user')
  const save = (text: string) => {
    gate.rewrite(text)
    gate.server.reload()
  }
  save(people().replace(hashes.secret ?? '', hashes.geheim ?? ''))
  expect(await status()).toBe(401)
  save(people())
  expect(await status()).toBe(200)
  // The name goes, and somebody else has it next, with the very same hash.
  save(people().replace(/^ada:.*\n/m, ''))
  expect(await status()).toBe(401)
  await eventually(() => gate.told('A token was revoked', '"by":"file"').length === 1, 'it is ended')
  save(people())
  expect(await status()).toBe(401)
})

test('no log holds a name’s password, right or wrong, nor what is remembered of it', async () => {
  await using gate = await start(people(), { server: 'log_level = "debug"' })
  await ask(gate, '/', basic('ada:secret'))
  await ask(gate, '/', basic('ada:hunter2'))
  await ask(gate, '/', basic('hunter2:ada'))
  await eventually(() => gate.access.length >= 3, 'three access records')
  for (const line of [...gate.log, ...gate.access]) {
    for (const word of ['secret"', 'hunter2', basic('ada:secret').authorization]) expect(line).not.toContain(word)
  }
  expect(gate.access.some(line => line.includes('htpasswd:ada'))).toBe(true)
})
