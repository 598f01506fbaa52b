import { Resolver } from 'node:dns/promises'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority } from '../certificates.ts'
import { temporaryFolder } from '../folder.ts'
import { eventually } from '../gate.ts'
import { freePort } from './child.ts'

/** A real ACME authority (Let's Encrypt's pebble) that takes every name for this machine. Ends with its scope. */
export interface Pebble extends AsyncDisposable {
  readonly directory: string
  /** Who vouches for its own address. */
  readonly ca: string
  /** Who vouches for what it issues; another one after each start. */
  issuer(): Promise<string>
  /** Lines of its log, of this start and those before. */
  log(): string
  kill(): Promise<void>
  start(): Promise<void>
}

export interface PebbleOptions {
  /** Where it asks for tokens, in place of port 80. */
  readonly httpPort: number
  readonly lifetimeS?: number
  /** Names that it refuses to certify. */
  readonly blocked?: readonly string[]
  /** HMAC keys in base64url, by their ids: whoever has none of them gets no account. */
  readonly externalAccounts?: Readonly<Record<string, string>>
  /** The name server that it asks; one that takes every name for this machine when absent. */
  readonly nameServer?: string
  /** Its faults, as variables that it reads. */
  readonly faults?: Readonly<Record<string, string>>
}

/** Whether the authority here says when it wants a certificate renewed (RFC 9773): that of Debian 12 does not. */
export function knowsRenewals(): boolean {
  const path = Bun.which('pebble')
  return path !== null && readFileSync(path).includes('renewalInfo')
}

/** Debian 12's name server does not speak DNS over HTTPS yet, and ends at an option that it does not know. */
function hasDoh(): boolean {
  return Bun.spawnSync(['pebble-challtestsrv', '-help'], { stderr: 'pipe' }).stderr.includes('-doh')
}

/** Whoever proves a name before its name server listens is refused at once. */
async function answersNames(port: number): Promise<boolean> {
  const resolver = new Resolver({ timeout: 1_000, tries: 1 })
  resolver.setServers([`127.0.0.1:${port}`])
  return await resolver.resolve4('app.example.com').then(
    ([address]) => address === '127.0.0.1',
    () => false,
  )
}

/** Makes the authority ready, without starting it when `isDown`. */
export async function startPebble(options: PebbleOptions, { isDown = false } = {}): Promise<Pebble> {
  const folder = temporaryFolder()
  const authority = makeAuthority()
  const own = authority.issue('DNS:localhost,IP:127.0.0.1')
  const [port, management, dns] = [await freePort(), await freePort(), await freePort()]
  const file = (name: string, text: string) => {
    writeFileSync(join(folder.path, name), text)
    return join(folder.path, name)
  }
  const ca = file('ca.pem', authority.cert)
  const config = file(
    'pebble.json',
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: file('cert.pem', own.cert),
        privateKey: file('key.pem', own.key),
        httpPort: options.httpPort,
        tlsPort: 1,
        externalAccountBindingRequired: options.externalAccounts !== undefined,
        externalAccountMACKeys: options.externalAccounts ?? {},
        domainBlocklist: options.blocked ?? [],
        retryAfter: { authz: 1, order: 1 },
        certificateValidityPeriod: options.lifetimeS ?? 7_776_000,
      },
    }),
  )
  let log = ''
  const run = (command: readonly string[]) => {
    const child = Bun.spawn([...command], {
      env: { PATH: process.env.PATH, ...(options.faults ?? { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20' }) },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    for (const stream of [child.stdout, child.stderr]) {
      void (async () => {
        for await (const piece of stream) log += Buffer.from(piece).toString('utf8')
      })()
    }
    return child
  }
  const off = ['http01', 'https01', 'tlsalpn01', 'management', ...(hasDoh() ? ['doh'] : [])].flatMap(it => [
    `-${it}`,
    '',
  ])
  const names =
    options.nameServer !== undefined
      ? null
      : run(['pebble-challtestsrv', '-dns01', `127.0.0.1:${dns}`, '-defaultIPv6', '', ...off])
  let server: Bun.Subprocess | null = null
  const ask = (path: string, at: number) => fetch(`https://127.0.0.1:${at}${path}`, { tls: { ca: authority.cert } })
  const pebble: Pebble = {
    directory: `https://127.0.0.1:${port}/dir`,
    ca,
    issuer: async () => (await ask('/roots/0', management)).text(),
    log: () => log,
    async kill() {
      server?.kill('SIGKILL')
      await server?.exited
    },
    async start() {
      server = run(['pebble', '-config', config, '-dnsserver', options.nameServer ?? `127.0.0.1:${dns}`])
      const isUp = () =>
        ask('/dir', port).then(
          answer => answer.ok,
          () => false,
        )
      await eventually(isUp, () => `pebble answers: ${log}`)
      if (names !== null)
        await eventually(
          () => answersNames(dns),
          () => `pebble's name server answers: ${log}`,
        )
    },
    async [Symbol.asyncDispose]() {
      await pebble.kill()
      names?.kill('SIGKILL')
      await names?.exited
      folder[Symbol.dispose]()
    },
  }
  if (!isDown) await pebble.start()
  return pebble
}
