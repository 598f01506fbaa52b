import { expect } from 'bun:test'
import { join } from 'node:path'
import { openSessionState } from '../../../src/process/session-state.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { trailOf } from '../../kit/audit.ts'
import { BrowserLite, type Page } from '../../kit/browser/browser-lite.ts'
import { type AheadClock, aheadClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { pocketIdUser } from '../../kit/provider/pocket-id/people.ts'
import { pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { EVERYONE, portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const { describe, test } = needs('valkey-server')

const APP = 'app.example'
const keep = untilTheEnd()
const valkey = keep(await startValkey())
const upstream = keep(
  startAnswering(async request => {
    const body = await request.text()
    return new Response(`${request.headers.get('x-token-subject')} ${body.length}`)
  }),
)

/** Two gates over one store, asked in turn, before a provider; `vault` and `safe` want a sign-in of the last 15 minutes. */
async function stand(kind: string, url = 'http://auth.example') {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(temporaryFolder())
  const store = kind === 'redis' ? valkey.url(databases++) : join(folder.path, 's.db')
  const clock = aheadClock()
  const users = [pocketIdUser('ada'), pocketIdUser('eve')]
  const provider = stack.use(await pocketId({ version: '2.14', users, nowS: clock.nowS }))
  for (const host of ['auth.example', APP]) provider.allowRedirect(`http://${host}/.sallyport/callback`)
  const route = (host: string, allow: string) =>
    routeTo(upstream, host, `portal = "home"\nallow = [${allow}]\nheaders = "x-token"`)
  const recent = '{ roles = "user", max_age = "15m" }'
  const toml = [
    providerTable(provider),
    portalTable(`${EVERYONE}\nurl = "${url}"\npersonal_tokens = true`),
    route(APP, '"user"'),
    route('vault.example', recent),
    route('safe.example', recent),
    '[audit]\nkeep = "1d"',
  ].join('\n')
  const options = { ...shared(store), ports: { now: clock.now } }
  const gates = [stack.use(await startGate(toml, options)), stack.use(await startGate(toml, options))] as const
  let turn = 0
  return {
    clock,
    gates,
    browser: () =>
      new BrowserLite({
        transport(address, init) {
          if (!address.hostname.endsWith('.example')) return fetch(address, init)
          const { port } = gates[turn++ % 2] ?? gates[0]
          init.headers.set('host', address.host)
          return fetch(`http://127.0.0.1:${port}${address.pathname}${address.search}`, init)
        },
      }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

let databases = 1

/** Where the provider sends a browser back to once its form is sent; nothing goes there yet. */
async function comeBack(form: Page, browser: BrowserLite, login = 'ada'): Promise<string> {
  const { action } = form.html.form()
  const response = await browser.visit(new URL(action ?? '', form.address), { method: 'POST', body: `login=${login}` })
  return response.headers.get('location') ?? ''
}

/** Asks the provider once more, which may know its person still. */
async function signInAgain(browser: BrowserLite, address: string): Promise<Page> {
  const page = await browser.open(address)
  return page.address.hostname.endsWith('.example') ? page : browser.submit(page, { login: 'ada' })
}

/** The sessions of the portal in the store, as the admin's page lists them. */
async function sessionsOf(gate: Gate, clock: AheadClock): Promise<readonly string[]> {
  const { sessions } = openSessionState(gate.server.config, quietPorts(clock))
  const { entries } = await sessions.list('home', { after: null, limit: 100 })
  await sessions.close()
  return entries.map(({ session }) => `${session.identity.subject} ${session.id}`)
}

/** An upload to the application with a browser's cookies, of which more is to come. */
function upload(gate: Gate, cookie: string) {
  const { readable, writable } = new TransformStream<Uint8Array>()
  const writer = writable.getWriter()
  const answer = fetch(`http://127.0.0.1:${gate.port}/upload`, {
    method: 'POST',
    headers: { host: APP, cookie, origin: `http://${APP}` },
    body: readable,
    redirect: 'manual',
  }).then(async response => `${response.status} ${await response.text()}`)
  answer.catch(() => undefined)
  return { answer, write: (text: string) => writer.write(Buffer.from(text)), end: () => writer.close() }
}

function ask(gate: Gate, host: string, path: string, cookie: string, method = 'GET'): Promise<Response> {
  const headers = { host, cookie, accept: 'application/json', 'sec-fetch-site': 'same-origin' }
  return fetch(`http://127.0.0.1:${gate.port}${path}`, { method, headers, redirect: 'manual' })
}

describe.each(['sqlite', 'redis'])('tabs of one browser at two gates over %s', kind => {
  test('that are all restored in the morning end with one session, which each has a cookie of', async () => {
    await using at = await stand(kind)
    const browser = at.browser()
    const forms = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(tab => browser.open(`http://${APP}/tab/${tab}`)))
    const answers: string[] = []
    for (const form of forms) answers.push(await comeBack(form, browser))
    const pages = await Promise.all(answers.map(address => browser.open(address)))
    expect(pages.map(({ address, text }) => [address.pathname, text])).toEqual(
      pages.map((_, index) => [`/tab/${index + 1}`, 'sub-of-ada 0']),
    )
    expect(await sessionsOf(at.gates[0], at.clock)).toHaveLength(1)
    for (const gate of at.gates) {
      expect((await ask(gate, APP, '/', browser.cookieHeader(new URL(`http://${APP}`)))).status).toBe(200)
    }
    at.clock.advance(31_000)
    expect((await browser.open(`http://${APP}/later`)).trail).toEqual([])
    expect((await trailOf(at.gates[0], 'sign_in')).map(({ user }) => user)).toEqual(Array(8).fill('sub-of-ada'))
  })

  test('of one person leave each other’s uploads alone; another person ends them', async () => {
    await using at = await stand(kind, `http://${APP}`)
    const browser = at.browser()
    const app = new URL(`http://${APP}/`)
    await browser.submit(await browser.open(app), { login: 'ada' })
    const before = browser.cookieHeader(app)
    const [token, [first]] = [browser.cookie(APP, 'sallyport'), await sessionsOf(at.gates[0], at.clock)]
    const uploads = at.gates.map(gate => upload(gate, before))
    for (const { write } of uploads) await write('one,')
    for (const gate of at.gates) expect((await ask(gate, APP, '/', before)).status).toBe(200)
    expect((await signInAgain(browser, `http://${APP}/.sallyport/login?again=1&return=/`)).text).toBe('sub-of-ada 0')
    expect(browser.cookie(APP, 'sallyport')).not.toBe(token)
    expect(await sessionsOf(at.gates[0], at.clock)).toEqual([first ?? ''])
    for (const { write, end } of uploads) {
      await write('two')
      await end()
    }
    expect(await Promise.all(uploads.map(({ answer }) => answer))).toEqual(Array(2).fill('200 sub-of-ada 7'))

    const more = at.gates.map(gate => upload(gate, browser.cookieHeader(app)))
    for (const { write } of more) await write('one,')
    for (const gate of at.gates) expect((await ask(gate, APP, '/', browser.cookieHeader(app))).status).toBe(200)
    const eve = await browser.open(`http://${APP}/.sallyport/login?switch=1&return=/`)
    expect((await browser.submit(eve, { login: 'eve' })).text).toBe('sub-of-eve 0')
    for (const { answer } of more) expect(await answer.catch(() => 'cut')).not.toStartWith('200')
    const replaced = async () => (await trailOf(at.gates[0], 'sign_out.replaced')).map(({ user }) => user)
    await eventually(async () => (await replaced()).length > 0, 'the end of the one before is told')
    expect(await replaced()).toEqual(['sub-of-ada'])
    expect((await sessionsOf(at.gates[0], at.clock)).map(line => line.split(' ')[0])).toEqual(['sub-of-eve'])
  })

  test('that step up have no cookie from before step up with them, and are asked once for all hosts', async () => {
    await using at = await stand(kind)
    const browser = at.browser()
    const cookieAt = (host: string) => browser.cookieHeader(new URL(`http://${host}/`))
    await browser.submit(await browser.open('http://vault.example/'), { login: 'ada' })
    for (const host of ['safe.example', APP]) expect((await browser.open(`http://${host}/`)).text).toBe('sub-of-ada 0')
    const old = new Map(['auth.example', 'vault.example', 'safe.example', APP].map(host => [host, cookieAt(host)]))
    at.clock.advance(16 * 60_000)
    expect((await browser.submit(await browser.open('http://vault.example/new'), { login: 'ada' })).text).toBe(
      'sub-of-ada 0',
    )
    for (const gate of at.gates) {
      for (const [host, status] of [
        ['vault.example', 401],
        ['safe.example', 401],
        [APP, 200],
      ] as const) {
        const answer = await ask(gate, host, '/', old.get(host) ?? '')
        expect([host, answer.status]).toEqual([host, status])
        if (status === 401) expect(await answer.text()).toContain('access.step_up')
      }
      expect((await ask(gate, 'vault.example', '/', cookieAt('vault.example'))).status).toBe(200)
    }
    const safe = await browser.open('http://safe.example/')
    expect([safe.text, safe.trail.filter(address => !address.includes('.example'))]).toEqual(['sub-of-ada 0', []])
    expect(await sessionsOf(at.gates[0], at.clock)).toHaveLength(1)
  })

  test('begin nothing by a cookie that was replaced: no token, no ticket, no page of one’s own', async () => {
    await using at = await stand(kind)
    const browser = at.browser()
    await browser.submit(await browser.open(`http://${APP}/`), { login: 'ada' })
    const old = browser.cookieHeader(new URL('http://auth.example/'))
    await signInAgain(browser, 'http://auth.example/.sallyport/login?again=1')
    const own = browser.cookieHeader(new URL('http://auth.example/'))
    const login = new URL((await at.browser().visit('http://safe.example/')).headers.get('location') ?? '')
    for (const gate of at.gates) {
      for (const page of ['sessions', 'tokens']) {
        expect((await ask(gate, 'auth.example', `/.sallyport/${page}`, old)).status).toBe(401)
        expect((await ask(gate, 'auth.example', `/.sallyport/${page}`, old, 'POST')).status).toBe(401)
        expect((await ask(gate, 'auth.example', `/.sallyport/${page}`, own)).status).toBe(200)
      }
      const headers = {
        host: 'auth.example',
        accept: 'text/html',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
      }
      const go = (cookie: string) =>
        fetch(`http://127.0.0.1:${gate.port}${login.pathname}${login.search}`, {
          headers: { ...headers, cookie },
          redirect: 'manual',
        })
      expect((await go(old)).headers.get('location')).not.toContain('ticket=')
      expect((await go(own)).headers.get('location')).toContain('ticket=')
    }
  })
})
