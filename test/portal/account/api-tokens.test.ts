import { expect, test } from 'bun:test'
import type { BrowserLite } from '../../kit/browser/browser-lite.ts'
import type { HtmlPage } from '../../kit/html.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { KUMA, openStand, PORTAL } from '../stand.ts'

const TOKENS = `${PORTAL}/.sallyport/tokens`

const keep = untilTheEnd()
const stand = keep(await openStand({ personalTokens: true }))

async function signedIn(login: string): Promise<BrowserLite> {
  const browser = stand.browser()
  await browser.signIn(`${KUMA}/`, login)
  return browser
}

/** Sends the page's own form for a new token, of which nothing but its proof says where it is from. */
async function make(browser: BrowserLite, name: string): Promise<HtmlPage> {
  const { hidden } = (await browser.open(TOKENS)).html.form('create')
  const { html } = await browser.open(TOKENS, {
    method: 'POST',
    body: new URLSearchParams({ ...hidden, name, days: '30' }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  return html
}

test('your tokens are made on the page, shown once, and stand for their owner', async () => {
  const browser = await signedIn('user20')
  const [token = ''] = (await make(browser, 'phone <b>')).texts('code')
  const held = await stand.sessions.tokens.find(token)
  expect(held?.name).toBe('phone <b>')
  expect(held?.session).toMatchObject({ portal: 'home', identity: { subject: 'user-20', groups: ['users'] } })
  expect(held?.session.identity).not.toHaveProperty('roles')
  for (const claim of ['auth_time', 'acr', 'amr', 'sid'])
    expect(held?.session.identity.claims).not.toHaveProperty(claim)
  const again = await browser.open(TOKENS)
  expect(again.html.texts('.row h2')).toEqual(['phone <b>'])
  expect(again.text).not.toMatch(/\bsp_/)
  expect(stand.logged.join('\n')).not.toContain(token)
})

test('how a token is used is shown with one that was just made, each line to be selected as a whole, and where at any time', async () => {
  const browser = await signedIn('user25')
  const before = (await browser.open(TOKENS)).html
  expect(before.texts('p')).toContain('Works at *.example.com, git.example.com/team.')
  expect(before.has('code')).toBe(false)
  const codes = (await make(browser, 'laptop')).texts('code')
  const [token = ''] = codes
  expect(token).toMatch(/^sp_[A-Za-z0-9_-]{43}$/)
  expect(codes).toEqual([
    token,
    'me',
    token,
    `Authorization: Bearer ${token}`,
    `curl --user me:${token} https://git.example.com/team`,
    `git clone https://me:${token}@git.example.com/team/NAME.git`,
  ])
  expect((await browser.open(TOKENS)).text).not.toMatch(/\bsp_/)
})
