/** The application of `sallyport demo`: a page that shows the fields it gets. */

import type { Server } from 'bun'
import { html } from 'hono/html'
import { demoPage, type Markup } from './look.ts'

const CLOCK_MS = 1000

/**
 * The demo service on one address: an application behind Sallyport.
 *
 * `/demo/clock` streams the time as server-sent events, `/demo/echo` is a WebSocket, `/demo/upload` counts a body's
 * bytes, `/demo/name` returns the user's name, `/demo/request` is the request as JSON, and every other path is the
 * page.
 */
export function serveDemoService(hostname: string, port: number, sites: readonly DemoSite[]): Server<undefined> {
  const scriptHash = new Bun.CryptoHasher('sha256').update(SERVICE_SCRIPT).digest('base64')
  const pageHeaders = {
    'cache-control': 'no-store',
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'; font-src 'self'; img-src data:; connect-src 'self'; script-src 'sha256-${scriptHash}'`,
    'x-content-type-options': 'nosniff',
  }
  return Bun.serve({
    hostname,
    port,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    async fetch(request, server) {
      const seen = seenRequest(request)
      switch (new URL(request.url).pathname) {
        case '/demo/clock':
          // The stream is quiet for as long as a reader likes; Bun would cut it after ten seconds.
          server.timeout(request, 0)
          return clockStream(request.signal)
        case '/demo/echo':
          if (server.upgrade(request)) return undefined
          return new Response('This address speaks WebSocket.', { status: 426, headers: { upgrade: 'websocket' } })
        case '/demo/upload':
          server.timeout(request, 0)
          return plainText(`${await countBytes(request)} bytes arrived`)
        case '/demo/name': {
          const name = request.headers.get('x-token-user-name')
          return plainText(name === null ? 'no name arrived' : `the name that arrived: ${name}`)
        }
        case '/demo/request':
          return Response.json(seen, { headers: { 'cache-control': 'no-store' } })
        default:
          return new Response(String(await servicePage(seen, sites)), { headers: pageHeaders })
      }
    },
    websocket: {
      idleTimeout: 0,
      message(socket, message) {
        socket.send(message)
      },
    },
  })
}

function seenRequest(request: Request): SeenRequest {
  const address = new URL(request.url)
  const headers = [...request.headers].sort(([left], [right]) => (left < right ? -1 : 1))
  return { host: address.hostname, method: request.method, target: address.pathname + address.search, headers }
}

function clockStream(signal: AbortSignal): Response {
  const encoder = new TextEncoder()
  let timer: ReturnType<typeof setInterval> | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const tick = () => controller.enqueue(encoder.encode(`data: ${new Date().toTimeString().slice(0, 8)}\n\n`))
      tick()
      timer = setInterval(tick, CLOCK_MS)
      signal.addEventListener('abort', () => clearInterval(timer))
    },
    cancel() {
      clearInterval(timer)
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
}

/** Counts without keeping: an upload of any size takes the memory of one piece. */
async function countBytes(request: Request): Promise<number> {
  let count = 0
  if (request.body !== null) for await (const piece of request.body) count += piece.byteLength
  return count
}

function plainText(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' } })
}

/** A place of the demo that the page links to. */
interface DemoSite {
  readonly label: string
  readonly address: string
}

