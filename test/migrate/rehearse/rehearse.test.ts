import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { runRehearse } from '../../../src/migrate/rehearse/run.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { FROM_SOURCE } from '../../kit/programs/child.ts'

const FILE = `
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
[portals.home]
providers = ["id"]
callback_path = "/oauth2/callback"
compat = "oauth2-proxy"
roles = { user = { any = true }, staff = { domains = ["corp.test"] }, admin = { groups = ["admins"] } }
[[routes]]
host = "app.example.com"
upstream = "http://app:3000"
portal = "home"
allow = ["user"]
[[routes]]
host = "app.example.com"
path = "/admin"
upstream = "http://app:3000"
portal = "home"
allow = ["admin"]
[[routes]]
host = "app.example.com"
path = "/staff"
upstream = "http://app:3000"
portal = "home"
allow = ["staff"]
methods = ["GET"]
websockets = false
[[routes]]
host = "app.example.com"
path = "/lan"
upstream = "http://app:3000"
allow = [{ networks = ["10.0.0.0/8"], anonymous = true }]
[[routes]]
host = "app.example.com"
path = "/api"
upstream = "http://app:3000"
portal = "home"
allow = ["user"]
cors_preflight = true
[[routes]]
host = "open.example.com"
upstream = "http://open:3000"
allow = "public"
[[routes]]
host = "open.example.com"
path = "/moved"
redirect = "/reports"
allow = "public"
[[routes]]
host = "open.example.com"
path = "/reports"
upstream = "http://open:3000"
portal = "home"
allow = ["user"]
`

const keep = untilTheEnd()
const folder = keep(temporaryFolder())
writeFileSync(join(folder.path, 'routes.toml'), FILE)

interface Seen {
  readonly method?: string
  readonly host?: string
  readonly path?: string
  readonly user?: string
  readonly client?: string
  readonly status?: number
  /** Whether oauth2-proxy passed it on. */
  readonly isForwarded?: boolean
}

/** A line of oauth2-proxy, which says who was signed in, and whether it passed the request on. */
function line({ method = 'GET', host = 'app.example.com', path = '/', status = 200, ...seen }: Seen): string {
  const { user = '-', client = '10.0.0.5', isForwarded = true } = seen
  const upstream = isForwarded ? 'app:3000' : '-'
  return `${client} - 6f1c - ${user} [24/Nov/2026:10:00:00 +0000] ${host} ${method} ${upstream} "${path}" HTTP/1.1 "curl" ${status} 12 0.002\n`
}

/** What nginx writes of the same, which does not name the host. */
function combined({ method = 'GET', path = '/', user = '-', client = '10.0.0.5', status = 200 }: Seen): string {
  return `${client} - ${user} [24/Nov/2026:10:00:00 +0000] "${method} ${path} HTTP/1.1" ${status} 12 "-" "curl"\n`
}

async function rehearse(text: string | Uint8Array, ...options: readonly string[]) {
  writeFileSync(join(folder.path, 'access.log'), text)
  return await runIn(folder.path, io => runRehearse(['access.log', ...options], io))
}

/** A page that is open to everybody, then and now: of a log without any that was served nothing is learned. */
const SERVED = line({ host: 'open.example.com', path: '/served' })

/** What comes of the one request in a log besides that. */
async function rehearseOne(text: string, ...options: readonly string[]) {
  const { code, out, err } = await rehearse(text, '--json', ...options)
  expect(err).toBe('')
  const groups = JSON.parse(out).groups.filter(({ path }: { path: string }) => path !== '/served')
  expect(groups).toHaveLength(1)
  const [{ kind, fate, reason, route }] = groups
  return { code, kind, fate, reason, route }
}

const ADA = 'ada@corp.test'

