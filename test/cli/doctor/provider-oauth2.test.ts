import { afterAll, beforeAll, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runDoctor } from '../../../src/cli/doctor/run.ts'
import { ask } from '../../../src/console/network.ts'
import { readBytes, readText } from '../../../src/console/read-file.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { runIn } from '../../kit/io.ts'
import { type OAuth2StandIn, startOAuth2 } from '../../kit/provider/oauth2.ts'
import { httpResponse, type RawUpstream, startRawUpstream } from '../../kit/wire/wire.ts'

const folder = temporaryFolder()
let upstream: RawUpstream
const standIns = new Map<'github' | 'discord', OAuth2StandIn>()
beforeAll(async () => {
  upstream = await startRawUpstream([httpResponse(200, 'ok')])
  for (const preset of ['github', 'discord'] as const) standIns.set(preset, startOAuth2(preset, { user: { id: 1 } }))
})
afterAll(async () => {
  await upstream.close()
  for (const standIn of standIns.values()) await standIn[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

async function examine(preset: 'github' | 'discord', over: { readonly secret?: string; readonly lines?: string } = {}) {
  const standIn = standIns.get(preset)
  if (standIn === undefined) throw new Error('it has been started')
  const file = `[server]
listen = ["127.0.0.1:0"]
[sessions]
store = "sqlite::memory:"
[providers.id]
preset = "${preset}"
client_id = "${standIn.clientId}"
client_secret = "${over.secret ?? standIn.clientSecret}"
${standIn.endpoints}
${over.lines ?? ''}
[portals.home]
url = "http://auth.localhost:8480"
providers = ["id"]
insecure_cookies = true
roles.user = { any = true }
[[routes]]
host = "app.localhost"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
`
  writeFileSync(join(folder.path, 'routes.toml'), file)
  const ports = {
    readText,
    readBytes,
    env: () => undefined,
    now: Date.now,
    random: (size: number) => new Uint8Array(size),
    ask,
    resolve: async () => [],
  }
  const ran = await runIn(folder.path, io => runDoctor(['--json'], io, ports))
  const { sections } = JSON.parse(ran.out) as {
    sections: { about: string; findings: { grade: string; what: string }[] }[]
  }
  return sections.find(({ about }) => about.startsWith('provider'))?.findings ?? []
}

test.each(['github', 'discord'] as const)('a right client of %s is told from one with a wrong secret', async preset => {
  const right = await examine(preset)
  expect(right).toContainEqual(expect.objectContaining({ grade: 'good', what: 'takes client_id and client_secret' }))
  expect(right.map(({ what }) => what).join()).toContain('http://auth.localhost:8480/.sallyport/callback/id')
  // Its sessions are in memory: nobody sees whether anybody has signed in.
  expect(right.filter(({ grade }) => grade !== 'good')).toMatchObject([{ grade: 'unknown' }])
  const wrong = await examine(preset, { secret: 'a wrong secret' })
  expect(wrong).toContainEqual(
    expect.objectContaining({ grade: 'bad', what: expect.stringContaining('refuses client_id and client_secret') }),
  )
})

test('groups that are not asked for are missed', async () => {
  const found = await examine('github', { lines: 'scopes = ["user:email"]' })
  expect(found).toContainEqual(expect.objectContaining({ grade: 'warning', what: expect.stringContaining('groups') }))
})
