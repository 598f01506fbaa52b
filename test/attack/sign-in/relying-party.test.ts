/**
 * The relying-party modules of the OpenID conformance suite, and what RFC 9207 and RFC 9700 ask of a client, through the whole
 * server: a browser, the gate, a provider that misbehaves in exactly that way, and an application that must hear nothing of it.
 *
 * Signing out (`rp-init-logout`, `rp-backchannel-…`, `rp-frontchannel-…`) is in test/flow/sessions/provider-sessions.test.ts.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { type BrowserLite, browserAt, type Page } from '../../kit/browser/browser-lite.ts'
import { aheadClock } from '../../kit/clock.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import {
  BAD_PROVIDER_CLIENT,
  type BadProvider,
  type Misbehaviour,
  startBadProvider,
} from '../../kit/provider/bad-provider.ts'
import { routeForUsers } from '../../kit/toml.ts'

const APP = 'http://app.example'
const MINUTE = 60_000
const clock = aheadClock()
const { nowS } = clock
let rsa: BadProvider
let ec: BadProvider
let upstream: Bun.Server<undefined>
/** What the application was told, request by request. */
/** What the application was asked by these gates: its port may be one that a gate of another test still asks. */
const seen: Record<string, string>[] = []
const OURS = crypto.randomUUID()

beforeAll(async () => {
  rsa = await startBadProvider(nowS)
  ec = await startBadProvider(nowS, 'ES256')
  upstream = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      if (request.headers.get('x-ours') === OURS) seen.push(request.headers.toJSON())
      return new Response(`hello ${request.headers.get('x-token-subject')}`)
    },
  })
})
afterAll(async () => {
  await upstream.stop(true)
  await Promise.all([rsa.stop(), ec.stop()])
})
beforeEach(() => {
  clock.setAhead(0)
})

function toml(providers: Readonly<Record<string, BadProvider>>, portal = ''): string {
  const tables = Object.entries(providers).map(
    ([name, { issuer }]) => `[providers.${name}]
issuer = "${issuer}"
client_id = "${BAD_PROVIDER_CLIENT.clientId}"
client_secret = "${BAD_PROVIDER_CLIENT.clientSecret}"
`,
  )
  return `${tables.join('\n')}
[portals.home]
providers = [${Object.keys(providers).map(name => `"${name}"`)}]
insecure_cookies = true
${portal}
roles.user = { groups = ["staff"] }

${routeForUsers(upstream, 'app.example', `headers = "x-token"\nrequest_headers = { set = { X-Ours = "${OURS}" } }`)}`
}

interface Visit {
  readonly gate: Gate
  readonly browser: BrowserLite
  /** How the provider behaves from now on. */
  behave(how: Misbehaviour): void
  /** Opens the application's page. */
  open(): Promise<Page>
}

/** A fresh gate and a fresh browser at a provider that behaves like this. */
async function withVisit(
  act: (visit: Visit) => Promise<void>,
  { how = {}, provider = rsa, portal = '' }: { how?: Misbehaviour; provider?: BadProvider; portal?: string } = {},
): Promise<void> {
  const behave = (next: Misbehaviour) => provider.behave({ signsInAtOnce: true, givesRefreshToken: true, ...next })
  behave(how)
  await using gate = await startGate(toml({ id: provider }, portal), { ports: clock })
  const browser = browserAt(gate, 'app.example')
  await act({ gate, browser, behave, open: () => browser.open(`${APP}/`) })
}

/** A page of ours without a session, without a word of a token, and an application that heard nothing. */
async function isRefused({ gate, browser, open }: Visit, code: string, check?: string): Promise<void> {
  const before = seen.length
  const page = await open()
  expect([page.response.status, gate.told(`"code":"${code}"`).length > 0]).toEqual([STATUS[code] ?? 502, true])
  if (check !== undefined) expect(gate.log.join('\n')).toContain(`"check":"${check}"`)
  expect(page.trail.length).toBeLessThan(6)
  expect(browser.cookie('app.example', 'sallyport')).toBeNull()
  expect(`${page.text} ${gate.log.join(' ')}`).not.toMatch(/eyJ[\w-]{10,}\.|access-token/)
  expect(seen.length).toBe(before)
}

const STATUS: Readonly<Record<string, number>> = {
  'provider.issuer': 400,
  'sign_in.state': 400,
  'provider.refused': 403,
}

