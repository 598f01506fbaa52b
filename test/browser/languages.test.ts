import { expect, setDefaultTimeout } from 'bun:test'
import type { Page } from 'playwright-core'
import { LANGUAGES } from '../../src/portal/language.ts'
import { findBarriers, holdCountdowns } from '../kit/browser/accessible.ts'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { keepPicture } from '../kit/browser/picture.ts'
import { openStand, type Person } from '../kit/browser/stand.ts'
import { McpClient } from '../kit/mcp/client.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { describe, test } = needs('chromium')

setDefaultTimeout(300_000)

const SCREENS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1440, height: 900 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 390, height: 844 }, reducedMotion: 'reduce' },
] as const

const app = (host: string, upstream: string, more: string) =>
  `[[routes]]\nhost = "${host}.localhost"\nupstream = "${upstream}"\nportal = "home"\nallow = ["user"]\n${more}\n`
const KEYS = `admin_role = "admin"
personal_tokens = true
guest_links = { allow = ["admin"] }
remember = "30d"
title = "Example Home"

${app('one', 'http://127.0.0.1:1', 'name = "Wissensdatenbankverwaltungsoberfläche"\napp = { group = "Donaudampfschifffahrtsgesellschaft" }')}
${app('two-words', 'http://127.0.0.1:1', 'name = "Photos"\napp = { description = "Everything that we ever took a picture of, and then some more of it that nobody looks at" }')}
${app('shared', 'http://127.0.0.1:1', 'name = "Shared"\ntokens = true').replace('["user"]', '["user", { guest_link = true }]')}
${app('tools', 'http://127.0.0.1:1', 'name = "Donaudampfschifffahrtsgesellschaftswerkzeuge"\nmcp = true')}
${app('later', 'http://127.0.0.1:1', 'name = "Later"\ndeny = [{ hours = "00:00-24:00" }]')}
[audit]
keep = "90d"
`

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(await openStand(KEYS))

const asking = new McpClient({ port: Number(new URL(stand.portal).port) }, new URL(stand.portal).host)
await asking.register({ client_name: 'Donaudampfschifffahrtsgesellschaftskapitänsmütze' })

/** Addresses of pages for someone who is signed in, by name. */
const LOOKED_AT: readonly (readonly [name: string, address: () => string])[] = [
  ['portal', () => `${stand.portal}/`],
  ['sessions', () => `${stand.portal}/.sallyport/sessions`],
  ['all-sessions', () => `${stand.portal}/.sallyport/sessions?all=1`],
  ['nobody-found', () => `${stand.portal}/.sallyport/sessions?all=1&q=nobody`],
  ['tokens', () => `${stand.portal}/.sallyport/tokens`],
  ['audit', () => `${stand.portal}/.sallyport/audit`],
  ['file', () => `${stand.portal}/.sallyport/file`],
  ['admin', () => `${stand.portal}/.sallyport/admin`],
  ['sign-out', () => `${stand.portal}/.sallyport/logout`],
  ['not-found', () => `${stand.portal}/.sallyport/nothing`],
  ['guests', () => `${stand.portal}/.sallyport/guests`],
  ['no-link', () => `${stand.app}/.sallyport/guest?link=x`],
  ['nothing-kept', () => `${stand.portal}/.sallyport/kept?form=x`],
  ['expired', () => `${stand.portal}/.sallyport/callback?code=c&state=s`],
  ['denied', () => stand.app.replace('app.', 'later.')],
  ['unreachable', () => stand.app.replace('app.', 'one.')],
  ['no-host', () => stand.app.replace('app.', 'nowhere.')],
  ['consent', () => stand.portal + asking.authorizePath(stand.app.replace('app.', 'tools.'))],
  ['choice', () => stand.choice],
]

