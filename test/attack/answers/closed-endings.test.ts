import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const site = join(keep(temporaryFolder()).path, 'site')
mkdirSync(site)
for (const name of ['about', 'secret', 'moved', 'index']) writeFileSync(join(site, `${name}.html`), `FILE ${name}`)
for (const folder of ['open', 'closed']) {
  mkdirSync(join(site, folder))
  for (const name of ['index.html', 'data.json', 'data.json.br'])
    writeFileSync(join(site, folder, name), `FILE ${name}`)
}
mkdirSync(join(site, 'listed'))
for (const folder of ['in', 'out']) mkdirSync(join(site, 'listed', folder))
for (const name of ['a b.txt', 'back\\slash', 'secret.txt', ...Array.from({ length: 600 }, (_, index) => `n${index}`)])
  writeFileSync(join(site, 'listed', name), `FILE ${name}`)
const upstream = keep(await startRawUpstream([httpResponse(200, 'FROM THE APPLICATION')]))
const files = `files = { folder = "${site}", endings = [".html"] }`
const more = `files = { folder = "${site}", compress = true, listing = true, try_files = "/closed/index.html" }`
const closedOnes = ['/in/closed/index.html', '/in/closed/data.json.br', '/in/listed/secret.txt']
const ahead = `upstream = "http://127.0.0.1:${upstream.port}"\n${files}`
const gate = keep(
  await startGate(
    `${PORTAL}
[[routes]]
host = "routes.example"
allow = "public"
${files}
[[routes]]
host = "routes.example"
path = "=/secret.html"
portal = "home"
allow = ["user"]
${files}
[[routes]]
host = "routes.example"
path = "=/moved.html"
allow = "public"
redirect = "/moved"
[[routes]]
host = "rules.example"
allow = "public"
deny = [{ path_regexp = ['(?:^|/)secret\\.html(?:/|$)'], ignore_case = true }]
${files}
[[routes]]
host = "first.example"
allow = "public"
deny = [{ paths = ["/secret.html"] }]
${ahead}
${['routes', 'rules']
  .map(
    host => `[[routes]]
host = "more-${host}.example"
path = "/in"
strip_prefix = "/in"
allow = "public"
${host === 'rules' ? `deny = [{ paths = ${JSON.stringify([...closedOnes, '/in/listed/in/*'])} }]` : ''}
${more}`,
  )
  .join('\n')}
${[...closedOnes.map(path => `=${path}`), '/in/listed/in']
  .map(path => `[[routes]]\nhost = "more-routes.example"\npath = "${path}"\nportal = "home"\nallow = ["user"]\n${more}`)
  .join('\n')}
[[routes]]
host = "prefix.example"
path = "/top"
strip_prefix = "/top"
allow = "public"
deny = [{ paths = ["/top/index.html"] }]
files = { folder = "${site}", endings = [".html"], try_files = "/index.html" }
[[routes]]
host = "front.example"
path = "=/"
allow = "public"
${files}
[[routes]]
host = "front.example"
portal = "home"
allow = ["user"]
${files}
`,
  ),
)

async function ask(host: string, path: string, coding = 'identity') {
  const fields = `Host: ${host}\r\nAccept-Encoding: ${coding}\r\nConnection: close`
  const answer = await sendRaw(gate.port, [`GET ${path} HTTP/1.1\r\n${fields}\r\n\r\n`])
  return [answer.status, answer.body.toString()] as const
}

test.each(['/secret', '/%73ecret', '/secret?x=1'])(
  'a file that is closed by its whole name is not had by %s',
  async path => {
    for (const host of ['routes.example', 'rules.example', 'first.example']) {
      expect((await ask(host, path))[1]).not.toContain('FILE')
    }
  },
)

test('what nothing closes is served without its ending, and so is what the whole name leads to', async () => {
  for (const host of ['routes.example', 'rules.example', 'first.example']) {
    expect(await ask(host, '/about')).toEqual([200, 'FILE about'])
  }
  expect(await ask('routes.example', '/moved')).toEqual([200, 'FILE moved'])
})

test.each(['/in/closed/', '/in/clos%65d/', '/in/none'])('nor what is closed by its own name by %s', async path => {
  for (const host of ['more-routes.example', 'more-rules.example']) {
    expect((await ask(host, path))[1]).not.toContain('FILE')
  }
})

test('nor by the prefix that is taken off, alone', async () => {
  for (const path of ['/top', '/top/', '/top/none'])
    expect((await ask('prefix.example', path))[1]).not.toContain('FILE')
  expect(await ask('prefix.example', '/top/about')).toEqual([200, 'FILE about'])
})

test('nor is what is closed by its own name sent for the file that it lies beside', async () => {
  for (const host of ['more-routes.example', 'more-rules.example']) {
    expect(await ask(host, '/in/closed/data.json', 'br')).toEqual([200, 'FILE data.json'])
    expect(await ask(host, '/in/open/data.json', 'br')).toEqual([200, 'FILE data.json.br'])
    expect(await ask(host, '/in/open/')).toEqual([200, 'FILE index.html'])
  }
})

test('a route for all the rest does not close the front page, which is an exception of it', async () => {
  expect(await ask('front.example', '/')).toEqual([200, 'FILE index'])
  expect((await ask('front.example', '/index.html'))[0]).toBe(401)
})

test.each(['/in/listed/', '/in/list%65d/'])('nor is its name in the list that is %s', async path => {
  for (const host of ['more-routes.example', 'more-rules.example']) {
    const [status, body] = await ask(host, path)
    const names = [...body.matchAll(/<a href="[^"]*">([^<]*)</g)].map(([, name]) => name)
    expect([status, names.slice(0, 3), names.length]).toEqual([200, ['a b.txt', 'n0', 'n1'], 602])
    expect(names.at(-1)).toBe('out/')
  }
})
