import { expect, setDefaultTimeout } from 'bun:test'
import type { Page } from 'playwright-core'
import { startApp } from '../kit/applications/app.ts'
import { findBarriers } from '../kit/browser/accessible.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { openMenu } from '../kit/browser/menu.ts'
import { keepPicture } from '../kit/browser/picture.ts'
import { openStand } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const app = keep(
  await startApp((request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(
      `<!doctype html><title>Board</title><p id="who">${request.headers['x-token-user-name']}</p><p id="from">${request.headers.referer ?? 'nowhere'}</p>`,
    )
  }),
)
const stand = keep(
  await openStand(
    `guest_links = { allow = ["admin"], max_lifetime = "30d" }
    [[routes]]\nhost = "board.localhost"\nupstream = "http://127.0.0.1:${app.port}"\nname = "The board"\nportal = "home"\nheaders = "x-token"
    allow = ["user", { guest_link = true }]`,
  ),
)
const browser = keep(await openChromium())

test.each([
  { name: 'light', colorScheme: 'light', viewport: { width: 1100, height: 800 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 320, height: 700 } },
] as const)('someone makes a link, a guest opens it, and is out once it is revoked: $name', async screen => {
  const [maker, guest] = [await watchedContext(browser, screen), await watchedContext(browser, screen)]
  const look = async (page: Page, name: string) => {
    await keepPicture(page, `${name}-${screen.name}`)
    expect([name, await findBarriers(page)]).toEqual([name, []])
  }
  try {
    const board = stand.app.replace('app.', 'board.')
    const page = await maker.open(`${stand.portal}/`)
    await stand.become(page, 'Ada')
    await openMenu(page)
    await page.getByRole('link', { name: 'Guest links' }).click()
    await page.getByLabel('Application').selectOption('Another address')
    await page.getByLabel('Address to open').fill(`${stand.admin}/settings`)
    await page.getByLabel('Who it is for').fill('Aunt')
    await page.getByRole('button', { name: 'Make a link' }).click()
    expect(await page.getByRole('alert').textContent()).toContain('cannot be shared')
    await look(page, 'guests-refused')
    await page.getByLabel('Address to open').fill(`${board}/wall?of=summer`)
    await page.getByLabel('Who it is for').fill('Aunt & uncle')
    await page.getByLabel('How often it can be opened').fill('2')
    await page.getByRole('button', { name: 'Make a link' }).click()
    const link = (await page.getByRole('status').locator('code').textContent()) ?? ''
    await page.waitForLoadState()
    const made = page.getByRole('status')
    expect(await made.locator('dt').allTextContents()).toEqual(['Who it is for', 'Opens', 'Valid until'])
    expect((await made.locator('dd').allTextContents()).slice(0, 2)).toEqual(['Aunt & uncle', 'board.localhost/wall'])
    expect(await made.textContent()).toContain('nothing else of this host')
    await look(page, 'guests')

    const invitation = await guest.open(link)
    await look(invitation, 'invitation')
    expect(await invitation.textContent('main')).toContain('Ada lets you open it')
    await invitation.getByRole('button', { name: 'Open The board', exact: true }).click()
    expect(invitation.url()).toBe(`${board}/wall?of=summer`)
    expect(await invitation.locator('#who').textContent()).toBe('Guest (Aunt & uncle)')
    expect(await invitation.locator('#from').textContent()).toBe('nowhere')
    expect(await invitation.evaluate('document.cookie')).toBe('')

    await page.goto(`${stand.portal}/.sallyport/guests`)
    const row = page.getByRole('listitem').filter({ hasText: 'Aunt & uncle' })
    expect(await row.textContent()).toContain('opened 1 of 2 times')
    const revoked = page.waitForEvent('load')
    await row.getByRole('button').click()
    await revoked
    expect(await page.getByRole('listitem').count()).toBe(0)
    await invitation.reload()
    expect(new URL(invitation.url()).origin).not.toBe(board)
    const gone = await guest.open(link)
    expect(await gone.textContent('h1')).toBe('This link is no longer valid')
    await look(gone, 'invitation-gone')
    expect([...maker.complaints, ...guest.complaints]).toEqual([])
  } finally {
    await Promise.all([maker.context.close(), guest.context.close()])
  }
})

