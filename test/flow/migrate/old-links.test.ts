import { describe, expect, test } from 'bun:test'
import { startSaying } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { aheadClock } from '../../kit/clock.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers } from '../../kit/toml.ts'

const [APP, OTHER, AUTH] = ['http://app.example', 'http://other.example', 'http://auth.example']
const CALLBACK = '/oauth2/callback'

const keep = untilTheEnd()
const provider = keep(
  await startProviderFor(
    [{ sub: 'ada', name: 'Ada' }],
    ...[APP, OTHER, AUTH].flatMap(origin => [origin + CALLBACK, `${origin}/.sallyport/signed-out`]),
  ),
)
const clock = aheadClock()
const upstream = keep(startSaying('here'))

function serve(lines: string): Promise<Gate> {
  return startGate(
    [
      providerTable(provider),
      portalTable(`${EVERYONE}\ncallback_path = "${CALLBACK}"\ncompat = "oauth2-proxy"\n${lines}`),
      routeForUsers(upstream, 'app.example', 'headers = "x-forwarded"'),
      routeForUsers(upstream, 'other.example', 'headers = "x-forwarded"'),
    ].join('\n'),
    { ports: clock },
  )
}

/** A browser in which a page of the same site asks for everything. */
function browserAt({ port }: Gate): BrowserLite {
  const at = `127.0.0.1:${port}`
  const hosts = { 'app.example': at, 'other.example': at, 'auth.example': at }
  return new BrowserLite({ hosts, headers: { 'sec-fetch-site': 'same-site' } })
}

/** The status of a page that only those get who are signed in. */
async function statusAt(browser: BrowserLite, address: string): Promise<number> {
  const { status, body } = await browser.visit(address)
  await body?.cancel()
  return status
}

describe('where people sign in on the host itself', () => {
  const gate = serve('').then(keep)

  test('start leads back to a path, to another host of the file, and nowhere else', async () => {
    for (const [rd, end] of [
      ['/deep?x=1', `${APP}/deep?x=1`],
      [`${OTHER}/deep`, `${OTHER}/deep`],
      ['https://evil.example/', `${APP}/`],
    ] as const) {
      const browser = browserAt(await gate)
      const page = await browser.signIn(`${APP}/oauth2/start?${new URLSearchParams({ rd })}`, 'ada')
      expect([rd, page.address.href === end || page.trail.includes(end)]).toEqual([rd, true])
      expect([rd, await statusAt(browser, `${APP}/`)]).toEqual([rd, 200])
    }
  })

  test('start begins anew for whoever is signed in: by a new cookie, and the one before is over in half a minute', async () => {
    const browser = browserAt(await gate)
    await browser.signIn(`${APP}/`, 'ada')
    const first = browser.cookie('app.example', 'sallyport')
    const { address } = await browser.open(`${APP}/oauth2/start?rd=/again`)
    expect(address.href).toBe(`${APP}/again`)
    expect(browser.cookie('app.example', 'sallyport')).not.toBe(first)
    const old = async () =>
      (await browserAt(await gate).visit(`${APP}/`, { headers: { cookie: `sallyport=${first}` } })).status
    expect(await old()).toBe(200)
    clock.setAhead(31_000)
    expect(await old()).toBe(302)
    clock.setAhead(0)
  })

  test('start that leads in a circle is stopped', async () => {
    const browser = browserAt(await gate)
    await browser.signIn(`${APP}/oauth2/start?rd=/round`, 'ada')
    for (let round = 1; round < 3; round++) await browser.open(`${APP}/oauth2/start?rd=/round`)
    const { text, response } = await browser.open(`${APP}/oauth2/start?rd=/round`)
    expect([response.status >= 400, text]).toEqual([true, expect.stringContaining('/round')])
  })
})

describe('where people sign in on a host of its own', () => {
  const gate = serve(`url = "${AUTH}"`).then(keep)

  test('sign_out of an application ends the session for all, and comes back', async () => {
    const browser = browserAt(await gate)
    await browser.signIn(`${APP}/`, 'ada')
    await browser.open(`${OTHER}/`)
    expect([await statusAt(browser, `${APP}/`), await statusAt(browser, `${OTHER}/`)]).toEqual([200, 200])
    const { trail } = await browser.open(`${APP}/oauth2/sign_out?rd=/oauth2/sign_in`)
    expect(trail.at(1)).toBe(`${AUTH}/oauth2/sign_out?${new URLSearchParams({ rd: `${APP}/oauth2/sign_in` })}`)
    expect([await statusAt(browser, `${APP}/`), await statusAt(browser, `${OTHER}/`)]).toEqual([302, 302])
  })

  test('start of an application leads there and back', async () => {
    const browser = browserAt(await gate)
    const page = await browser.signIn(`${APP}/oauth2/start?rd=/deep`, 'ada')
    expect([page.address.href, page.text]).toEqual([`${APP}/deep`, 'here'])
    const away = await browser.visit(`${APP}/oauth2/start?rd=${OTHER}/x`)
    expect([away.status, away.headers.get('location')]).toEqual([302, `${OTHER}/x`])
  })

  test('sign_in shows a button there too', async () => {
    const browser = browserAt(await gate)
    const { text } = await browser.open(`${APP}/oauth2/sign_in?rd=/deep`)
    expect(text).toContain('href="/oauth2/start?rd=%2Fdeep"')
  })

  test('sign_in that a proxy shows in place of a page leads back to that, and to nothing that a client may choose', async () => {
    const browser = browserAt(await gate)
    const leads = async (field: string, query = '') => {
      const headers = { 'x-auth-request-redirect': field }
      const answer = await browser.visit(`${APP}/oauth2/sign_in${query}`, { headers })
      return /start\?rd=([^"]*)"/.exec(await answer.text())?.[1]
    }
    expect(await leads('/deep?x=1')).toBe('%2Fdeep%3Fx%3D1')
    expect(await leads('/deep?x=1', '?rd=/other')).toBe('%2Fother')
    for (const field of ['/oauth2/sign_in', 'https://evil.example/', '//evil.example/', '/\\evil.example']) {
      expect([field, await leads(field)]).toEqual([field, '%2F'])
    }
  })
})

test('with provider_logout the provider comes first', async () => {
  await using gate = await serve('provider_logout = true')
  const browser = browserAt(gate)
  await browser.signIn(`${APP}/`, 'ada')
  const { status, headers } = await browser.visit(`${APP}/oauth2/sign_out?rd=/bye`)
  expect([status, headers.get('location')]).toEqual([302, expect.stringMatching(/^\/\.sallyport\/signed-out\?next=/)])
  expect(await statusAt(browser, `${APP}/`)).toBe(302)
})

test('where people may choose, they are asked on our own page', async () => {
  await using gate = await serve('remember = "30d"')
  for (const page of ['sign_in', 'start']) {
    const { headers } = await browserAt(gate).visit(`${APP}/oauth2/${page}?rd=/deep`)
    expect([page, headers.get('location')]).toEqual([page, '/.sallyport/login?return=%2Fdeep'])
  }
})
