/** A service worker in place of an application's, so that it cannot answer page loads while nobody is signed in. */

import { isWorkerScript } from '../../route/page-load.ts'
import { scriptAnswer } from '../answer.ts'
import { isReading } from '../kept-forms/reading-cookie.ts'
import type { PortalRequest } from '../portal-request.ts'

/**
 * Sallyport's own service worker in place of the application's. It is for a browser that checks for an update of that
 * worker while no user is signed in, or while the sign-in is too old for the route. The application's worker may
 * answer every page load from its cache, so that the user would never be asked to sign in.
 *
 * Null for any other request, and where no worker may replace it. Also null while a window may show the outcome of a
 * form, since it would be redirected away.
 *
 * The replacement may act on as many addresses as the application's own, and only for as long as it takes to ask for a
 * sign-in.
 */
export function replacementWorker(ctx: PortalRequest): Response | null {
  const { request, origin, workerScope } = ctx
  if (workerScope === null || !isWorkerScript(request) || isReading(ctx)) return null
  // A worker always has its own origin (Service Workers §3.4.3, register).
  return [null, origin].includes(request.headers.get('origin')) ? scriptAnswer(REPLACEMENT_WORKER, workerScope) : null
}

/**
 * The worker takes over at once, navigates each visible window that gets Sallyport's 401 to the address in it, and
 * removes itself.
 *
 * - It replaces a worker, and is never the first: a page without a worker has come from Sallyport, or is public. While
 *   no window is visible no user can sign in, and the application's worker keeps its other work (notifications).
 * - A window in the background may hold what a user has typed. It stays, and works again once the user has signed in
 *   at another.
 * - The worker first requests each window's address, as a script would. A window with a public page stays as it is. A
 *   window is not navigated twice, since the same bytes are not a newer worker.
 * - A window that is being reloaded is none for a moment, and another one after it, which the application's worker may
 *   have answered. The worker looks again for a few seconds while it misses one.
 * - The worker starts a navigation and never waits for it: the page would wait for this very worker to be active, and
 *   the worker for the page.
 * - The worker unregisters itself, so that the application's worker is the first one at its return and waits for no
 *   older one. It stays where the user is subscribed to messages, since the subscription would end. It has no handler
 *   of fetch, and touches no cache.
 *
 * Source: Service Workers §3.3.2 (Install, Activate), §4.2.8 (WindowClient.navigate).
 */
export const REPLACEMENT_WORKER = `// Sallyport: nobody is signed in. The application's own service worker comes back with the next sign-in.
'use strict'
const windows = async () => {
  const all = await self.clients.matchAll({ type: 'window', includeUncontrolled: true })
  return all.filter(({ url, frameType, visibilityState }) =>
    url.startsWith(self.registration.scope) && frameType === 'top-level' && visibilityState === 'visible')
}
const signInAddress = async client => {
  const { pathname, search, hash } = new URL(client.url)
  const reply = await fetch(pathname + search, { cache: 'no-store', headers: { accept: 'application/json' } })
  const { sign_in } = reply.status === 401 ? await reply.json() : {}
  if (typeof sign_in !== 'string') return null
  const address = new URL(sign_in)
  if (address.origin !== self.location.origin) return null
  address.searchParams.set('return', pathname + search)
  address.hash = hash
  return address.href
}
const LOOKS = 30
const pause = () => new Promise(resolve => setTimeout(resolve, 100))
let missing = 1
self.addEventListener('install', event => event.waitUntil((async () => {
  if (self.registration.active === null) throw new Error('sign in first')
  for (let looks = 1; (missing = (await windows()).length) === 0; looks++) {
    if (looks === LOOKS) throw new Error('sign in first')
    await pause()
  }
  await self.skipWaiting()
})()))
const seen = new Set()
const find = async () => {
  const found = (await windows()).filter(({ id }) => !seen.has(id))
  for (const { id } of found) seen.add(id)
  missing -= found.length
  return Promise.all(found.map(async client => [client, await signInAddress(client).catch(() => null)]))
}
const lead = found => {
  for (const [client, address] of found) if (address !== null) client.navigate(address).catch(() => { missing++ })
}
const leadMissing = async () => {
  for (let looks = 1; looks < LOOKS; looks++) {
    await pause()
    if (missing > 0) lead(await find())
  }
}
self.addEventListener('activate', event => event.waitUntil((async () => {
  await self.clients.claim()
  const found = await find()
  if (!(await self.registration.pushManager?.getSubscription())) await self.registration.unregister()
  lead(found)
  void leadMissing()
})()))
`
