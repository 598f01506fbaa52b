import { expect, test } from 'bun:test'
import {
  isPageLoad,
  isPrefetch,
  isWorkerScript,
  loaderOf,
  mayBeBrowser,
  prefersPage,
} from '../../src/route/page-load.ts'

const request = (headers: Record<string, string>, method = 'GET') =>
  new Request('http://x.example/', { method, headers })

/** A page load as Firefox's service workers pass it on, and everyone's where they change something about it. */
const PASSED_ON = {
  'sec-fetch-mode': 'same-origin',
  'sec-fetch-dest': 'empty',
  'upgrade-insecure-requests': '1',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
}

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
  ['a click that a service worker passes on as a request of its own', PASSED_ON, true],
  [
    'what a service worker fetches that way, and is no page',
    { ...PASSED_ON, accept: 'image/avif,image/webp,*/*;q=0.8' },
    false,
  ],
  ['a script that wants a page for itself', { ...PASSED_ON, 'sec-fetch-mode': 'cors' }, false],
  ['a script of another site', { ...PASSED_ON, 'sec-fetch-mode': 'no-cors' }, false],
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
  ['a script that takes HTML last', { accept: 'application/json, text/plain, text/html' }, false],
  ['a script that takes HTML where there is nothing else', { accept: 'text/html;q=0.5, application/json' }, false],
  ['a script that takes no HTML', { accept: 'text/html;q=0, */*' }, false],
  ['a script that takes anything, and HTML too', { accept: '*/*, text/html;q=0.9' }, false],
  ['a browser in text', { accept: 'text/html, text/plain, text/css, application/xhtml+xml, */*;q=0.01' }, true],
  ['a browser that names HTML last, and loves it most', { accept: '*/*;q=0.1,image/*;q=0.2,TEXT/HTML' }, true],
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

test('a frame is shown a page, and is led nowhere', () => {
  for (const destination of ['iframe', 'frame', 'fencedframe']) {
    const frame = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': destination, accept: 'text/html' }
    expect([prefersPage(request(frame)), isPageLoad(request(frame))]).toEqual([true, false])
  }
})

test.each([
  ['a window', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, 'window'],
  ['a browser that says nothing', { accept: 'text/html' }, 'window'],
  ['a browser that says half of it', { 'sec-fetch-mode': 'navigate' }, 'window'],
  [
    'a service worker that passes a page load on',
    { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'empty' },
    'worker',
  ],
  ['a service worker that makes it a request of its own', PASSED_ON, 'worker'],
  ['a script that fetches', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }, 'other'],
  ['a script of another site that claims to be one', { ...PASSED_ON, 'sec-fetch-mode': 'no-cors' }, 'other'],
  ['a script of this host', { 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty' }, 'other'],
  ['a script, as half of it says', { 'sec-fetch-dest': 'empty' }, 'other'],
  ['a script that claims a window', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'document' }, 'other'],
  ['a hidden frame', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }, 'other'],
  ['an image', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }, 'other'],
  ['an object', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'object' }, 'other'],
  ['a destination of later years', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'hologram' }, 'other'],
] as const)('%s is told from what else asks', (_title, headers, loader) => {
  expect(loaderOf(request(headers))).toBe(loader)
})

test.each<[string, Record<string, string>, string, boolean]>([
  ['a program', { 'user-agent': 'curl/8' }, 'GET', false],
  ['a program that says nothing', {}, 'GET', false],
  ['a program that wants a page', { accept: 'text/html' }, 'GET', true],
  ['a browser by its name', { 'user-agent': 'Mozilla/5.0 (X11)' }, 'PUT', true],
  ['Safari’s player of films', { 'user-agent': 'AppleCoreMedia/1.0' }, 'GET', true],
  ['a program whose name only holds a browser’s', { 'user-agent': 'NotMozilla/5.0' }, 'GET', false],
  ...[
    'sec-fetch-mode',
    'sec-fetch-dest',
    'sec-fetch-site',
    'sec-fetch-user',
    'origin',
    'x-requested-with',
    'service-worker',
  ].map((name): [string, Record<string, string>, string, boolean] => [
    `a browser by ${name}`,
    { [name]: 'x' },
    'DELETE',
    true,
  ]),
  ...['GET', 'HEAD', 'POST'].map((method): [string, Record<string, string>, string, boolean] => [
    'a page without CORS',
    { 'sec-fetch-mode': 'no-cors' },
    method,
    true,
  ]),
  ...['PUT', 'PROPFIND', 'REPORT'].map((method): [string, Record<string, string>, string, boolean] => [
    'a program that is built on a browser',
    { 'sec-fetch-mode': 'no-cors', 'user-agent': 'Mozilla/5.0 Thunderbird/140' },
    method,
    false,
  ]),
])('%s (%j, %s) may be a browser: %p', (_title, headers, method, may) => {
  expect(mayBeBrowser(request(headers, method))).toBe(may)
})

test.each<[Record<string, string>, string, boolean]>([
  [{ 'service-worker': 'script' }, 'GET', true],
  [{ 'service-worker': 'script' }, 'POST', false],
  [{ 'service-worker': 'x' }, 'GET', false],
  [{}, 'GET', false],
  [{ 'service-worker': 'script', 'sec-fetch-mode': 'same-origin' }, 'GET', false],
  [{ 'service-worker': 'script', 'sec-fetch-dest': 'serviceworker', 'sec-fetch-site': 'same-origin' }, 'GET', true],
  [{ 'service-worker': 'script', 'sec-fetch-dest': 'serviceworker', 'sec-fetch-site': 'cross-site' }, 'GET', false],
  [{ 'service-worker': 'script', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' }, 'GET', false],
])('Service Workers §4.2.1: %j by %s fetches the script of one: %p', (headers, method, is) => {
  expect(isWorkerScript(request(headers, method))).toBe(is)
})
