import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runRehearse } from '../../../src/cli/rehearse/run.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { runIn } from '../../kit/io.ts'
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

test("Caddy's own access log is rehearsed: who was signed in, what nobody signed in for, and a host that the file lacks", async () => {
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
})

test("nginx's combined log, with the host before each line as Apache has it, is rehearsed like any other", async () => {
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
})
