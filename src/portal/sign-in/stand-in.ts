import { isWorkerScript } from '../../route/page-load.ts'
import { scriptAnswer } from '../answer.ts'
import type { PortalRequest } from '../portal.ts'
import { isReading } from '../replay/form-page.ts'

/**
 * A service worker of ours in place of the application's, for a browser that looks for a newer one of it while nobody is signed in, or the
 * sign-in is too old for the route: the worker that is there may answer every page load from what it has kept, so that nobody would ever be
 * asked to sign in. Null for any other request, and where no worker may stand in; nor while a window may show what became of a form, from
 * which it would be led away.
 *
 * It may act as widely as the application's own, and does nothing for longer than it takes to ask for a sign-in.
 */
export function standIn(ctx: PortalRequest): Response | null {
  const { request, origin, workerScope } = ctx
  if (workerScope === null || !isWorkerScript(request) || isReading(ctx)) return null
  // A worker is of its own origin, always (Service Workers §3.4.3, register).
  return [null, origin].includes(request.headers.get('origin')) ? scriptAnswer(STAND_IN, workerScope) : null
}

/**
 * It takes over at once, leads whatever window is looked at and meets our 401 to the address that this names, and goes.
 *
 * - It replaces a worker, and begins none: a page that is new to one has come from us, or is for everybody. While nobody looks at a
 *   window nobody can sign in, and what the application's worker does without one (notifications) is left to it.
 * - A window in the background may hold what somebody has typed. It stays, and works again once they have signed in at another.
 * - Each window is asked about first, as a script would: one with a page for everybody is left alone, and one that has been led on is
 *   not led again, since the same bytes are no newer worker.
 * - What it leads to is navigated to and never waited for: the page would wait for this very worker to be active, and it for the page.
 * - It is taken out again, so that the application's worker is the first one at its return and has no older one to wait for; but not
 *   where the person is subscribed to messages, which would end with it. It has no handler of fetch, and touches no cache.
 *
 * Source: Service Workers §3.3.2 (Install, Activate), §4.2.8 (WindowClient.navigate).
 */
export const STAND_IN = `// Sallyport: nobody is signed in. The application's own service worker comes back with the next sign-in.
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
self.addEventListener('install', event => event.waitUntil((async () => {
  if (self.registration.active === null || (await windows()).length === 0) throw new Error('sign in first')
  await self.skipWaiting()
})()))
self.addEventListener('activate', event => event.waitUntil((async () => {
  await self.clients.claim()
  const found = await Promise.all((await windows()).map(async client => [client, await signInAddress(client).catch(() => null)]))
  if (!(await self.registration.pushManager?.getSubscription())) await self.registration.unregister()
  for (const [client, address] of found) if (address !== null) client.navigate(address).catch(() => null)
})()))
`
