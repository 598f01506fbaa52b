import { expect, test } from 'bun:test'
import { isPageLoad, isPrefetch, prefersPage } from '../../src/route/page-load.ts'

const request = (headers: Record<string, string>, method = 'GET') =>
  new Request('http://x.example/', { method, headers })

const CASES: readonly [string, Record<string, string>, boolean][] = [
  [
    'a click in a browser',
    { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', accept: 'text/html,*/*' },
    true,
  ],
  ['a click that a service worker passes on', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'empty' }, true],
  [
    'a page that a service worker fetches itself',
    { 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty' },
    false,
  ],
  ['a frame in a page', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }, true],
  ['an older browser', { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, true],
  ['a script that fetches', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'text/html' }, false],
  ['an image', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', accept: 'image/*' }, false],
  ['a web app manifest', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'manifest' }, false],
  ['a service worker', { 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'serviceworker' }, false],
  ['a service worker, in an older browser', { 'service-worker': 'script', accept: 'text/html,*/*' }, false],
  ['an icon in an older browser', { accept: 'image/avif,image/webp,*/*' }, false],
  ['an event stream', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'text/event-stream' }, false],
  ['a WebSocket', { 'sec-fetch-mode': 'websocket', 'sec-fetch-dest': 'empty', upgrade: 'websocket' }, false],
  ['an embedded object', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'object' }, false],
  ['a library that says so', { 'x-requested-with': 'XMLHttpRequest', accept: 'text/html' }, false],
  ['curl', { accept: '*/*' }, false],
  ['a client that says nothing', {}, false],
  ['a client of an API', { accept: 'application/json' }, false],
  ['a look-alike type', { accept: 'text/htmlx' }, false],
]

test.each(CASES)('%s: page load or not', (_title, headers, expected) => {
  expect(isPageLoad(request(headers))).toBe(expected)
  expect(isPageLoad(request(headers, 'HEAD'))).toBe(expected)
  expect(isPageLoad(request(headers, 'POST'))).toBe(false)
  expect(prefersPage(request(headers, 'POST'))).toBe(expected)
})

test.each([
  { 'sec-purpose': 'prefetch' },
  { 'sec-purpose': 'prefetch;prerender' },
  { purpose: 'prefetch' },
  { 'x-moz': 'prefetch' },
])('a browser that fetches ahead is told apart: %j', headers => {
  expect(isPrefetch(request(headers))).toBe(true)
  expect(isPrefetch(request({}))).toBe(false)
})
