import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runDoctor } from '../../../src/cli/doctor/run.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { commandPorts, type Ran, runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type PocketIdClient, type PocketIdVersion, pocketIdClient } from '../../kit/provider/pocket-id/people.ts'
import { type PocketId, type PocketIdOptions, pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'

const CALLBACK = 'https://127.0.0.1:1/.sallyport/callback'
const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('ok')))

/** What doctor says of Pocket ID, for a file with this client. */
async function examine(
  there: PocketId,
  file: {
    readonly id?: string
    readonly secret?: string | null
    readonly provider?: string
    readonly allow?: string
  } = {},
): Promise<Ran> {
  using folder = temporaryFolder()
  const { id = 'gate', secret = 'right-secret', provider = '', allow = 'allow = ["user"]' } = file
  writeFileSync(
    join(folder.path, 'routes.toml'),
    `[server]
listen = ["127.0.0.1:0"]
trusted_proxies = ["127.0.0.1"]
[sessions]
store = "sqlite::memory:"
[providers.id]
issuer = "${there.issuer}"
client_id = "${id}"
${secret === null ? '' : `client_secret = "${secret}"`}
${provider}
[portals.home]
url = "https://127.0.0.1:1"
providers = ["id"]
roles.user = { any = true }
[[routes]]
host = "app.localhost"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
${allow}
`,
    { mode: 0o600 },
  )
  return runIn(folder.path, io => runDoctor([], io, commandPorts(io)))
}

/** The lines about the client and its callback. */
function lines({ out }: Ran): readonly string[] {
  return out.split('\n').filter(line => /client|come[s]? back/.test(line) && !line.includes('hint: '))
}

function start(version: PocketIdVersion, client: Partial<PocketIdClient> = {}, more: Partial<PocketIdOptions> = {}) {
  const right = { secrets: ['right-secret'], callbackURLs: [CALLBACK], ...client }
  return pocketId({ version, clients: [pocketIdClient('gate', right)], ...more })
}

describe.each<PocketIdVersion>(['2.9', '2.14'])('doctor at Pocket ID %s', version => {
  test('finds a right client right', async () => {
    await using there = await start(version)
    expect(lines(await examine(there))).toEqual([
      '  ok    takes client_id and client_secret',
      `  ok    comes back to ${CALLBACK}`,
    ])
    const [client] = [...there.clients.values()]
    expect(client?.callbackURLs).toEqual([CALLBACK])
  })

  test('names a wrong secret, of a client that it knows', async () => {
    await using there = await start(version)
    const ran = await examine(there, { secret: 'another-secret' })
    expect(lines(ran)[0]).toStartWith('  FAIL  refuses client_secret, and knows client_id (')
    expect([lines(ran)[1], ran.code]).toEqual([`  ok    comes back to ${CALLBACK}`, 1])
    expect(ran.out).not.toContain('another-secret')
  })

  test('names a wrong id, and says nothing of callbacks that nobody could ask about', async () => {
    await using there = await start(version)
    const ran = await examine(there, { id: 'nobody' })
    expect(lines(ran)).toEqual([expect.stringMatching(/^ {2}FAIL {2}knows no client with this client_id \(/)])
    expect(ran.code).toBe(1)
  })

  test('names a callback that is not registered', async () => {
    await using there = await start(version, { callbackURLs: ['https://other.example.com/.sallyport/callback'] })
    const ran = await examine(there)
    expect(lines(ran)[0]).toBe('  ok    takes client_id and client_secret')
    expect(lines(ran)[1]).toStartWith(`  FAIL  does not come back to ${CALLBACK} (`)
    expect(ran.code).toBe(1)
  })

  test('changes nothing of a client that has no callback yet', async () => {
    await using there = await start(version, { callbackURLs: [] })
    expect(lines(await examine(there))[1]).toMatch(
      version === '2.9' ? /^ {2}warn {2}does not say/ : /^ {2}FAIL {2}does not/,
    )
    expect(there.clients.get('gate')?.callbackURLs).toEqual([])
  })

  test('tells the same of a client that has to push its requests', async () => {
    await using there = await start(version, { requiresPushedAuthorizationRequests: true })
    const pushing = await examine(there, { provider: 'par = "always"' })
    expect(lines(pushing)[1]).toBe(`  ok    comes back to ${CALLBACK}`)
    const { code, out } = await examine(there)
    expect(out).toMatch(/FAIL {2}answers a sign-in .* pushed\b.*\): no user.*\n.*par = "always"/)
    expect(code).toBe(1)
    const other = ['https://other.example.com/.sallyport/callback']
    await using wrong = await start(version, { requiresPushedAuthorizationRequests: true, callbackURLs: other })
    expect(lines(await examine(wrong))[1]).toStartWith(`  FAIL  does not come back to ${CALLBACK} (`)
  })

  test('tells the same of a public client, and of one that is not public there', async () => {
    await using there = await start(version, { isPublic: true, secrets: [] })
    expect(lines(await examine(there, { secret: null }))).toEqual([
      '  ok    takes client_id',
      `  ok    comes back to ${CALLBACK}`,
    ])
    await using wrong = await start(version, { isPublic: true, secrets: [], callbackURLs: ['https://other.example/x'] })
    expect(lines(await examine(wrong, { secret: null }))[1]).toStartWith(`  FAIL  does not come back to ${CALLBACK} (`)
    await using secretive = await start(version)
    expect(lines(await examine(secretive, { secret: null }))[0]).toStartWith(
      '  FAIL  wants a client_secret of client_id (',
    )
  })

  test('says which rules ask for what it does not list', async () => {
    await using there = await start(version)
    const of = async (rule: string) => (await examine(there, { allow: `allow = [{ roles = "user", ${rule} }]` })).out
    const aged = await of('max_age = "15m"')
    if (version === '2.9') expect(aged).toContain('warn  does not list the claim auth_time, which')
    else expect(aged).not.toContain('does not list the claim')
    expect(await of('acr = ["phr"]')).toContain('warn  does not list the claim acr, which')
    expect(await of('amr = ["phr"]')).not.toContain('does not list the claim')
  })
})
