/**
 * The least that a gate on Bun has to do for a request of somebody who is signed in, as a yardstick for Sallyport's own work.
 *
 * It looks a cookie up in a Map and its decision for the host in another; reads the fields once, takes the cookie off and sets the eleven
 * that Sallyport sets; asks for the client's address; gives each fetch an abort of its own; cleans the answer; and writes Sallyport's line
 * of the log, in batches of a tenth of a second.
 *
 * It leaves out all else: other spellings of an address and of a host, fields that a client forges, other methods and bodies, upgrades,
 * sessions that end, change or are kept, rules, time limits, tries at other addresses, answers that must keep their length, counts and
 * metrics, escapes in the log, reloads, and whatever fails. Nobody may serve with it.
 *
 * Usage: bun least.ts PORT UPSTREAM_PORT HOST COOKIE
 */
export {}

const [port = '', upstreamPort = '', host = '', cookie = ''] = process.argv.slice(2)

interface Session {
  readonly id: string
  readonly user: string
  /** By route: the identity's fields, where it may pass. */
  readonly decisions: ReadonlyMap<string, Identity>
}

interface Identity {
  readonly subject: string
  readonly email: string
  readonly name: string
  readonly roles: string
}

const identity: Identity = { subject: 'ada', email: 'ada@example.com', name: 'Ada', roles: 'user' }
const sessions: ReadonlyMap<string, Session> = new Map([
  [cookie, { id: 'YAKSB9Yq1gCa', user: 'ada', decisions: new Map([[host, identity]]) }],
])

const NAME = 'sallyport-leastone'
const COOKIE = 'sallyport='
const HOP_BY_HOP = ['keep-alive', 'proxy-connection', 'alt-svc', 'clear-site-data']
const BATCH_MS = 100

const upstream = `127.0.0.1:${upstreamPort}`
let count = 0
let lines = ''
const out = Bun.stdout.writer()
setInterval(() => {
  if (lines === '') return
  out.write(lines)
  out.flush()
  lines = ''
}, BATCH_MS)

Bun.serve({
  port: Number(port),
  hostname: '127.0.0.1',
  idleTimeout: 60,
  fetch(request, server) {
    const { url, headers, method } = request
    const path = url.slice(url.indexOf('/', 8))
    const sent = headers.toJSON() as Record<string, string>
    const { cookie: cookies = '', host: authority = '' } = sent
    const begin = cookies.indexOf(COOKIE)
    const end = begin === -1 ? -1 : cookies.indexOf(';', begin)
    const key = begin === -1 ? '' : cookies.slice(begin + COOKIE.length, end === -1 ? undefined : end)
    const session = sessions.get(key)
    const colon = authority.indexOf(':')
    const name = colon === -1 ? authority : authority.slice(0, colon)
    const passes = session?.decisions.get(name)
    if (session === undefined || passes === undefined) return new Response('sign in', { status: 401 })

    const startedMs = Date.now()
    const client = server.requestIP(request)?.address ?? ''
    const id = `${NAME}-${(count++).toString(36)}`
    const others = end === -1 ? '' : cookies.slice(end + 2)
    if (others === '') headers.delete('cookie')
    else headers.set('cookie', others)
    if (sent['user-agent'] === undefined) headers.set('user-agent', '')
    headers.set('via', `1.1 ${NAME}`)
    headers.set('forwarded', `for=${client};host="${authority}";proto=http`)
    headers.set('x-forwarded-for', client)
    headers.set('x-forwarded-host', authority)
    headers.set('x-forwarded-port', port)
    headers.set('x-forwarded-proto', 'http')
    headers.set('x-real-ip', client)
    headers.set('x-request-id', id)
    headers.set('x-token-subject', passes.subject)
    headers.set('x-token-user-email', passes.email)
    headers.set('x-token-user-name', passes.name)
    headers.set('x-token-user-roles', passes.roles)

    return fetch(`http://${upstream}${path}`, {
      method,
      headers,
      redirect: 'manual',
      decompress: false,
      signal: new AbortController().signal,
    }).then(response => {
      const { headers: answered, status } = response
      for (const field of HOP_BY_HOP) answered.delete(field)
      if (!answered.has('cache-control')) answered.set('cache-control', 'private')
      const nowMs = Date.now()
      const query = path.indexOf('?')
      lines += `{"time":"${new Date(nowMs).toISOString()}","level":"info","message":"request","id":"${id}","client":"${client}","method":"${method}","scheme":"http","host":"${name}","path":${JSON.stringify(query === -1 ? path : path.slice(0, query))},"protocol":"HTTP/1.1","route":"${name}/","upstream":"${upstream}","user":"${session.user}","session":"${session.id}","status":${status},"reason":null,"bytes":${answered.get('content-length') ?? 0},"ms":${nowMs - startedMs},"total_ms":${nowMs - startedMs},"agent":${JSON.stringify(sent['user-agent'] ?? null)},"referer":${JSON.stringify(sent.referer ?? null)}}\n`
      return response
    })
  },
})
