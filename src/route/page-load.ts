/** Whether a request is a page load of a browser, by Fetch Metadata and Accept. */

import { parseAccept } from 'hono/utils/accept'

/** What a browser names as the destination of a page: the window itself, or a frame of one. */
const PAGE_DESTINATIONS = new Set(['document', 'iframe', 'frame', 'fencedframe'])

/**
 * Whether a user is loading a page into a window, so that the answer may redirect to the sign-in.
 *
 * Everything else (scripts, images, frames, manifests, service workers, tools) gets a status. A redirect would give it
 * a page of HTML, and a hidden frame would start a sign-in that the user does not want.
 *
 * Source: W3C Fetch Metadata §2; without those fields, what comes first in Accept (RFC 9110 §12.5.1) decides.
 */
export function isPageLoad(request: Request): boolean {
  return (
    (request.method === 'GET' || request.method === 'HEAD') && prefersPage(request) && loaderOf(request) !== 'other'
  )
}

/**
 * The sender of a request, as the browser states it: a `window`, the service `worker` of a window that forwards its
 * page load, or something `other`, such as a frame, an image or a script. A page cannot change these fields (scripts
 * may not write them, Fetch §2.2.2); only a script can claim to be the worker of its host. A browser without these
 * fields, as over plain HTTP, counts as a window.
 *
 * Source: W3C Fetch Metadata §2.1 (Sec-Fetch-Dest) and §2.2 (Sec-Fetch-Mode).
 */
export function loaderOf({ headers }: Request): 'window' | 'worker' | 'other' {
  const mode = headers.get('sec-fetch-mode')
  const destination = headers.get('sec-fetch-dest')
  if (destination === 'empty') return isPassedOn(headers, mode) ? 'worker' : 'other'
  return (mode === null || mode === 'navigate') && (destination === null || destination === 'document')
    ? 'window'
    : 'other'
}

/** Whether a window will show the answer, for any method: a sent form shows its answer, too. */
export function prefersPage(request: Request): boolean {
  const { headers } = request
  // A service worker's script, from browsers without Fetch Metadata too (Service Workers §4.2.1, "Service-Worker").
  if (headers.has('x-requested-with') || headers.has('service-worker')) return false
  const mode = headers.get('sec-fetch-mode')
  const destination = headers.get('sec-fetch-dest')
  if (mode === null && destination === null) return prefersHtml(headers.get('accept'))
  if (destination === 'empty') return isPassedOn(headers, mode)
  if (destination !== null && !PAGE_DESTINATIONS.has(destination)) return false
  return mode === null || mode === 'navigate'
}

/**
 * Whether a browser may be asking. A browser shows its own password prompt when it gets a challenge.
 *
 * Over HTTPS each request of a browser has Sec-Fetch fields (Fetch Metadata §2). Over plain HTTP none has; there the
 * word decides with which every browser's User-Agent begins (RFC 9110 §10.1.5). Some fields are sent only by scripts.
 */
export function mayBeBrowser(request: Request): boolean {
  const { method, headers } = request
  // Without CORS a page has only these methods (Fetch §2.2.1, §5.4). So this is a program that is built on a browser,
  // such as Thunderbird, which asks for calendars.
  if (headers.get('sec-fetch-mode') === 'no-cors' && !/^(?:GET|HEAD|POST)$/.test(method)) return false
  return (
    BROWSER_FIELDS.some(name => headers.has(name)) ||
    BROWSER_NAMES.test(headers.get('user-agent') ?? '') ||
    prefersPage(request)
  )
}

/** With those of what Safari leaves to its system: films, and the pictures of bookmarks. */
const BROWSER_NAMES = /^(?:Mozilla|Opera|Safari|AppleCoreMedia|com\.apple\.WebKit)\b/i

const BROWSER_FIELDS = [
  'sec-fetch-mode',
  'sec-fetch-dest',
  'sec-fetch-site',
  'sec-fetch-user',
  'origin',
  'x-requested-with',
  'service-worker',
]

/**
 * Whether a browser fetches the script of a service worker: to register it, or to look for a newer one. Scripts that
 * it imports do not count.
 *
 * WebKit looks for a newer one without Fetch Metadata, and sends these fields only when a page asks (WebKitGTK 2.54).
 * In a browser that has them no page can write them (Fetch §2.2.2).
 *
 * Source: Service Workers §4.2.1 (Service-Worker), W3C Fetch Metadata §2.
 */
export function isWorkerScript({ method, headers }: Request): boolean {
  if (method !== 'GET' || headers.get('service-worker') !== 'script') return false
  const [destination, site] = [headers.get('sec-fetch-dest'), headers.get('sec-fetch-site')]
  if (destination === null && site === null) return !headers.has('sec-fetch-mode')
  return destination === 'serviceworker' && site === 'same-origin'
}

/** Whether a browser fetches ahead of a click (RFC 8941 token in Sec-Purpose; Purpose and X-Moz before it). */
export function isPrefetch(request: Request): boolean {
  const { headers } = request
  const purpose =
    headers.get('sec-purpose') ?? headers.get('purpose') ?? headers.get('x-purpose') ?? headers.get('x-moz')
  return purpose !== null && /prefetch|prerender|preview/i.test(purpose)
}

/**
 * Whether a request without a destination is a page load that a service worker forwards.
 *
 * An unchanged one has the mode `navigate`, which no script can use. A worker can also make a new request of it
 * (`fetch(event.request, {…})`; Firefox always does). That one has the mode `same-origin`, and only Accept and
 * Upgrade-Insecure-Requests remain of the page load. A script may write both, but in this mode only to its own host,
 * and a redirect to another host fails (Fetch §4.1, §4.4). So the script sees only what a page of its host may see.
 *
 * Source: Fetch §5.4 (the Request constructor), measured in Firefox 153, Chromium and WebKitGTK 2.54.
 */
function isPassedOn(headers: Headers, mode: string | null): boolean {
  if (mode === 'navigate') return true
  return mode === 'same-origin' && headers.has('upgrade-insecure-requests') && prefersHtml(headers.get('accept'))
}

const PAGE_TYPES = new Set(['text/html', 'application/xhtml+xml'])

/** Whether HTML comes first: nothing has a greater weight, nor the same and is named before it (RFC 9110 §12.4.2, §12.5.1). */
function prefersHtml(accept: string | null): boolean {
  const first = parseAccept(accept ?? '')[0]
  return first !== undefined && first.q > 0 && PAGE_TYPES.has(first.type.toLowerCase())
}
