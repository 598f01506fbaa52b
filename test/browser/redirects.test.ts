import { expect, setDefaultTimeout } from 'bun:test'
import type { Page } from 'playwright-core'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(await openStand('provider_logout = true'))
const person = await watchedContext(browser)

/** Addresses that some reader takes for another host; `evil.localhost` is a name that Chromium would really ask. */
const ELSEWHERE = [
  'http://evil.localhost/',
  '//evil.localhost/',
  '///evil.localhost/',
  '/\\evil.localhost/',
  '\\/evil.localhost/',
  '\\\\evil.localhost/',
  '/\t/evil.localhost/',
  '/\n/evil.localhost/',
  '\t//evil.localhost/',
  ' //evil.localhost/',
  '\u0000//evil.localhost/',
  '/%09/evil.localhost/',
  '/%5cevil.localhost/',
  '/%2fevil.localhost/',
  '%2f%2fevil.localhost/',
  '/.//evil.localhost/',
  '/..//evil.localhost/',
  '/x/..//evil.localhost/',
  '/%2e%2e//evil.localhost/',
  '/.\t./evil.localhost/',
  'http:evil.localhost/',
  'http:/evil.localhost/',
  'http:\\\\evil.localhost/',
  '@evil.localhost/',
  ':80@evil.localhost/',
  '.evil.localhost/',
  '/@evil.localhost/',
  '//evil.localhost:80@app.localhost/',
  '//app.localhost@evil.localhost/',
  '/;//evil.localhost/',
  '/?//evil.localhost/',
  '/#//evil.localhost/',
  '/x\r\nLocation: http://evil.localhost/',
  '/\u2028/evil.localhost/',
  '/\uff0fevil.localhost/',
  '//evil\u3002localhost/',
  'javascript:location="http://evil.localhost/"',
  'data:text/html,<script>location="http://evil.localhost/"</script>',
  '/x"><meta http-equiv=refresh content="0;url=http://evil.localhost/">',
]

async function settled(page: Page): Promise<URL> {
  await page.waitForLoadState('load')
  return new URL(page.url())
}

test('whatever a link says, Chromium stays with us: at sign-in, when signed in, at a deep link and at sign-out', async () => {
  const ours = new Set([stand.app, stand.portal])
  const page = await person.open(stand.app)
  await stand.become(page, 'Grace')
  const asked: string[] = []
  person.context.on('request', request => void asked.push(new URL(request.url()).hostname))
  const staysAt = async (address: string): Promise<void> => {
    await page.goto(address, { waitUntil: 'commit' })
    expect([address, ours.has(new URL(page.url()).origin)]).toEqual([address, true])
  }
  for (const elsewhere of ELSEWHERE) {
    for (const origin of [stand.portal, stand.app])
      await staysAt(`${origin}/.sallyport/login?${new URLSearchParams({ return: elsewhere })}`)
  }
  for (const elsewhere of ELSEWHERE.slice(0, 3)) {
    for (const [path, name] of [
      ['login', 'to'],
      ['logout', 'return'],
      ['signed-out', 'next'],
      ['provider-logout', 'next'],
      ['enter', 'ticket'],
    ])
      await staysAt(`${stand.app}/.sallyport/${path}?${new URLSearchParams({ [name ?? '']: elsewhere })}`)
  }
  expect(asked.filter(host => host.startsWith('evil'))).toEqual([])
  await page.goto(`${stand.app}/.sallyport/login?switch=1&${new URLSearchParams({ return: '//evil.localhost/' })}`)
  await stand.become(page, 'Ada')
  expect((await settled(page)).origin).toBe(stand.app)
})

test('a deep link that could be another host comes back as itself or not at all', async () => {
  const visitor = await watchedContext(browser)
  const asked: string[] = []
  visitor.context.on('request', request => void asked.push(new URL(request.url()).hostname))
  const first = await visitor.open(`${stand.app}/x`)
  await stand.become(first, 'Grace')
  for (const path of ['//evil.localhost/', '/%5cevil.localhost', '/%2f%2fevil.localhost', '/;//evil.localhost']) {
    await visitor.context.clearCookies({ domain: 'app.localhost' })
    const page = await visitor.open(stand.app + path)
    expect([path, (await settled(page)).origin]).toEqual([path, stand.app])
    await page.close()
  }
  expect(asked.filter(host => host.startsWith('evil'))).toEqual([])
  await visitor.context.close()
})

test('signing out leads to the provider and back to us, whatever the form is sent with', async () => {
  const visitor = await watchedContext(browser)
  const page = await visitor.open(`${stand.app}/x`)
  await stand.become(page, 'Grace')
  await page.goto(
    `${stand.app}/.sallyport/logout?return=//evil.localhost/&post_logout_redirect_uri=http://evil.localhost/`,
  )
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL(`${stand.providerOrigin}/**`)
  await page.getByRole('button', { name: 'Yes, sign me out' }).click()
  await page.waitForURL(`${stand.portal}/**`)
  expect((await settled(page)).pathname).toBe('/.sallyport/signed-out')
  expect(visitor.complaints).toEqual([])
  await visitor.context.close()
})
