/** Answers of the portal: pages, JSON and redirects, each with the fields that keep it private. */

import { createHash } from 'node:crypto'
import type { Child } from 'hono/jsx'
import type { Brand } from '../config/resolve/portals.ts'
import { SCRIPTS, type Script, SHEETS, type Sheet, STYLE } from './layout/assets.ts'
import { brandStyle, drawPage } from './layout/draw-page.tsx'
import type { Words } from './words/words.ts'

/**
 * What a page may beyond the usual: load the icons of applications, hold a form whose answer leads to any host (browsers hold
 * redirects against `form-action` too), or have its script ask this host; or nothing at all.
 */
type Scope = 'icons' | 'leads-anywhere' | 'asks' | 'asks-and-leads-anywhere' | 'nothing'

/** The sources of our own texts: each is hashed once. */
const sources = new Map<string, string>()

/**
 * Allows only what Sallyport's own pages hold: the stylesheets by hash, the drawn images, forms to this host, and the
 * page's scripts by hash; and for the editor what carries a nonce, since its styles are made as it goes.
 */
function contentSecurityPolicy(
  brand: Brand | null,
  scope: Scope,
  scripts: readonly Script[],
  sheet: Sheet | null,
  nonce: string | undefined,
): string {
  const own = brandStyle(brand)
  const once = nonce === undefined ? [] : [`'nonce-${nonce}'`]
  const styles = [sourceOf(STYLE), ...(sheet === null ? [] : [sourceOf(SHEETS[sheet])]), ...once]
  const allowed = [...scripts.map(one => sourceOf(SCRIPTS[one])), ...once]
  return [
    "default-src 'none'",
    `style-src ${[...styles, ...(own === null ? [] : [hashSource(own)])].join(' ')}`,
    ...(allowed.length === 0 ? [] : [`script-src ${allowed.join(' ')}`]),
    ...(scripts.includes('live-states') || scope.startsWith('asks') ? ["connect-src 'self'"] : []),
    "font-src 'self'",
    `img-src ${scope === 'icons' ? "'self' " : ''}data:`,
    `form-action 'self'${scope.endsWith('leads-anywhere') ? ' https: http:' : ''}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')
}

function sourceOf(text: string): string {
  const known = sources.get(text)
  if (known !== undefined) return known
  const hashed = hashSource(text)
  sources.set(text, hashed)
  return hashed
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

/** Fields of every portal response: it is never stored, framed or sniffed, and it sends no referrer. */
const COMMON: Readonly<Record<string, string>> = Object.freeze({
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
})

/** What is ours is no part of another origin's document (Fetch §3.7), and shares no window with one (HTML Standard §7.1.3). */
const WITHIN = { 'cross-origin-resource-policy': 'same-origin' } as const
const ALONE = { 'cross-origin-opener-policy': 'same-origin', ...WITHIN } as const

/** Small scripts that any page has that holds what they are for. Texts of others are escaped, and hold no such mark. */
const HELPERS: readonly (readonly [mark: string, script: Script])[] = [
  [' data-show="', 'local-times'],
  [' data-today="', 'local-days'],
  [' data-copy="', 'copy'],
  [' data-health="', 'live-states'],
]

const END = '</body></html>'

function withScripts(html: string, scripts: readonly Script[]): string {
  if (scripts.length === 0 || !html.endsWith(END)) return html
  return `${html.slice(0, -END.length)}${scripts.map(one => `<script>${SCRIPTS[one]}</script>`).join('')}${END}`
}

interface PageParts {
  /** Of the page's language. */
  readonly words: Words
  /** The look of its portal. */
  readonly brand: Brand | null
  readonly page: Child
  /** 200 when absent. */
  readonly status?: number
  readonly fields?: Readonly<Record<string, string>>
  readonly scope?: Scope
  readonly script?: Script | null
  readonly sheet?: Sheet | null
  readonly nonce?: string
}

/** One of Sallyport's own pages. */
export function pageAnswer({
  words: { lang },
  brand,
  page,
  status = 200,
  fields = {},
  scope = 'nothing',
  script = null,
  sheet = null,
  nonce,
}: PageParts): Response {
  const drawn = drawPage(brand, page, script, sheet)
  const helpers = HELPERS.flatMap(([mark, helper]) => (drawn.includes(mark) ? [helper] : []))
  const html = withScripts(drawn, helpers)
  return new Response(`<!doctype html>${html}`, {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': contentSecurityPolicy(
        brand,
        scope,
        [...(script === null ? [] : [script]), ...helpers],
        sheet,
        nonce,
      ),
      'content-language': lang,
      vary: 'accept-language',
      ...COMMON,
      ...ALONE,
      ...fields,
    },
  })
}

/** A script at an address that has its hash: the browser keeps it (RFC 8246), and nobody else. */
export function keptScriptAnswer(
  request: Request,
  script: { readonly plain: Bytes; readonly gzipped: Bytes },
): Response {
  const isPacked = /(?:^|,)\s*gzip\s*(?:,|$)/i.test(request.headers.get('accept-encoding') ?? '')
  return new Response(isPacked ? script.gzipped : script.plain, {
    headers: {
      'content-type': 'text/javascript; charset=utf-8',
      ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
      vary: 'accept-encoding',
      ...COMMON,
      ...WITHIN,
      'cache-control': 'private, max-age=31536000, immutable',
    },
  })
}

type Bytes = Uint8Array<ArrayBuffer>

/** A redirect that no cache keeps. 303 where a form or an answer was taken in, 302 where a page load goes elsewhere. */
export function redirectAnswer(status: 302 | 303, location: string, setCookies: readonly string[] = []): Response {
  const headers = new Headers({ ...COMMON, location })
  for (const setCookie of setCookies) headers.append('set-cookie', setCookie)
  return new Response(null, { status, headers })
}

/** A page that someone reads before they follow a redirect: with all that the redirect tells the browser, but where to go. */
export function pageBefore({ headers }: Response, page: Response): Response {
  for (const [name, value] of headers)
    if (name !== 'location' && name !== 'set-cookie' && !page.headers.has(name)) page.headers.set(name, value)
  for (const setCookie of headers.getSetCookie()) page.headers.append('set-cookie', setCookie)
  return page
}

/**
 * A service worker's script. The worker may act on addresses below `scope` and connects only to this host.
 * Source: Service Workers §4.2.2 (the policy of the script is the worker's), §4.2.3 (Service-Worker-Allowed).
 */
export function scriptAnswer(script: string, scope: string): Response {
  return new Response(script, {
    headers: {
      'content-type': 'text/javascript; charset=utf-8',
      'content-security-policy': "default-src 'none'; connect-src 'self'",
      'service-worker-allowed': scope,
      ...COMMON,
      ...WITHIN,
    },
  })
}

const STREAMED = new WeakSet<Response>()

/** Whether an answer's body is made while it is sent: who counts or copies it would have all of it made at once, and keep it. */
export function isStreamed(answer: Response): boolean {
  return STREAMED.has(answer)
}

/** A download, its media type, and the name that Sallyport chooses for it. */
interface Download {
  readonly bytes: AsyncIterable<Uint8Array>
  readonly type: string
  readonly name: string
  /** It broke off, which whoever reads it sees. */
  onBreak(error: unknown): void
}

/** A download, streamed as its bytes are made. */
export function fileAnswer({ bytes, type, name, onBreak }: Download): Response {
  const headers = { 'content-type': type, 'content-disposition': `attachment; filename="${name}"` }
  const reading = bytes[Symbol.asyncIterator]()
  const body = new ReadableStream<Uint8Array>({
    async pull(sink) {
      try {
        const { done, value } = await reading.next()
        if (done === true) sink.close()
        else sink.enqueue(value)
      } catch (error) {
        onBreak(error)
        // Bun 1.4.5 writes it to standard error, whatever it holds.
        sink.error(new Error('a download broke off'))
      }
    },
    async cancel() {
      await reading.return?.()
    },
  })
  const answer = new Response(body, { headers: { ...headers, ...COMMON, ...WITHIN } })
  STREAMED.add(answer)
  return answer
}

/** A value as JSON, for scripts. */
export function jsonAnswer(value: object, status = 200): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: { 'content-type': 'application/json', ...COMMON, ...WITHIN },
  })
}

/** A value as JSON for programs, and for scripts of any origin: nothing in it depends on cookies (Fetch §3.3.5). */
export function openAnswer(value: object, status = 200): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: { 'content-type': 'application/json', ...COMMON, 'access-control-allow-origin': '*' },
  })
}

/** What a browser may send across origins to where programs are answered so. */
export function openPreflight(methods: string): Response {
  return new Response(null, {
    status: 204,
    headers: {
      ...COMMON,
      'access-control-allow-origin': '*',
      'access-control-allow-methods': methods,
      'access-control-allow-headers': 'content-type, mcp-protocol-version',
      'access-control-max-age': '600',
    },
  })
}

/** A few words for programs. */
export function textAnswer(status: number, text: string): Response {
  return new Response(text, {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', ...COMMON, ...WITHIN },
  })
}

/** Public keys (RFC 7517 §5), which anyone may keep for a while. */
export function keySetAnswer(keys: readonly object[], maxAgeS: number): Response {
  return new Response(`${JSON.stringify({ keys })}\n`, {
    headers: { ...COMMON, 'content-type': 'application/jwk-set+json', 'cache-control': `public, max-age=${maxAgeS}` },
  })
}

/** Done, and nothing to say: for servers that only look at the status. */
export function doneAnswer(): Response {
  return new Response(null, { status: 200, headers: COMMON })
}

/** That someone may pass, with the fields that say who they are: for a proxy that only looks at status and fields. */
export function acceptedAnswer(fields: readonly (readonly [name: string, value: string])[]): Response {
  const headers = new Headers({ ...COMMON, ...WITHIN })
  for (const [name, value] of fields) headers.set(name, value)
  return new Response(null, { status: 202, headers })
}

/** The only page that may be framed, and only by this origin. It holds nothing but its words. */
export function frameAnswer(html: string, framedBy: string): Response {
  const { 'x-frame-options': _, ...common } = COMMON
  return new Response(`<!doctype html>${html}`, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; base-uri 'none'; frame-ancestors ${framedBy}`,
      ...common,
    },
  })
}

/** Nothing, on purpose: for requests that may not set anything in motion. */
export function emptyAnswer(status: 204 | 503): Response {
  return new Response(null, { status, headers: COMMON })
}