const CASES: readonly (readonly [
  what: string,
  seen: Seen,
  code: number,
  kind: string,
  fate: string,
  reason: string,
])[] = [
  ['a page for everyone who is signed in', { user: ADA }, 0, 'same', 'in', 'role.held'],
  [
    'one for a group, of which the log says nothing',
    { path: '/admin/x', user: ADA },
    0,
    'untold',
    'unclear',
    'person.unknown',
  ],
  ['one for addresses that count', { path: '/staff', user: ADA }, 0, 'untold', 'unclear', 'email.unverified'],
  ['one for other addresses', { path: '/staff', user: 'bob@else.test' }, 1, 'lost', 'refused', 'role.missing'],
  [
    'one for addresses, by somebody whose address is not known',
    { path: '/staff', user: 'ada' },
    0,
    'untold',
    'unclear',
    'person.unknown',
  ],
  [
    'a method that is not listed',
    { path: '/staff', user: ADA, method: 'POST' },
    1,
    'lost',
    'refused',
    'method.not_listed',
  ],
  ['a WebSocket where none may be', { path: '/staff', user: ADA, status: 101 }, 1, 'lost', 'refused', 'access.denied'],
  ['what nobody had to sign in for', { path: '/push/1', method: 'POST' }, 1, 'lost', 'sign-in', 'identity.none'],
  ['what was answered with 304', { path: '/push/1', status: 304 }, 1, 'lost', 'sign-in', 'identity.none'],
  [
    'a page of the application that leads elsewhere',
    { path: '/staff', user: 'bob@else.test', status: 302 },
    1,
    'lost',
    'refused',
    'role.missing',
  ],
  ['a preflight', { path: '/api', method: 'OPTIONS', status: 204 }, 0, 'same', 'in', 'identity.none'],
  ['what was sent to sign in', { status: 302, isForwarded: false }, 0, 'same', 'sign-in', 'identity.none'],
  [
    'what was refused',
    { path: '/staff', user: 'bob@else.test', status: 403, isForwarded: false },
    0,
    'same',
    'refused',
    'role.missing',
  ],
  [
    'what was refused, and would not be',
    { host: 'open.example.com', status: 401, isForwarded: false },
    0,
    'opened',
    'in',
    'route.public',
  ],
  ['what the application itself refused', { host: 'open.example.com', status: 401 }, 0, 'same', 'in', 'route.public'],
  ['a network', { path: '/lan/a' }, 0, 'same', 'in', 'rule.held'],
  ['another network', { path: '/lan/a', client: '192.0.2.4' }, 1, 'lost', 'refused', 'network.outside'],
  [
    'a client whose address is not known',
    { path: '/lan/a', client: 'box' },
    0,
    'untold',
    'unclear',
    'network.unreadable',
  ],
  ['a host that is not in the file', { host: 'wiki.example.com', user: ADA }, 1, 'lost', 'unrouted', 'route.none'],
  [
    'what was not found, on such a host',
    { host: 'wiki.example.com', status: 404 },
    0,
    'same',
    'unrouted',
    'route.none',
  ],
  [
    'the address that a provider sends people back to',
    { path: '/oauth2/callback?code=x', status: 302, isForwarded: false },
    0,
    'same',
    'own',
    'reserved',
  ],
  [
    'a page of oauth2-proxy',
    { path: '/oauth2/sign_out', status: 302, isForwarded: false },
    0,
    'same',
    'own',
    'reserved',
  ],
  [
    'a page of the application at such an address',
    { path: '/oauth2/callback', user: ADA },
    1,
    'lost',
    'own',
    'reserved',
  ],
  [
    'a path that is open, which a backend may read as one that is not',
    { host: 'open.example.com', path: '/REPORTS' },
    0,
    'untold',
    'unclear',
    'target.ambiguous',
  ],
  [
    'a path that is open, which a backend may read as one that leads elsewhere',
    { host: 'open.example.com', path: '/moved%2fx' },
    1,
    'lost',
    'invalid',
    'target.ambiguous',
  ],
  [
    'a path that can be read in two ways',
    { path: '/x/..%2fadmin', user: ADA },
    1,
    'lost',
    'invalid',
    'target.ambiguous',
  ],
  [
    'a path that a backend may read as one for a group',
    { path: '/ADMIN', user: ADA },
    0,
    'untold',
    'unclear',
    'person.unknown',
  ],
]

