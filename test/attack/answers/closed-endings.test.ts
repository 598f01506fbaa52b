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
for (const name of ['about', 'secret', 'moved']) writeFileSync(join(site, `${name}.html`), `FILE ${name}`)
const upstream = keep(await startRawUpstream([httpResponse(200, 'FROM THE APPLICATION')]))
const files = `files = { folder = "${site}", endings = [".html"] }`
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
`,
  ),
)

async function ask(host: string, path: string) {
  const answer = await sendRaw(gate.port, [`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`])
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
