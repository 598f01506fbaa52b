import { expect, setDefaultTimeout } from 'bun:test'
import { LANGUAGES } from '../../../src/portal/language.ts'
import { findBarriers } from '../../kit/browser/accessible.ts'
import { watchedContext } from '../../kit/browser/chromium.ts'
import { openFormStand } from '../../kit/browser/form-stand.ts'
import { keepPicture } from '../../kit/browser/picture.ts'
import { openStand } from '../../kit/browser/stand.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { providerTable, SILENT } from '../../kit/toml.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const form = await openFormStand({
  people: ['ada'],
  others: `${providerTable(SILENT, 'label = "Pocket ID"')}${providerTable(SILENT, 'label = "GitHub"').replace('[providers.id]', '[providers.hub]')}`,
  otherNames: ['id', 'hub'],
  portal: 'remember = "30d"',
})
const stand = keep(await openStand())

test.each(LANGUAGES.map(({ lang }) => lang))(
  'the page says in %s what waits, and a phone shows all of it: a form, two providers and the choice of how long',
  async lang => {
    const person = await watchedContext(form.browser, { locale: lang, viewport: { width: 390, height: 844 } })
    try {
      const words = LANGUAGES.find(one => one.lang === lang)
      const page = await person.open(`${form.app}?deep=1`)
      expect(await page.locator('.waits').textContent()).toContain(words?.toOpen('app.localhost') ?? '-')
      expect(await page.locator('.or').textContent()).toBe(words?.or ?? '-')
      expect(await page.locator('.acts.short a').allTextContents()).toEqual(['Pocket ID', 'GitHub'])
      expect(await page.getByRole('link', { name: words?.continueWith('GitHub') ?? '-' }).count()).toBe(1)
      expect(await page.locator('.acts.short a svg').count()).toBe(2)
      await keepPicture(page, `choices-${lang}`)
      expect(await page.evaluate('document.documentElement.scrollHeight <= innerHeight')).toBe(true)
      expect(await findBarriers(page)).toEqual([])
      expect(person.complaints).toEqual([])
    } finally {
      await person.context.close()
    }
  },
)

test('the provider that was used last is offered first, in this browser alone', async () => {
  const [person, other] = [await watchedContext(form.browser), await watchedContext(form.browser)]
  const labels = async (opened: typeof person) => {
    const page = await opened.open(`${stand.choice}/`)
    return { page, labels: await page.locator('.acts a').allTextContents() }
  }
  try {
    const first = await labels(person)
    expect(first.labels).toEqual(['Continue with Main provider', 'Continue with Other provider'])
    await first.page.getByRole('link', { name: 'Continue with Other provider' }).click()
    await stand.become(first.page, 'Ada')
    expect(first.page.url()).toBe(`${stand.choice}/`)
    await person.context.clearCookies({ name: 'sallyport' })
    expect((await labels(person)).labels).toEqual(['Continue with Other provider', 'Continue with Main provider'])
    expect((await labels(other)).labels).toEqual(['Continue with Main provider', 'Continue with Other provider'])
    // What it holds is a name of the file, or nothing.
    await person.context.addCookies([{ name: 'sallyport-provider', value: '%3Cb%3E', url: stand.choice }])
    expect((await labels(person)).labels).toEqual(['Continue with Main provider', 'Continue with Other provider'])
  } finally {
    await Promise.all([person.context.close(), other.context.close()])
  }
})
