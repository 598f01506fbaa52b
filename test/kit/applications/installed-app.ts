import type { ServerResponse } from 'node:http'
import { join } from 'node:path'

/** How an application's worker keeps its pages. */
export type Keeping = 'workbox' | 'by hand'

/** Answers one request of an application that can be installed. */
export type InstalledApp = (path: string, response: ServerResponse) => void

/**
 * An application whose worker answers page loads from what it has kept, so that they never reach the gate.
 *
 * `workbox`: as its `generateSW` makes one with `navigateFallback`: the page is precached, stands for every page load of the host, and a
 * newer worker waits until the older one has no page left. `by hand`: what has been fetched once, pages among it, is never fetched again.
 * Every path is the same page, but for `/data`, and the script of the worker, which is in a folder and acts on all of the host.
 */
export async function installedApp(keeping: Keeping): Promise<InstalledApp> {
  const worker = keeping === 'workbox' ? await bundle(WORKBOX) : BY_HAND
  return (path, response) => {
    const say = (type: string, body: string) => void response.setHeader('content-type', type).end(body)
    if (path === WORKER_PATH) {
      response.setHeader('service-worker-allowed', '/')
      return say('text/javascript', worker)
    }
    return path === '/data' ? say('application/json', '{"n":1}') : say('text/html', PAGE)
  }
}

/** Where the script of the worker is. */
const WORKER_PATH = '/js/sw.js'

const PAGE = `<!doctype html><link rel="icon" href="data:,"><title>An app</title><p id="path"></p><script>
document.querySelector('#path').textContent = location.pathname + location.search + location.hash
window.newest = navigator.serviceWorker.register('${WORKER_PATH}', { scope: '/' })
  .then(it => it.installing ?? it.waiting ?? it.active)
</script>`

/** By which a page can tell whose worker it has. */
const SAYS_SO = `self.addEventListener('message', event => event.ports[0]?.postMessage('own'))
`

const WORKBOX = `import { createHandlerBoundToURL, precacheAndRoute } from 'workbox-precaching'
import { NavigationRoute, registerRoute } from 'workbox-routing'
self.addEventListener('message', event => { if (event.data?.type === 'SKIP_WAITING') self.skipWaiting() })
${SAYS_SO}self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))
precacheAndRoute([{ url: '/index.html', revision: '1' }])
registerRoute(new NavigationRoute(createHandlerBoundToURL('/index.html')))
`

const BY_HAND = `${SAYS_SO}self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))
self.addEventListener('fetch', event => {
  if (event.request.method !== 'GET' || new URL(event.request.url).pathname === '/data') return
  event.respondWith(caches.open('pages').then(async cache => {
    const kept = await cache.match(event.request)
    if (kept) return kept
    const reply = await fetch(event.request)
    if (reply.ok) await cache.put(event.request, reply.clone())
    return reply
  }))
})
`

async function bundle(source: string): Promise<string> {
  const entry = join(import.meta.dir, 'worker-of-workbox.js')
  const built = await Bun.build({
    entrypoints: [entry],
    files: { [entry]: source },
    target: 'browser',
    format: 'iife',
    define: { 'process.env.NODE_ENV': '"production"' },
  })
  const [output] = built.outputs
  if (output === undefined) throw new Error(`workbox was not bundled: ${built.logs.join('\n')}`)
  return await output.text()
}
