import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BrowserLite } from '../kit/browser-lite.ts'
import type { TestProvider } from '../kit/provider.ts'
import { type Child, PROXY_CORE, startChild, untilServed } from './process.ts'

const ROOT = join(import.meta.dir, '../..')
export const BINARY = join(ROOT, 'dist/sallyport')

export const PUBLIC_HOST = 'public.localhost'
export const PRIVATE_HOST = 'private.localhost'
/** A protected host whose upstream swallows uploads. */
export const UPLOAD_HOST = 'upload.localhost'

/** A folder with a routes.toml, and the compiled binary that serves it. */
export interface Gate {
  readonly port: number
  start(): Child
  /** Signs in for real, at the provider, and answers the Cookie field for a protected host. */
  signIn(host: string): Promise<string>
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

/** Sallyport as people run it: session in SQLite, a role, identity fields, the access log on, into a file. */
export function makeGate(
  folder: string,
  ports: { readonly gate: number; readonly admin: number; readonly upstream: number; readonly sink: number },
  provider: TestProvider,
): Gate {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'routes.toml')
  const at = (host: string): string => `http://${host}:${ports.gate}`
  const guarded = 'portal = "home"\nallow = ["user"]\nheaders = "x-token"'
  const route = (host: string, upstream: number, rest: string): string =>
    `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:${upstream}"\n${rest}\n`
  writeFileSync(
    file,
    `[server]
listen = ["127.0.0.1:${ports.gate}"]
admin = "127.0.0.1:${ports.admin}"

[providers.bench]
issuer = "${provider.issuer}"
client_id = "bench"
client_secret = "benchmark secret"

[portals.home]
providers = ["bench"]
insecure_cookies = true

[portals.home.roles]
user = { groups = ["users"] }

${route(PUBLIC_HOST, ports.upstream, 'allow = "public"')}
${route(PRIVATE_HOST, ports.upstream, guarded)}
${route(UPLOAD_HOST, ports.sink, guarded)}`,
  )
  chmodSync(file, 0o600)
  return {
    port: ports.gate,
    start: () =>
      startChild([BINARY, 'serve', '--config', file], {
        core: PROXY_CORE,
        cwd: folder,
        stdout: join(folder, 'access.log'),
      }),
    async signIn(host) {
      provider.allowRedirect(`${at(host)}/.sallyport/callback`)
      await untilServed(ports.gate, `${PUBLIC_HOST}:${ports.gate}`)
      const browser = new BrowserLite({ hosts: { [`${host}:${ports.gate}`]: `127.0.0.1:${ports.gate}` } })
      const page = await browser.signIn(`${at(host)}/`, 'ada')
      if (page.response.status !== 200)
        throw new Error(`signing in ended at ${page.address.href} with ${page.response.status}`)
      return browser.cookieHeader(new URL(at(host)))
    },
  }
}