/** One request as the demo service received it. */
interface SeenRequest {
  readonly host: string
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** The subject of a header field: the user, the request's way, or the browser. */
type HeaderKind = 'identity' | 'forwarding' | 'browser'

/** The kind of a header field by its name, in lower case. */
export function headerKind(name: string): HeaderKind {
  if (
    /^(?:x-token-|x-auth-request-|remote-|x-forwarded-(?:user|email|groups|preferred-username|provider)$)/.test(name)
  ) {
    return 'identity'
  }
  return /^(?:x-forwarded-|x-real-ip$|x-request-id$|forwarded$|via$|traceparent$)/.test(name) ? 'forwarding' : 'browser'
}

const KINDS: readonly { readonly kind: HeaderKind; readonly caption: string; readonly about: string }[] = [
  {
    kind: 'identity',
    caption: 'Who is asking',
    about: 'Set by Sallyport after sign-in. A visitor cannot forge these.',
  },
  { kind: 'forwarding', caption: 'How it came here', about: 'Set by Sallyport for every request.' },
  { kind: 'browser', caption: 'What the browser sent', about: 'Passed on as it was, without Sallyport’s own cookies.' },
]

const STYLE = `
header, main { width: min(62rem, 100%); margin: 0 auto; padding: 1.2rem 1rem 0 } main { padding-bottom: 3rem }
.tag { display: inline-block; font-size: .8rem; letter-spacing: .04em; background: var(--mark); border-radius: .4rem; padding: .15rem .5rem; margin-bottom: .6rem }
nav { display: flex; flex-wrap: wrap; gap: 0 .4rem; margin-left: -.7rem }
nav a { display: inline-flex; align-items: center; min-height: 2.75rem; padding: 0 .7rem }
ol { margin: 0; padding-left: 1.3rem } ol li + li { margin-top: .35rem }
header + main > .card:first-child { margin-bottom: 1rem; border-color: var(--accent) }
summary { display: flex; align-items: center; min-height: 2.75rem; cursor: pointer; color: var(--accent); text-decoration: underline }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); margin-bottom: 1rem }
table { width: 100%; border-collapse: collapse; font-size: .9rem; margin-bottom: 1.2rem }
caption { text-align: left; padding-bottom: .3rem } caption b { display: block }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem; border-top: 1px solid var(--line); font-family: ui-monospace, monospace }
th { font-weight: 400; width: 17rem; color: var(--soft) } .identity th, .identity td { background: var(--mark); color: var(--ink) }
.clock { font: 600 2rem ui-monospace, monospace; margin: 0 } .row { display: flex; gap: .5rem; flex-wrap: wrap }
input { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--soft); border-radius: .8rem; padding: .5rem .6rem; min-width: 0; min-height: 2.75rem; flex: 1 1 9rem }
label { display: block; font-size: .9rem; margin-bottom: .3rem } output { display: block; margin-top: .6rem; min-height: 1.5em }
@media (max-width: 36rem) { th { width: 38% } .card { padding: 1rem } }
`

/** Runs in the browser. Addresses are relative: the page works under any host. */
const SERVICE_SCRIPT = `
const at = id => document.getElementById(id)
const clock = new EventSource('/demo/clock')
clock.onmessage = event => { at('clock').textContent = event.data; at('clock-state').textContent = 'streaming' }
clock.onerror = () => { at('clock-state').textContent = 'the stream ended' }

const socket = new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/demo/echo')
socket.onopen = () => { at('echo-state').textContent = 'connected' }
socket.onclose = () => { at('echo-state').textContent = 'the connection ended' }
socket.onmessage = event => { at('echo-reply').textContent = event.data }
at('echo').onsubmit = event => { event.preventDefault(); socket.send(at('echo-text').value) }

const report = async (id, ask) => {
  try {
    const reply = await ask()
    at(id).textContent = reply.ok ? await reply.text() : 'refused with ' + reply.status
  } catch { at(id).textContent = 'the request failed' }
}
at('upload').onsubmit = event => {
  event.preventDefault()
  const file = at('upload-file').files[0]
  at('upload-reply').textContent = file ? 'sending …' : 'choose a file first'
  if (file) report('upload-reply', () => fetch('/demo/upload', { method: 'POST', body: file, headers: { 'content-type': 'application/octet-stream' } }))
}
at('forge').onclick = () => report('forge-reply', () => fetch('/demo/name', { headers: { 'x-token-user-name': 'Mallory' } }))
`

/** The page of the demo service: the request that it saw, and three things that proxies get wrong, to try. */
function servicePage(seen: SeenRequest, sites: readonly DemoSite[]): Markup {
  const name = fieldOf(seen, 'x-token-user-name')
  const who =
    name === null
      ? html`The application does not know a user.`
      : html`<b id="who">${name}</b> is signed in, with the roles <b id="roles">${fieldOf(seen, 'x-token-user-roles') ?? 'none'}</b>.`
  const body = html`<header>
<span class="tag">demo service</span>
<h1>${seen.host}</h1>
<p>${who}</p>
<nav aria-label="Demo">
${sites.map(site => html`<a href="${site.address}">${site.label}</a>\n`)}${
  name === null ? '' : html`<a href="/.sallyport/logout">Sign out</a>`
}
</nav>
</header>
<main>
${steps(sites, name)}
<div class="grid">
<section class="card" aria-labelledby="t1"><h2 id="t1">Server-sent events</h2>
<p class="clock" id="clock">--:--:--</p><p class="soft" id="clock-state">connecting</p></section>
<section class="card" aria-labelledby="t2"><h2 id="t2">WebSocket</h2>
<form id="echo"><label for="echo-text">Text to be echoed</label>
<div class="row"><input id="echo-text" value="hello" autocomplete="off"><button>Send</button></div></form>
<output id="echo-reply" for="echo-text"></output><p class="soft" id="echo-state">connecting</p></section>
<section class="card" aria-labelledby="t3"><h2 id="t3">Upload</h2>
<form id="upload"><label for="upload-file">A file of any size</label>
<div class="row"><input type="file" id="upload-file"><button>Upload</button></div></form>
<output id="upload-reply" for="upload-file"></output></section>
<section class="card" aria-labelledby="t4"><h2 id="t4">Forgery</h2>
<p>Send a request that claims to come from Mallory, and see what arrives.</p>
<button type="button" id="forge">Pretend to be Mallory</button>
<output id="forge-reply"></output></section>
</div>
<section class="card" aria-labelledby="t5"><h2 id="t5">What this application received</h2>
<p><code>${seen.method} ${seen.target}</code></p>
${KINDS.filter(({ kind }) => kind !== 'browser').map(part => headerTable(seen, part))}
<details><summary>What the browser sent</summary>
${KINDS.filter(({ kind }) => kind === 'browser').map(part => headerTable(seen, part))}</details>
</section>
</main>`
  return demoPage({ title: `${seen.host} · demo service`, body, style: STYLE, script: SERVICE_SCRIPT })
}

/** What a user who has just signed in can see in the first minute. */
function steps(sites: readonly DemoSite[], name: string | null): Markup {
  const link = (label: string) => {
    const site = sites.find(one => one.label === label)
    return site === undefined ? html`${label}` : html`<a href="${site.address}">${label}</a>`
  }
  const first =
    name === null
      ? html`Open ${link('app')}: you are asked to sign in, as whom you like, and come back to the page that you wanted.`
      : html`Open ${link('admin')}: Grace is refused there, and told which role is missing; she can switch to Ada at once.`
  return html`<section class="card" aria-labelledby="t0"><h2 id="t0">What to try</h2>
<ol>
<li>${first}</li>
<li>Open the ${link('portal')}: it lists what this person may open. Ada finds the admin page there.</li>
<li>Edit the routes.toml that the terminal names, and save: it holds at once, and nobody is signed out.</li>
<li>Sign out in one tab: the clock and the WebSocket stop in all others.</li>
</ol></section>`
}

function headerTable(seen: SeenRequest, part: (typeof KINDS)[number]): Markup {
  const rows = seen.headers.filter(([name]) => headerKind(name) === part.kind)
  const cells =
    rows.length === 0
      ? html`<tr><td colspan="2">none</td></tr>`
      : rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>\n`)
  return html`<table class="${part.kind}"><caption><b>${part.caption}</b><span class="soft">${part.about}</span></caption>
<tbody>
${cells}</tbody></table>
`
}

function fieldOf(seen: SeenRequest, wanted: string): string | null {
  return seen.headers.find(([name]) => name === wanted)?.[1] ?? null
}
