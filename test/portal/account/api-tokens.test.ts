import { describe, expect, test } from 'bun:test'
import type { BrowserLite, Page } from '../../kit/browser/browser-lite.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { KUMA, openStand, PORTAL } from '../stand.ts'

const TOKENS = `${PORTAL}/.sallyport/tokens`
const SCRIPT = { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const OURS = { ...FORM, 'sec-fetch-site': 'same-origin' }

const keep = untilTheEnd()
const stand = keep(await openStand({ personalTokens: true }))

async function signedIn(login: string): Promise<BrowserLite> {
  const browser = stand.browser()
  await browser.signIn(`${KUMA}/`, login)
  return browser
}

function send(browser: BrowserLite, body: Record<string, string>, headers: Readonly<Record<string, string>>) {
  return browser.visit(TOKENS, { method: 'POST', body: new URLSearchParams(body).toString(), headers })
}

async function list(browser: BrowserLite): Promise<readonly { readonly id: string; readonly name: string }[]> {
  const answer = await browser.visit(TOKENS, { headers: SCRIPT })
  return ((await answer.json()) as { tokens: { id: string; name: string }[] }).tokens
}

/** Fills in the page's own form for a new token and sends it. */
function make(browser: BrowserLite, page: Page, name: string): Promise<Page> {
  const [form = ''] = page.text.match(/<form class="fields"[\s\S]*?<\/form>/) ?? []
  const proof = /name="proof" value="([^"]+)"/.exec(form)?.[1] ?? ''
  return browser.open(TOKENS, {
    method: 'POST',
    body: new URLSearchParams({ act: 'create', proof, name, days: '30' }).toString(),
    headers: FORM,
  })
}

describe('your tokens', () => {
  test('are made on the page, shown once, and stand for their owner', async () => {
    const browser = await signedIn('user20')
    const made = await make(browser, await browser.open(TOKENS), 'phone <b>')
    const token = /sp_[A-Za-z0-9_-]{43}/.exec(made.text)?.[0] ?? ''
    const held = await stand.sessions.tokens.find(token)
    expect(held?.name).toBe('phone <b>')
    expect(held?.session).toMatchObject({ portal: 'home', identity: { subject: 'user-20', groups: ['users'] } })
    expect(held?.session.identity).not.toHaveProperty('roles')
    for (const claim of ['auth_time', 'acr', 'amr', 'sid'])
      expect(held?.session.identity.claims).not.toHaveProperty(claim)
    const again = await browser.open(TOKENS)
    expect(again.text).toContain('phone &lt;b&gt;')
    expect(again.text).not.toContain('sp_')
    expect(stand.logged.join('\n')).not.toContain(token)
  })

  test('are revoked by their owner alone, at once', async () => {
    const [owner, other] = [await signedIn('user21'), await signedIn('user22')]
    const made = await make(owner, await owner.open(TOKENS), 'backup')
    const token = /sp_[A-Za-z0-9_-]{43}/.exec(made.text)?.[0] ?? ''
    const [entry] = await list(owner)
    const id = entry?.id ?? ''
    expect(await list(other)).toEqual([])
    const stolen = await send(other, { act: 'revoke', id }, { ...OURS, ...SCRIPT })
    expect(await stolen.json()).toEqual({ revoked: false })
    expect(await stand.sessions.tokens.find(token)).not.toBeNull()
    const revoked = await send(owner, { act: 'revoke', id }, { ...OURS, ...SCRIPT })
    expect(await revoked.json()).toEqual({ revoked: true })
    expect(await stand.sessions.tokens.find(token)).toBeNull()
    expect(await list(owner)).toEqual([])
  })

  test('are not made by another site, nor without the page’s proof, nor with odd values', async () => {
    const browser = await signedIn('user23')
    const right = { act: 'create', name: 'n', days: '30' }
    const wrong: readonly (readonly [number, Record<string, string>, Record<string, string>])[] = [
      [403, right, { ...FORM, 'sec-fetch-site': 'cross-site' }],
      [403, right, { ...FORM, 'sec-fetch-site': 'same-site' }],
      [403, right, { ...FORM, origin: 'https://evil.example' }],
      [403, right, FORM],
      [403, { ...right, proof: 'x' }, FORM],
      [400, { ...right, days: '99999' }, OURS],
      [400, { ...right, name: ' ' }, OURS],
      [400, { ...right, name: 'n'.repeat(101) }, OURS],
      [400, { act: 'other' }, OURS],
    ]
    for (const [status, body, headers] of wrong) {
      expect([body, headers, (await send(browser, body, headers)).status]).toEqual([body, headers, status])
    }
    expect(await list(browser)).toEqual([])
  })

  test('are neither shown nor made on the host of an application, or by whoever is not signed in', async () => {
    const browser = await signedIn('user24')
    const there = await browser.visit(`${KUMA}/.sallyport/tokens`, { headers: SCRIPT })
    expect(there.status).toBe(404)
    const body = new URLSearchParams({ act: 'create', name: 'n', days: '30' }).toString()
    const made = await browser.visit(`${KUMA}/.sallyport/tokens`, { method: 'POST', body, headers: OURS })
    expect(made.status).toBe(403)
    expect((await stand.ask('GET', TOKENS, SCRIPT)).status).toBe(401)
    expect((await stand.ask('POST', TOKENS, { ...OURS, ...SCRIPT }, body)).status).toBe(401)
  })

  test('do not exist where the portal does not say so', async () => {
    const plain = await openStand()
    try {
      const browser = plain.browser()
      await browser.signIn(`${KUMA}/`, 'user1')
      expect((await browser.visit(TOKENS, { headers: SCRIPT })).status).toBe(404)
      expect((await send(browser, { act: 'create', name: 'n', days: '30' }, OURS)).status).toBe(404)
      expect((await browser.open(`${PORTAL}/`)).text).not.toContain('/.sallyport/tokens')
    } finally {
      await plain[Symbol.asyncDispose]()
    }
  })
})

describe('how a token is used', () => {
  test('is shown with one that was just made, each line to be selected as a whole, and where tokens are taken at any time', async () => {
    const browser = await signedIn('user25')
    const page = await browser.open(TOKENS)
    expect(page.text).toContain('Taken at *.example.com, git.example.com/team.')
    expect(page.text).not.toContain('curl')
    const made = await make(browser, page, 'laptop')
    const token = /sp_[A-Za-z0-9_-]{43}/.exec(made.text)?.[0] ?? ''
    const codes = [...made.text.matchAll(/<code>([^<]*)<\/code>/g)].map(([, text]) => text)
    expect(codes).toEqual([
      token,
      'me',
      token,
      `Authorization: Bearer ${token}`,
      `curl --user me:${token} https://git.example.com/team`,
      `git clone https://me:${token}@git.example.com/team/NAME.git`,
    ])
    expect((await browser.open(TOKENS)).text).not.toContain('sp_')
  })
})
