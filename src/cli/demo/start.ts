import { GateError } from '../../base/errors.ts'
import { DEMO_CLIENT_ID, type DemoAddresses, demoAddresses, demoConfig } from './config.ts'
import { type DemoFolder, type DemoPlan, openDemoFolder } from './folder.ts'
import { findFreePort, type LoopbackListener, listenOnLoopback, type ServeOn } from './listen.ts'
import { makeDemoProvider } from './provider.ts'
import { serveDemoService } from './service.ts'

/** Starts Sallyport on a routes.toml; `stop` drains it and closes its database. */
export type StartServe = (configPath: string) => Promise<{ stop(): Promise<void> }>

export interface DemoOptions {
  /** Where routes.toml and the database live; null: a new temporary folder, removed at the end. */
  readonly dir: string | null
  /** Sallyport's port; null: 8080 or the next that is free; 0: any. */
  readonly port: number | null
}

/** A demo that is running. */
export interface Demo {
  readonly configPath: string
  readonly addresses: DemoAddresses
  stop(): Promise<void>
}

const DEFAULT_PORT = 8080
const MAX_PORTS = 20

/**
 * Starts the demo service, the demo provider, and Sallyport in front, all on loopback.
 *
 * Throws `listen.failed` where a port is taken, `config.invalid` for a folder that is not the demo's, and what `startServe` throws;
 * nothing is left running then.
 */
export async function startDemo(options: DemoOptions, startServe: StartServe): Promise<Demo> {
  const folder = openDemoFolder(options.dir)
  const running: { stop(): Promise<void> }[] = []
  const stop = async () => {
    for (const part of running.splice(0).reverse()) await part.stop()
    folder.close()
  }
  try {
    const plan = await startParts(folder, options.port, running)
    running.push(await startServe(folder.configPath))
    return { configPath: folder.configPath, addresses: demoAddresses(plan), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The service and the provider, on the kept plan's ports or on new ones; then routes.toml, where there is none yet. */
async function startParts(
  folder: DemoFolder,
  wantedPort: number | null,
  running: { stop(): Promise<void> }[],
): Promise<DemoPlan> {
  const { kept } = folder
  if (kept !== null && wantedPort !== null && wantedPort !== kept.port) {
    throw new GateError('listen.failed', `${folder.configPath} is for port ${kept.port}`, {
      hint: 'leave --port out, or name a new folder with --dir',
    })
  }
  const gate = await gatePort(kept?.port ?? wantedPort)
  const nearPort = wantedPort === 0 ? 0 : gate.port + 1
  const clientSecret =
    kept?.clientSecret ?? Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('base64url')
  // The provider's issuer names its port, which is known only once it listens: requests before that wait.
  const ready = Promise.withResolvers<{ fetch(request: Request): Response | Promise<Response> }>()
  const provider = listen('demo provider', kept?.providerPort, nearPort, (hostname, port) =>
    Bun.serve({ hostname, port, fetch: async request => (await ready.promise).fetch(request) }),
  )
  running.push(provider)

  const sites = demoAddresses({ port: gate.port, providerPort: 0, servicePort: 0 })
  const links = [
    { label: 'app', address: sites.app },
    { label: 'admin', address: sites.admin },
    { label: 'public', address: sites.public },
    { label: 'portal', address: sites.portal },
  ]
  const service = listen('demo service', kept?.servicePort, nearPort, (hostname, port) =>
    serveDemoService(hostname, port, links),
  )
  running.push(service)

  const plan = { port: gate.port, providerPort: provider.port, servicePort: service.port, clientSecret }
  const { portal, provider: issuer } = demoAddresses(plan)
  const client = {
    clientId: DEMO_CLIENT_ID,
    clientSecret,
    name: 'Sallyport',
    redirectUris: [`${portal}/.sallyport/callback`],
    postLogoutRedirectUris: [`${portal}/`, `${portal}/.sallyport/`],
  }
  ready.resolve(await makeDemoProvider({ issuer, clients: [client], now: () => Date.now() }))
  if (kept === null) folder.write(plan, demoConfig(plan, gate.hosts))
  return plan
}

async function gatePort(wanted: number | null): Promise<{ readonly port: number; readonly hosts: readonly string[] }> {
  const free = wanted === null ? await findFreePort(DEFAULT_PORT, MAX_PORTS) : await findFreePort(wanted, 1)
  if (free !== null) return free
  const tried = wanted === null ? `ports ${DEFAULT_PORT} to ${DEFAULT_PORT + MAX_PORTS - 1} are` : `port ${wanted} is`
  throw new GateError('listen.failed', `${tried} taken`, { hint: 'name a free one with --port' })
}

/** On the port that a kept routes.toml names, or beside the gate's; anywhere when the gate itself may be anywhere. */
function listen(what: string, keptPort: number | undefined, nearPort: number, serve: ServeOn): LoopbackListener {
  const listener =
    keptPort === undefined ? listenOnLoopback(serve, nearPort, MAX_PORTS) : listenOnLoopback(serve, keptPort, 1)
  if (listener !== null) return listener
  throw new GateError('listen.failed', `port ${keptPort ?? nearPort}, for the ${what}, is taken`, {
    hint: 'stop what holds the port, or name a new folder with --dir',
  })
}
