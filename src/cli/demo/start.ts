/** Starts all that `sallyport demo` consists of: its folder and file, its ports, and what serves them. */

import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Server } from 'bun'
import { GateError } from '../../base/errors.ts'
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
  // Held until the others listen: where the system chooses their ports, it would choose this one, too.
  const gate = holdGatePort(kept?.port ?? wantedPort)
  running.push(gate)
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
  await gate.stop()
  return plan
}

function holdGatePort(wanted: number | null): LoopbackListener {
  const free = wanted === null ? holdFreePort(DEFAULT_PORT, MAX_PORTS) : holdFreePort(wanted, 1)
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

/** The demo's addresses, as people type them. */
interface DemoAddresses {
  readonly portal: string
  readonly app: string
  readonly admin: string
  readonly public: string
  readonly provider: string
  /** Where the demo service itself listens; browsers do not open it. */
  readonly service: string
}

/** Every address follows from the ports: browsers take any name under `localhost` for this machine (RFC 6761 §6.3). */
function demoAddresses(plan: Pick<DemoPlan, 'port' | 'providerPort' | 'servicePort'>): DemoAddresses {
  return {
    portal: `http://auth.localhost:${plan.port}`,
    app: `http://app.localhost:${plan.port}`,
    admin: `http://admin.localhost:${plan.port}`,
    public: `http://public.localhost:${plan.port}`,
    provider: `http://localhost:${plan.providerPort}`,
    service: `http://127.0.0.1:${plan.servicePort}`,
  }
}

const DEMO_CLIENT_ID = 'sallyport-demo'

/** The routes.toml of a new demo. `hosts` are the loopback addresses that this machine has. */
export function demoConfig(plan: DemoPlan, hosts: readonly string[]): string {
  const at = demoAddresses(plan)
  const listen = hosts.map(host => `"${host.includes(':') ? `[${host}]` : host}:${plan.port}"`).join(', ')
  return `# The demo's routes.toml. Edit it and save: that is enough, and nobody is signed out.

[server]
listen = [${listen}]
access_log = false  # true: a line for every request

[sessions]
store = "sqlite:sallyport.db"

[providers.demo]  # a stand-in; yours would be Pocket ID, or any other OpenID provider
issuer = "${at.provider}"
client_id = "${DEMO_CLIENT_ID}"
client_secret = "${plan.clientSecret}"

[portals.home]
title = "Sallyport demo"
url = "${at.portal}"  # where people sign in
providers = ["demo"]
admin_role = "admin"  # sees who is in and who was turned away
insecure_cookies = true  # plain HTTP, on this machine only

[portals.home.roles]  # role = who has it
user = { groups = ["users"] }
admin = { groups = ["admins"] }

[[routes]]
host = "app.localhost"
upstream = "${at.service}"
portal = "home"
allow = ["user"]
headers = "x-token"  # tells the application who is asking
name = "Demo service"
app = { description = "For people with the role user" }

[[routes]]
host = "admin.localhost"
upstream = "${at.service}"
portal = "home"
allow = ["admin"]  # try ["user"]: save, and reload the page as Grace
headers = "x-token"
name = "Admin area"
app = { description = "For people with the role admin" }

[[routes]]
host = "public.localhost"
upstream = "${at.service}"
allow = "public"
`
}

/** The loopback addresses of `*.localhost` in browsers: a browser tries both, so the demo has to listen on both. */
const LOOPBACK = ['127.0.0.1', '::1']

/** How often to let the system choose a port, when its choice on one address was in use on the other. */
const MAX_CHOICES = 10

/** A listener on every loopback address that this machine has, under one port. */
interface LoopbackListener {
  readonly port: number
  readonly hosts: readonly string[]
  stop(): Promise<void>
}

/** Starts a server on one address; a port of 0 is the system's choice. */
type ServeOn = (hostname: string, port: number) => Server<undefined>

/**
 * Listens on 127.0.0.1 and, with IPv6, on ::1, under the first of `count` ports from `port` on that is free on both.
 *
 * `port` 0 means any. Null when every port is in use; throws Bun's other errors.
 */
function listenOnLoopback(serve: ServeOn, port: number, count: number): LoopbackListener | null {
  const tries = port === 0 ? MAX_CHOICES : count
  for (let index = 0; index < tries; index++) {
    const listener = listenOnce(serve, port === 0 ? 0 : port + index)
    if (listener !== null) return listener
  }
  return null
}

/** Like `listenOnLoopback`, for whoever listens there later: nobody else is given the port before it is stopped. */
export function holdFreePort(port: number, count: number): LoopbackListener | null {
  return listenOnLoopback((hostname, port) => Bun.serve({ hostname, port, fetch: () => new Response() }), port, count)
}

function listenOnce(serve: ServeOn, port: number): LoopbackListener | null {
  const servers: Server<undefined>[] = []
  try {
    for (const hostname of LOOPBACK) servers.push(serve(hostname, servers[0]?.port ?? port))
  } catch (error) {
    // A machine without IPv6 has no ::1 to hold, and is complete without it.
    if (servers.length === 0 || isTaken(error)) {
      for (const server of servers) void server.stop(true)
      if (isTaken(error)) return null
      throw error
    }
  }
  return {
    port: servers[0]?.port ?? port,
    hosts: LOOPBACK.slice(0, servers.length),
    async stop() {
      await Promise.all(servers.map(server => server.stop(true)))
    },
  }
}

/** Held by someone else, or not ours to hold. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES')
}

/** What the demo's parts must agree on with a routes.toml that was written earlier. */
interface DemoPlan {
  /** Sallyport's own port; every demo host is served there. */
  readonly port: number
  readonly providerPort: number
  readonly servicePort: number
  readonly clientSecret: string
}

/** The folder that a demo runs in. */
interface DemoFolder {
  readonly path: string
  readonly configPath: string
  /** The plan of an earlier run whose routes.toml is kept; null in a new folder. */
  readonly kept: DemoPlan | null
  write(plan: DemoPlan, config: string): void
  /** Removes a temporary folder; leaves a named one. */
  close(): void
}

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants

const CONFIG = 'routes.toml'
const PLAN = 'demo.json'

/**
 * A new temporary folder, or the named one (absolute) with the routes.toml that an earlier demo left there.
 *
 * Throws `config.invalid` when the named folder has a routes.toml or a demo.json of somebody else's: the demo would not fit it.
 */
function openDemoFolder(dir: string | null): DemoFolder {
  const path = dir === null ? realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-demo-'))) : dir
  mkdirSync(path, { recursive: true })
  const configPath = join(path, CONFIG)
  const planPath = join(path, PLAN)
  const kept = existsSync(configPath) ? readPlan(planPath, configPath) : null
  // It would be written over, where there is no routes.toml beside it.
  if (existsSync(planPath)) readPlan(planPath, planPath)
  return {
    path,
    configPath,
    kept,
    write(plan, config) {
      // The secret opens nothing but this demo, but a file with a secret is never left for others to read.
      for (const [file, text] of [
        [configPath, config],
        [planPath, `${JSON.stringify(plan, null, 2)}\n`],
      ] as const) {
        const handle = openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
        fchmodSync(handle, 0o600)
        writeFileSync(handle, text)
        closeSync(handle)
      }
    },
    close() {
      if (dir === null) rmSync(path, { recursive: true, force: true })
    },
  }
}

function readPlan(planPath: string, named: string): DemoPlan {
  const plan = existsSync(planPath) ? parsePlan(readFileSync(planPath, 'utf8')) : null
  if (plan !== null) return plan
  throw new GateError('config.invalid', `${named} was not written by the demo`, {
    hint: 'name an empty folder with --dir, or leave --dir out',
  })
}

function parsePlan(text: string): DemoPlan | null {
  const raw: unknown = parseJson(text)
  if (typeof raw !== 'object' || raw === null) return null
  const { port, providerPort, servicePort, clientSecret } = raw as Record<string, unknown>
  return isPort(port) && isPort(providerPort) && isPort(servicePort) && typeof clientSecret === 'string'
    ? { port, providerPort, servicePort, clientSecret }
    : null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function isPort(raw: unknown): raw is number {
  return typeof raw === 'number' && Number.isInteger(raw) && raw > 0 && raw < 65_536
}
