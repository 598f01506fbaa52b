/** The proxy in front of a new gate, where there is one: its kind, and the files of its recipe. */

import { RECIPES } from '../help/topics.ts'

/** The files of the recipe for each proxy that can stand in front. */
const FILES = {
  nginx: ['nginx.conf'],
  caddy: ['Caddyfile'],
  haproxy: ['haproxy.cfg', 'haproxy-sallyport.lua'],
  traefik: ['traefik.yaml'],
  envoy: ['envoy.yaml'],
  'ingress-nginx': ['ingress-nginx.yaml'],
} as const

export type FrontKind = keyof typeof FILES

export const FRONT_KINDS = Object.keys(FILES)

/** Whether there is a recipe for a proxy of this name. */
export function isFrontKind(text: string): text is FrontKind {
  return Object.hasOwn(FILES, text)
}

/** A proxy that has the application, and asks Sallyport. */
export interface Front {
  readonly kind: FrontKind
  /** The address or network that it comes from. */
  readonly network: string
}

/** A file to write beside routes.toml. */
export interface FrontFile {
  readonly name: string
  readonly text: string
}

/** What a recipe names, in place of its examples. */
interface Placed {
  readonly host: string
  /** Where the application answers: `http://HOST:PORT`. */
  readonly upstream: string
  /** The portal's own address; null where people sign in on the application's host. */
  readonly portal: string | null
  /** Where Sallyport listens for what that proxy hands on. */
  readonly port: number
}

/** Whether it is on the machine that Sallyport is on. */
export function isHere({ network }: Front): boolean {
  return /^127\.|^::1(?:\/|$)/.test(network)
}

/** The files for a proxy, from its recipe. */
export function frontFiles(front: Front, placed: Placed): Promise<readonly FrontFile[]> {
  return Promise.all(
    FILES[front.kind].map(async name => {
      const path = RECIPES.get(`recipes/${name}`)
      if (path === undefined) throw new TypeError(`${name} is no recipe`)
      return { name, text: place(await Bun.file(path).text(), front, placed) }
    }),
  )
}

/** The part of each recipe about a separate portal host. */
const PORTAL_PARTS = [
  /^# The portal: [^\n]*\n(?:server|auth\.example\.com) \{\n[\s\S]*?^\}\n\n/m,
  /^ +use_backend sallyport if [^\n]*auth\.example\.com \}\n/m,
  /^ +# The portal: [^\n]*\n(?: +\S[^\n]*\n)+\n/m,
  /^---\n# The portal: [\s\S]*?(?=^---\n)/m,
]

function place(recipe: string, front: Front, { host, upstream, portal, port: own }: Placed): string {
  const app = new URL(upstream)
  const port = app.port || '80'
  const gate = isHere(front) ? '127.0.0.1' : 'sallyport'
  const portalHost = portal === null ? host : new URL(portal).hostname
  const text = portalHost === host ? PORTAL_PARTS.reduce((left, part) => left.replace(part, ''), recipe) : recipe
  const said: Readonly<Record<string, string>> = {
    'auth.example.com': portalHost,
    'app.example.com': host,
    'app:3000': `${app.hostname}:${port}`,
    'address: app, port_value: 3000': `address: ${app.hostname}, port_value: ${port}`,
    'name: app, port: { number: 3000 }': `name: ${app.hostname.split('.')[0]}, port: { number: ${port} }`,
    'sallyport:8080': `${gate}:${own}`,
    'sallyport:9080': `${gate}:9080`,
    'address: sallyport, port_value: 8080': `address: ${gate}, port_value: ${own}`,
    'name: sallyport, port: { number: 8080 }': `name: sallyport, port: { number: ${own} }`,
    'address: sallyport,': `address: ${gate},`,
  }
  const examples = Object.keys(said).map(example => example.replaceAll('.', '\\.').replace(/[{}]/g, '\\$&'))
  // At once: what is put in may look like another example.
  return text.replace(new RegExp(`(?<![\\w.-])(?:${examples.join('|')})`, 'g'), example => said[example] ?? example)
}