// Each language where room is scarce and colours are dark; one of them in light colours too, which are the same for all.
describe.each(LANGUAGES.map(({ lang }) => lang))('in %s', lang => {
  test.each(SCREENS.filter(({ name }) => name !== 'light' || lang === LANGUAGES[0]?.lang))(
    'no page keeps anyone out, down to a width of 320 pixels: $name',
    async screen => {
      const person = await watchedContext(browser, { ...screen, locale: lang })
      await holdCountdowns(person.context)
      const found: [string, readonly string[]][] = []
      async function look(page: Page, name: string): Promise<void> {
        expect([name, await page.locator('html').getAttribute('lang')]).toEqual([name, lang])
        await keepPicture(page, `${lang}-${name}-${screen.name}`)
        const barriers = [...(await findBarriers(page))]
        if ('reducedMotion' in screen && (await page.evaluate('document.getAnimations().length')) !== 0) {
          barriers.push('something moves for whoever wants no motion')
        }
        await page.setViewportSize({ width: 320, height: 700 })
        if (await page.evaluate('document.documentElement.scrollWidth > innerWidth'))
          barriers.push('wider than 320 pixels')
        await page.setViewportSize(screen.viewport)
        if (barriers.length > 0) found.push([name, barriers])
      }
      // The form for a new one is folded where there are some.
      const unfold = (page: Page) => page.evaluate("document.querySelector('.new').open = true")
      async function signIn(page: Page, who: Person): Promise<void> {
        await page.locator('a.main').click()
        await stand.become(page, who)
      }
      const page = await person.open(stand.app)
      await look(page, 'sign-in')
      await signIn(page, 'Ada')
      for (const [name, address] of LOOKED_AT) {
        await page.goto(address())
        await look(page, name)
      }
      await page.goto(`${stand.portal}/.sallyport/tokens`)
      await unfold(page)
      await page.locator('input[name=name]').fill('Donaudampfschifffahrtsgesellschaftskapitänsmütze')
      await page.locator('.new form.fields button').click()
      await look(page, 'token-made')
      await page.goto(`${stand.portal}/.sallyport/guests`)
      await unfold(page)
      await page.locator('#application').selectOption('')
      await page.locator('input[name=address]').fill(stand.app)
      await page.locator('input[name=name]').fill('Donaudampfschifffahrtsgesellschaftskapitänsmütze')
      await page.locator('.new form.fields button').click()
      await look(page, 'guest-link-refused')
      await page.locator('#application').selectOption('')
      await page.locator('input[name=address]').fill(stand.app.replace('app.', 'shared.'))
      await page.locator('input[name=name]').fill('Donaudampfschifffahrtsgesellschaftskapitänsmütze')
      await page.locator('.new form.fields button').click()
      await look(page, 'guest-link-made')
      await page.goto((await page.locator('[role=status] code').textContent()) ?? '')
      await look(page, 'invitation')
      await page.goto(`${stand.portal}/.sallyport/logout`)
      await page.locator('button.main').click()
      await look(page, 'signed-out')
      expect(found).toEqual([])
      expect(person.complaints).toEqual([])
      await person.context.close()
    },
  )
})

test('colours that the system forces, and paper, keep every word', async () => {
  const person = await watchedContext(browser, { forcedColors: 'active' })
  const page = await person.open(stand.app)
  await page.locator('a.main').click()
  await stand.become(page, 'Ada')
  for (const path of ['/', '/.sallyport/admin', '/.sallyport/nothing']) {
    await page.goto(`${stand.portal}${path}`)
    expect(await findBarriers(page)).toEqual([])
    await page.emulateMedia({ media: 'print', forcedColors: 'none' })
    expect(await page.locator('h1').isVisible()).toBe(true)
    expect(await page.locator('nav a, .act').filter({ visible: true }).count()).toBe(0)
    await keepPicture(page, `print${path.replaceAll('/', '-')}`)
    await page.emulateMedia({ media: 'screen', forcedColors: 'active' })
  }
  await person.context.close()
})
