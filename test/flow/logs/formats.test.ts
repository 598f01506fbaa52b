import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EVENTS } from '../../../src/audit/events.ts'
import type { LogFormat } from '../../../src/config/keys/log.ts'
import { openLogs } from '../../../src/console/logs.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { startGate } from '../../kit/gate.ts'
import { keepingIo } from '../../kit/log/io.ts'
import { plant } from '../../kit/log/planted.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { runCrowdsec } from '../../kit/programs/crowdsec.ts'
import { runFail2ban } from '../../kit/programs/fail2ban.ts'
import { SCIM_KEY } from '../../kit/scim.ts'
import { providerTable, SILENT } from '../../kit/toml.ts'
import { SECOND_FACTOR } from '../../kit/totp.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const QUERY = 'QUERY-SECRET'
plant(QUERY, 'a query')

const LONG = 300_000

const keep = untilTheEnd()
const upstream = keep(
  startAnswering(({ url }) => {
    const { pathname } = new URL(url)
    if (pathname === '/short') return new Response('short')
    if (pathname !== '/long') return new Response(null, { status: 204 })
    const piece = new Uint8Array(LONG / 3)
    let count = 0
    return new Response(
      new ReadableStream({
        async pull(controller) {
          await Bun.sleep(5)
          if (count++ === 3) controller.close()
          else controller.enqueue(piece)
        },
      }),
    )
  }),
)

const HASH = await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 4 })
/** A name of two words is in the line of whoever tries it. */
const SPACED = 'Ada Lovelace'
const USERS = `ada:${HASH}\nbea:${HASH}\n${SPACED}:${HASH}\n`

const TOML = (format: LogFormat) => `
[log]
format = "${format}"
requests = "./access.log"
events = "./sallyport.log"
[providers.people]
users = "users.htpasswd"
totp = "users.totp"
${providerTable(SILENT, SCIM_KEY)}
[portals.home]
insecure_cookies = true
htpasswd = "users.htpasswd"
providers = ["people", "id"]
roles.user = { any = true }
roles.admin = { subjects = ["htpasswd:root"] }
[[routes]]
host = "open.example"
upstream = "http://127.0.0.1:${upstream.port}"
allow = "public"
[[routes]]
host = "app.example"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["user"]
passwords = true
tokens = true
[[routes]]
host = "app.example"
path = "/admin"
upstream = "http://127.0.0.1:${upstream.port}"
portal = "home"
allow = ["admin"]
passwords = true
`

const CLIENTS = {
  password: '203.0.113.1',
  token: '203.0.113.2',
  form: '2001:db8::3',
  code: '203.0.113.4',
  push: '203.0.113.5',
  honest: '198.51.100.1',
  framed: '198.51.100.66',
} as const

/** What somebody writes into a field so that another is banned. */
const FRAMES = [
  `x"\\" 401 1 "-" "-" ${CLIENTS.framed} - - [28/Nov/2026:06:40:05 +0000] "GET / HTTP/1.1" 401 1`,
  `","client":"${CLIENTS.framed}","status":401,"reason":"access.password","x":"`,
  `x reason=access.password client=${CLIENTS.framed} 401 ${CLIENTS.framed} - GET / 1 ms`,
]

const basic = (pair: string) => `Authorization: Basic ${btoa(pair)}`

/** A browser at this address, as a trusted proxy says it. */
function browserFrom(client: string, port: number): BrowserLite {
  return new BrowserLite({
    transport(address, { headers, ...init }) {
      headers.set('host', address.host)
      headers.set('x-forwarded-for', client)
      return fetch(`http://127.0.0.1:${port}${address.pathname}${address.search}`, { ...init, headers })
    },
  })
}

/** A gate that has been asked for all kinds of things, and its lines. */
async function lived(format: LogFormat) {
  const io = keepingIo()
  const logs = openLogs(io, Date.now)
  const gate = await startGate(TOML(format), {
    logs,
    server: 'trusted_proxies = ["127.0.0.1"]',
    files: { 'users.htpasswd': USERS, 'users.totp': `bea:${SECOND_FACTOR}\n` },
  })
  const ask = (line: string, host: string, client: string, ...fields: string[]) =>
    sendRaw(gate.port, rawRequest(line, host, [`X-Forwarded-For: ${client}`, ...fields]))
  const { honest, password, token, form, code, push } = CLIENTS
  await ask(
    `GET /short?token=${QUERY}`,
    'open.example',
    honest,
    'User-Agent: a "b"',
    `Referer: https://x.example/y?${QUERY}`,
  )
  await ask('GET /long', 'open.example', honest)
  await ask('GET /none', 'open.example', honest)
  await ask('GET /short', 'app.example', honest, basic('ada:secret'))
  await ask('GET /admin', 'app.example', honest, basic('ada:secret'))
  await ask('GET /', 'app.example', honest, 'Accept: application/json')
  await ask('GET /..%2fx', 'app.example', honest)
  for (let time = 0; time < 3; time++) {
    for (const frame of FRAMES) {
      await ask('GET /', 'app.example', password, basic('ada:Falsch-1'), `User-Agent: ${frame}`, `Referer: ${frame}`)
      await ask(
        `GET /${encodeURIComponent(frame)}`,
        'open.example',
        honest,
        `User-Agent: ${frame}`,
        `Referer: ${frame}`,
      )
    }
    await ask('GET /', 'app.example', token, `Authorization: Bearer sp_${'A'.repeat(43)}`)
    const browser = browserFrom(form, gate.port)
    await browser.submit(await browser.open('http://app.example/'), {
      name: [SPACED, ...FRAMES][time] ?? '',
      password: 'Falsch-1',
    })
    const known = browserFrom(code, gate.port)
    const asked = await known.submit(await known.open('http://app.example/'), { name: 'bea', password: 'secret' })
    await known.submit(asked, { code: '000000' })
    await ask('GET /.sallyport/scim/v2/id/Users', 'app.example', push, `Authorization: Bearer ${'B'.repeat(43)}`)
  }
  await gate.server.stop()
  const access = readFileSync(join(gate.folder, 'access.log'), 'utf8')
  const events = readFileSync(join(gate.folder, 'sallyport.log'), 'utf8')
  return { io, gate, access, events, lines: access.trimEnd().split('\n') }
}

