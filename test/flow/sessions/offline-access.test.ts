import { beforeEach, describe, expect, test } from 'bun:test'
import { runSessions } from '../../../src/cli/sessions.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { aheadClock } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, type GateOptions, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { statusOf } from '../../kit/requests.ts'
import { push, SCIM_KEY, userOf } from '../../kit/scim.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { portalTable, providerTable, routeForUsers } from '../../kit/toml.ts'

const APP = 'http://app.example'
const HOUR = 60 * 60_000
const clock = aheadClock()
const keep = untilTheEnd()
const upstream = keep(startStreaming(() => 'hello'))
const bad = keep(await startBadProvider(clock.nowS))
const valkey = keep(await startValkey())

/** What Keycloak 26.7.3 lists, and Pocket ID from 2.10 on; without a word about who gets a refresh token, as theirs. */
const LISTED = ['openid', 'profile', 'email', 'groups', 'offline_access']

function behave(how: Misbehaviour = {}): void {
  const places = { end_session_endpoint: `${bad.issuer}/end`, revocation_endpoint: `${bad.issuer}/revoke` }
  bad.behave({
    givesRefreshToken: true,
    signsInAtOnce: true,
    claims: { sid: 'their-session-1' },
    ...how,
    discovery: { scopes_supported: LISTED, ...places, ...how.discovery },
  })
}

beforeEach(() => {
  clock.setAhead(0)
  bad.revokeAll()
  behave()
})

function toml(portal = '', provider = ''): string {
  return [
    providerTable(bad, provider),
    portalTable(`roles.user = { any = true }\n${portal}`),
    routeForUsers(upstream, 'app.example'),
  ].join('\n')
}

const gateWith = (options: Pick<GateOptions, 'store' | 'sessions' | 'drain'> = {}, portal = ''): Promise<Gate> =>
  startGate(toml(portal), { ports: clock, ...options })

async function signIn(gate: Gate): Promise<BrowserLite> {
  const browser = browserAt(gate, 'app.example')
  const page = await browser.open(`${APP}/`)
  expect([page.response.status, page.text]).toEqual([200, 'hello'])
  return browser
}

/** Whether each sign-in in a row asked for it. */
async function asksOf(gate: Gate, number: number): Promise<readonly boolean[]> {
  const asked: boolean[] = []
  for (let each = 0; each < number; each++) {
    await signIn(gate)
    asked.push(bad.lastAuthorize().get('scope')?.split(' ').includes('offline_access') === true)
  }
  return asked
}

async function signOut(gate: Gate, browser: BrowserLite): Promise<void> {
  await browser.submit(await browser.open(`${APP}/.sallyport/logout`))
  const page = await browser.visit(`${APP}/`)
  expect(page.headers.get('location')).toContain('/.sallyport/login')
  expect(await statusOf(gate, '/', { host: 'app.example' })).toBe(401)
}

const LACKS = 'A sign-in brought no refresh token'

