import { type Gate, PORTAL, startGate } from './gate.ts'
import { sendRaw, type WireResponse } from './wire/wire.ts'

export const APP = 'app.example'

/** Hosts that are served here, of which no proxy in front has the application. */
export const OTHERS = [
  ['proxied.example', 'upstream = "http://127.0.0.1:9"'],
  ['answered.example', 'respond = { body = "ours" }'],
  ['moved.example', 'redirect = "https://elsewhere.example/"'],
  ['filed.example', 'files = "/usr/share"'],
] as const

/** Fields of a page load. */
export const PAGE = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'] as const

/** Fields as lines. */
export type Lines = readonly string[]

/** A gate with routes of every kind that proxies in front ask about; `trusted` is the one that may. */
export function startAsked(trusted = '127.0.0.1', server = ''): Promise<Gate> {
  const route = (more: string, host = APP) =>
    `[[routes]]\nhost = "${host}"\nverify = true\nportal = "home"\nheaders = "x-token"\n${more}\n`
  const toml = [
    PORTAL,
    route('allow = ["user"]'),
    route('path = "/admin"\nallow = ["admin"]'),
    route('path = "/open"\nallow = "public"'),
    route('path = "/read"\nallow = ["user"]\nmethods = ["GET"]'),
    route('path = "/ruled"\nallow = ["user"]\ndeny = [{ methods = ["DELETE"] }]'),
    route('path = "/machines"\nallow = ["user"]\ntokens = true'),
    route('path = "/inner"\nallow = [{ networks = ["10.0.0.0/8"], anonymous = true }]'),
    route('path = "/cors"\nallow = ["user"]\ncors_preflight = true'),
    route('path = "/few"\nallow = "public"\nrate = { requests = 1, per = "1h" }'),
    route('path = "/friend"\nallow = ["user"]\nallowed_origins = ["https://friend.example"]'),
    route('path = "/plain"\nallow = "public"\nwebsockets = false'),
    route('path = "/told"\nallow = [{ roles = ["user"], headers = { X-Tenant = "mine" } }]'),
    route('allow = "public"', 'open.example'),
    route('path = "/inner"\nallow = [{ networks = ["10.0.0.0/8"], anonymous = true }]', 'open.example'),
    ...OTHERS.map(([host, leads]) => `[[routes]]\nhost = "${host}"\n${leads}\nallow = "public"\n`),
    `[[routes]]\nhost = "${APP}"\npath = "/own"\nrespond = { body = "ours" }\nallow = "public"\n`,
  ].join('\n')
  return startGate(toml, { server: `trusted_proxies = ["${trusted}"]\nverify = "127.0.0.1:0"\n${server}` })
}

/** One request on a connection of its own. */
export function send(port: number, path: string, lines: Lines, host = APP, method = 'GET'): Promise<WireResponse> {
  const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines]
  return sendRaw(port, Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'))
}

/** States a request as Caddy and Traefik do. */
export function forwarded(uri: string, more: Lines = [], method = 'GET', host = APP): Lines {
  return [
    `X-Forwarded-Method: ${method}`,
    `X-Forwarded-Uri: ${uri}`,
    `X-Forwarded-Host: ${host}`,
    'X-Forwarded-Proto: http',
    ...more,
  ]
}

/** States a request as nginx does. */
export function original(uri: string, more: Lines = [], method = 'GET', host = APP): Lines {
  return [`X-Original-Method: ${method}`, `X-Original-URL: http://${host}${uri}`, ...more]
}

function fieldOf(lines: Lines, name: string): string {
  return lines.find(line => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? ''
}

/** Ways to ask a gate that is started later. */
export function askersOf(gate: () => Gate) {
  const at = (page: string, lines: Lines) => send(gate().verifyPort, `/.sallyport/verify${page}`, lines, 'sallyport')
  return {
    relayed: (lines: Lines) => at('', lines),
    toTraefik: (lines: Lines) => at('/traefik', lines),
    /** As the request itself, which the fields repeat; or as another one. */
    toEnvoy: (
      lines: Lines,
      path = fieldOf(lines, 'X-Forwarded-Uri'),
      method = fieldOf(lines, 'X-Forwarded-Method'),
      host = fieldOf(lines, 'X-Forwarded-Host') || APP,
    ) => send(gate().verifyPort, `/.sallyport/verify/envoy${path}`, lines, host, method || 'GET'),
    toNginx: (lines: Lines) => at('/nginx', lines),
    toIngress: (lines: Lines) => at('/ingress-nginx', lines),
    /** The cookie of someone who is signed in, as a field. */
    cookieOf: async (groups: readonly string[] = []) =>
      `Cookie: ${(await gate().signIn(APP, { sub: 'ada', groups })).cookie}`,
  }
}
