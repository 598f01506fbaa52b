import type { Browser } from 'playwright-core'
import { startStreaming } from '../applications/streaming.ts'
import { startGate } from '../gate.ts'
import { plant } from '../log/planted.ts'
import { untilTheEnd } from '../opened.ts'
import { freePort } from '../programs/child.ts'
import { routeForUsers } from '../toml.ts'
import { openChromium } from './chromium.ts'

/** The password of everybody in the file. */
export const FORM_PASSWORD = 'a staple of batteries'
plant(FORM_PASSWORD, 'a password that was typed')

interface FormOptions {
  /** Names in the file of users. */
  readonly people: readonly string[]
  /** More of the table of the provider `family`, whose people sign in by the form. */
  readonly family?: string
  /** Tables of other providers, and their names in `providers` of the portal. */
  readonly others?: string
  readonly otherNames?: readonly string[]
  /** More of the portal's table. */
  readonly portal?: string
  /** Files beside the one of users. */
  readonly files?: Readonly<Record<string, string>>
}

/** A browser in front of an application whose people sign in by a form of ours. */
export interface FormStand {
  readonly browser: Browser
  /** A deep link into the application, which says hello to whoever comes. */
  readonly app: string
}

/** Starts one, which ends with the test file. */
export async function openFormStand({
  people,
  family = '',
  others = '',
  otherNames = [],
  portal = '',
  files = {},
}: FormOptions): Promise<FormStand> {
  const keep = untilTheEnd()
  const upstream = keep(startStreaming(({ headers }) => `hello ${headers.get('x-token-user-name')}`))
  const port = await freePort()
  const hash = await Bun.password.hash(FORM_PASSWORD, { algorithm: 'bcrypt', cost: 4 })
  const text = `${others}
[providers.family]
users = "users.htpasswd"
${family}
[portals.home]
title = "Home"
url = "http://auth.localhost:${port}"
insecure_cookies = true
providers = ${JSON.stringify([...otherNames, 'family'])}
roles.user = { any = true }
${portal}
${routeForUsers(upstream, 'app.localhost', 'headers = "x-token"')}`
  const users = people.map(name => `${name}:${hash}\n`).join('')
  keep(await startGate(text, { listen: `127.0.0.1:${port}`, files: { 'users.htpasswd': users, ...files } }))
  return {
    browser: keep(await openChromium()),
    app: `http://app.localhost:${port}/deep?x=1`,
  }
}
