/**
 * Takes the pictures that the README shows, of four pages in light and in dark: docs/pictures/*.png.
 *
 * Usage: bun .ci/pictures.ts [DIR]. What is in them is the demo, with applications of its own; Chromium is Debian's, or the one
 * that CHROMIUM names. Exits 1 where a picture is larger than a page of text should be.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { type Demo, startDemo } from '../src/cli/demo/start.ts'
import { openChromium, watchedContext } from '../test/kit/browser/chromium.ts'
import { temporaryFolder } from '../test/kit/folder.ts'
import { eventually } from '../test/kit/gate.ts'
import { serveInProcess } from '../test/kit/serve.ts'

const MAX_BYTES = 150_000

/** As narrow as each page looks well: a README is not wide. */
const VIEWPORTS = {
  portal: { width: 960, height: 640 },
  'sign-in': { width: 520, height: 600 },
  denied: { width: 520, height: 600 },
  admin: { width: 960, height: 640 },
} as const

/** What the portal lists in place of the demo's own: all of it answered by the demo's service. */
const APPLICATIONS = [
  { host: 'photos', name: 'Immich', icon: 'immich', group: 'Home', about: 'Everyone’s pictures' },
  { host: 'recipes', name: 'Mealie', icon: 'mealie', group: 'Home', about: 'What to cook' },
  { host: 'films', name: 'Jellyfin', icon: 'jellyfin', group: 'Home', about: 'What to watch' },
  { host: 'dashboards', name: 'Grafana', icon: 'grafana', group: 'Operations', about: 'Graphs and alerts' },
  { host: 'code', name: 'Forgejo', icon: 'forgejo', group: 'Operations', about: 'Sources and reviews' },
  { host: 'up', name: 'Uptime Kuma', icon: 'uptimekuma', group: 'Operations', about: 'Is everything up?' },
] as const

const [target = join(import.meta.dir, '../docs/pictures')] = process.argv.slice(2)
mkdirSync(target, { recursive: true })
using folder = temporaryFolder()
const demo = await startDemo({ dir: folder.path, port: 0 }, serveInProcess)
const browser = await openChromium({ isWhole: true })
try {
  addApplications(demo)
  for (const scheme of ['light', 'dark'] as const) {
    await take(browser, scheme, 'sign-in', null, demo.addresses.portal.replace('auth.', 'photos.'))
    await take(browser, scheme, 'portal', 'Ada', demo.addresses.portal)
    await take(browser, scheme, 'denied', 'Grace', `${demo.addresses.admin}/settings`)
    await take(browser, scheme, 'admin', 'Ada', `${demo.addresses.portal}/.sallyport/admin`)
  }
} finally {
  await browser.close()
  await demo.stop()
}

/** Adds them to the demo's file, which takes effect at once. */
function addApplications({ configPath, addresses }: Demo): void {
  const routes = APPLICATIONS.map(
    ({ host, name, icon, group, about }) => `
[[routes]]
host = "${host}.localhost"
upstream = { to = "${addresses.service}", health = { path = "/", interval = "1s" } }
portal = "home"
allow = ["user"]
name = "${name}"
app = { icon = "${icon}", group = "${group}", description = "${about}" }
`,
  )
  const text = readFileSync(configPath, 'utf8')
    .replace('title = "Sallyport demo"', 'title = "Example home"\nrequests = true')
    .replace('providers = ["demo"]', 'providers = ["demo", "second"]')
    .replace(/\[providers\.demo\][^[]*/, table => {
      const labelled = (name: string, label: string) =>
        table.replace(/\[providers\.demo\].*/, `[providers.${name}]\nlabel = "${label}"`)
      return labelled('demo', 'Pocket ID') + labelled('second', 'GitHub')
    })
    .replaceAll(/(?<=name = "(?:Demo service|Admin area)"\n)app = .*/g, 'app = { hidden = true }')
  writeFileSync(configPath, text + routes.join(''))
}

/** Signs in as one of the demo's people in a new browser, or as nobody, and takes the picture of what they come to. */
async function take(
  browser: Browser,
  scheme: 'light' | 'dark',
  name: keyof typeof VIEWPORTS,
  person: string | null,
  address: string,
): Promise<void> {
  const { context, open } = await watchedContext(browser, {
    colorScheme: scheme,
    viewport: VIEWPORTS[name],
    deviceScaleFactor: 2,
    locale: 'en-GB',
  })
  const page = await open(address)
  if (person !== null) {
    await page.getByRole('link', { name: 'Continue with Pocket ID' }).click()
    await page.getByRole('button', { name: person }).click()
    await page.waitForURL(url => url.origin === new URL(address).origin)
  }
  await page.evaluate('document.fonts.ready.then(() => undefined)')
  if (name === 'portal') await untilAllAnswer(page)
  const file = join(target, `${name}-${scheme}.png`)
  await page.screenshot({ path: file, fullPage: name !== 'admin', animations: 'disabled' })
  await context.close()
  shrink(file)
  const { size } = statSync(file)
  console.log(`${file}: ${(size / 1000).toFixed(0)} kB`)
  if (size > MAX_BYTES) process.exitCode = 1
}

/** To 256 colours, which is all that such a page has but for its shadows. */
function shrink(file: string): void {
  const { exitCode, stderr } = Bun.spawnSync([
    'pngquant',
    '--force',
    '--strip',
    '--speed',
    '1',
    '--output',
    file,
    '256',
    file,
  ])
  if (exitCode !== 0) throw new Error(`pngquant: ${stderr}`)
}

/** The file has to have been read, and each application asked once how it is. */
async function untilAllAnswer(page: Page): Promise<void> {
  await eventually(async () => {
    await page.reload()
    return (await page.locator('[data-health=up]').count()) === APPLICATIONS.length
  }, 'every application answers')
}
