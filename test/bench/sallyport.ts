import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BrowserLite } from '../kit/browser/browser-lite.ts'
import { freePort } from '../kit/programs/free-port.ts'
import type { TestProvider } from '../kit/provider/provider.ts'
import { type Child, PROXY_CORE, serving, startChild, untilServed } from './process.ts'
import { type Front, type FrontName, type Subject, subject, type Trust } from './subject.ts'

const ROOT = join(import.meta.dir, '../..')
const BINARY = join(ROOT, 'dist/sallyport')

/** Who may pass: everyone, or one who has signed in and has a role. Each has hosts of its own. */
type Access = 'public' | 'private'

/** A folder with a routes.toml, and the compiled binary that serves it. */
export interface Gate {
  readonly port: number
  readonly securePort: number
  start(): Child
  untilServed(): Promise<number>
  /** Signs in for real, at the provider, and answers the Cookie field for a protected host. */
  signIn(front: FrontName): Promise<string>
  host(front: FrontName, access: Access): string
}

/** Builds the executable unless it is there. */
export async function ensureBinary(): Promise<void> {
  if (existsSync(BINARY)) return
  const build = Bun.spawn([process.execPath, '.ci/build.ts'], {
    cwd: ROOT,
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
  })
  if ((await build.exited) !== 0) throw new Error('dist/sallyport could not be built')
}

export interface GateOptions {
  readonly folder: string
  readonly fronts: readonly Front[]
  readonly provider: TestProvider
  readonly trust: Trust
  /** Routes to be passed over, on hosts of their own. */
  readonly otherRoutes?: number
  /** Where profiles go; null: none. */
  readonly profileFolder: string | null
  /** A session database that is there already; else one in the folder. */
  readonly store?: string
  /** Another executable than the one that was built here. */
  readonly program?: string
}

/**
 * An executable on a file, its access log beside it. With a folder for profiles: the sources, whose functions have names, and
 * what each took is there once it has ended.
 */
export function startGate(file: string, profileFolder: string | null, executable = BINARY): Child {
  const profiled = [process.execPath, '--cpu-prof', '--cpu-prof-md', '--cpu-prof-dir', profileFolder ?? '']
  const program = profileFolder === null ? [executable] : [...profiled, join(ROOT, 'src/main.ts')]
  return startChild([...program, 'serve', '--config', file], {
    core: PROXY_CORE,
    cwd: dirname(file),
    stdout: join(dirname(file), 'access.log'),
    // Set already, it does not start itself again, which would end the profile.
    env: profileFolder === null ? {} : { BUN_CONFIG_MAX_HTTP_REQUESTS: '65535' },
  })
}

/** Sallyport as people run it: session in SQLite, a role, identity fields, the access log on, into a file. */
export async function makeGate(options: GateOptions): Promise<Gate> {
  const {
    folder,
    fronts,
    provider,
    trust,
    otherRoutes = 0,
    store = 'sallyport.db',
    profileFolder,
    program = BINARY,
  } = options
  mkdirSync(folder, { recursive: true })
  const [port, securePort, admin] = [await freePort(), await freePort(), await freePort()]
  const file = join(folder, 'routes.toml')
  const at = (host: string): string => `http://${host}`
  const host = (front: FrontName, access: Access): string => `${front}.${access}.localhost:${port}`
  const route = ({ name, upstream }: Front, access: Access): string => {
    const address =
      name === 'secure'
        ? `{ to = "https://127.0.0.1:${upstream}", tls = { ca = "${trust.caFile}", server_name = "${trust.serverName}" } }`
        : `"http://127.0.0.1:${upstream}"`
    const rules = access === 'public' ? 'allow = "public"' : 'portal = "home"\nallow = ["user"]\nheaders = "x-token"'
    return `[[routes]]\nhost = "${name}.${access}.localhost"\nupstream = ${address}\n${rules}\n`
  }
  const others = Array.from(
    { length: otherRoutes },
    (_, index) =>
      `[[routes]]\nhost = "host-${index >> 2}.example"\npath = "/${'abcd'[index & 3]}"\nupstream = "http://127.0.0.1:9"\nallow = "public"\n`,
  )
  writeFileSync(
    file,
    `[server]
listen = ["127.0.0.1:${port}"]
admin = "127.0.0.1:${admin}"

[tls]
listen = ["127.0.0.1:${securePort}"]
certificates = [{ cert = "${trust.certFile}", key = "${trust.keyFile}" }]
redirect_http = false

[sessions]
store = "sqlite:${store}"

[providers.bench]
issuer = "${provider.issuer}"
client_id = "bench"
client_secret = "benchmark secret"

[portals.home]
providers = ["bench"]
insecure_cookies = true

[portals.home.roles]
user = { groups = ["users"] }

${[...fronts.flatMap(front => [route(front, 'public'), route(front, 'private')]), ...others].join('\n')}`,
  )
  chmodSync(file, 0o600)
  const gate: Gate = {
    port,
    securePort,
    host,
    start: () => startGate(file, profileFolder, program),
    untilServed: () => untilServed(port, host('app', 'public')),
    async signIn(front) {
      const address = at(host(front, 'private'))
      provider.allowRedirect(`${address}/.sallyport/callback`)
      const browser = new BrowserLite({ hosts: { [host(front, 'private')]: `127.0.0.1:${port}` } })
      const page = await browser.signIn(`${address}/`, 'ada')
      // The echo answers what is no WebSocket in its own way; by then the cookie is there.
      if (page.response.status !== 200 && front !== 'echo')
        throw new Error(`signing in ended at ${page.address.href} with ${page.response.status}`)
      // What a sign-in needs on its way is gone from a browser an hour later.
      const { hostname } = new URL(address)
      for (const { name } of browser.cookiesLike(hostname, ''))
        if ((browser.cookieAge(hostname, name) ?? Infinity) <= 3600) browser.forget(hostname, name)
      return browser.cookieHeader(new URL(address))
    },
  }
  return gate
}

/** The gate as two subjects, with and without a sign-in: one process. */
export function sallyport(gate: Gate, fronts: readonly Front[]): readonly [Subject, Subject] {
  const cookies = new Map<FrontName, string>()
  const place = (front: FrontName) =>
    front === 'https' ? ({ scheme: 'https', port: gate.securePort } as const) : { port: gate.port }
  /** Signed in by plain HTTP; by TLS the same cookie has the name that it has there. */
  const cookieFor = (front: FrontName) => {
    const cookie = cookies.get(front) ?? ''
    return front === 'https' ? cookie.replace(/(^|; )sallyport=/, '$1__Host-sallyport=') : cookie
  }
  const whole = subject(
    'public',
    'Sallyport, public',
    () =>
      serving(gate.start(), async () => {
        await gate.untilServed()
        for (const { name } of fronts) cookies.set(name, await gate.signIn(name))
      }),
    front => ({ ...place(front), headers: { host: gate.host(front, 'public') } }),
  )
  const signedIn: Subject = {
    ...whole,
    key: 'private',
    kind: 'gate',
    name: 'Sallyport, signed in',
    way: front => ({
      ...place(front),
      headers: { host: gate.host(front, 'private'), cookie: cookieFor(front) },
    }),
  }
  return [whole, signedIn]
}

/** What an earlier executable of the gate costs whoever is signed in, in the same run. */
export async function earlier(
  program: string,
  options: Omit<GateOptions, 'profileFolder' | 'program'>,
): Promise<Subject> {
  const gate = await makeGate({ ...options, program, profileFolder: null })
  const [, signedIn] = sallyport(gate, options.fronts)
  return { ...signedIn, key: 'before', name: 'Sallyport before, signed in' }
}
