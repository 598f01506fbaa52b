import { eventually } from '../gate.ts'
import { needs, type Program } from '../needs.ts'
import { MAX_WAIT_MS, openChromium } from './chromium.ts'
import { openFirefox } from './firefox.ts'
import { openWebKit } from './webkit.ts'

/** What every browser does in the same words: one tab of one that knows nothing from before. */
export interface Tab extends AsyncDisposable {
  /** Loads an address, and whatever it leads to. */
  open(address: string): Promise<void>
  /** Presses what a selector of CSS finds first, once it is there. */
  press(selector: string): Promise<void>
  /** What an expression comes to in the page. Throws where the page is left meanwhile. */
  evaluate(expression: string): Promise<unknown>
  /** Takes a cookie away from the host of the page. */
  forget(cookie: string): Promise<void>
}

/** How a browser is opened. */
export interface TabOptions {
  /** Also a certificate that nobody has signed, for hosts by HTTPS. */
  readonly takesAnyCertificate?: boolean
}

type OpenTab = (options?: TabOptions) => Promise<Tab>

/** Every browser that people come with, as far as Debian has it. */
export const BROWSERS: readonly (readonly [name: string, open: OpenTab])[] = [
  ['Chromium', openChromiumTab],
  ['Firefox', openFirefox],
  ['WebKit', openWebKit],
]

/** Waits until an expression holds in the page, whichever page it is by then. */
export async function untilIn(tab: Tab, expression: string): Promise<void> {
  await readIn(tab, 'true', expression)
}

/**
 * What an expression comes to in the first page in which a condition holds. Both are one question to one page: between two of them it
 * may be left.
 */
export async function readIn(tab: Tab, expression: string, condition: string): Promise<unknown> {
  let read: unknown
  const ask = async () => {
    try {
      read = await tab.evaluate(`(${condition}) ? [${expression}] : null`)
    } catch {
      return false
    }
    return Array.isArray(read)
  }
  await eventually(ask, `${condition} in the page`)
  return Array.isArray(read) ? read[0] : undefined
}

/**
 * Has the page run what it is left by, as `history.back()`. It does so once it has answered: an answer out of a page that is being
 * left may never come.
 */
export async function leaveBy(tab: Tab, script: string): Promise<void> {
  await tab.evaluate(`void setTimeout(() => { ${script} })`)
}

/** Waits for the page that is led by this heading. */
export function untilHeading(tab: Tab, heading: string): Promise<void> {
  return untilIn(tab, `document.querySelector('h1')?.textContent === ${JSON.stringify(heading)}`)
}

async function openChromiumTab({ takesAnyCertificate = false }: TabOptions = {}): Promise<Tab> {
  const browser = await openChromium({ keepsPages: true, isWhole: true })
  const context = await browser.newContext({ ignoreHTTPSErrors: takesAnyCertificate })
  context.setDefaultTimeout(MAX_WAIT_MS)
  const page = await context.newPage()
  return {
    async open(address) {
      await page.goto(address)
    },
    press: selector => page.locator(selector).first().click(),
    evaluate: expression => page.evaluate(expression),
    forget: cookie => context.clearCookies({ name: cookie, domain: new URL(page.url()).hostname }),
    [Symbol.asyncDispose]: () => browser.close(),
  }
}

/** The same tests in each browser, under its name; skipped for one that is not on this machine. */
export function describeEachBrowser(
  tests: (name: string, open: OpenTab) => void,
  { without }: { readonly without?: string } = {},
): void {
  for (const [name, open] of BROWSERS) {
    if (name !== without) needs(...(PROGRAMS[name] ?? [])).describe(name, () => tests(name, open))
  }
}

const PROGRAMS: Readonly<Record<string, readonly Program[]>> = {
  Chromium: ['chromium'],
  Firefox: ['firefox-esr'],
  WebKit: ['WebKitWebDriver', 'Xvfb'],
}
