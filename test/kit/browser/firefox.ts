import { launch } from 'puppeteer-core'
import { temporaryFolder } from '../folder.ts'
import { MAX_WAIT_MS } from './chromium.ts'
import type { Tab, TabOptions } from './tab.ts'

/** Debian's Firefox; a machine that has it elsewhere says so in FIREFOX. */
const EXECUTABLE = process.env.FIREFOX ?? '/usr/bin/firefox-esr'

/** A real, headless Firefox with a profile of its own, driven by WebDriver BiDi. */
export async function openFirefox({ takesAnyCertificate = false }: TabOptions = {}): Promise<Tab> {
  const home = temporaryFolder()
  const browser = await launch({
    browser: 'firefox',
    executablePath: EXECUTABLE,
    headless: true,
    timeout: MAX_WAIT_MS,
    acceptInsecureCerts: takesAnyCertificate,
    userDataDir: home.path,
    env: { ...process.env, HOME: home.path },
  })
  const page = (await browser.pages())[0] ?? (await browser.newPage())
  page.setDefaultTimeout(MAX_WAIT_MS)
  return {
    async open(address) {
      await page.goto(address)
    },
    press: selector => page.locator(selector).click(),
    evaluate: expression => page.evaluate(expression),
    async forget(cookie) {
      await page.deleteCookie({ name: cookie, domain: new URL(page.url()).hostname })
    },
    async [Symbol.asyncDispose]() {
      await browser.close()
      home[Symbol.dispose]()
    },
  }
}
