import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAudit } from '../../src/audit/writer.ts'
import { type Facts, GateError } from '../../src/base/errors.ts'
import type { Ports } from '../../src/base/ports.ts'
import type { PortalConfig } from '../../src/config/resolve/portals.ts'
import { ask } from '../../src/console/network.ts'
import { readText } from '../../src/console/read-file.ts'
import { createProviderPool } from '../../src/identity/pool.ts'
import type { Overview } from '../../src/portal/admin/overview.ts'
import { createPortal } from '../../src/portal/app.ts'
import { createPublications } from '../../src/portal/authorization/publications.ts'
import type { ConfigEditor } from '../../src/portal/editor-interface.ts'
import { FORM_WAIT_MS } from '../../src/portal/form.ts'
import { isSecure } from '../../src/portal/paths.ts'
import type { PortalRequest } from '../../src/portal/portal-request.ts'
import { createMetrics } from '../../src/server/observe/counts.ts'
import { chargeLogouts, countForms, countStarts, createRates } from '../../src/server/request/rate-limits.ts'
import { askProviders } from '../../src/session/ask-provider.ts'
import { cookieName, readCookie } from '../../src/session/cookie.ts'
import { type OpenSessions, openSessions } from '../../src/session/open.ts'
import { createSealer, type Sealer } from '../../src/session/seal.ts'
import { openSqliteStore } from '../../src/session/sqlite/store.ts'
import { BrowserLite, type Page, type Transport } from '../kit/browser/browser-lite.ts'
import { plantingRandom } from '../kit/log/planted.ts'
import { record, testPlace } from '../kit/log/record.ts'
import { providerConfig } from '../kit/provider/config.ts'
import { startProvider, type TestAccount } from '../kit/provider/provider.ts'
import { ANY_PROVIDER, LIFETIMES } from '../kit/sessions/lifetimes.ts'
import { portalConfig, portalRequest } from './config.ts'

export const PORTAL = 'https://auth.example.com'
export const KUMA = 'https://kuma.example.com'
export const GRAFANA = 'https://grafana.example.com'

const ACCOUNTS: readonly TestAccount[] = Array.from({ length: 50 }, (_, index) => ({
  sub: `user-${index}`,
  preferred_username: `user${index}`,
  name: `User ${index}`,
  email: `user${index}@example.com`,
  email_verified: true,
  groups: index === 0 ? ['admins'] : ['users'],
}))

/** Nothing is shown of a file here, and nothing is changed. */
const NO_DESK: ConfigEditor = {
  look: () => null,
  isEditable: () => false,
  open: () => null,
  check: () => ({ kind: 'unknown' }),
  judge: () => Promise.resolve({ kind: 'unknown' }),
  save: () => Promise.resolve({ kind: 'unknown' }),
}

/** The portal on real parts: a certified provider, the SQLite sessions, a fake application behind each host. */
export interface Stand extends AsyncDisposable {
  readonly issuer: string
  readonly sessions: OpenSessions
  readonly seal: Sealer
  /** What was logged, as text. */
  readonly logged: string[]
  /** How often the applications of a person were looked for, which takes longer the more routes there are. */
  readonly applicationsSought: () => number
  /** Moves the clock that everything here reads. */
  advance(ms: number): void
  /** A fresh browser that adds these fields to every request. */
  browser(headers?: Readonly<Record<string, string>>): BrowserLite
  /** One request straight to the portal's hosts. */
  ask(method: string, address: string, headers?: Readonly<Record<string, string>>, body?: string): Promise<Response>
  stopProvider(): Promise<void>
}

