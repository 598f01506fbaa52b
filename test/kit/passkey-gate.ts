/** A gate whose people have passkeys, and browsers with an authenticator in software in front of it. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type InviteWish, runInvite } from '../../src/cli/user/invite.ts'
import { runUser } from '../../src/cli/user/user.ts'
import { startTellingFields } from './applications/answering.ts'
import { type BrowserLite, browserAt, type Page } from './browser/browser-lite.ts'
import { runOn, type StoreCommand } from './commands.ts'
import { type Gate, type GateOptions, startGate } from './gate.ts'
import { plant } from './log/planted.ts'
import { createPasskey, type Options, type SoftPasskey, showPasskey, type Wrong } from './passkeys.ts'
import { freePort } from './programs/child.ts'
import { routeForUsers } from './toml.ts'

export const AUTH = 'auth.localhost'
export const APP = 'app.localhost'

/** The password of everybody in the file. */
export const PASSWORD = 'a staple of batteries'
plant(PASSWORD, 'a password that was typed')
const HASH = await Bun.password.hash(PASSWORD, { algorithm: 'bcrypt', cost: 4 })

/** A table of a users.toml; `more` are further lines of it. */
export const user = (name: string, more = '', id = `id-of-${name}`, hash = HASH): string =>
  `[[users]]\nid = "${id}"\nname = "${name}"\nhash = "${hash}"\n${more}\n`

export interface PasskeyGate extends Gate {
  readonly portal: string
  readonly app: string
  /** What it was started with. */
  readonly text: string
  browser(): BrowserLite
  /** Saves another file of users. */
  saveUsers(text: string): void
  /** What `sallyport user invite` prints. */
  invite(name: string, ...options: readonly string[]): Promise<{ readonly link: string; readonly said: string }>
}

export interface PasskeyGateOptions extends GateOptions {
  readonly users?: string
  /** More of the provider's table, and of the portal's. */
  readonly provider?: string
  readonly portal?: string
  /** More tables. */
  readonly more?: string
  readonly route?: string
  /** Null: the portal has no url, and is on each host. */
  readonly url?: null
  /** Another gate at the same addresses, over the same store. */
  readonly beside?: { readonly portal: string; readonly store: string }
}

export async function startPasskeyGate(options: PasskeyGateOptions = {}): Promise<PasskeyGate> {
  const {
    beside,
    users = user('ada') + user('grace'),
    provider = '',
    portal = '',
    more = '',
    route = '',
    url,
    ...rest
  } = options
  const port = beside === undefined ? await freePort() : Number(new URL(beside.portal).port)
  const upstream = startTellingFields()
  const text = `[providers.people]
users = "users.toml"
${provider}
[portals.home]
title = "Home"
${url === null ? '' : `url = "http://${AUTH}:${port}"`}
insecure_cookies = true
providers = ["people"]
roles.user = { any = true }
${portal}
${more}
${routeForUsers(upstream, APP, `headers = "x-token"\n${route}`)}`
  const gate = await startGate(text, {
    ...rest,
    ...(beside === undefined ? {} : { store: beside.store }),
    listen: `127.0.0.1:${beside === undefined ? port : 0}`,
    files: { 'users.toml': users, ...options.files },
  })
  const stop = gate[Symbol.asyncDispose].bind(gate)
  return Object.assign(gate, {
    text,
    portal: `http://${AUTH}:${port}`,
    app: `http://${APP}:${port}`,
    browser: () => browserAt(gate, `${AUTH}:${port}`, `${APP}:${port}`),
    saveUsers(next: string) {
      writeFileSync(join(gate.folder, 'users.toml'), next)
      gate.server.reload()
    },
    async invite(name: string, ...more: readonly string[]) {
      const { code, out, err } = await runInviteOn(gate, [name, ...more])
      if (code !== 0) throw new Error(`no invitation: ${err}`)
      return { link: out.trim(), said: err }
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await upstream.stop(true)
    },
  })
}

/** `sallyport user invite …` beside a running gate. */
export function runInviteOn(gate: { readonly folder: string }, argv: readonly string[]) {
  const command: StoreCommand = (given, io, ports) => {
    const source = {
      terminal: null,
      readInput: async () => '',
      invite: (wish: InviteWish) => runInvite(wish, io, ports),
    }
    return runUser(given, io, source, ports)
  }
  return runOn(gate, command, ['invite', ...argv])
}

/** What a page asks the browser's authenticator for. */
export function optionsOf(page: Page): Options {
  return JSON.parse(page.html.one('form[data-options]').attribute('data-options') ?? 'null')
}

const ceremonyOf = (page: Page) => page.html.one('input[name="ceremony"]').attribute('value') ?? ''

/** Sends the form for a passkey with this answer of the browser. */
export function sendPasskey(browser: BrowserLite, page: Page, answer: string, more: Record<string, string> = {}) {
  return browser.submit(page, { passkey: answer, ...more }, ceremonyOf(page))
}

/** Creates a passkey on a page that asks for one, and sends it. */
export async function enrol(
  browser: BrowserLite,
  page: Page,
  wrong: Parameters<typeof createPasskey>[2] = {},
): Promise<{ readonly page: Page; readonly passkey: SoftPasskey }> {
  const { passkey, answer } = createPasskey(optionsOf(page), page.address.origin, wrong)
  return { passkey, page: await sendPasskey(browser, page, answer, { name: 'laptop' }) }
}

/** Accepts an invitation and creates a passkey. */
export async function accept(browser: BrowserLite, link: string, wrong: Parameters<typeof createPasskey>[2] = {}) {
  return enrol(browser, await browser.submit(await browser.open(link)), wrong)
}

/** Signs in by a passkey on the way to an address. */
export async function signInBy(browser: BrowserLite, address: string, passkey: SoftPasskey, wrong: Wrong = {}) {
  const page = await browser.open(address)
  return sendPasskey(browser, page, showPasskey(passkey, optionsOf(page), page.address.origin, wrong))
}
