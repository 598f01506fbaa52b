/** What holds of every page of ours: in either theme, enlarged, on the narrowest screen, by the keyboard alone, and without scripts. */

import { expect, setDefaultTimeout } from 'bun:test'
import type { Page } from 'playwright-core'
import { ENDPOINTS } from '../../src/portal/endpoints.ts'
import { findBarriers, holdCountdowns } from '../kit/browser/accessible.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { keepPicture } from '../kit/browser/picture.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { PASSWORD, startPasskeyGate, user } from '../kit/passkey-gate.ts'
import { routeSaying } from '../kit/toml.ts'
import { SECOND_FACTOR } from '../kit/totp.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())
const gate = keep(
  await startPasskeyGate({
    server: 'edit = true',
    users: user('ada', 'groups = ["admins"]') + user('bob') + user('linus', `totp = "${SECOND_FACTOR}"`),
    portal: `admin_role = "admin"
requests = true
personal_tokens = true
remember = "30d"
contact = "mailto:it@example.com"
guest_links = { allow = ["admin"] }
roles.admin = { groups = ["admins"] }
roles.other = { groups = ["others"] }`,
    more: `[audit]
keep = "7d"
${routeSaying('in', 'long-name-of-an-application-that-nobody-shortens.localhost', 'portal = "home"\nallow = ["user", { guest_link = true }]\ntokens = true')}
${routeSaying('in', 'closed.localhost', 'portal = "home"\nallow = ["other"]\nname = "Closed"')}
[[routes]]
host = "dead.localhost"
upstream = "http://127.0.0.1:9"
portal = "home"
allow = ["user"]
name = "Dead"
`,
  }),
)
const own = (page: string) => `${gate.portal}/.sallyport/${page}`
const at = (host: string) => gate.portal.replace('auth.', `${host}.`)