describe('offline_access', () => {
  test('is never asked for at a provider that gives a refresh token without it, though it lists the scope', async () => {
    await using gate = await gateWith()
    expect(await asksOf(gate, 3)).toEqual([false, false, false])
    expect(gate.told(LACKS)).toEqual([])
  })

  needs('valkey-server').test.each(['sqlite', 'redis'] as const)(
    'is asked for after a sign-in that brought no refresh token, by whatever machine (%s)',
    async kind => {
      behave({ givesRefreshToken: 'offline' })
      using folder = temporaryFolder()
      const place = shared(kind === 'redis' ? valkey.url(1) : `${folder.path}/shared.db`)
      await using other = await gateWith(place)
      await using gate = await gateWith(place)
      expect([await asksOf(gate, 1), await asksOf(other, 1)]).toEqual([[false], [true]])
      expect(gate.told(LACKS, '"level":"warn"', 'the next sign-in asks for offline_access')).toHaveLength(1)
      expect([gate.told(LACKS).length, other.told(LACKS).length]).toEqual([1, 0])
    },
  )

  test('is asked anew once discovery says something else, and once scopes are the file’s own', async () => {
    behave({ givesRefreshToken: 'offline' })
    await using gate = await gateWith()
    expect(await asksOf(gate, 2)).toEqual([false, true])
    behave({ discovery: { grant_types_supported: ['authorization_code', 'refresh_token'] } })
    clock.advance(HOUR + 1000)
    expect(await asksOf(gate, 2)).toEqual([false, false])
    gate.save(toml('', 'scopes = ["openid", "email"]'))
    expect(gate.server.reload()).toBe('changed')
    await signIn(gate)
    expect(bad.lastAuthorize().get('scope')).toBe('openid email')
  })

  test('is asked anew once scopes of the file are taken out again', async () => {
    behave({ givesRefreshToken: 'offline' })
    await using gate = await gateWith()
    expect(await asksOf(gate, 2)).toEqual([false, true])
    const asksFor = async (provider: string, scope: string) => {
      gate.save(toml('', provider))
      expect(gate.server.reload()).toBe('changed')
      await signIn(gate)
      expect(bad.lastAuthorize().get('scope')).toBe(scope)
    }
    await asksFor('scopes = ["openid", "email"]', 'openid email')
    await asksFor('', 'openid profile email groups')
    expect(await asksOf(gate, 1)).toEqual([true])
  })

  test('is asked for no more than what the order of a list is changes', async () => {
    behave({ givesRefreshToken: 'offline' })
    await using gate = await gateWith()
    expect(await asksOf(gate, 2)).toEqual([false, true])
    behave({ givesRefreshToken: 'offline', discovery: { scopes_supported: LISTED.toReversed() } })
    clock.advance(HOUR + 1000)
    expect(await asksOf(gate, 1)).toEqual([true])
  })

  test('is left out where the provider forbids it to this client, and that person signs in without', async () => {
    behave({ givesRefreshToken: false, forbidsOffline: true })
    await using gate = await gateWith()
    await signIn(gate)
    await signIn(gate)
    expect(bad.lastAuthorize().get('scope')).toBe('openid profile email groups')
    expect(gate.told('The provider does not take offline_access', '"level":"warn"')).toHaveLength(1)
    await signIn(gate)
    expect(await statusOf(gate, '/', { host: 'app.example' })).toBe(401)
  })

  test('is not asked for where the file has refresh = "off", and where the provider lists it not', async () => {
    behave({ givesRefreshToken: 'offline' })
    await using off = await gateWith({}, 'refresh = "off"')
    expect(await asksOf(off, 2)).toEqual([false, false])
    expect(off.told(LACKS)).toEqual([])
    behave({ givesRefreshToken: false, discovery: { scopes_supported: ['openid', 'profile'] } })
    await using unlisted = await gateWith()
    expect(await asksOf(unlisted, 2)).toEqual([false, false])
    expect(unlisted.told(LACKS, 'goes on until its lifetime is over')).toHaveLength(2)
  })
})

