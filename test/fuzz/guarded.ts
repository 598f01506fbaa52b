import { type Gate, PORTAL, startGate } from '../kit/gate.ts'
import { isOwn, needsOf, type PathRule, readingsOf } from '../kit/wire/readings.ts'
import { httpResponse, startRawUpstream } from '../kit/wire/wire.ts'
import { type Message, readMessage } from './framing.ts'
import { hold } from './subject.ts'

const RULES: readonly PathRule[] = [
  { path: '/', allow: 'public' },
  { path: '/app', allow: 'user' },
  { path: '/admin', allow: 'admin' },
  { path: '/app/public', allow: 'public' },
]
const HOSTS = ['app.example', 'told.example']

/** Fields that say who somebody is. */
const NAMED = /^(?:x-token-(?:subject|user-(?:id|name|email|roles))|remote-user|x-forwarded-user)$/

/** The whole gate in front of an application, of which a part is for nobody who has not signed in. */
export interface Guarded {
  readonly gate: Gate
  /** What the application was sent since it was asked before. Throws a Finding where that may not be. */
  take(): readonly Message[]
  close(): Promise<void>
}

/** `tls` is the `[tls]` of its file, and `files` what that names. */
export async function openGuarded(tls = '', files: Readonly<Record<string, string>> = {}): Promise<Guarded> {
  let received: Message[] = []
  let broken: string | null = null
  const upstream = await startRawUpstream(async connection => {
    for (let at = 0; !connection.isClosed; ) {
      const bytes = connection.received.subarray(at)
      const message = readMessage(Buffer.from(bytes), false, false)
      if (message === 'malformed') broken ??= bytes.toString('latin1')
      if (typeof message === 'string') {
        const before = connection.received.length
        await connection.receive({ until: fresh => fresh.length > 0, timeoutMs: 600_000 })
        if (connection.received.length === before) return
        continue
      }
      at += message.length
      received.push(message)
      await connection.send(httpResponse(200, message.startLine.startsWith('HEAD') ? '' : 'UPSTREAM'))
    }
  })
  const routes = HOSTS.flatMap(host =>
    RULES.map(
      ({ path, allow }) => `[[routes]]
host = "${host}"
path = "${path}"
upstream = "http://127.0.0.1:${upstream.port}"
headers = "x-token"
portal = "home"
allow = ${allow === 'public' ? '"public"' : `["${allow}"]`}
`,
    ),
  )
  const gate = await startGate(`${tls}${PORTAL}${routes.join('\n')}`, { files })
  return {
    gate,
    take() {
      const [taken, bytes] = [received, broken]
      received = []
      broken = null
      hold(bytes === null, 'the application is sent good requests', bytes)
      for (const message of taken) checkRequest(message)
      return taken
    },
    async close() {
      await gate[Symbol.asyncDispose]()
      await upstream.close()
    },
  }
}

/** What may be in a request that nobody sends. */
function checkRequest({ startLine, fields }: Message): void {
  const [method = '', target = ''] = startLine.split(' ')
  hold(!['CONNECT', 'TRACE'].includes(method), 'a method that may pass', startLine)
  for (const path of readingsOf(target)) {
    hold(!isOwn(path), 'nothing of ours is asked for', target, path)
    for (const need of needsOf(RULES, path))
      hold(need === 'public', 'nobody reaches what is for somebody', target, path)
  }
  const valuesOf = (name: string) => fields.filter(([given]) => given === name).map(([, value]) => value)
  hold(HOSTS.includes(valuesOf('host').join()), 'one host that is served', fields)
  hold(valuesOf('x-forwarded-for').join() === '127.0.0.1', 'the address that it comes from', fields)
  hold(HOSTS.includes(valuesOf('x-forwarded-host').join()), 'the host that was asked', fields)
  for (const [name, value] of fields) {
    const folded = name.replace(/[^a-z0-9]/g, '-')
    hold(!NAMED.test(folded), 'nobody says who they are', name, value)
    hold(!/(?:^|; *)sallyport=/.test(name === 'cookie' ? value : ''), 'no cookie of ours', value)
    hold(name !== 'te' || /^trailers$/i.test(value), 'what ends here', name, value)
    hold(!['upgrade', 'trailer', 'proxy-connection', 'keep-alive'].includes(name), 'what ends here', name, value)
  }
}
