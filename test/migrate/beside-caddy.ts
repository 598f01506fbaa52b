import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRandom } from '../fuzz/random.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { freePort } from '../kit/programs/child.ts'
import { importTexts, serveMade } from '../kit/recorded.ts'
import { hasHead, httpResponse, type RawUpstream, sendRaw, startRawUpstream } from '../kit/wire/wire.ts'
import { type MadeRequest, makeCaddyfile, makeRequest } from './random-sites.ts'

/** What a request came to: the application that answered and the address that it got, or a status. */
interface Came {
  readonly app: string | null
  readonly url: string
  readonly status: number
}

/** Requests of one made-up Caddyfile, in both. */
export interface Round {
  readonly seed: number
  readonly caddyfile: string
  readonly routes: string
  readonly requests: number
  /** How many reached the same application in both. */
  readonly both: number
  /** How many an application answered behind Caddy. */
  readonly there: number
  /** What Caddy refused, or asked a password for, and an application answers in the imported gate: `request: Caddy's → ours`. */
  readonly opened: readonly string[]
  /** What Caddy answered well otherwise than by that application. */
  readonly elsewhere: readonly string[]
}

/** How many requests are under way at once: one after the other, most of the time is spent on waiting. */
const AT_ONCE = 16

/** A real Caddy, and two applications, for rounds of made-up sites. */
export interface Beside extends AsyncDisposable {
  /** One Caddyfile, made by this seed, and so many requests; `change` may change what was made of it. */
  round(seed: number, requests: number, change?: (routes: string) => string): Promise<Round>
}

/** Starts the Caddy of this machine, which takes each Caddyfile by its own API. */
export async function openBeside(): Promise<Beside> {
  const folder = temporaryFolder()
  const apps = await Promise.all(['a', 'b'].map(startTelling))
  const [admin, port] = [await freePort(), await freePort()]
  const own = join(folder.path, 'Caddyfile')
  const head = `{\nadmin localhost:${admin}\nauto_https off\n}\n`
  writeFileSync(own, head)
  const env = { ...process.env, HOME: folder.path, XDG_CONFIG_HOME: folder.path, XDG_DATA_HOME: folder.path }
  const command = ['caddy', 'run', '--adapter', 'caddyfile', '--config', own]
  const caddy = Bun.spawn(command, { env, stdout: 'ignore', stderr: 'ignore' })
  await eventually(() => existsSync(join(folder.path, 'caddy/autosave.json')), 'Caddy saves what it runs with')
  const api = `http://127.0.0.1:${admin}`

  /** What Caddy makes of a Caddyfile; null where it does not take it. */
  async function load(text: string): Promise<string | null> {
    const loaded = await fetch(`${api}/load`, {
      method: 'POST',
      body: head + text,
      headers: { 'content-type': 'text/caddyfile' },
      proxy: false,
    })
    // Once it has warned of something it says 200, and only then that it goes on with what it had.
    if ((await loaded.text()).includes('{"error":') || !loaded.ok) return null
    return (await fetch(`${api}/config/`, { proxy: false })).text()
  }

  async function round(seed: number, count: number, change = (routes: string) => routes): Promise<Round> {
    const random = createRandom(seed)
    const ports = apps.map(app => app.port)
    let caddyfile = ''
    let json: string | null = null
    // A directive that may not stand where it was put: another one is made.
    for (let tries = 0; json === null && tries < 50; tries++) {
      caddyfile = makeCaddyfile(random, port, ports)
      json = await load(caddyfile)
    }
    if (json === null) throw new Error(`Caddy takes none of 50 Caddyfiles: ${caddyfile}`)
    const made = await importTexts({ 'caddy.json': json })
    await using gate = await serveMade({ ...made, routes: change(made.routes) })
    const requests = Array.from({ length: count }, () => makeRequest(random, port))
    const found = { both: 0, there: 0, opened: [] as string[], elsewhere: [] as string[] }
    for (let from = 0; from < count; from += AT_ONCE) {
      const some = requests.slice(from, from + AT_ONCE)
      for (const { isThere, came, said } of await Promise.all(some.map(request => compare(request, gate.port)))) {
        if (isThere) found.there++
        if (came === 'both') found.both++
        else if (came !== 'refused') found[came].push(said)
      }
    }
    return { seed, caddyfile, routes: made.routes, requests: count, ...found }
  }

  /** One request to both: who answers it there, and what it comes to here. */
  async function compare(request: MadeRequest, gatePort: number) {
    const [was, is] = await Promise.all([ask(port, request), ask(gatePort, request)])
    const said = `${shown(request)}: ${shownCame(was)} → ${shownCame(is)}`
    const isThere = was.app !== null
    if (is.app === null) return { isThere, said, came: 'refused' as const }
    if (was.app === is.app) return { isThere, said, came: 'both' as const }
    // The gate passes on what it judged, the address without dots. Where that one reaches the same behind Caddy, nothing more is open.
    const again = await ask(port, { ...request, target: withoutDots(request.target) })
    if (again.app === is.app) return { isThere, said, came: 'refused' as const }
    const isRefused = was.app === null && was.status >= 400
    return { isThere, said, came: isRefused ? ('opened' as const) : ('elsewhere' as const) }
  }

  return {
    round,
    async [Symbol.asyncDispose]() {
      caddy.kill()
      await caddy.exited
      for (const app of apps) await app.close()
      folder[Symbol.dispose]()
    },
  }
}

/** An application that says what it was asked for, however odd that is: what it would refuse itself nobody else has refused. */
function startTelling(name: string): Promise<RawUpstream> {
  return startRawUpstream(async connection => {
    for (;;) {
      const { raw } = await connection.receive({ until: hasHead, timeoutMs: 600_000 })
      if (raw.length === 0) return
      const [method = '', target = ''] = raw.toString('latin1').split(' ', 2)
      const fields = [`X-Application: ${name}`, `X-Received: ${encodeURIComponent(target)}`]
      await connection.send(httpResponse(200, method === 'HEAD' ? '' : 'here', fields))
    }
  })
}

async function ask(port: number, { method, host, target, fields }: MadeRequest): Promise<Came> {
  const lines = [...fields, ['connection', 'close'], ...(method === 'GET' ? [] : [['content-length', '0']])]
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const response = await sendRaw(port, `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${head}\r\n`)
  const url = decodeURIComponent(response.field('x-received') ?? '')
  return { app: response.field('x-application'), url, status: response.status }
}

/** RFC 3986 §5.2.4: an empty segment is one of its own, as it is not for Go. */
function withoutDots(target: string): string {
  const [, path = '', query = ''] = /^([^?]*)(.*)$/s.exec(target) ?? []
  const { pathname } = new URL(`http://x${path}`)
  return pathname + query
}

function shown({ method, host, target, fields }: MadeRequest): string {
  return [method, host.replace(/:\d+$/, ''), target, ...fields.map(([name, value]) => `${name}=${value}`)].join(' ')
}

function shownCame({ app, url, status }: Came): string {
  return app === null ? `${status}` : `application ${app} ${url}`
}
