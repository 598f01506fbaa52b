import { expect } from 'bun:test'
import { type Belongings, collectBelongings } from '../belongings.ts'
import { browserAt } from '../browser/browser-lite.ts'
import type { AheadClock } from '../clock.ts'
import { type Gate, startGate } from '../gate.ts'
import type { Listening } from '../requests.ts'
import { routeTo } from '../toml.ts'
import { shared } from './shared.ts'

export const HOST = 'app.example'

/** Of a portal that asks its provider again each minute, and gives out tokens and guest links. */
export const REFRESHING = `refresh = "1m"
refresh_limit = "10m"
personal_tokens = true
guest_links = { allow = ["user"], max_uses = 5 }`

/** A route that takes a person's session, token and guest link. */
export const takesAll = (upstream: Parameters<typeof routeTo>[0]): string =>
  routeTo(upstream, HOST, 'portal = "home"\nallow = ["user", { guest_link = true }]\ntokens = true')

/** Two gates of one file on one store: a database by its path, or a server by its address. */
export async function inTwoGates(
  toml: string,
  store: string,
  clock: AheadClock,
  act: (one: Gate, other: Gate) => Promise<void>,
): Promise<void> {
  const options = { ...shared(store), ports: clock }
  await using one = await startGate(toml, options)
  await using other = await startGate(toml, options)
  await act(one, other)
}

/** Signs the provider's one person in, and answers what stands on that. */
export async function belongingsAt(gate: Listening): Promise<Belongings> {
  const browser = browserAt(gate, HOST)
  expect((await browser.open(`http://${HOST}/`)).response.status).toBe(200)
  return collectBelongings(gate, HOST, `sallyport=${browser.cookie(HOST, 'sallyport')}`)
}