describe('of a request that a log has', () => {
  test.each(CASES)('%s', async (_, seen, code, kind, fate, reason) => {
    expect(await rehearseOne(line(seen) + SERVED)).toMatchObject({ code, kind, fate, reason })
  })

  test('by somebody of whom more is said, the file has the last word', async () => {
    const seen = line({ path: '/admin', user: ADA })
    const as = (claims: string) => rehearseOne(seen, '--as', `${ADA}=${claims}`)
    expect(await as('sub=ada-1,groups=admins')).toMatchObject({ code: 0, kind: 'same', fate: 'in' })
    expect(await as('sub=ada-1,groups=staff')).toMatchObject({ code: 1, kind: 'lost', reason: 'role.missing' })
    writeFileSync(join(folder.path, 'people.json'), JSON.stringify({ [ADA]: { sub: 'ada-1', groups: ['admins'] } }))
    expect(await rehearseOne(seen, '--people', 'people.json')).toMatchObject({ code: 0, kind: 'same', fate: 'in' })
  })

  test('by somebody of whom more is said came by a provider of the portal that they were at', async () => {
    const more = `
[providers.work]
issuer = "https://work.example.com"
client_id = "gate"
[portals.work]
providers = ["work"]
roles = { worker = { provider = "work", groups = ["staff"] } }
[[routes]]
host = "work.example.com"
upstream = "http://work:3000"
portal = "work"
allow = ["worker"]
`
    writeFileSync(join(folder.path, 'two.toml'), FILE + more)
    writeFileSync(join(folder.path, 'people.json'), JSON.stringify({ [ADA]: { sub: 'ada-1', groups: ['staff'] } }))
    const seen = SERVED + line({ host: 'work.example.com', user: ADA })
    for (const said of [
      ['--people', 'people.json'],
      ['--as', `${ADA}=sub=ada-1,groups=staff`],
    ])
      expect(await rehearseOne(seen, '--config', 'two.toml', ...said)).toMatchObject({ code: 0, fate: 'in' })
    const other = await rehearseOne(seen, '--config', 'two.toml', '--as', `${ADA}=sub=ada-1,groups=staff,provider=id`)
    expect(other).toMatchObject({ code: 1, fate: 'refused', reason: 'member.none' })
    // A rule of the route that asks for nothing lets nobody in who has no session there.
    writeFileSync(join(folder.path, 'any.toml'), FILE + more.replace('allow = ["worker"]', 'allow = "authenticated"'))
    const any = ['--config', 'any.toml', '--as', `${ADA}=sub=ada-1,provider=id`]
    expect(await rehearseOne(seen, ...any)).toMatchObject({ code: 1, fate: 'refused' })
  })

  test('that names nobody, on a host of which the log never names anybody, may have been of somebody', async () => {
    const nobody = combined({ path: '/settings' })
    expect(await rehearseOne(nobody, '--host', 'app.example.com')).toMatchObject({
      code: 0,
      kind: 'untold',
      fate: 'sign-in',
    })
    const { code, out } = await rehearse(
      nobody + combined({ path: '/', user: 'ada' }),
      '--json',
      '--host',
      'app.example.com',
    )
    expect([code, JSON.parse(out).totals]).toEqual([1, { lost: 1, untold: 0, opened: 0, same: 1 }])
  })
})

