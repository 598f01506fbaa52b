import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeAuthority } from '../kit/certificates.ts'
import { freePort } from '../kit/programs/free-port.ts'
import { startProvider, type TestProvider } from '../kit/provider/provider.ts'
import { startNginx } from './nginx.ts'
import { apache } from './others/apache.ts'
import type { AskingPlace } from './others/asking.ts'
import { caddySecurity } from './others/caddy-security.ts'
import { oauth2Proxy } from './others/oauth2-proxy.ts'
import { traefik } from './others/traefik.ts'
import type { Others } from './others/with.ts'
import { bareBun, caddy, haproxy, least, nginx } from './peers.ts'
import { LOAD_CORE, startChild, stopChildren, untilServed } from './process.ts'
import { type Application, ask } from './proof.ts'
import { earlier, type Gate, type GateOptions, makeGate, sallyport } from './sallyport.ts'
import type { Front, FrontName, Subject, SubjectKey, Trust } from './subject.ts'

export const TRANSFER_BYTES = 100 * 1024 * 1024

/** What `/long` has, for who does not read it. */
export const LONG_BYTES = 50e6

/** Everything that the parts of the benchmark measure with. Subjects start when a part wants them. */
export interface Stand {
  readonly folder: string
  readonly subjects: readonly Subject[]
  readonly gate: Gate
  readonly application: Application
  readonly others: Others
  /** For those who ask others. */
  readonly asking: AskingPlace
  /** Another gate before the same upstreams. */
  anotherGate(name: string, options?: Pick<GateOptions, 'otherRoutes' | 'store'>): Promise<Gate>
  /** Ends everything that was started, and removes the folder. */
  stop(): Promise<void>
}

export interface StandOptions {
  /** Subjects besides which there are none; null: all. */
  readonly only: readonly SubjectKey[] | null
  readonly others: Others
  readonly profileFolder: string | null
  /** An earlier executable of the gate, to be measured too; null: none. */
  readonly before?: string | null
}

/** Upstreams, provider and subjects. */
export async function makeStand({ only, others, profileFolder, before = null }: StandOptions): Promise<Stand> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  const trust: Trust = {
    caFile: join(folder, 'ca.pem'),
    serverName: 'localhost',
    certFile: join(folder, 'cert.pem'),
    keyFile: join(folder, 'key.pem'),
    bothFile: join(folder, 'both.pem'),
  }
  const upstreams = await startUpstreams(folder, trust)
  const provider = await startBenchProvider()
  const made = { provider, trust, profileFolder }
  const gate = await makeGate({ folder: join(folder, 'gate'), fronts: await frontsTo(upstreams), ...made })
  const all: readonly Subject[] = [
    bareBun(await frontsTo(upstreams), trust),
    least(folder, await frontsTo(upstreams)),
    ...sallyport(gate, await frontsTo(upstreams)),
    ...(before === null
      ? []
      : [
          await earlier(before, { folder: join(folder, 'before'), fronts: await frontsTo(upstreams), provider, trust }),
        ]),
    nginx(folder, await frontsTo(upstreams), trust),
    haproxy(folder, await frontsTo(upstreams), trust),
    caddy(folder, await frontsTo(upstreams), trust),
    apache(folder, await frontsTo(upstreams), provider, trust),
    ...(await othersThat(others, folder, upstreams, provider)),
  ]
  return {
    folder,
    gate,
    application: (front, path) => ask({ port: upstreams[front === 'secure' ? 'app' : front], headers: {} }, path),
    others,
    asking: { folder, provider, app: upstreams.app, profileFolder },
    subjects: all.filter(({ key }) => only === null || only.includes(key)),
    anotherGate: async (name, options = {}) =>
      makeGate({ folder: join(folder, name), fronts: await frontsTo(upstreams), ...made, ...options }),
    async stop() {
      await stopChildren()
      await provider.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The provider at which all of them sign in. */
export function startBenchProvider(): Promise<TestProvider> {
  return startProvider({
    clients: [{ client_id: 'bench', client_secret: 'benchmark secret' }],
    accounts: [{ sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true, groups: ['users', 'staff'] }],
    // What caddy-security reads is in the ID token alone.
    tellsAll: true,
  })
}

/** Those among the others that are proxies, and that somebody has. */
async function othersThat(
  { paths }: Others,
  folder: string,
  upstreams: Upstreams,
  provider: TestProvider,
): Promise<readonly Subject[]> {
  const [security, oauth2, plain] = (['caddy-security', 'oauth2-proxy', 'traefik'] as const).map(name =>
    paths.get(name),
  )
  return [
    ...(security === undefined ? [] : [caddySecurity(security, folder, await frontsTo(upstreams), provider)]),
    ...(oauth2 === undefined ? [] : [oauth2Proxy(oauth2, folder, await frontsTo(upstreams), provider)]),
    ...(plain === undefined ? [] : [traefik(plain, folder, await frontsTo(upstreams))]),
  ]
}

type Upstreams = Readonly<Record<FrontName, number>>

/** A port for each upstream; a subject that serves by name alone does not use them. */
async function frontsTo(upstreams: Upstreams): Promise<readonly Front[]> {
  const fronts: Front[] = []
  for (const name of ['app', 'upload', 'echo', 'secure', 'https'] as const) {
    fronts.push({ name, port: await freePort(), upstream: upstreams[name] })
  }
  return fronts
}

/** nginx with a small answer, one of 10 kB and a large file, plain and over TLS; a reader of uploads; a WebSocket echo. */
async function startUpstreams(folder: string, trust: Trust): Promise<Upstreams> {
  const app = await freePort()
  const ports = { app, https: app, upload: await freePort(), echo: await freePort(), secure: await freePort() }
  const files = join(folder, 'files')
  mkdirSync(files)
  writeFileSync(join(files, '10k'), 'x'.repeat(10_000))
  writeFileSync(join(files, 'large'), '')
  truncateSync(join(files, 'large'), TRANSFER_BYTES)
  writeFileSync(join(files, 'long'), '')
  truncateSync(join(files, 'long'), LONG_BYTES)
  const authority = makeAuthority('Benchmark authority')
  const { cert, key } = authority.issue('DNS:localhost,IP:127.0.0.1')
  writeFileSync(trust.caFile, authority.cert)
  writeFileSync(trust.certFile, cert)
  for (const [file, text] of [
    [trust.keyFile, key],
    [trust.bothFile, cert + key],
  ] as const)
    writeFileSync(file, text, { mode: 0o600 })
  startNginx(join(folder, 'nginx-upstream'), LOAD_CORE, [
    `ssl_certificate ${trust.certFile}; ssl_certificate_key ${trust.keyFile};`,
    `server { listen 127.0.0.1:${ports.app} backlog=4096; listen 127.0.0.1:${ports.secure} ssl backlog=4096;`,
    `  default_type text/plain; root ${files}; location = / { return 200 "hello from the upstream\\n"; } }`,
  ])
  for (const program of ['upload', 'echo'] as const) {
    startChild([process.execPath, join(import.meta.dir, `programs/${program}.ts`), String(ports[program])], {
      core: LOAD_CORE,
    })
  }
  for (const port of [ports.app, ports.upload, ports.echo]) await untilServed(port, 'localhost')
  return ports
}
