import { makeIdentity } from '../../../src/identity/identity.ts'
import { openSessionState } from '../../../src/process/session-state.ts'
import { shownBy } from '../../../src/session/sign-in-claims.ts'
import { quietPorts } from '../clock.ts'
import type { Gate } from '../gate.ts'

/** One sign-in at the provider of `PORTAL`, with a cookie for each of several hosts, as a portal hands them out. */
export interface Joined {
  readonly id: string
  cookieAt(host: string): string
}

/** Signs somebody in at a portal, on the first of these hosts and then on the others. */
export async function signInOn(gate: Gate, portal: string, sub: string, hosts: readonly string[]): Promise<Joined> {
  const { sessions } = openSessionState(gate.server.config, quietPorts({ now: Date.now }))
  const identity = makeIdentity('id', 'http://127.0.0.1:9', sub, { sub })
  const [host = '', ...others] = hosts
  const secrets = { idToken: 'x', refreshToken: null }
  const { token, session } = await sessions.start({ portal, host, identity, secrets })
  const cookies = new Map([[host, token]])
  for (const other of others) cookies.set(other, (await sessions.join(session.id, other, shownBy(session))) ?? '')
  await sessions.close()
  return { id: session.id, cookieAt: at => `sallyport=${cookies.get(at)}` }
}

/** The cookie of a guest of the portal `home` who has opened a link for this path of a host. */
export async function guestCookie(gate: Gate, host: string, path: string): Promise<string> {
  const { sessions } = openSessionState(gate.server.config, quietPorts({ now: Date.now }))
  const link = { portal: 'home', name: 'n', host, path, landing: path, by: null, uses: 1, lifetimeMs: 60_000 }
  const used = await sessions.links.use((await sessions.links.create(link)).text)
  await sessions.close()
  return `sallyport-guest-abc=${used?.cookie}`
}