test('the form lists what takes guests, and keeps its fields when an address is refused, without scripts too', async () => {
  const person = await watchedContext(browser, { javaScriptEnabled: false })
  try {
    const page = await person.open(`${stand.portal}/.sallyport/guests`)
    await stand.become(page, 'Ada')
    await page.goto(`${stand.portal}/.sallyport/guests`)
    expect(await page.getByLabel('Application').locator('option').allTextContents()).toEqual([
      'The board',
      'Another address',
    ])
    expect(await page.getByLabel('Address to open').isVisible()).toBe(false)
    await page.getByLabel('Application').selectOption('Another address')
    await page.getByLabel('Address to open').fill(`${stand.admin}/settings`)
    await page.getByLabel('Who it is for').fill('Aunt')
    await page.getByLabel('How long it is valid').selectOption('72')
    await page.getByLabel('How often it can be opened').fill('3')
    await page.getByRole('button', { name: 'Make a link' }).click()
    await page.waitForLoadState()
    expect(await page.getByRole('alert').count()).toBe(1)
    expect(await page.getByLabel('Who it is for').inputValue()).toBe('Aunt')
    expect(await page.getByLabel('How long it is valid').inputValue()).toBe('72')
    expect(await page.getByLabel('How often it can be opened').inputValue()).toBe('3')
    expect(await page.getByLabel('Address to open').inputValue()).toBe(`${stand.admin}/settings`)
    // What is chosen counts, and what was typed before does not.
    await page.getByLabel('Application').selectOption('The board')
    await page.getByRole('button', { name: 'Make a link' }).click()
    expect(await page.locator('.made dd').nth(1).textContent()).toBe('board.localhost/')
    // What a script does is not offered where none runs, and times say their zone.
    expect(await page.getByRole('button', { name: /Copy|Share/ }).count()).toBe(0)
    expect(await page.locator('.made time').textContent()).toContain('UTC')
  } finally {
    await person.context.close()
  }
})

test('a link is copied, with a tick, and shared on a phone; times are those of the browser', async () => {
  const person = await watchedContext(browser, {
    locale: 'en-GB',
    timezoneId: 'Asia/Tokyo',
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  await person.context.addInitScript(`navigator.share = async data => { globalThis.shared = data.url }`)
  try {
    const page = await person.open(`${stand.portal}/.sallyport/guests`)
    await stand.become(page, 'Ada')
    await page.goto(`${stand.portal}/.sallyport/guests`)
    // There are links: those come first, and the form is folded.
    await page.getByText('New link').click()
    await page.getByLabel('Who it is for').fill('Uncle')
    await page.getByRole('button', { name: 'Make a link' }).click()
    const link = await page.locator('.made code').textContent()
    // The tick goes after two seconds, which stand still here.
    await page.clock.install()
    await page.clock.pauseAt(Date.now() + 3_600_000)
    await page.getByRole('button', { name: 'Copy' }).click()
    await page.getByRole('button', { name: '✓ Copied' }).waitFor()
    await page.clock.resume()
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(link)
    await page.getByRole('button', { name: 'Share' }).click()
    expect(await page.evaluate('globalThis.shared')).toBe(link)
    const time = page.locator('.made time')
    const at = new Date((await time.getAttribute('datetime')) ?? '')
    const local = { dateStyle: 'medium', timeStyle: 'short', timeZone: 'Asia/Tokyo' } as const
    expect(await time.textContent()).toBe(new Intl.DateTimeFormat('en-GB', local).format(at))
    expect(await findBarriers(page)).toEqual([])
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})
