import { existsSync } from 'node:fs'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { absent, isProgramHere } from '../needs.ts'

/** Debian's Chromium; a machine that has it elsewhere says so in CHROMIUM. */
export const WHOLE = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** The same without windows, tabs and menus, by Debian too: pages cost half as much in it. `npm run test:all` has the whole one for all. */
const SHELL = '/usr/bin/chromium-headless-shell'

const EXECUTABLE = process.env.CHROMIUM === undefined && existsSync(SHELL) ? SHELL : WHOLE

/** Only this machine has a name, and nothing runs in the background: a test's browser talks to the test alone. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1',
]

/** A page that has not come by then will not come. */
export const MAX_WAIT_MS = 120_000

/** How long a browser without a file waits for the next one. */
const IDLE_MS = 3000

let shared: Promise<Browser> | null = null
let users = 0

/**
 * A real, headless Chromium, with the pages that one has left in memory where `keepsPages` says so, and with everything around a page,
 * as to install it, where `isWhole` does. Pairs with `close`.
 *
 * To start one costs as much as several pages, so that a process that runs several files has one for all of them: to close it ends
 * the profiles that were made by it, and the browser with the last.
 */
export async function openChromium({ keepsPages = false, isWhole = false } = {}): Promise<Browser> {
  if (!isProgramHere('chromium')) return absent<Browser>('chromium')
  const executable = isWhole ? WHOLE : EXECUTABLE
  if (keepsPages || executable !== EXECUTABLE || process.env.BUN_TEST_WORKER_ID === undefined)
    return launch(keepsPages, executable)
  users++
  shared ??= start()
  const browser = await shared
  const contexts: BrowserContext[] = []
  const newContext: Browser['newContext'] = async options => {
    const context = await browser.newContext(options)
    contexts.push(context)
    return context
  }
  const close = async () => {
    await Promise.all(contexts.splice(0).map(context => context.close()))
    if (--users === 0) setTimeout(closeUnused, IDLE_MS).unref()
  }
  return Object.assign(Object.create(browser), { newContext, close, [Symbol.asyncDispose]: close })
}

function start(): Promise<Browser> {
  const forget = () => {
    if (shared === started) shared = null
  }
  const started = launch(false, EXECUTABLE).then(browser => browser.once('disconnected', forget))
  started.catch(forget)
  return started
}

async function closeUnused(): Promise<void> {
  if (users > 0 || shared === null) return
  const unused = shared
  shared = null
  await (await unused).close()
}

function launch(keepsPages: boolean, executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    headless: true,
    args: ARGS,
    ...(keepsPages ? { ignoreDefaultArgs: ['--disable-back-forward-cache'] } : {}),
  })
}

/** A browser profile of its own, with a list of everything that its pages complained of. */
export interface WatchedContext {
  readonly context: BrowserContext
  /**
   * Errors on the console (a violated content security policy is one), uncaught exceptions, and requests for other machines.
   *
   * Absent on purpose: the browser's own line about a response's status, which a denied page is bound to cause.
   */
  readonly complaints: string[]
  /** A new tab. */
  open(address: string): Promise<Page>
}

/** A fresh profile in a browser, watched from its first page on. */
export async function watchedContext(
  browser: Browser,
  options: NonNullable<Parameters<Browser['newContext']>[0]> = {},
): Promise<WatchedContext> {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(MAX_WAIT_MS)
  const complaints: string[] = []
  context.on('page', page => {
    page.on('console', message => {
      const isStatusLine = message.text().startsWith('Failed to load resource: the server responded with a status of')
      if (message.type() === 'error' && !isStatusLine) complaints.push(`${page.url()}: ${message.text()}`)
    })
    page.on('pageerror', error => complaints.push(`${page.url()}: ${error.message}`))
    page.on('request', request => {
      const { hostname, protocol } = new URL(request.url())
      const isHere = /(?:^|\.)localhost$|^127\.0\.0\.1$/.test(hostname) || protocol === 'data:' || protocol === 'blob:'
      if (!isHere) complaints.push(`${page.url()}: asked ${hostname} for something`)
    })
  })
  return {
    context,
    complaints,
    async open(address) {
      const page = await context.newPage()
      await page.goto(address)
      return page
    },
  }
}