async function isAccepted({ open }: Visit): Promise<void> {
  const page = await open()
  expect([page.response.status, page.text]).toEqual([200, 'hello user-1'])
  expect(page.address.href).toBe(`${APP}/`)
}

const MODULE = 'oidcc-client-test-'

describe('the ID token', () => {
  const two = (right: { keys: object[] }) => ({ keys: [...right.keys, { ...right.keys[0], kid: 'second' }] })
  /** Which of the two providers, by how it signs. */
  const signers = { rsa: () => rsa, ec: () => ec }
  type Signer = keyof typeof signers
  const REFUSED: readonly [module: string, how: Misbehaviour, check: string, signer: Signer][] = [
    ['invalid-iss', { claims: { iss: 'https://evil.example' } }, 'iss', 'rsa'],
    ['invalid-aud', { claims: { aud: 'somebody-else' } }, 'aud', 'rsa'],
    ['missing-aud', { claims: { aud: undefined } }, 'aud', 'rsa'],
    ['missing-iat', { claims: { iat: undefined } }, 'iat', 'rsa'],
    ['missing-sub', { claims: { sub: undefined } }, 'sub', 'rsa'],
    ['nonce-invalid', { claims: { nonce: 'of-another-sign-in' } }, 'nonce', 'rsa'],
    ['idtoken-sig-none', { signing: 'none' }, 'alg', 'rsa'],
    ['invalid-sig-rs256', { signing: 'stranger' }, 'signature', 'rsa'],
    ['invalid-sig-es256', { signing: 'stranger' }, 'signature', 'ec'],
    ['kid-absent-multiple-jwks', { header: { kid: undefined }, jwks: two }, 'signature', 'rsa'],
    ['invalid-athash', { claims: { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' } }, 'at_hash', 'rsa'],
  ]
  test.each(REFUSED)(`${MODULE}%s`, (_module, how, check, signer) =>
    withVisit(visit => isRefused(visit, 'provider.id_token', check), { how, provider: signers[signer]() }),
  )

  const ACCEPTED: readonly [module: string, how: Misbehaviour, signer: Signer][] = [
    ['idtoken-sig-rs256', {}, 'rsa'],
    ['idtoken-sig-es256', {}, 'ec'],
    ['kid-absent-single-jwks', { header: { kid: undefined } }, 'rsa'],
  ]
  test.each(ACCEPTED)(`${MODULE}%s`, (_module, how, signer) =>
    withVisit(isAccepted, { how, provider: signers[signer]() }),
  )

  test(`${MODULE}signing-key-rotation`, () =>
    withVisit(async visit => {
      await isAccepted(visit)
      await rsa.rotate()
      visit.browser.forget('app.example', 'sallyport')
      await isAccepted(visit)
    }))

  test(`${MODULE}signing-key-rotation-just-before-signing`, () =>
    withVisit(async visit => {
      await isAccepted(visit)
      visit.browser.forget('app.example', 'sallyport')
      const login = await visit.browser.visit(`${APP}/.sallyport/login?return=/`)
      const back = await visit.browser.visit(login.headers.get('location') ?? '')
      await rsa.rotate()
      const page = await visit.browser.open(back.headers.get('location') ?? '')
      expect(page.text).toBe('hello user-1')
    }))
})

describe('discovery', () => {
  test(`${MODULE}discovery-openid-config: once, and everything else at the addresses that it names`, () =>
    withVisit(
      async visit => {
        const before = { ...rsa.asked }
        await isAccepted(visit)
        expect(rsa.asked.discovery).toBe(before.discovery + 1)
        expect(rsa.lastAuthorize().get('tenant')).toBe('1')
        expect(rsa.lastUserinfo().address.searchParams.get('tenant')).toBe('2')
      },
      {
        how: {
          discovery: {
            authorization_endpoint: `${rsa.issuer}/authorize?tenant=1`,
            userinfo_endpoint: `${rsa.issuer}/userinfo?tenant=2`,
          },
        },
      },
    ))

  test(`${MODULE}discovery-jwks-uri-keys: the keys are those at the address that it names, fetched once`, () =>
    withVisit(async visit => {
      const before = rsa.asked.jwks
      await isAccepted(visit)
      visit.browser.forget('app.example', 'sallyport')
      await isAccepted(visit)
      expect(rsa.asked.jwks).toBe(before + 1)
    }))

  test.each([
    ['', () => 'https://evil.example'],
    [', by a slash', () => `${rsa.issuer}/`],
  ])(`${MODULE}discovery-issuer-mismatch%s: nobody is sent there`, (_how, issuer) =>
    withVisit(
      async visit => {
        const before = rsa.asked.authorize
        await isRefused(visit, 'provider.discovery')
        expect(rsa.asked.authorize).toBe(before)
      },
      { how: { discovery: { issuer: issuer() } } },
    ),
  )
})

describe('the token endpoint and userinfo', () => {
  test(`${MODULE}client-secret-basic`, () =>
    withVisit(async visit => {
      await isAccepted(visit)
      const { form, authorization } = rsa.lastToken()
      expect(authorization).toStartWith('Basic ')
      expect([form.get('grant_type'), form.has('client_secret')]).toEqual(['authorization_code', false])
    }))

  test(`${MODULE}userinfo-bearer-header`, () =>
    withVisit(async visit => {
      await isAccepted(visit)
      expect(rsa.lastUserinfo().authorization).toBe('Bearer access-token-1')
      expect(rsa.lastUserinfo().address.search).toBe('')
    }))

  test(`${MODULE}userinfo-invalid-sub`, () =>
    withVisit(visit => isRefused(visit, 'provider.userinfo'), { how: { userinfo: { sub: 'user-2' } } }))

  test(`${MODULE}scope-userinfo-claims: what was asked for comes from userinfo, and reaches the application`, () =>
    withVisit(
      async visit => {
        await isAccepted(visit)
        expect(rsa.lastAuthorize().get('scope')).toBe('openid profile email groups')
        expect(seen.at(-1)).toMatchObject({ 'x-token-user-name': 'Ada', 'x-token-user-email': 'ada@example.com' })
      },
      { how: { userinfo: { name: 'Ada', email: 'ada@example.com', email_verified: true } } },
    ))
})

describe('a refresh', () => {
  async function isAsked(act: (visit: Visit, before: number) => Promise<void>, refresh: Misbehaviour['refresh'] = {}) {
    await withVisit(
      async visit => {
        await isAccepted(visit)
        visit.behave({
          refresh,
          ...(refresh.claims?.sub === undefined ? {} : { userinfo: { sub: refresh.claims.sub } }),
        })
        const before = rsa.asked.token
        clock.advance(2 * MINUTE)
        await visit.open()
        await eventually(() => rsa.asked.token === before + 1, 'the provider is asked')
        await act(visit, before)
      },
      { portal: 'refresh = "1m"\nrefresh_limit = "5m"' },
    )
  }

  test(`${MODULE}refresh-token`, () =>
    isAsked(async visit => {
      expect(rsa.lastToken().form.get('grant_type')).toBe('refresh_token')
      await isAccepted(visit)
    }))

  test(`${MODULE}refresh-token-invalid-issuer: says nothing of the person, and is not believed`, () =>
    isAsked(
      async ({ gate, browser }) => {
        await eventually(() => gate.told('"check":"iss"').length > 0, 'the refusal is logged')
        clock.advance(5 * MINUTE)
        expect((await browser.visit(`${APP}/`, { headers: { 'sec-fetch-mode': 'cors' } })).status).toBe(401)
      },
      { claims: { iss: 'https://evil.example' } },
    ))

  test(`${MODULE}refresh-token-invalid-sub: ends the session, and never becomes the other one’s`, () =>
    isAsked(
      async ({ gate, browser }) => {
        const status = async () => (await browser.visit(`${APP}/`, { headers: { 'sec-fetch-mode': 'cors' } })).status
        await eventually(async () => (await status()) === 401, 'the session is gone')
        expect(seen.some(fields => fields['x-token-subject'] === 'user-2')).toBe(false)
        expect(gate.access.some(line => line.includes('user-2'))).toBe(false)
      },
      { claims: { sub: 'user-2' } },
    ))
})

describe('the answer in the browser', () => {
  const REFUSED: readonly [string, Misbehaviour, string][] = [
    ['RFC 9207 §2.4: iss is missing where it is announced', { answer: { iss: undefined } }, 'provider.issuer'],
    ['RFC 9207 §2.4: iss is another', { answer: { iss: 'https://evil.example' } }, 'provider.issuer'],
    ['RFC 9207 §2.4: iss differs by a slash', { answer: { iss: 'SLASH' } }, 'provider.issuer'],
    ['RFC 6749 §10.12: state is another', { answer: { state: 'A'.repeat(43) } }, 'sign_in.state'],
    ['RFC 6749 §10.12: state is missing', { answer: { state: undefined } }, 'sign_in.state'],
    [
      'RFC 6749 §4.1.2.1: error=access_denied',
      { answer: { code: undefined, error: 'access_denied' } },
      'provider.refused',
    ],
    [
      'RFC 6749 §4.1.2.1: an error of another provider',
      { answer: { code: undefined, error: 'x', iss: 'x' } },
      'provider.issuer',
    ],
  ]
  test.each(REFUSED)('%s: a page, no loop, and nothing is redeemed', (_what, how, code) =>
    withVisit(
      async visit => {
        const before = rsa.asked.token
        await isRefused(visit, code)
        expect(rsa.asked.token).toBe(before)
      },
      { how: how.answer?.iss === 'SLASH' ? { answer: { iss: `${rsa.issuer}/` } } : how },
    ),
  )

  test('RFC 7636 §4: each sign-in has a verifier of its own, its S256 is what was asked with, and it goes to the token endpoint alone', () =>
    withVisit(async visit => {
      const challenges: string[] = []
      for (let time = 0; time < 2; time++) {
        visit.browser.forget('app.example', 'sallyport')
        const page = await visit.open()
        const asked = rsa.lastAuthorize()
        const verifier = rsa.lastToken().form.get('code_verifier') ?? ''
        expect(verifier).toMatch(/^[\w.~-]{43,128}$/)
        expect(asked.get('code_challenge_method')).toBe('S256')
        expect(asked.get('code_challenge')).toBe(new Bun.CryptoHasher('sha256').update(verifier).digest('base64url'))
        expect(page.trail.join(' ')).not.toContain(verifier)
        challenges.push(asked.get('code_challenge') ?? '', asked.get('state') ?? '', asked.get('nonce') ?? '')
      }
      expect(new Set(challenges).size).toBe(6)
    }))

  test('RFC 9700 §4.12: after a POST a browser goes on with 303, which never carries a form along', () =>
    withVisit(async visit => {
      await isAccepted(visit)
      const ask = await visit.browser.open(`${APP}/.sallyport/logout`)
      const body = new URLSearchParams(ask.html.form().hidden).toString()
      const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: APP }
      expect((await visit.browser.visit(`${APP}/.sallyport/logout`, { method: 'POST', body, headers })).status).toBe(
        303,
      )
    }))
})

describe('RFC 9700 §4.4: a provider that sends the browser to another one (mix-up)', () => {
  /** Whoever chooses `evil` is sent on to the honest provider, with the state and the address to return to of that sign-in. */
  async function withMixUp(
    answer: Misbehaviour['answer'],
    act: (visit: { page: Page; gate: Gate; browser: BrowserLite }) => void,
  ) {
    const evil = await startBadProvider(nowS)
    try {
      rsa.behave({ signsInAtOnce: true, ...(answer === undefined ? {} : { answer }) })
      evil.behave({
        discovery: { authorization_response_iss_parameter_supported: undefined },
        instead: {
          authorize: () => Response.redirect(`${rsa.issuer}/authorize?${evil.lastAuthorize()}`, 302),
        },
      })
      await using gate = await startGate(toml({ honest: rsa, evil }), { ports: clock })
      const browser = browserAt(gate, 'app.example')
      const page = await browser.open(`${APP}/.sallyport/login?provider=evil&return=/`)
      act({ page, gate, browser })
      expect(evil.asked.token).toBe(0)
      expect(browser.cookie('app.example', 'sallyport')).toBeNull()
    } finally {
      await evil.stop()
    }
  }

  test('is recognised by iss: the code goes nowhere, and no user is signed in', () =>
    withMixUp(undefined, ({ page, gate }) => {
      expect(page.response.status).toBe(400)
      expect(gate.log.join('\n')).toContain('provider.issuer')
    }))

  test('and so is an error that the honest one sends', () =>
    withMixUp({ code: undefined, error: 'access_denied' }, ({ page }) => expect(page.response.status).toBe(400)))
})
