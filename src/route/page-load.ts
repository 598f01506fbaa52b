import { parseAccept } from 'hono/utils/accept'

/** What a browser names as the destination of a page: the window itself, or a frame of one. */
const PAGE_DESTINATIONS = new Set(['document', 'iframe', 'frame', 'fencedframe'])

/**
 * Whether a person is loading a page into a window, so that an answer may be a redirect to sign-in.
 *
 * Everything else (scripts, images, frames, manifests, service workers, tools) gets a status: a redirect would hand it a page of
 * HTML, and a frame that nobody sees would begin a sign-in that nobody wants.
 * Source: W3C Fetch Metadata §2; without those fields, what comes first in Accept (RFC 9110 §12.5.1) decides.
 */
export function isPageLoad(request: Request): boolean {
  return (
    (request.method === 'GET' || request.method === 'HEAD') && prefersPage(request) && loaderOf(request) !== 'other'
  )
}

/**
 * What asks, as far as its browser says: a `window` itself, the service `worker` of a window, which passes its page load on, or any
 * `other` thing, such as a frame, an image or a script. No page can make its browser say otherwise (the names are forbidden to
 * scripts, Fetch §2.2.2), but for a script that claims to be the worker of its own host. Browsers that say nothing, as over plain
 * HTTP, count as windows.
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

/** Whether the answer will be looked at in a window, whatever the method: a form that was sent shows its answer too. */
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
 * Whether a browser may be asking, which would show a prompt of its own where it is asked for a password.
 *
 * Over HTTPS each request of a browser's has Sec-Fetch fields (Fetch Metadata §2); over plain HTTP none has, and the name that all
 * browsers begin with has to do (RFC 9110 §10.1.5). Scripts are known by fields of their own as well.
 */
export function mayBeBrowser(request: Request): boolean {
  const { method, headers } = request
  // Without CORS a page has these methods alone (Fetch §2.2.1, §5.4), whatever sends it: this is a program that is built on a browser,
  // as Thunderbird asks for calendars.
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
 * Whether a browser fetches the script of a service worker: to register it, or to see whether there is a newer one. What that script
 * imports is not meant.
 *
 * WebKit looks for a newer one without Fetch Metadata, which it sends where a page asks for that (WebKitGTK 2.54). No page of a browser
 * that has it can send this by itself (Fetch §2.2.2).
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
 * Whether a request without a destination is a page load that a service worker passes on.
 *
 * As it came, it is a navigation, in which mode no script can ask. As a request that the worker made of it (`fetch(event.request, {…})`;
 * Firefox always makes one) it has the mode `same-origin`, and what is left of a page load are Accept and Upgrade-Insecure-Requests. A
 * script may write both, but in this mode to its own host alone, and what leads to another host fails for it (Fetch §4.1, §4.4): it
 * is shown what a page of its host may be shown, as a service worker of its own could be.
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