async function signIn(page: Page, name: string): Promise<void> {
  await page.getByLabel('User name').fill(name)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

/** Unfolds all that is folded. */
async function unfold(page: Page): Promise<void> {
  for (const fold of await page.locator('summary').all()) await fold.click()
}

/** The form for a new one is folded where there are some. */
async function unfoldForm(page: Page): Promise<void> {
  await page.evaluate("document.querySelector('.new').open = true")
}

async function makeLink(page: Page): Promise<string> {
  await page.goto(own('guests'))
  await unfoldForm(page)
  await page.getByLabel('Who it is for').fill('Aunt')
  await page.getByRole('button', { name: 'Make a link' }).click()
  return (await page.locator('.made code').textContent()) ?? ''
}

/** Pages for an admin who is signed in, by the endpoint that shows them, and how somebody comes to each. */
const PAGES: readonly (readonly [endpoint: string, name: string, reach: (page: Page) => Promise<unknown>])[] = [
  ['', 'applications', page => page.goto(`${gate.portal}/`)],
  [
    'account',
    'account',
    async page => {
      await page.goto(own('account'))
      await unfold(page)
    },
  ],
  [
    'account',
    'new second factor',
    async page => {
      await page.goto(own('account'))
      await page.locator('summary', { hasText: 'Set up an app' }).click()
      await page.locator('#present-factor').fill(PASSWORD)
      await page.getByRole('button', { name: 'Set up an app' }).click()
      await page.getByRole('textbox', { name: 'Code' }).waitFor()
    },
  ],
  ['sessions', 'sessions', page => page.goto(own('sessions'))],
  ['sessions', 'all sessions', page => page.goto(own('sessions?all=1'))],
  ['tokens', 'tokens', page => page.goto(own('tokens'))],
  [
    'tokens',
    'a token that was made',
    async page => {
      await page.goto(own('tokens'))
      await unfoldForm(page)
      await page.getByLabel('What it is for').fill('Backup')
      await page.getByRole('button', { name: 'Make a token' }).click()
      await page.locator('.made').waitFor()
    },
  ],
  ['guests', 'guest links', page => page.goto(own('guests'))],
  ['guest', 'a guest link', async page => page.goto(await makeLink(page))],
  ['guest', 'a guest link that is none', page => page.goto(own('guest?link=none'))],
  ['people', 'users', page => page.goto(own('people'))],
  ['invitation', 'an invitation', async page => page.goto((await gate.invite('bob')).link)],
  [
    'invitation',
    'a new passkey',
    async page => {
      await page.goto((await gate.invite('bob')).link)
      await page.getByRole('button', { name: 'Accept the invitation' }).click()
      await page.getByLabel('Name of this passkey').waitFor()
    },
  ],
  ['admin', 'admin', page => page.goto(own('admin'))],
  ['route', 'a route', page => page.goto(own('route?id=dead.localhost%2F'))],
  [
    'audit',
    'audit',
    async page => {
      await page.goto(own('audit'))
      await page.locator('.events summary').first().click()
    },
  ],
  ['file', 'the file', page => page.goto(own('file'))],
  ['edit', 'the editor', page => page.goto(own('edit'))],
  ['kept', 'a form that is not kept', page => page.goto(own('kept?form=x'))],
  ['logout', 'sign-out', page => page.goto(own('logout'))],
  ['callback', 'a sign-in that expired', page => page.goto(own('callback?code=c&state=s'))],
  ['ask', 'a refusal', page => page.goto(`${at('closed')}/`)],
  ['nothing', 'an address of nothing', page => page.goto(own('nothing'))],
  ['nothing', 'a host of nothing', page => page.goto(`${at('nowhere')}/`)],
  ['nothing', 'an application that does not answer', page => page.goto(`${at('dead')}/`)],
  [
    'login',
    'sign-in',
    async page => {
      await page.context().clearCookies()
      await page.goto(gate.app)
    },
  ],
  [
    'login',
    'a wrong password',
    async page => {
      await page.goto(gate.app)
      await page.getByLabel('User name').fill('bob')
      await page.getByLabel('Password').fill('something else')
      await page.getByRole('button', { name: 'Sign in', exact: true }).click()
      await page.getByRole('alert').filter({ visible: true }).waitFor()
    },
  ],
  [
    'login',
    'a second factor',
    async page => {
      await page.goto(gate.app)
      await signIn(page, 'linus')
      await page.locator('#code').waitFor()
      await unfold(page)
    },
  ],
  ['signed-out', 'signed out', page => page.goto(own('signed-out'))],
]

/** Endpoints without a page of their own: steps, programs, and what others send; and pages that other tests reach. */
const OTHERS = new Map([
  ['enter', 'a step'],
  ['provider-logout', 'a step'],
  ['backchannel-logout', 'for providers'],
  ['frontchannel-logout', 'for providers'],
  ['again', 'a step'],
  ['editor.js', 'a script'],
  ['jwks.json', 'for programs'],
  ['client-jwks.json', 'for programs'],
  ['authorize', 'languages.test.ts, where a program asks for consent'],
  ['token', 'for programs'],
  ['register', 'for programs'],
  ['me', 'for programs'],
  ['bind', 'for browsers'],
  ['renew', 'for browsers'],
  ['device', 'bound-sessions.test.ts, where a sign-in waits to be bound'],
])

test('every page is among those that are looked at', () => {
  const reached = new Set(PAGES.map(([endpoint]) => endpoint))
  const missing = ENDPOINTS.map(({ page }) => page).filter(page => !reached.has(page) && !OTHERS.has(page))
  expect(missing).toEqual([])
})

/** What text is cut off, or lies beside the screen: but in what scrolls sideways, as code and the tabs of admins do. */
const LOST = `(() => {
  const found = []
  if (document.documentElement.scrollWidth > innerWidth) found.push('wider than the screen: ' + document.documentElement.scrollWidth)
  for (const one of document.querySelectorAll('body *')) {
    if (!one.checkVisibility({ visibilityProperty: true }) || one.closest('svg, pre, .cm-editor, .tabs')) continue
    const box = one.getBoundingClientRect()
    if (box.width > 1 && (box.left < -1 || box.right > innerWidth + 1)) found.push('beside the screen: ' + one.outerHTML.slice(0, 80))
  }
  return found
})()`

/** What the keyboard should reach, as numbers in the order of the page, and the number of what has the focus. */
const MARK = `(() => {
  const all = [...document.querySelectorAll('a[href], button:not([disabled]), input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
  const shown = all.filter(one => one.checkVisibility({ visibilityProperty: true }) && one.tabIndex >= 0 && !one.closest('[inert]'))
  shown.forEach((one, index) => { one.dataset.stop = index })
  return shown.length
})()`

async function notReached(page: Page): Promise<readonly string[]> {
  const count = Number(await page.evaluate(MARK))
  const reached = new Set<number>()
  await page.evaluate('document.activeElement?.blur(); getSelection()?.removeAllRanges()')
  for (let presses = 0; presses < count + 10 && reached.size < count; presses++) {
    await page.keyboard.press('Tab')
    const stop = await page.evaluate(`document.activeElement?.closest('[data-stop]')?.dataset.stop`)
    if (typeof stop === 'string') reached.add(Number(stop))
    // The editor takes Tab for itself, until Escape.
    if (await page.evaluate(`document.activeElement?.closest('.cm-editor') !== null`))
      await page.keyboard.press('Escape')
  }
  const missing = Array.from({ length: count }, (_, index) => index).filter(index => !reached.has(index))
  return Promise.all(
    missing.map(async index =>
      String(await page.evaluate(`document.querySelector('[data-stop="${index}"]').outerHTML.slice(0, 90)`)),
    ),
  )
}

test('the look at a page finds what is lost, and what the keyboard does not reach', async () => {
  const { context } = await watchedContext(browser, { viewport: { width: 320, height: 640 } })
  const page = await context.newPage()
  await page.setContent(`<main><div style="width:400px">wide</div><p style="position:absolute;left:-50px">left</p>
    <a href="/">a</a><button onfocus="this.blur()">never</button><a href="/">b</a></main>`)
  expect(await page.evaluate(LOST)).toEqual([
    'wider than the screen: 408',
    'beside the screen: <div style="width:400px">wide</div>',
    'beside the screen: <p style="position:absolute;left:-50px">left</p>',
  ])
  expect(await notReached(page)).toEqual(['<button onfocus="this.blur()" data-stop="1">never</button>'])
  await context.close()
})

test('no page keeps anybody out, in either theme; twice the size and 320 pixels lose nothing, and the keyboard reaches all', async () => {
  // Colours change at once.
  const options = { locale: 'en', viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' } as const
  const person = await watchedContext(browser, options)
  const found: unknown[] = []
  try {
    await holdCountdowns(person.context)
    const page = await person.open(own('login'))
    await signIn(page, 'ada')
    await page.waitForURL(own(''))
    for (const [, name, reach] of PAGES) {
      await page.setViewportSize({ width: 1280, height: 800 })
      await page.emulateMedia({ colorScheme: 'light' })
      await reach(page)
      await keepPicture(page, `every-${name.replaceAll(' ', '-')}`)
      const note = (what: string, list: unknown) => {
        if (Array.isArray(list) && list.length > 0) found.push([name, what, ...list])
      }
      note('light', await findBarriers(page))
      note('keyboard', await notReached(page))
      // As enlarged to 200 % on that screen.
      await page.setViewportSize({ width: 640, height: 400 })
      note('200 %', await page.evaluate(LOST))
      await page.setViewportSize({ width: 320, height: 640 })
      await page.emulateMedia({ colorScheme: 'dark' })
      note('320 px', await page.evaluate(LOST))
      note('dark', await findBarriers(page))
    }
    expect(found).toEqual([])
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})

test('without scripts every form of every page can be sent, by a button that is there', async () => {
  const person = await watchedContext(browser, { locale: 'en', javaScriptEnabled: false })
  try {
    const page = await person.open(own('login'))
    await signIn(page, 'ada')
    await page.waitForURL(own(''))
    for (const [, name, reach] of PAGES) {
      await reach(page)
      await page.evaluate('for (const fold of document.querySelectorAll("details")) fold.open = true')
      // Browsers make and show passkeys by a script alone: that form says so.
      for (const form of await page.locator('form:not([data-options])').all()) {
        const buttons = form.locator('button:not([type=button])').filter({ visible: true })
        expect([name, (await buttons.count()) > 0]).toEqual([name, true])
      }
      for (const form of await page.locator('form[data-options] noscript').all())
        expect(await form.textContent()).toContain('JavaScript')
    }
  } finally {
    await person.context.close()
  }
})
