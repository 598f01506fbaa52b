import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../../../src/config/load.ts'
import { readBytes, readText } from '../../../src/console/read-file.ts'
import { readOwn } from '../../../src/migrate/rehearse/formats.ts'
import { createJudge, type Fate } from '../../../src/migrate/rehearse/judge.ts'
import { readPeople } from '../../../src/migrate/rehearse/people.ts'
import { runRehearse } from '../../../src/migrate/rehearse/run.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, PORTAL, startGate } from '../../kit/gate.ts'
import { runIn } from '../../kit/io.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startCaddy, startNginx } from '../../kit/programs/front.ts'

const ADA = 'ada@corp.test'
const PASSWORD = 'a-password-of-ada'

const FILE = `
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
[portals.home]
providers = ["id"]
roles = { user = { any = true }, admin = { groups = ["admins"] } }
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
`

const keep = untilTheEnd()
const application = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: request => new Response('hello', { status: new URL(request.url).pathname === '/none' ? 404 : 200 }),
  }),
)

/** What comes to an old gate: pages of somebody who signed in, one that it refuses, a push, and another host. */
async function visit(port: number): Promise<void> {
  const authorization = `Basic ${btoa(`${ADA}:${PASSWORD}`)}`
  const ask = async (path: string, host: string, init: RequestInit = {}) => {
    const headers = { host: `${host}:${port}`, ...(init.method === 'POST' ? {} : { authorization }) }
    await (await fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers })).text()
  }
  for (const path of ['/?token=planted-query', '/settings', '/none', '/admin/users/4711', '/admin/users/4712']) {
    await ask(path, 'app.example.com')
  }
  await (await fetch(`http://127.0.0.1:${port}/settings`, { headers: { host: `app.example.com:${port}` } })).text()
  await ask('/push/0b8e6a1c-6ac0-4a52-9f7c-2d8f7f0c8a11?"=\\', 'app.example.com', { method: 'POST' })
  await ask('/', 'wiki.example.com')
}

/** What is said of the log once `count` requests are in it. */
async function rehearse(folder: string, log: string, count: number) {
  const text = () => {
    try {
      return readFileSync(join(folder, log), 'utf8')
    } catch {
      return ''
    }
  }
  await eventually(() => text().split('\n').length > count, `${log} has ${count} lines`)
  writeFileSync(join(folder, 'routes.toml'), FILE)
  const { code, out, err } = await runIn(folder, io => runRehearse([log, '--json'], io))
  expect(err).toBe('')
  expect(out).not.toContain('planted-query')
  const { log: read, totals, groups } = JSON.parse(out)
  const told = groups.map(({ kind, fate, host, path, users, count }: Record<string, unknown>) =>
    [kind, fate, `${host}${path}`, ...(Array.isArray(users) ? users : []), count].join(' '),
  )
  return { code, read, totals, told: told.sort() }
}

const TOLD = [
  `lost sign-in app.example.com/push/* 1`,
  `lost unrouted wiki.example.com/ ${ADA} 1`,
  `same in app.example.com/ ${ADA} 1`,
  `same in app.example.com/none ${ADA} 1`,
  `same in app.example.com/settings ${ADA} 1`,
  'same sign-in app.example.com/settings 1',
  `untold unclear app.example.com/admin/users/… ${ADA} 2`,
]

needs('caddy').test(
  "Caddy's own access log is rehearsed: who was signed in, what nobody signed in for, and a host that the file lacks",
  async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    const hash = await Bun.password.hash(PASSWORD, { algorithm: 'bcrypt', cost: 4 })
    const site = `
  log {
    output file ${folder.path}/access.log
  }
  @people not path /push/*
  basicauth @people {
    ${ADA} ${hash.replace('$2b$', '$2a$')}
  }
  reverse_proxy 127.0.0.1:${application.port}`
    const sites = `http://app.example.com:${port} {${site}\n}\nhttp://wiki.example.com:${port} {${site}\n}`
    await using front = await startCaddy(folder.path, port, sites)
    await visit(front.port)
    const { code, read, told } = await rehearse(folder.path, 'access.log', 8)
    expect(read).toMatchObject({ format: "Caddy's access log", requests: 8, other: 0, unreadable: 0 })
    expect([code, told]).toEqual([1, TOLD])
  },
)

