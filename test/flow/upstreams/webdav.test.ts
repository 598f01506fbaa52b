/** COPY and MOVE at a real WebDAV server by plain HTTP, for clients that know it by HTTPS alone. */
import { expect } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startNginx } from '../../kit/programs/front.ts'
import { secureFetch } from '../../kit/wire/tls.ts'

const { test } = needs('openssl', 'nginx')

const HOST = 'files.example.com'
const authority = makeAuthority()
const own = authority.issue(`DNS:${HOST}`)

const file = (name: string) => join(folder.path, 'dav', name)

const keep = untilTheEnd()
const folder = keep(temporaryFolder())
for (const name of ['', 'team', 'private']) mkdirSync(file(name), { recursive: true })
const port = await freePort()
const site = `root ${join(folder.path, 'dav')}; location / { dav_methods PUT DELETE MKCOL COPY MOVE; }`
keep(await startNginx(folder.path, port, `server { listen 127.0.0.1:${port}; server_name _; ${site} }`))
const route = (path: string, role: string) =>
  `[[routes]]\nhost = "${HOST}"\npath = "${path}"\nupstream = "http://127.0.0.1:${port}"\nportal = "home"\nallow = ["${role}"]\n`
const gate = keep(
  await startGate(
    `[tls]
listen = ["127.0.0.1:0"]
certificates = [{ cert = "own.pem", key = "own.key" }]
${PORTAL}${route('/', 'user')}${route('/private', 'admin')}
[[routes]]
host = "${HOST}"
path = "/mine"
upstream = "http://127.0.0.1:${port}"
strip_prefix = "/mine"
add_prefix = "/team"
host_header = "upstream"
portal = "home"
allow = ["user"]
`,
    { files: { 'own.pem': own.cert, 'own.key': own.key } },
  ),
)
const cookie = `__Host-${(await gate.signIn(HOST, { sub: 'bob' })).cookie}`

async function ask(method: string, from: string, to: string): Promise<number> {
  const headers = { cookie, destination: `https://${HOST}:${gate.securePort}${to}` }
  const answer = await secureFetch({ port: gate.securePort, name: HOST, ca: authority.cert }, from, { method, headers })
  return answer.status
}

test('what is copied and moved arrives where it was meant to, by the addresses that the client knows', async () => {
  writeFileSync(file('a.txt'), 'one')
  expect(await ask('COPY', '/a.txt', '/team/b.txt')).toBe(204)
  expect(readFileSync(file('team/b.txt'), 'utf8')).toBe('one')
  expect(await ask('MOVE', '/team/b.txt', '/c%20d.txt')).toBe(204)
  expect([existsSync(file('team/b.txt')), readFileSync(file('c d.txt'), 'utf8')]).toEqual([false, 'one'])
  // Below the other route the same folder has another name.
  expect(await ask('COPY', '/a.txt', '/mine/e.txt')).toBe(204)
  expect(await ask('MOVE', '/mine/e.txt', '/mine/f.txt')).toBe(204)
  expect([existsSync(file('team/e.txt')), readFileSync(file('team/f.txt'), 'utf8')]).toEqual([false, 'one'])
})

test('nothing is written where its sender may not write', async () => {
  writeFileSync(file('mine.txt'), 'theirs')
  writeFileSync(file('private/plan.txt'), 'secret')
  for (const to of ['/private/plan.txt', '/PRIVATE/plan.txt', '/%70rivate/plan.txt', '//private/plan.txt']) {
    expect([to, await ask('COPY', '/mine.txt', to)]).toEqual([to, 403])
    expect([to, await ask('MOVE', '/mine.txt', to)]).toEqual([to, 403])
  }
  expect([readFileSync(file('private/plan.txt'), 'utf8'), existsSync(file('mine.txt'))]).toEqual(['secret', true])
})