describe('the report', () => {
  test('has the largest first, with what to write, and never a query', async () => {
    const text = [
      ...Array.from({ length: 3 }, (_, id) =>
        line({ method: 'POST', path: `/push/4711${id}/done?token=planted`, user: '-' }),
      ),
      line({ host: 'wiki.example.com', path: '/?token=planted', user: ADA }),
      line({ path: '/admin?token=planted', user: ADA }),
      'Traceback: ?token=planted\n',
    ].join('')
    const { code, out, err } = await rehearse(text)
    expect([code, err]).toEqual([1, ''])
    expect(out).not.toContain('planted')
    expect(out).toBe(`access.log: oauth2-proxy's log, 5 requests, 2026-11-24T10:00 to 2026-11-24T10:00 UTC
1 line could not be read, first access.log line 6.

Served then, and not by this file

  3 requests  POST app.example.com/push/*/…
              asked to sign in: no user is signed in (identity.none)
              as nobody that the log names
              such as POST app.example.com/push/47110/done: 200, 2026-11-24T10:00:00Z from 10.0.0.5
              mend: a [[routes]] with host = "app.example.com", path = "/push" and allow = "public", if no sign-in is needed there

  1 request  GET wiki.example.com/
             not found: no route has wiki.example.com and this path (route.none)
             as ada@corp.test
             such as GET wiki.example.com/: 200, 2026-11-24T10:00:00Z from 10.0.0.5
             mend: a [[routes]] with host = "wiki.example.com", or another that has it

Served then, and not decidable from this log

  1 request  GET app.example.com/admin
             depends: allowed if they have the role admin (person.unknown)
             as ada@corp.test
             such as GET app.example.com/admin: 200, 2026-11-24T10:00:00Z from 10.0.0.5
             mend: tell who they are: --as 'ada@corp.test=sub=…,email=ada@corp.test,email_verified=true,groups=…' or --people FILE

4 requests that were served would not be. 1 request cannot be decided from this log.
`)
  })

  test('of what stays as it was is a line for each route', async () => {
    const { code, out } = await rehearse(
      line({ user: ADA }) + line({ path: '/x', user: 'bob' }) + line({ status: 404 }),
    )
    expect(code).toBe(0)
    expect(out).toContain('2 requests  app.example.com/  allowed, as ada@corp.test, bob\n')
    expect(out).toContain('1 request   app.example.com/  asked to sign in; not served then\n')
    expect(out).toEndWith('Nothing that was served would be refused.\n')
  })
})

test('what is to be opened is no more than what was open', async () => {
  const open = async (path: string, more = '') => {
    const { out } = await rehearse(line({ path }) + more)
    return /mend: a \[\[routes\]\] with host = "app.example.com", (.*) and allow = "public"/.exec(out)?.[1]
  }
  expect(await open('/')).toBe('path = "=/"')
  expect(await open('/push')).toBe('path = "=/push"')
  expect(await open('/push/now')).toBe('path = "=/push/now"')
  expect(await open('/push/')).toBe('path = "/push"')
  expect(await open('/push/4711', line({ path: '/push/4712' }))).toBe('path = "/push"')
  expect(await open('/4711')).toBe('path = "/4711"')
})