describe('at sign-out, the refresh token that is held is revoked (RFC 7009 §2.1)', () => {
  test('with the client’s own proof, whether or not the browser goes on to the provider', async () => {
    for (const portal of ['', 'provider_logout = false']) {
      bad.revokeAll()
      await using gate = await gateWith({}, portal)
      const browser = await signIn(gate)
      expect(bad.goodRefreshTokens()).toBe(1)
      await signOut(gate, browser)
      await eventually(() => bad.goodRefreshTokens() === 0, 'it is revoked')
      const { form, authorization } = bad.lastRevoke()
      expect([form.get('token_type_hint'), authorization?.split(' ')[0]]).toEqual(['refresh_token', 'Basic'])
    }
  })

  test('of every session that ends with it, and of one that is ended from another device', async () => {
    await using gate = await gateWith()
    const first = await signIn(gate)
    await signIn(gate)
    await signIn(gate)
    expect(bad.goodRefreshTokens()).toBe(3)
    await first.submit(await first.open(`${APP}/.sallyport/sessions`), {}, 'end')
    await eventually(() => bad.goodRefreshTokens() === 2, 'that of the other is revoked')
    await first.submit(await first.open(`${APP}/.sallyport/sessions`), {}, 'end-all')
    await eventually(() => bad.goodRefreshTokens() === 0, 'all are revoked')
  })

  test('where the provider fails at that, people are signed out all the same, and the log says so', async () => {
    await using gate = await gateWith()
    const browser = await signIn(gate)
    behave({ instead: { revoke: () => new Response('no', { status: 503 }) } })
    await signOut(gate, browser)
    await eventually(() => gate.told('could not be revoked', '"level":"warn"').length === 1, 'it is told')
    expect(bad.goodRefreshTokens()).toBe(1)
    await signIn(gate)
  })

  test('of a session that ends because somebody else signs in in the same browser', async () => {
    await using gate = await gateWith()
    const browser = await signIn(gate)
    behave({ claims: { sub: 'bob' }, userinfo: { sub: 'bob' } })
    await browser.open(`${APP}/.sallyport/login?switch=1`)
    await eventually(() => gate.told('Another user signed in in the same browser').length === 1, 'bob is in')
    await eventually(() => bad.goodRefreshTokens() === 1, 'that of the first is revoked')
  })

  test('of a session that an operator ends by a command, which waits for the provider', async () => {
    await using gate = await gateWith()
    await signIn(gate)
    await signIn(gate)
    const { code, err } = await runOn(gate, runSessions, ['revoke', '--all'])
    expect([code, err, bad.goodRefreshTokens()]).toEqual([0, '', 0])
  })

  test('of whom the provider deactivates by SCIM', async () => {
    await using gate = await startGate(toml('', SCIM_KEY), { ports: clock })
    await signIn(gate)
    const { status } = await push(gate, 'POST', '/Users', userOf('user-1', { active: false }))
    expect(status).toBe(201)
    await eventually(() => bad.goodRefreshTokens() === 0, 'it is revoked')
  })

  test('of more sessions than are told of at a time, all', async () => {
    await using gate = await gateWith()
    for (let each = 0; each < 20; each++) await signIn(gate)
    let [now, most] = [0, 0]
    const full = Promise.withResolvers<void>()
    behave({
      instead: {
        revoke: async () => {
          most = Math.max(most, ++now)
          if (now === 8) full.resolve()
          await full.promise
          await Bun.sleep(20)
          now--
          return new Response(null)
        },
      },
    })
    const asked = bad.asked.revoke
    await runOn(gate, runSessions, ['revoke', '--all'])
    expect([bad.asked.revoke - asked, most]).toEqual([20, 8])
  })

  test('and a stop waits for what is under way, for `drain` at most', async () => {
    const gate = await gateWith({ drain: '60s' })
    const browser = await signIn(gate)
    const { promise, resolve } = Promise.withResolvers<Response>()
    behave({ instead: { revoke: () => promise } })
    const asked = bad.asked.revoke
    await signOut(gate, browser)
    await eventually(() => bad.asked.revoke > asked, 'the provider is asked')
    let isStopped = false
    const stopping = gate[Symbol.asyncDispose]().then(() => {
      isStopped = true
    })
    await eventually(
      () =>
        statusOf(gate, '/', { host: 'app.example' }).then(
          () => false,
          () => true,
        ),
      'nothing more is taken',
    )
    expect([isStopped, bad.asked.revoke - asked]).toEqual([false, 1])
    resolve(new Response(null))
    await stopping
    expect(gate.told('could not be revoked')).toEqual([])
  })

  test('and a stop waits no longer than `drain` for a provider that never answers, which is told', async () => {
    const gate = await gateWith()
    const browser = await signIn(gate)
    const { promise, resolve } = Promise.withResolvers<Response>()
    behave({ instead: { revoke: () => promise } })
    const asked = bad.asked.revoke
    await signOut(gate, browser)
    await eventually(() => bad.asked.revoke > asked, 'the provider is asked')
    await gate[Symbol.asyncDispose]()
    expect(gate.told('not all of their refresh tokens were revoked', '"number":1')).toHaveLength(1)
    resolve(new Response(null))
  })

  test('and people are signed out before the provider has answered', async () => {
    await using gate = await gateWith()
    const browser = await signIn(gate)
    const { promise, resolve } = Promise.withResolvers<Response>()
    behave({ instead: { revoke: () => promise } })
    await signOut(gate, browser)
    expect(bad.goodRefreshTokens()).toBe(1)
    resolve(new Response(null))
  })
})
