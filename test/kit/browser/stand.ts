import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { serveDemoService } from '../../../src/cli/demo/service.ts'
import { holdFreePort } from '../../../src/cli/demo/start.ts'
import { ADA, GRACE } from '../people.ts'
import { compiledBinary } from '../programs/binary.ts'
import { freePort } from '../programs/child.ts'
import { startProvider } from '../provider/provider.ts'
import { serveInProcess } from '../serve.ts'

export type Person = 'Ada' | 'Grace' | 'Guest'

/** Sallyport with a provider and the demo service behind it, for a browser to meet: the same hosts and people everywhere. */
export interface Stand extends AsyncDisposable {
  readonly app: string
  readonly admin: string
  readonly public: string
  readonly portal: string
  readonly configPath: string
  /** On the provider's page: become one of the people, or go back as nobody. */
  become(page: Page, person: Person | null): Promise<void>
  readonly providerOrigin: string
  /** Whether a tab shows the provider's page. */
  isAtProvider(page: Page): boolean
}

/** The compiled binary's own demo, started as a person would. */
export async function openBinaryStand(): Promise<Stand> {
  const dir = mkdtempSync(join(tmpdir(), 'stand-binary-'))
  const gate = Bun.spawn([await compiledBinary(), 'demo', '--port', '0', '--dir', dir], {
    cwd: dir,
    env: { PATH: process.env.PATH },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const screen = await readUntil(gate.stdout, 'Ctrl-C')
  const addressOf = (host: string) => {
    const address = new RegExp(`http://${host.replace('.', '\\.')}:\\d+`).exec(screen)?.[0]
    if (address === undefined) throw new Error(`the demo's first screen names no ${host}:\n${screen}`)
    return address
  }
  const provider = addressOf('localhost')
  return {
    app: addressOf('app.localhost'),
    admin: addressOf('admin.localhost'),
    public: addressOf('public.localhost'),
    portal: addressOf('auth.localhost'),
    configPath: join(dir, 'routes.toml'),
    async become(page, person) {
      await page.getByRole('button', { name: person ?? 'Nobody' }).click()
      await leave(page, provider)
    },
    providerOrigin: provider,
    isAtProvider: page => new URL(page.url()).origin === provider,
    async [Symbol.asyncDispose]() {
      gate.kill('SIGTERM')
      const code = await gate.exited
      rmSync(dir, { recursive: true, force: true })
      if (code !== 0) throw new Error(`the demo ended with ${code}`)
    },
  }
}

/** What only the stand in this process has. */
export interface OpenStand extends Stand {
  /** A host whose portal has two providers and is mounted on the host itself. */
  readonly choice: string
  /** A public host whose application is not running. */
  readonly dead: string
}

/**
 * Sallyport in this process, with a certified provider that keeps its own sign-in, as real ones do.
 *
 * `portal` is more of `[portals.home]`, as in the file.
 */
export async function openStand(portal = ''): Promise<OpenStand> {
  const dir = mkdtempSync(join(tmpdir(), 'stand-'))
  const free = holdFreePort(await freePort(), 1)
  if (free === null) throw new Error('no port is free')
  const { port, hosts } = free
  const at = (name: string) => `http://${name}.localhost:${port}`
  const provider = await startProvider({
    host: 'localhost',
    clients: ['main', 'other'].map(name => ({ client_id: name, client_secret: `secret of ${name}` })),
    accounts: [
      { ...ADA, email_verified: true },
      { ...GRACE, email_verified: true },
      {
        sub: 'guest',
        name: 'Guest',
        preferred_username: 'guest',
        email: 'guest@example.org',
        email_verified: true,
        groups: [],
      },
    ],
  })
  for (const host of ['auth', 'two']) {
    provider.allowRedirect(`${at(host)}/.sallyport/callback`)
    provider.allowRedirect(`${at(host)}/.sallyport/signed-out`)
  }
  const service = serveDemoService(
    '127.0.0.1',
    0,
    ['app', 'admin', 'public'].map(name => ({ label: name, address: at(name) })),
  )
  const configPath = join(dir, 'routes.toml')
  const upstream = `http://127.0.0.1:${service.port}`
  writeFileSync(
    configPath,
    standConfig({ port, hosts, issuer: provider.issuer, portal: at('auth'), upstream, more: portal }),
  )
  chmodSync(configPath, 0o600)
  await free.stop()
  const gate = await serveInProcess(configPath)
  return {
    app: at('app'),
    admin: at('admin'),
    public: at('public'),
    portal: at('auth'),
    choice: at('two'),
    dead: at('dead'),
    configPath,
    providerOrigin: provider.issuer,
    isAtProvider: page => new URL(page.url()).origin === provider.issuer,
    async become(page, person) {
      if (person !== null) await page.getByLabel('Login').fill(person.toLowerCase())
      await page.getByRole('button', { name: person === null ? 'Cancel' : 'Sign in' }).click()
      await leave(page, provider.issuer)
    },
    async [Symbol.asyncDispose]() {
      await gate.stop()
      await Promise.all([provider.stop(), service.stop(true)])
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function standConfig(stand: {
  port: number
  hosts: readonly string[]
  issuer: string
  portal: string
  upstream: string
  more: string
}): string {
  const listen = stand.hosts.map(host => `"${host.includes(':') ? `[${host}]` : host}:${stand.port}"`).join(', ')
  const route = (host: string, more: string, upstream = stand.upstream) =>
    `[[routes]]\nhost = "${host}.localhost"\nupstream = "${upstream}"\n${more}\n`
  return `[server]
listen = [${listen}]

[sessions]
store = "sqlite:sallyport.db"

[providers.main]
label = "Main provider"
issuer = "${stand.issuer}"
client_id = "main"
client_secret = "secret of main"

[providers.other]
label = "Other provider"
issuer = "${stand.issuer}"
client_id = "other"
client_secret = "secret of other"

[portals.home]
url = "${stand.portal}"
providers = ["main"]
insecure_cookies = true
${stand.more}

[portals.home.roles]
user = { groups = ["users"] }
admin = { groups = ["admins"] }

[portals.choice]
providers = ["main", "other"]
insecure_cookies = true

${route('app', 'portal = "home"\nallow = ["user"]\nheaders = "x-token"')}
${route('admin', 'portal = "home"\nallow = ["admin"]\nheaders = "x-token"')}
${route('public', 'allow = "public"')}
${route('two', 'portal = "choice"\nallow = "authenticated"\nheaders = "x-token"')}
${route('dead', 'allow = "public"', 'http://127.0.0.1:1')}`
}

/** Waits until a tab shows a page of somebody else: a provider may take several steps of its own. */
async function leave(page: Page, origin: string): Promise<void> {
  await page.waitForURL(address => address.origin !== origin)
}

async function readUntil(stream: ReadableStream<Uint8Array>, mark: string): Promise<string> {
  const decoder = new TextDecoder()
  const reader = stream.getReader()
  let text = ''
  while (!text.includes(mark)) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`the program ended before it said "${mark}":\n${text}`)
    text += decoder.decode(value, { stream: true })
  }
  reader.releaseLock()
  // What else it says is read on, so that a full pipe never stops it.
  void stream.pipeTo(new WritableStream())
  return text
}