needs('nginx').test(
  "nginx's combined log, with the host before each line as Apache has it, is rehearsed like any other",
  async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    const passwords = join(folder.path, 'htpasswd')
    writeFileSync(passwords, `${ADA}:{PLAIN}${PASSWORD}\n`)
    const http = `
  log_format vhost '$host:$server_port $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';
  server {
    listen 127.0.0.1:${port};
    access_log ${folder.path}/access.log vhost;
    auth_basic people;
    auth_basic_user_file ${passwords};
    location / { proxy_pass http://127.0.0.1:${application.port}; }
    location /push/ { auth_basic off; proxy_pass http://127.0.0.1:${application.port}; }
  }`
    await using front = await startNginx(folder.path, port, http)
    await visit(front.port)
    const { code, read, told } = await rehearse(folder.path, 'access.log', 8)
    expect(read).toMatchObject({ format: 'a combined or common access log', requests: 8, other: 0, unreadable: 0 })
    expect([code, told]).toEqual([1, TOLD])
  },
)

test('what the gate made of requests is what a rehearsal of its own log with its own file makes of them', async () => {
  const upstream = `upstream = "http://127.0.0.1:${application.port}"`
  const route = (lines: string) => `[[routes]]\nhost = "app.example.com"\n${upstream}\n${lines}\n`
  const toml = [
    PORTAL,
    route('portal = "home"\nallow = ["user"]'),
    route('path = "/admin"\nportal = "home"\nallow = ["admin"]'),
    route('path = "/open"\nallow = "public"'),
    route('path = "/open/Reports"\nportal = "home"\nallow = ["admin"]'),
    route('path = "/lan"\nallow = [{ networks = ["10.0.0.0/8"], anonymous = true }]'),
    route('path = "/here"\nallow = [{ networks = ["127.0.0.0/8"], anonymous = true }]\nmethods = ["GET"]'),
    route('path = "/mine"\nportal = "home"\nallow = [{ claims = { department = ["it"] } }]'),
    route('path = "/others"\nportal = "home"\nallow = [{ not = { groups = ["admins"] } }]'),
    route('path = "/never"\nallow = "public"\ndeny = [{ methods = ["POST"] }]'),
  ].join('')
  await using gate = await startGate(toml, { server: 'access_log = true' })
  const people = {
    ada: { sub: 'ada', groups: ['admins'], department: 'it' },
    bob: { sub: 'bob', groups: ['staff'] },
  }
  const signedIn = await Promise.all(Object.values(people).map(claims => gate.signIn('app.example.com', claims)))
  const paths =
    '/ /admin /admin/x /Admin /open /open/x /open/reports /lan /here /mine /others /never /open/..%2fadmin /a%00b'
  let count = 0
  for (const cookie of [null, ...signedIn.map(one => one.cookie)]) {
    for (const host of ['app.example.com', 'wiki.example.com']) {
      for (const [path, method] of paths
        .split(' ')
        .flatMap(path => [[path, 'GET'] as const, [path, 'POST'] as const])) {
        const headers = { host, 'sec-fetch-site': 'same-origin', ...(cookie === null ? {} : { cookie }) }
        const init = { method, headers, redirect: 'manual' } as const
        await (await fetch(`http://127.0.0.1:${gate.port}${path}`, init)).arrayBuffer()
        count++
      }
    }
  }
  await eventually(() => gate.access.length >= count, `${count} requests are in the log`)
  const loaded = loadConfig(gate.configPath, { readText, readBytes, env: () => undefined, now: Date.now })
  if (!loaded.ok) throw new Error('the file is good')
  const read = readPeople([], JSON.stringify(people), loaded.config)
  if (!read.ok) throw new Error(read.why)
  const judge = createJudge(loaded.config, loaded.fingerprint, read.people)
  const wrong: string[] = []
  const met = new Set<string>()
  for (const line of gate.access) {
    const request = readOwn(line)
    if (request === null || request === 'other') throw new Error(`this is no request: ${line}`)
    const { fate, why } = judge(request, request.host ?? '')
    met.add(fate)
    if (!AS_DECIDED[fate].includes(request.status)) wrong.push(`${fate} (${why}): ${line}`)
  }
  expect(wrong).toEqual([])
  expect([...met].sort()).toEqual(['in', 'invalid', 'refused', 'sign-in', 'unclear', 'unrouted'])
})

/** The statuses by which the gate says what it decided. */
const AS_DECIDED: Readonly<Record<Fate, readonly number[]>> = {
  in: [200],
  own: [],
  'sign-in': [302, 303, 401],
  unclear: [200, 400],
  refused: [403, 405],
  invalid: [400],
  unrouted: [404],
}
