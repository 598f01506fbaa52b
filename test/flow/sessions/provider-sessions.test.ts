import { Database } from 'bun:sqlite'
import { beforeEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { ONCE_LIMITS } from '../../../src/session/one-time.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { trailOf } from '../../kit/audit.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { aheadClock, patientAsk } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, type GateOptions, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { BAD_PROVIDER_CLIENT, type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { fetchFrom, metricOf, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, routeTo } from '../../kit/toml.ts'
import { openEvents, openWebSocket } from '../../kit/wire/streams.ts'

const MINUTE = 60_000
const APP = 'http://app.example'
const clock = aheadClock()
const keep = untilTheEnd()
const upstream = keep(startStreaming(({ headers }) => headers.get('x-token-user-roles') ?? ''))
const bad = keep(await startBadProvider(clock.nowS))
const valkey = keep(await startValkey())
let database = 0

/** What the provider does right in these tests, and wrong where a test says so. */
function behave(how: Misbehaviour = {}): void {
  const end = { end_session_endpoint: `${bad.issuer}/end` }
  bad.behave({ givesRefreshToken: true, signsInAtOnce: true, ...how, discovery: { ...end, ...how.discovery } })
}

beforeEach(() => {
  clock.setAhead(0)
  behave()
})

const PORTAL = `roles.staff = { groups = ["staff"] }\n${EVERYONE}`

function toml(portal: string): string {
  return [
    providerTable(bad, 'label = "The provider"'),
    portalTable(`${PORTAL}\n${portal}`),
    routeTo(upstream, 'app.example', 'portal = "home"\nallow = ["staff"]\nheaders = "x-token"'),
    routeForUsers(upstream, 'open.example'),
  ].join('\n')
}

function gateWith(portal = '', options: Pick<GateOptions, 'store' | 'server' | 'sessions'> = {}): Promise<Gate> {
  return startGate(toml(portal), { ports: clock, recheckMs: 50, ...options })
}

const browserOf = (gate: Gate): BrowserLite => browserAt(gate, 'app.example', 'open.example')

/** A logout token as a provider sends it. */
async function send(gate: Gate, body: string, fields: Record<string, string> = {}) {
  const headers = { host: 'app.example', 'content-type': 'application/x-www-form-urlencoded', ...fields }
  const answer = await fetchFrom(gate, '/.sallyport/backchannel-logout', headers, { method: 'POST', body })
  return { status: answer.status, caching: answer.headers.get('cache-control'), text: await answer.text() }
}

const tokenOf = async (over: Misbehaviour = {}) => `logout_token=${await bad.logoutToken(over)}`

/** A browser that has signed in, with its cookie. */
async function signIn(
  gate: Gate,
  claims: Record<string, unknown> = { sid: 'their-session-1' },
  how: Misbehaviour = {},
) {
  behave({ ...how, claims })
  const browser = browserOf(gate)
  const page = await browser.open(`${APP}/`)
  behave(how)
  expect([page.response.status, page.text]).toEqual([200, 'staff user'])
  return { browser, cookie: `sallyport=${browser.cookie('app.example', 'sallyport')}` }
}

const told = (gate: Gate) => gate.told('could not be checked')

/** What a script with this cookie is answered. */
const status = (gate: Gate, cookie: string) => statusOf(gate, '/', { host: 'app.example', cookie })

/** When the only session was last found good at its provider. */
function checkedAtMs(gate: Gate): number {
  using database = new Database(join(gate.folder, 'sallyport.db'), { readonly: true })
  return Number(database.query<{ checked: number }, []>('SELECT checked_ms AS checked FROM sessions').get()?.checked)
}

describe('refresh', () => {
  test('fifty requests at once, when a session is due, cost one token call and are fifty times 200', async () => {
    await using gate = await gateWith()
    const { cookie } = await signIn(gate)
    for (const afterMs of [16 * MINUTE, 61 * MINUTE]) {
      behave({ beforeToken: () => Bun.sleep(100) })
      const before = bad.asked.token
      clock.advance(afterMs)
      const dueMs = clock.now()
      const answers = await Promise.all(Array.from({ length: 50 }, () => status(gate, cookie)))
      expect(answers).toEqual(Array(50).fill(200))
      // Until then, a clock that goes on would make it a session that was not checked for too long.
      await eventually(() => checkedAtMs(gate) >= dueMs, 'what the provider answered is kept')
      expect(await status(gate, cookie)).toBe(200)
      expect(bad.asked.token).toBe(before + 1)
    }
  })

  test('a person who was disabled is signed out once the interval is over', async () => {
    await using gate = await gateWith('refresh = "1m"')
    const { cookie, browser } = await signIn(gate)
    bad.revokeAll()
    clock.advance(MINUTE / 2)
    expect(await status(gate, cookie)).toBe(200)
    clock.advance(MINUTE)
    await status(gate, cookie)
    await eventually(async () => (await status(gate, cookie)) === 401, 'the session is gone')
    const page = await browser.visit(`${APP}/`)
    expect(page.headers.get('location')).toContain('/.sallyport/login')
  })

  test('a provider that is away ends nothing until the limit, and nobody gets in after it', async () => {
    await using gate = await gateWith('refresh = "1m"\nrefresh_limit = "10m"')
    const { cookie } = await signIn(gate)
    behave({ instead: { token: () => new Response('', { status: 503 }) } })
    for (const [atMs, expected] of [
      [2 * MINUTE, 200],
      [9 * MINUTE, 200],
      [11 * MINUTE, 401],
    ] as const) {
      clock.setAhead(atMs)
      expect(await status(gate, cookie)).toBe(expected)
    }
    behave()
    clock.advance(MINUTE)
    expect(await status(gate, cookie)).toBe(200)
  })

  test.each<[string, Misbehaviour]>([
    ['whose userinfo fails', { instead: { userinfo: () => new Response('', { status: 503 }) } }],
    ['whose keys cannot be had', { refresh: { signing: 'stranger' } }],
  ])(
    'a provider %s right after it gave tokens ends nothing, and is asked with the newest of these',
    async (_what, how) => {
      await using gate = await gateWith('refresh = "1m"\nrefresh_limit = "10m"')
      const { cookie } = await signIn(gate)
      const before = bad.asked.token
      behave(how)
      for (const times of [1, 2]) {
        clock.advance(2 * MINUTE)
        expect(await status(gate, cookie)).toBe(200)
        await eventually(() => bad.asked.token === before + times, 'it was asked')
        await eventually(() => told(gate).length === times, 'it was told')
      }
      behave({ userinfo: { groups: ['staff', 'more'] } })
      clock.advance(MINUTE)
      const dueMs = clock.now()
      await status(gate, cookie)
      await eventually(() => bad.asked.token === before + 3, 'it is asked once more')
      await eventually(() => checkedAtMs(gate) >= dueMs, 'what it answered is kept')
      expect(await status(gate, cookie)).toBe(200)
      expect(told(gate)).toHaveLength(2)
      // What was said last of the person is from before all this: until the limit, and no longer.
      behave(how)
      clock.advance(11 * MINUTE)
      expect(await status(gate, cookie)).toBe(401)
    },
  )

  test('what a provider says counts from when it was asked, however late it is read', async () => {
    const text = toml('refresh = "1m"\nrefresh_limit = "10m"')
    await using gate = await startGate(text, { ports: { ...clock, ask: patientAsk } })
    const { cookie } = await signIn(gate)
    const before = bad.asked.token
    const { promise: isReadLater, resolve: read } = Promise.withResolvers<void>()
    behave({ beforeToken: () => isReadLater })
    clock.advance(2 * MINUTE)
    expect(await status(gate, cookie)).toBe(200)
    await eventually(() => bad.asked.token === before + 1, 'it is asked')
    // As where the machine sleeps.
    clock.advance(11 * MINUTE)
    const answer = status(gate, cookie)
    behave({ instead: { token: () => new Response('', { status: 503 }) } })
    read()
    expect(await answer).toBe(401)
    expect(bad.asked.token).toBe(before + 2)
  })

  test('a new sign-in elsewhere in the same session there stops no refresh, and counts for no max_age here', async () => {
    const vaultRoute =
      'path = "/vault"\nportal = "home"\nallow = [{ roles = ["staff"], max_age = "5m", acr = ["silver"] }]'
    const text = [toml('refresh = "1m"'), routeTo(upstream, 'app.example', vaultRoute)].join('\n')
    await using gate = await startGate(text, { ports: clock, recheckMs: 50 })
    const shown = { sid: 'their-session-1', auth_time: clock.nowS(), acr: 'silver' }
    const { cookie } = await signIn(gate, shown)
    const vault = () => statusOf(gate, '/vault', { host: 'app.example', cookie })
    expect(await vault()).toBe(200)
    const before = bad.asked.token
    clock.advance(6 * MINUTE)
    behave({ refresh: { claims: { ...shown, auth_time: clock.nowS() - 30 } } })
    await status(gate, cookie)
    await eventually(() => bad.asked.token === before + 1, 'it is asked')
    expect([await status(gate, cookie), await vault()]).toEqual([200, 401])
    behave({ refresh: { claims: { ...shown, auth_time: clock.nowS() - 30 } }, userinfo: { groups: [] } })
    clock.advance(2 * MINUTE)
    await status(gate, cookie)
    await eventually(async () => (await status(gate, cookie)) === 403, 'the role that was taken away is gone')
    expect(told(gate)).toEqual([])
  })

  test('groups that changed act at once after it, on requests and on streams that are open', async () => {
    await using gate = await gateWith('refresh = "1m"')
    const { cookie } = await signIn(gate)
    using events = await openEvents(gate, 'app.example', [`Cookie: ${cookie}`])
    using socket = await openWebSocket(gate, 'app.example', [`Origin: ${APP}`, `Cookie: ${cookie}`])
    behave({ userinfo: { groups: [] } })
    clock.advance(2 * MINUTE)
    // Nobody requests anything: the open streams alone have the session looked at.
    await eventually(events.isOver, 'the event stream ends')
    await eventually(socket.isOver, 'the WebSocket is closed')
    expect(await status(gate, cookie)).toBe(403)
  }, 300_000)
})

needs('valkey-server').describe('another key of [sessions]', () => {
  const [OLD = '', NEW = '', OTHER = ''] = [1, 2, 3].map(byte => Buffer.alloc(32, byte).toString('base64'))

  test.each(['sqlite', 'redis'] as const)(
    'in front of the old one signs nobody out, and replaces it in time (%s)',
    async kind => {
      using folder = temporaryFolder()
      const store = kind === 'redis' ? valkey.url(database++) : `sqlite:${folder.path}/s.db`
      const withKeys = (...keys: string[]) =>
        gateWith('refresh = "1m"', { store, sessions: `key = ${JSON.stringify(keys.length === 1 ? keys[0] : keys)}` })
      /** A session is asked about at its provider, by the refresh token that is sealed. */
      async function isRenewed(gate: Gate, cookie: string) {
        const before = bad.asked.token
        clock.advance(2 * MINUTE)
        expect(await status(gate, cookie)).toBe(200)
        await eventually(() => bad.asked.token > before, 'the provider is asked')
        await eventually(async () => (await status(gate, cookie)) === 200, 'it goes on')
      }
      let cookie = ''
      {
        await using gate = await withKeys(OLD)
        cookie = (await signIn(gate)).cookie
      }
      {
        await using gate = await withKeys(NEW, OLD)
        await isRenewed(gate, cookie)
        expect((await signIn(gate)).cookie).not.toBe('')
      }
      {
        await using gate = await withKeys(NEW)
        await isRenewed(gate, cookie)
        expect(gate.told('does not fit')).toEqual([])
      }
      if (kind === 'redis') return
      await expect(withKeys(OLD)).rejects.toThrow('is not the one')
      await expect(withKeys(OTHER, OLD)).rejects.toThrow('is not the one')
    },
  )
})

describe('signing out (OpenID Connect RP-Initiated Logout 1.0)', () => {
  const ON = 'provider_logout = true'

  async function signOut(browser: BrowserLite) {
    const asked = await browser.open(`${APP}/.sallyport/logout`)
    return browser.submit(asked)
  }

  test('rp-init-logout: ends here, then at the provider, and comes back to a page that says both', async () => {
    await using gate = await gateWith(ON)
    const { browser, cookie } = await signIn(gate)
    const here = await signOut(browser)
    expect(here.text).toContain('signed out here')
    expect(here.text).not.toMatch(/eyJ[\w-]{10,}\./)
    expect(await status(gate, cookie)).toBe(401)
    const back = await browser.refresh(here)
    expect(back.address.pathname).toBe('/.sallyport/signed-out')
    expect(back.text).toContain('Here, and at The provider.')
    const asked = bad.lastEnd()
    expect(asked?.get('id_token_hint')).toStartWith('eyJ')
    expect(asked?.get('client_id')).toBe(BAD_PROVIDER_CLIENT.clientId)
    expect(asked?.get('post_logout_redirect_uri')).toBe(`${APP}/.sallyport/signed-out`)
    expect((await browser.open(back.address)).text).not.toContain('at The provider')
  })

  test.each(['no', 'other'] as const)('rp-init-logout-%s-state: nothing is said of the provider', async which => {
    const logoutState = which === 'no' ? 'none' : 'other'
    await using gate = await gateWith(ON)
    const { browser, cookie } = await signIn(gate, {}, { logoutState })
    const back = await browser.refresh(await signOut(browser))
    expect(back.response.status).toBe(200)
    expect(back.text).toContain('You are signed out')
    expect(back.text).not.toContain('at The provider')
    expect(await status(gate, cookie)).toBe(401)
  })

  test('the way to the provider is open once', async () => {
    await using gate = await gateWith(ON)
    const { browser } = await signIn(gate)
    const here = await signOut(browser)
    const next = `${APP}/.sallyport/provider-logout?next=${here.address.searchParams.get('next')}`
    expect((await browser.visit(next, { method: 'HEAD' })).status).toBe(204)
    expect((await browser.visit(next, { headers: { 'sec-purpose': 'prefetch' } })).status).toBe(503)
    expect((await browser.visit(next)).headers.get('location')).toStartWith(`${bad.issuer}/end?`)
    expect((await browser.visit(next)).headers.get('location')).toBe('/.sallyport/signed-out')
  })

  test.each<[string, string, Misbehaviour]>([
    ['where the file does not say so', '', {}],
    ['where the provider has no such page', ON, { discovery: { end_session_endpoint: undefined } }],
  ])('ends here alone %s', async (_where, portal, how) => {
    await using gate = await gateWith(portal)
    const { browser, cookie } = await signIn(gate, {}, how)
    const page = await signOut(browser)
    expect(page.address.href).toBe(`${APP}/.sallyport/signed-out`)
    expect(page.text).toContain('You are signed out')
    expect(await status(gate, cookie)).toBe(401)
  })

  test('in one process is denied in another at once', async () => {
    using folder = temporaryFolder()
    const store = `sqlite:${folder.path}/shared.db`
    await using one = await gateWith('', { store })
    await using other = await gateWith('', { store })
    const { browser, cookie } = await signIn(one)
    expect(await status(other, cookie)).toBe(200)
    await signOut(browser)
    expect(await status(one, cookie)).toBe(401)
    await eventually(async () => (await status(other, cookie)) === 401, 'the other process knows')
  })
})

describe('back-channel logout (OpenID Connect Back-Channel Logout 1.0)', () => {
  test('rp-backchannel-rpinitlogout: ends the session of its sid, and no other of that person', async () => {
    await using gate = await gateWith()
    const one = await signIn(gate, { sid: 'their-session-1' })
    const other = await signIn(gate, { sid: 'their-session-2' })
    expect(await send(gate, await tokenOf())).toEqual({ status: 200, caching: 'no-store', text: '' })
    expect(await status(gate, one.cookie)).toBe(401)
    expect(await status(gate, other.cookie)).toBe(200)
  })

  test('without sid ends every session of that person', async () => {
    await using gate = await gateWith()
    const people = [
      await signIn(gate),
      await signIn(gate, {}),
      await signIn(gate, { sub: 'user-2' }, { userinfo: { sub: 'user-2' } }),
    ]
    expect((await send(gate, await tokenOf({ claims: { sid: undefined } }))).status).toBe(200)
    expect(await Promise.all(people.map(({ cookie }) => status(gate, cookie)))).toEqual([401, 401, 200])
  })

  test('a sid of another person’s session ends nothing', async () => {
    await using gate = await gateWith()
    const { cookie } = await signIn(gate)
    expect((await send(gate, await tokenOf({ claims: { sub: 'user-2' } }))).status).toBe(200)
    expect(await status(gate, cookie)).toBe(200)
  })

  test('nobody signed in is 200 too', async () => {
    await using gate = await gateWith()
    expect((await send(gate, await tokenOf())).status).toBe(200)
  })

  const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
  const REFUSED: readonly [string, Misbehaviour][] = [
    ['wrong-iss', { claims: { iss: 'https://evil.example' } }],
    ['wrong-aud', { claims: { aud: 'somebody-else' } }],
    ['wrong-alg', { signing: 'hmac-public-key' }],
    ['alg-none', { signing: 'none' }],
    ['a stranger’s signature', { signing: 'stranger' }],
    ['no-event', { claims: { events: undefined } }],
    ['wrong-event', { claims: { events: { [`${EVENT}s`]: {} } } }],
    ['with-nonce', { claims: { nonce: 'n' } }],
    ['neither sub nor sid', { claims: { sub: undefined, sid: undefined } }],
    ['no iat', { claims: { iat: undefined } }],
    ['no jti', { claims: { jti: undefined } }],
    ['expired', { claims: { exp: 1 } }],
    ['an access token', { header: { typ: 'at+jwt' } }],
  ]
  test.each(REFUSED)(
    'rp-backchannel-rpinitlogout-%s is 400, not stored, and keeps the session',
    async (_what, over) => {
      await using gate = await gateWith()
      const { cookie } = await signIn(gate)
      const answer = await send(gate, await tokenOf(over))
      expect([answer.status, answer.caching]).toEqual([400, 'no-store'])
      expect(JSON.parse(answer.text)).toMatchObject({ error: 'invalid_request' })
      expect(await status(gate, cookie)).toBe(200)
    },
  )

  test('a request that is no such form is refused and keeps the session', async () => {
    await using gate = await gateWith()
    const { cookie } = await signIn(gate)
    const token = await bad.logoutToken()
    const query = `?logout_token=${token}`
    const refused: readonly [number, Promise<{ readonly status: number }>][] = [
      [400, send(gate, '')],
      [400, send(gate, 'logout_token=junk')],
      [400, send(gate, `logout_token=${token}&logout_token=${token}`)],
      [400, send(gate, `logout_token=${'x'.repeat(40_000)}`)],
      [400, send(gate, JSON.stringify({ logout_token: token }), { 'content-type': 'application/json' })],
    ]
    for (const [expected, answer] of refused) expect((await answer).status).toBe(expected)
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const page = `/.sallyport/backchannel-logout${query}`
      const answer = await fetchFrom(gate, page, { host: 'app.example', cookie }, { method })
      expect([method, answer.status]).toEqual([method, 405])
    }
    expect(await status(gate, cookie)).toBe(200)
  })

  test('a token is good once: sent again, it ends nobody who signed in since', async () => {
    await using gate = await gateWith()
    await signIn(gate)
    const body = await tokenOf()
    expect((await send(gate, body)).status).toBe(200)
    clock.advance(2_000)
    const again = await signIn(gate)
    expect((await send(gate, body)).status).toBe(400)
    expect(await status(gate, again.cookie)).toBe(200)
    const twice = await tokenOf()
    const both = await Promise.all([send(gate, twice), send(gate, twice)])
    expect(both.map(answer => answer.status).sort()).toEqual([200, 400])
  })

  test('a token that could not be heeded is taken when it is sent again, whatever else failed', async () => {
    await using gate = await gateWith()
    const { cookie } = await signIn(gate)
    const body = await tokenOf()
    using database = new Database(join(gate.folder, 'sallyport.db'))
    database.run('PRAGMA busy_timeout = 5000')
    const tables = ['sessions', 'once']
    for (const table of tables)
      database.run(`CREATE TRIGGER no_${table} BEFORE DELETE ON ${table} BEGIN SELECT RAISE(FAIL, 'full'); END`)
    expect((await send(gate, body)).status).toBe(503)
    for (const table of tables) database.run(`DROP TRIGGER no_${table}`)
    expect((await send(gate, body)).status).toBe(200)
    expect(await status(gate, cookie)).toBe(401)
    expect((await send(gate, body)).status).toBe(400)
  })

  test('works in every process, and while nobody may be asked to sign in', async () => {
    using folder = temporaryFolder()
    const store = `sqlite:${folder.path}/shared.db`
    await using one = await gateWith('', { store })
    await using other = await gateWith('', { store })
    const { cookie } = await signIn(one)
    expect(await status(other, cookie)).toBe(200)
    expect((await send(one, await tokenOf())).status).toBe(200)
    await eventually(async () => (await status(other, cookie)) === 401, 'the other process knows')
  })

  test('a provider that cannot be asked for its keys is 503, and the token may be sent again', async () => {
    await using gate = await gateWith()
    const { cookie } = await signIn(gate)
    const body = await tokenOf()
    clock.advance(11 * MINUTE)
    const later = await tokenOf()
    behave({ instead: { jwks: () => new Response('', { status: 500 }) } })
    expect((await send(gate, later)).status).toBe(503)
    behave()
    expect((await send(gate, later)).status).toBe(200)
    expect((await send(gate, body)).status).toBe(400)
    expect(await status(gate, cookie)).toBe(401)
  })
})

describe('a back-channel logout while a sign-in is on its way', () => {
  /** Comes back from the provider, which is asked who this is when the logout token comes; what the browser gets then, and its session. */
  async function overtaken(gate: Gate, logout: () => Promise<unknown>, claims: Record<string, unknown>) {
    const asked = Promise.withResolvers<void>()
    const going = Promise.withResolvers<void>()
    const userinfo = async () => {
      asked.resolve()
      await going.promise
      return Response.json({ sub: 'user-1', name: 'User One', groups: ['staff'] })
    }
    behave({ claims, instead: { userinfo } })
    const browser = browserOf(gate)
    const opened = browser.open(`${APP}/`)
    await asked.promise
    await logout()
    going.resolve()
    const { response, text } = await opened
    behave()
    return { status: response.status, text, cookie: browser.cookie('app.example', 'sallyport') ?? '' }
  }

  const REFUSED: readonly [string, Record<string, unknown>, Misbehaviour][] = [
    ['of its session', { sid: 'their-session-1' }, {}],
    ['of its session, the subject unsaid', { sid: 'their-session-1' }, { claims: { sub: undefined } }],
    ['of its person', { sid: 'their-session-9' }, { claims: { sid: undefined } }],
  ]
  needs('valkey-server').describe.each(['sqlite', 'redis'] as const)('in %s', kind => {
    const storeOf = (folder: string) => shared(kind === 'redis' ? valkey.url(database++) : `${folder}/shared.db`)

    test.each(REFUSED)('a token %s refuses it, and what came of it is gone', async (_what, claims, over) => {
      using folder = temporaryFolder()
      await using gate = await gateWith('', storeOf(folder.path))
      const got = await overtaken(gate, async () => send(gate, await tokenOf(over)), claims)
      expect(got).toMatchObject({ status: 400, cookie: '' })
      expect(await metricOf(gate, 'sallyport_sessions')).toBe(0)
      expect(gate.told('sign_in.state', '"check":"signed_out"', '"user":"user-1"')).toHaveLength(1)
      clock.advance(2_000)
      const { cookie } = await signIn(gate, claims)
      expect(await status(gate, cookie)).toBe(200)
    })

    test('what the provider says of another session, or in a frame that anybody can open, refuses nobody', async () => {
      using folder = temporaryFolder()
      await using gate = await gateWith('', storeOf(folder.path))
      const frame = `/.sallyport/frontchannel-logout?${new URLSearchParams({ iss: bad.issuer, sid: 'their-session-1' })}`
      const all = async () => {
        await send(gate, await tokenOf({ claims: { sid: 'their-session-2' } }))
        await send(gate, await tokenOf({ claims: { sub: 'user-2', sid: undefined } }))
        await send(gate, await tokenOf({ signing: 'stranger' }))
        await statusOf(gate, frame, { host: 'app.example' })
      }
      const got = await overtaken(gate, all, { sid: 'their-session-1' })
      expect([got.status, got.text]).toEqual([200, 'staff user'])
    })

    test('between the provider’s page and the way back refuses it, though the ID token is of a later time', async () => {
      using folder = temporaryFolder()
      await using gate = await gateWith('', storeOf(folder.path))
      behave({ claims: { sid: 'their-session-1' } })
      const browser = browserOf(gate)
      let at = new URL(`${APP}/`)
      while (!at.searchParams.has('code')) at = new URL((await browser.visit(at)).headers.get('location') ?? '', at)
      clock.advance(3_000)
      expect((await send(gate, await tokenOf())).status).toBe(200)
      clock.advance(3_000)
      const { response } = await browser.open(at)
      expect([response.status, browser.cookie('app.example', 'sallyport') ?? '']).toEqual([400, ''])
      expect(gate.told('sign_in.state', '"check":"signed_out"')).toHaveLength(1)
      expect(await status(gate, (await signIn(gate, { sid: 'their-session-1' })).cookie)).toBe(200)
    })

    test('counts by auth_time where the provider states it, for as long as a code lasts; the latest of two tokens', async () => {
      using folder = temporaryFolder()
      await using gate = await gateWith('', storeOf(folder.path))
      const early = await tokenOf()
      const shownAt = clock.nowS() + 5
      clock.advance(10_000)
      // The earlier one comes last, as over a slow way.
      expect((await send(gate, await tokenOf())).status).toBe(200)
      expect((await send(gate, early)).status).toBe(200)
      const come = async (authTime: number) => {
        behave({ claims: { sid: 'their-session-1', auth_time: authTime } })
        const { response } = await browserOf(gate).open(`${APP}/`)
        return response.status
      }
      clock.advance(9 * MINUTE)
      expect(await come(shownAt)).toBe(400)
      expect(await come(clock.nowS() - 1)).toBe(200)
      clock.advance(3 * MINUTE)
      expect(await come(shownAt)).toBe(200)
    })
  })

  test('a provider that signs out everybody has its own bound: what another one said stays', async () => {
    using folder = temporaryFolder()
    const store = `sqlite:${folder.path}/shared.db`
    await using gate = await gateWith('', { store })
    const { perOwner } = ONCE_LIMITS['signed-out']
    const records = new Database(`${folder.path}/shared.db`)
    const fill = (owner: string, number: number) =>
      records.run(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${number})
         INSERT INTO once (kind, hash, owner, value, expires_ms) SELECT 'signed-out', '${owner}' || i, '${owner}', '', ${clock.now() + MINUTE} FROM n`,
      )
    expect((await send(gate, await tokenOf())).status).toBe(200)
    fill('https://other.example', perOwner)
    fill(bad.issuer, perOwner - 1)
    const count = () =>
      records.query("SELECT owner, count(*) AS n FROM once WHERE kind = 'signed-out' GROUP BY owner").all()
    const whole = count()
    expect((await send(gate, await tokenOf({ claims: { sid: 'their-session-3' } }))).status).toBe(200)
    expect(count()).toEqual(whole)
    records.close()
  })
})

describe('a logout that ends nothing', () => {
  const AUDITED = '[audit]\nkeep = "1d"'
  const made = (number: number) =>
    `/.sallyport/frontchannel-logout?${new URLSearchParams({ iss: bad.issuer, sid: `made-up-${number}` })}`
  const frame = (gate: Gate, number: number, from = '192.0.2.7') =>
    statusOf(gate, made(number), { host: 'app.example', 'x-forwarded-for': from })

  test('leaves no row in the audit trail, in a frame and by a token; one that ends somebody does', async () => {
    await using gate = await gateWith(AUDITED)
    for (let number = 0; number < 20; number++) expect(await frame(gate, number)).toBe(200)
    expect((await send(gate, await tokenOf())).status).toBe(200)
    expect(await trailOf(gate, 'sign_out.by_provider')).toEqual([])
    clock.advance(2_000)
    await signIn(gate)
    expect((await send(gate, await tokenOf())).status).toBe(200)
    expect(await trailOf(gate, 'sign_out.by_provider')).toMatchObject([{ number: 1, reason: 'back-channel' }])
  })

  test('counts against its network alone: 429 after 300, while others, and who ends somebody, go on', async () => {
    await using gate = await gateWith(AUDITED, { server: 'trusted_proxies = ["127.0.0.1"]' })
    /** What one after the other is answered, until one is told to wait; some are given back meanwhile. */
    async function untilTold(ask: (number: number) => Promise<number>): Promise<readonly number[]> {
      const statuses: number[] = []
      while (statuses.at(-1) !== 429 && statuses.length < 3_000) statuses.push(await ask(statuses.length))
      return statuses
    }
    const frames = await untilTold(number => frame(gate, number))
    expect([frames.length > 300, new Set(frames.slice(0, -1)), frames.at(-1)]).toEqual([true, new Set([200]), 429])
    expect(await frame(gate, 0, '192.0.2.8')).toBe(200)
    const junk = await untilTold(
      async () => (await send(gate, 'logout_token=x', { 'x-forwarded-for': '192.0.2.9' })).status,
    )
    expect([junk.length > 300, new Set(junk.slice(0, -1)), junk.at(-1)]).toEqual([true, new Set([400]), 429])
    for (let round = 0; round < 3; round++) {
      clock.advance(2_000)
      const { cookie } = await signIn(gate)
      expect((await send(gate, await tokenOf())).status).toBe(200)
      expect(await status(gate, cookie)).toBe(401)
    }
  })
})

describe('front-channel logout (OpenID Connect Front-Channel Logout 1.0)', () => {
  const address = (query: Record<string, string>) =>
    `${APP}/.sallyport/frontchannel-logout?${new URLSearchParams(query)}`

  test('rp-frontchannel-rpinitlogout: in the provider’s frame, without our cookies, ends the session of its sid', async () => {
    await using gate = await gateWith()
    const one = await signIn(gate)
    const other = await signIn(gate, { sid: 'their-session-2' })
    const frame = { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' }
    const answer = await browserOf(gate).visit(address({ iss: bad.issuer, sid: 'their-session-1' }), { headers: frame })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('x-frame-options')).toBeNull()
    expect(answer.headers.get('content-security-policy')).toBe(
      `default-src 'none'; base-uri 'none'; frame-ancestors ${new URL(bad.issuer).origin}`,
    )
    expect([await status(gate, one.cookie), await status(gate, other.cookie)]).toEqual([401, 200])
  })

  test('without iss, sid, or with another’s, is 400 and ends nothing', async () => {
    await using gate = await gateWith()
    const { browser, cookie } = await signIn(gate)
    const queries: readonly string[] = [
      '',
      `?iss=${bad.issuer}`,
      '?sid=their-session-1',
      `?iss=${bad.issuer}&sid=`,
      '?iss=https://evil.example&sid=their-session-1',
      `?iss=${bad.issuer}&iss=${bad.issuer}&sid=their-session-1`,
    ]
    for (const query of queries) {
      expect([query, (await browser.visit(`${APP}/.sallyport/frontchannel-logout${query}`)).status]).toEqual([
        query,
        400,
      ])
    }
    const good = address({ iss: bad.issuer, sid: 'their-session-1' })
    expect((await browser.visit(good, { method: 'HEAD' })).status).toBe(204)
    expect((await browser.visit(good, { headers: { 'sec-purpose': 'prefetch' } })).status).toBe(503)
    expect((await browser.visit(good, { method: 'POST', headers: { origin: APP } })).status).toBe(405)
    expect((await browser.visit(address({ iss: bad.issuer, sid: 'unknown' }))).status).toBe(200)
    expect(await status(gate, cookie)).toBe(200)
  })
})
