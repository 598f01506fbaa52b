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
 * scripts, Fetch §2.2.2). Browsers that say nothing, as over plain HTTP, count as windows.
 * Source: W3C Fetch Metadata §2.1 (Sec-Fetch-Dest) and §2.2 (Sec-Fetch-Mode).
 */
export function loaderOf({ headers }: Request): 'window' | 'worker' | 'other' {
  const mode = headers.get('sec-fetch-mode')
  if (mode !== null && mode !== 'navigate') return 'other'
  switch (headers.get('sec-fetch-dest')) {
    case null:
    case 'document':
      return 'window'
    case 'empty':
      return mode === null ? 'other' : 'worker'
    default:
      return 'other'
  }
}

/** Whether the answer will be looked at in a window, whatever the method: a form that was sent shows its answer too. */
export function prefersPage(request: Request): boolean {
  const { headers } = request
  // A service worker's script, from browsers without Fetch Metadata too (Service Workers §4.2.1, "Service-Worker").
  if (headers.has('x-requested-with') || headers.has('service-worker')) return false
  const mode = headers.get('sec-fetch-mode')
  const destination = headers.get('sec-fetch-dest')
  if (mode === null && destination === null) return prefersHtml(headers.get('accept'))
  // A service worker that passes a page load on names no destination; no script can ask in this mode (Fetch §5.4, Request).
  if (destination === 'empty') return mode === 'navigate'
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
  const { headers } = request
  return (
    BROWSER_FIELDS.some(name => headers.has(name)) ||
    /^(?:Mozilla|Opera)\//i.test(headers.get('user-agent') ?? '') ||
    prefersPage(request)
  )
}

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
 * Source: Service Workers §4.2.1 (Service-Worker), W3C Fetch Metadata §2; no page can send these by itself (Fetch §2.2.2).
 */
export function isWorkerScript({ method, headers }: Request): boolean {
  return (
    method === 'GET' &&
    headers.get('service-worker') === 'script' &&
    headers.get('sec-fetch-dest') === 'serviceworker' &&
    headers.get('sec-fetch-site') === 'same-origin'
  )
}

/** Whether a browser fetches ahead of a click (RFC 8941 token in Sec-Purpose; Purpose and X-Moz before it). */
export function isPrefetch(request: Request): boolean {
  const { headers } = request
  const purpose =
    headers.get('sec-purpose') ?? headers.get('purpose') ?? headers.get('x-purpose') ?? headers.get('x-moz')
  return purpose !== null && /prefetch|prerender|preview/i.test(purpose)
}

const PAGE_TYPES = new Set(['text/html', 'application/xhtml+xml'])

/** Whether HTML comes first: nothing has a greater weight, nor the same and is named before it (RFC 9110 §12.4.2, §12.5.1). */
function prefersHtml(accept: string | null): boolean {
  const first = parseAccept(accept ?? '')[0]
  return first !== undefined && first.q > 0 && PAGE_TYPES.has(first.type.toLowerCase())
}
