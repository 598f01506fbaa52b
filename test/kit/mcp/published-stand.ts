import { startAnswering } from '../applications/answering.ts'
import { fakeClock } from '../clock.ts'
import { type Gate, type GateOptions, startGate } from '../gate.ts'
import { untilTheEnd } from '../opened.ts'
import { EVERYONE, portalTable, providerTable, routeTo, SILENT } from '../toml.ts'
import { McpClient, REDIRECT } from './client.ts'
import { type Publisher, startPublisher } from './publisher.ts'

/** The address of the MCP server. */
export const RESOURCE = 'http://app.test/mcp'

/** A gate in front of an MCP server, and a host of the internet by which its clients publish themselves. */
export interface PublishedStand {
  readonly gate: Gate
  readonly publisher: Publisher
  readonly clock: ReturnType<typeof fakeClock>
  /** Somebody who is signed in at the portal, and may use `/mcp`. */
  readonly ada: Awaited<ReturnType<Gate['signIn']>>
  /** A client by its id, at the stand's gate or another one. */
  clientOf(id: string, at?: Gate): McpClient
  /** Another gate by the same file, which reaches the internet in its own way. */
  startAnother(ports: NonNullable<GateOptions['ports']>): Promise<Gate>
}

/** Starts one, which ends with the test file. At `/admin` there is another server, for `admins` alone. */
export async function openPublishedStand(): Promise<PublishedStand> {
  const keep = untilTheEnd()
  const upstream = keep(startAnswering(() => new Response('here')))
  const publisher = keep(startPublisher(REDIRECT))
  const clock = fakeClock(Date.now())
  const file = [
    providerTable(SILENT),
    portalTable(`${EVERYONE}\nurl = "http://auth.test"\nroles.admin = { groups = ["admins"] }`),
    routeTo(upstream, 'app.test', 'path = "/mcp"\nportal = "home"\nallow = ["user"]\nmcp = true'),
    routeTo(upstream, 'app.test', 'path = "/admin"\nportal = "home"\nallow = ["admin"]\nmcp = true'),
  ].join('\n')
  const startAnother = async (ports: NonNullable<GateOptions['ports']>) => keep(await startGate(file, { ports }))
  const gate = await startAnother({ ...publisher.ports, now: clock.now })
  return {
    gate,
    publisher,
    clock,
    ada: await gate.signIn('auth.test', { sub: 'ada' }),
    clientOf(id, at = gate) {
      const made = new McpClient(at, 'auth.test')
      made.clientId = id
      return made
    },
    startAnother,
  }
}