test('what is to be pasted into a shell is one word there, whatever a stranger sent', async () => {
  const method = '`touch${IFS}x`'
  const sent = { host: "a.example'$(touch${IFS}x)'", uri: "/'`touch${IFS}x`'", method }
  const caddy = (request: object, user = '') =>
    `${JSON.stringify({ logger: 'http.log.access', ts: 1, status: 200, user_id: user, request })}\n`
  const text = caddy(sent) + caddy({ host: 'app.example.com', uri: '/admin', method: 'GET' }, "ada'`touch x`'")
  const { code, out, err } = await rehearse(text)
  expect([code, err]).toEqual([1, ''])
  const commands = [...out.matchAll(/(?:sallyport explain .*|--as .* (?=or --people))/g)].map(([command]) => command)
  expect(commands).toHaveLength(2)
  for (const command of commands) {
    const quoted = command.replaceAll("'\\''", '').replace(/'[^']*'/g, '')
    expect(quoted).not.toMatch(/[`$'"\\;&|<>()]/)
  }
})

test('a name drives no terminal', async () => {
  const { out } = await rehearse(line({ user: 'ada\x1b[2J\u202e@corp.test', path: '/admin' }))
  expect(['\x1b', '\u202e'].filter(mark => out.includes(mark))).toEqual([])
})

test('where nothing in it was served, nothing is said of what would be, and that is no success', async () => {
  const asked = line({ path: '/oauth2/auth', status: 202, isForwarded: false })
  const { code, out } = await rehearse(asked)
  expect(code).toBe(2)
  expect(out).toEndWith(
    'No request in it was served, so that it says nothing of those that were: take the log of what served them.\n',
  )
})

describe('a log', () => {
  test('that is compressed, and one from standard input, are read as one that is neither', async () => {
    const lines = line({ user: ADA }) + line({ path: '/push', method: 'POST' })
    const plain = await rehearse(lines, '--json')
    const packed = await rehearse(gzipSync(lines), '--json')
    expect(packed).toEqual(plain)
    const child = Bun.spawn([...FROM_SOURCE, 'rehearse', '-', '--json'], {
      cwd: folder.path,
      stdin: new Blob([gzipSync(lines)]),
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [out, code] = await Promise.all([new Response(child.stdout).text(), child.exited])
    expect(code).toBe(1)
    expect(JSON.parse(out)).toEqual({ ...JSON.parse(plain.out), log: { ...JSON.parse(plain.out).log, files: ['-'] } })
  })

  test('of several files is one', async () => {
    writeFileSync(join(folder.path, 'older.log'), line({ user: ADA }))
    const { out } = await rehearse(line({ user: ADA }), 'older.log', '--json')
    expect(JSON.parse(out).log).toMatchObject({ files: ['access.log', 'older.log'], requests: 2 })
  })

  test('of many more lines than the format is seen from is read to its end', async () => {
    const { code, out } = await rehearse(
      '\n'.repeat(3) + line({ user: ADA }).repeat(1000) + line({ path: '/push' }),
      '--json',
    )
    expect([code, JSON.parse(out).log.requests]).toEqual([1, 1001])
  })

  test('may have pages of the old gate that are passed over', async () => {
    const text = line({ path: '/auth/login?rd=/' }) + line({ path: '/authx', user: ADA })
    const { code, out } = await rehearse(text, '--json', '--skip', '/auth')
    expect([code, JSON.parse(out).log.skipped, JSON.parse(out).log.requests]).toEqual([0, 1, 1])
  })

  const WRONG: readonly (readonly [what: string, text: string, options: readonly string[], says: string])[] = [
    ['that is none', 'hello\n', [], 'in none of the formats that are known: caddy'],
    ['that is empty', '', [], 'no request is in it'],
    ['in a format that it is not in', line({}), ['--format', 'caddy'], 'no request is in it'],
    ['in a format that there is not', line({}), ['--format', 'w3c'], '--format w3c is not known'],
    ['that names no host', combined({}), [], 'names no host'],
    ['of people who are not said', line({}), ['--as', ADA], '--as takes NAME=claims'],
    ['of people in a file that is missing', line({}), ['--people', 'nobody.json'], 'nobody.json'],
    ['for a file that is missing', line({}), ['--config', 'no.toml'], 'no.toml'],
    ['that is missing beside one that is not', line({}), ['no.log'], 'no.log'],
  ]

  test.each(WRONG)('%s ends with code 2', async (_, text, options, says) => {
    const { code, out, err } = await rehearse(text, ...options)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(says)
  })

  test('that is damaged is not half of one', async () => {
    const packed = gzipSync(line({ user: ADA }).repeat(5000))
    const { code, err } = await rehearse(packed.subarray(0, packed.length - 20))
    expect(code).toBe(2)
    expect(err).toContain('access.log')
  })
})

describe('a portal with members', () => {
  writeFileSync(
    join(folder.path, 'members.toml'),
    FILE.replace('roles = {', 'members = [{ domains = ["corp.test"] }]\nroles = {'),
  )
  const judged = (seen: Seen, ...options: readonly string[]) =>
    rehearseOne(SERVED + line(seen), '--config', 'members.toml', ...options)

  test('keeps out whoever is surely none of them, and lets in who is one', async () => {
    const claims = (email: string) => ['--as', `bob=sub=bob,email=${email},email_verified=true`]
    expect(await judged({ user: 'bob' }, ...claims('bob@corp.test'))).toMatchObject({ fate: 'in' })
    expect(await judged({ user: 'bob' }, ...claims('bob@other.test'))).toMatchObject({
      fate: 'refused',
      reason: 'member.none',
    })
    expect(await judged({ user: 'eve@other.test' })).toMatchObject({ fate: 'refused', reason: 'member.none' })
  })

  test('says that it is unclear where the log does not say enough, and lets all in where nobody has to sign in', async () => {
    expect(await judged({ user: 'bob' })).toMatchObject({ fate: 'unclear', reason: 'member.none' })
    expect(await judged({ user: 'eve@other.test', host: 'open.example.com' })).toMatchObject({ fate: 'in' })
  })
})