const json = await lived('json')

describe('JSON', () => {
  const { io, access, events, lines } = json
  const records = lines.map(line => JSON.parse(line))
  const find = (path: string) => records.find(record => record.path === path)
  const asked = `127.0.0.1:${upstream.port}`

  test('a record says how a request came, where it went, and what came of it', () => {
    expect(find('/short')).toMatchObject({
      client: CLIENTS.honest,
      scheme: 'http',
      protocol: 'HTTP/1.1',
      host: 'open.example',
      route: 'open.example/',
      upstream: asked,
      user: null,
      session: null,
      status: 200,
      reason: null,
      bytes: 5,
      agent: 'a "b"',
      referer: 'https://x.example/y',
    })
    expect(find('/none')).toMatchObject({ status: 204, bytes: 0, upstream: asked, agent: null, referer: null })
  })

  test('an answer that goes on is counted to its end, and so is its time', () => {
    const { bytes, ms, total_ms } = find('/long')
    expect(bytes).toBe(LONG)
    expect(total_ms).toBeGreaterThanOrEqual(ms)
  })

  test('who was turned away, why, and by which session', () => {
    const [ada] = records.filter(({ user }) => user === 'htpasswd:ada')
    expect(ada).toMatchObject({ session: expect.stringMatching(/^[\w-]{12}$/), reason: null })
    const { session } = ada
    expect(find('/admin')).toMatchObject({ status: 403, reason: 'role.missing', session, upstream: null })
    expect(find('/admin').bytes).toBeGreaterThan(50)
    const reasons = records.map(({ reason }) => reason)
    for (const reason of ['identity.none', 'target.ambiguous', 'access.password', 'access.token'])
      expect(reasons).toContain(reason)
  })

  test('nothing of it is on a stream, and no query, password or token in a line', () => {
    expect([io.out, io.err]).toEqual([[], []])
    for (const secret of [QUERY, 'Falsch-1', 'ada:secret', btoa('ada:Falsch-1'), 'AAAAAAAA'])
      expect([access.includes(secret), events.includes(secret)]).toEqual([false, false])
    expect(events).toContain('A sign-in by the form was refused')
  })

  needs('crowdsec').test('CrowdSec bans who guesses, and nobody else', async () => {
    // Eighteen wrong passwords of one, and six wrong tokens or forms of the others: more than ten are too many.
    expect(await runCrowdsec((access + events).repeat(2))).toEqual([CLIENTS.password])
  })
})

test('the files for fail2ban and CrowdSec name every event of guessing that has no request of its own to tell of it', () => {
  const guesses = Object.entries(EVENTS).filter(([name]) =>
    /^sign_in\..*_wrong$|^(?:guest|provider\.push)[._]refused$/.test(name),
  )
  expect(guesses).toHaveLength(5)
  for (const file of ['fail2ban-filter.conf', 'crowdsec-parser.yaml']) {
    const text = readFileSync(join(import.meta.dir, '../../../docs/logs', file), 'utf8')
    expect(guesses.filter(([, { says }]) => !text.includes(says))).toEqual([])
  }
})

const FORMATS = [
  ['json', json],
  ['text', await lived('text')],
  ['combined', await lived('combined')],
] as const
for (const [, { gate }] of FORMATS) keep(gate)

needs('fail2ban-regex').describe.each(FORMATS)('fail2ban, by the lines of %s', (format, { access, events }) => {
  test('finds who gives wrong passwords and tokens, when they did, and nobody whom they name', async () => {
    const found = await runFail2ban(access + events)
    const { password, token, form, honest, code, push } = CLIENTS
    const counts = Map.groupBy(found, ({ address }) => address)
    expect(counts.get(password)).toHaveLength(9)
    expect(counts.get(token)).toHaveLength(3)
    expect(counts.get(form)).toHaveLength(3)
    expect(counts.get(code)).toHaveLength(3)
    // Combined has the refused request as well as the line about it.
    expect(counts.get(push)).toHaveLength(format === 'combined' ? 6 : 3)
    // Combined does not say why: whoever sent nothing at all and got 401 is among them.
    expect(counts.get(honest) ?? []).toHaveLength(format === 'combined' ? 1 : 0)
    expect(counts.get(CLIENTS.framed)).toBeUndefined()
    for (const { atS } of found) expect(Math.abs(atS - Date.now() / 1000)).toBeLessThan(600)
  })
})