export async function openStand(over: Partial<PortalConfig> = {}, hosts = [KUMA, GRAFANA]): Promise<Stand> {
  const callbackPath = over.callbackPath ?? '/.sallyport/callback'
  const provider = await startProvider({
    clients: [
      {
        client_id: 'sallyport',
        client_secret: 'the-client-secret',
        redirect_uris: [PORTAL, ...hosts].map(origin => origin + callbackPath),
        post_logout_redirect_uris: [PORTAL, ...hosts].map(origin => `${origin}/.sallyport/signed-out`),
      },
    ],
    accounts: ACCOUNTS,
  })
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-portal-'))
  const logged: string[] = []
  const place = testPlace()
  const note = (text: string, facts?: Facts) => {
    const line = `${text} ${JSON.stringify(facts ?? {})}`
    logged.push(line)
    record(place, line)
  }
  let offsetMs = 0
  const ports: Pick<Ports, 'now' | 'random' | 'ask' | 'resolve' | 'log' | 'readText'> = {
    now: () => Date.now() + offsetMs,
    random: plantingRandom,
    readText,
    ask,
    resolve: async () => [],
    log: { debug: note, info: note, warn: note, error: note },
  }
  const config = portalConfig({
    url: { scheme: 'https', host: 'auth.example.com', authority: 'auth.example.com' },
    providers: ['pocket-id'],
    ...over,
  })
  const providerOf = (name: string, label: string) => providerConfig(provider, { name, label })
  const providers = new Map([
    ['pocket-id', providerOf('pocket-id', 'Pocket ID')],
    ['work', providerOf('work', 'Work <account>')],
  ])
  const pool = createProviderPool(ports)
  const seal = createSealer(new Uint8Array(32).fill(3), ports)
  const store = openSqliteStore(join(folder, 'test.db'), ports)
  const audit = createAudit({ store, ports, keepMs: () => 60 * 60_000, lines: ports.log })
  const sessions = openSessions({
    store,
    audit,
    sealer: seal,
    limits: {
      ...LIFETIMES,
      cacheBytes: 5000_000,
      providerTrust: ANY_PROVIDER,
      portals: new Map([['home', config.lifetimes]]),
      tokenRests: new Map([['home', config.personalTokensRestMs]]),
    },
    ports,
    ask: askProviders(pool, name => providers.get(name)),
  })
  const portal = createPortal({
    ports,
    audit,
    configEditor: NO_DESK,
    trail: { store, isKept: () => true, isOfOnePortal: () => true, nameOf: () => null },
    sessions,
    seal,
    formWaitMs: FORM_WAIT_MS,
    pool,
    publications: createPublications({ ...ports, resolve: async () => [] }),
    chargeLogout: chargeLogouts(createRates(ports.now), createMetrics()),
    noteDevice: () => undefined,
    noteForm: countForms(createRates(ports.now), createMetrics(), 1),
    countForm: () => ({ enter: () => ({ given: () => undefined, leave: () => undefined }) }),
    noteStart: countStarts(
      createRates(ports.now),
      { metrics: createMetrics(), log: ports.log },
      () => ({ requests: 60, perMs: 60_000, burst: 300, by: 'client' }),
      1,
    ),
    findUser: () => Promise.reject(new GateError('access.password', 'nobody is in a file here')),
    checkCode: () => Promise.reject(new GateError('access.password', 'nobody is in a file here')),
    confirm: () => Promise.reject(new GateError('access.password', 'nobody is in a file here')),
    confirmFactor: () => Promise.reject(new GateError('access.password', 'nobody is in a file here')),
    explain: () => null,
    overview: () => NOTHING_SEEN,
  })
  const origins = new Map([PORTAL, ...hosts].map(origin => [new URL(origin).host, origin]))
  let count = 0
  let sought = 0

  /** As much of the server's pipeline as the portal needs; every protected page says who sees it. */
  async function serve(request: Request, address: URL): Promise<Response> {
    const base: PortalRequest = {
      ...portalRequest(request, address),
      clientAddress: request.headers.get('x-real-ip') ?? '192.0.2.1',
      requestId: `req-${++count}`,
      portal: config,
      providers,
      serves: host => origins.has(host),
      rolesOf: ({ identity }) =>
        config.adminRole !== null && identity.groups.includes('admins') ? ['user', config.adminRole] : ['user'],
      told: ({ identity }) => ({ identity, roles: ['user'] }),
      applications: () => {
        sought++
        return [{ name: 'Kuma', address: `${KUMA}/`, description: null, group: null, icon: null, health: 'up' }]
      },
      tokenPlaces: () => [
        { place: '*.example.com', address: null },
        { place: 'git.example.com/team', address: 'https://git.example.com/team' },
      ],
    }
    const { target } = base
    const token = readCookie(request.headers.get('cookie'), cookieName('session', isSecure(base)))
    const session = token === null ? null : await sessions.find(token, target.host)
    const ctx: PortalRequest = { ...base, session }
    const isPortalFront = address.origin === PORTAL && target.path === '/'
    if (target.isReserved || target.path === callbackPath || isPortalFront) return portal.handle(ctx)
    if (session === null) return portal.challenge(ctx)
    return new Response(`${session.identity.subject} sees ${target.path}${target.query}`)
  }

  const transport: Transport = (address, init) => {
    if (!origins.has(address.host)) return fetch(address, { ...init, proxy: false })
    return serve(new Request(address.href, init), address)
  }

  let isProviderUp = true
  const stopProvider = async () => {
    if (isProviderUp) await provider.stop()
    isProviderUp = false
  }
  return {
    issuer: provider.issuer,
    sessions,
    seal,
    logged,
    applicationsSought: () => sought,
    advance(ms) {
      offsetMs += ms
    },
    browser: (headers = {}) => new BrowserLite({ transport, headers }),
    ask: (method, address, headers = {}, body) =>
      transport(new URL(address), { method, headers: new Headers(headers), ...(body === undefined ? {} : { body }) }),
    stopProvider,
    async [Symbol.asyncDispose]() {
      await stopProvider()
      await sessions.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const NOTHING_SEEN: Overview = {
  processes: { all: 1, heard: 1 },
  denials: [],
  routes: [],
  certificates: [],
  awaited: [],
  providers: [],
  config: {
    inForceSinceMs: 0,
    mistakeCount: 0,
    mistakes: [],
    path: null,
    onDisk: 'in force',
    needsRestart: [],
    otherFiles: [],
  },
}

/** How a browser asks for a page. */
export const PAGE = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', accept: 'text/html' } as const

/**
 * Signs in up to the point where the browser would load an address of ours with this path, and answers that address unloaded:
 * what whoever reads over its shoulder would have.
 */
export async function stopAt(
  stand: Stand,
  start: string,
  path: string,
  browser: BrowserLite,
  login = 'user1',
): Promise<URL> {
  const form: Page = await browser.open(start)
  if (form.address.origin !== stand.issuer) throw new Error('expected the provider')
  let url = new URL(form.html.form().action ?? '', form.address)
  let init: RequestInit = {
    method: 'POST',
    body: new URLSearchParams({ login, password: 'x', action: 'sign-in' }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  }
  for (let step = 0; step < 10; step++) {
    const response = await browser.visit(url, init)
    url = new URL(response.headers.get('location') ?? '', url)
    init = {}
    if (url.origin !== stand.issuer && url.pathname === path) return url
  }
  throw new Error(`never reached ${path}`)
}

/** For a page load that is to be answered as a program is: problem details say which code it was. */
export const AS_PROGRAM = { accept: 'application/json', 'x-requested-with': 'a test' } as const

/** The code of problem details; null where there is none. */
export async function codeOf(response: Response): Promise<unknown> {
  const problem: unknown = await response.json()
  return typeof problem === 'object' && problem !== null && 'code' in problem ? problem.code : null
}
