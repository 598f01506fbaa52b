import { expect, test } from 'bun:test'
import { eventually, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { httpResponse, openWire, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
/**
 * Answers of ours that come before a body was read: what is left of that body must never become a request, or whoever shares the
 * connection, by way of a proxy in front, gets the answer to it.
 */
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const route = (host: string, more: string) => `[[routes]]\nhost = "${host}.example"\n${more}\n`
const app = `upstream = "http://127.0.0.1:${upstream.port}"`
const gate = keep(
  await startGate(
    [
      PORTAL,
      route('open', `${app}\nallow = "public"`),
      route('closed', `${app}\nportal = "home"\nallow = ["user"]\ntokens = true`),
      route('listed', `${app}\nallow = "public"\nmethods = ["GET"]`),
      route('small', `${app}\nallow = "public"\nmax_body = "10B"`),
      route('fixed', 'respond = { body = "fixed" }\nallow = "public"'),
      route('moved', 'redirect = "https://new.example/"\nallow = "public"'),
      route('dead', 'upstream = "http://127.0.0.1:1"\nallow = "public"'),
      route('few', 'respond = { body = "few" }\nallow = "public"\nrate = { requests = 1, per = "1h", burst = 1 }'),
    ].join('\n'),
  ),
)

const HIDDEN = 'GET /smuggled HTTP/1.1\r\nHost: open.example\r\nX-Rest: '

const CASES: readonly (readonly [what: string, line: string, host: string, fields?: readonly string[]])[] = [
  ['a sign-in is asked for', 'POST /', 'closed'],
  ['a token is wrong', 'POST /', 'closed', [`Authorization: Bearer sp_${'A'.repeat(43)}`]],
  ['a page load is sent to sign in', 'POST /', 'closed', ['Accept: text/html', 'Sec-Fetch-Mode: navigate']],
  ['no route is there', 'POST /', 'nowhere'],
  ['a host is none', 'POST /', 'a..b'],
  ['a path is ambiguous', 'POST /..%2fx', 'open'],
  ['a method is not listed', 'POST /', 'listed'],
  ['a method is unknown', 'TRACE /', 'open'],
  ['a body is too long', 'POST /', 'small'],
  ['the answer is fixed', 'POST /', 'fixed'],
  ['the answer is a redirect', 'POST /', 'moved'],
  ['the application is dead', 'POST /', 'dead'],
  ['there were too many', 'POST /', 'few'],
  ['a form of ours is another’s', 'POST /.sallyport/logout', 'closed', ['Origin: https://evil.example']],
  ['a page of ours takes no form', 'POST /.sallyport/me', 'closed'],
  ['a page of ours is asked for', 'GET /.sallyport/me', 'closed'],
  ['a GET has a body', 'GET /', 'fixed'],
  ['a HEAD has a body', 'HEAD /', 'fixed'],
  ['an OPTIONS has a body', 'OPTIONS /', 'closed', ['Origin: https://a.example', 'Access-Control-Request-Method: PUT']],
]

test.each(CASES)('%s: what is left of the body is no request', async (_what, line, host, fields = []) => {
  const chunk = `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`
  for (const [framing, body] of [
    [`Content-Length: ${HIDDEN.length}`, HIDDEN],
    ['Transfer-Encoding: chunked', chunk],
    [`Content-Length: ${HIDDEN.length * 2000}`, HIDDEN.repeat(2000)],
  ] as const) {
    for (const isLate of [false, true]) {
      const wire = await openWire(gate.port)
      const head = [`${line} HTTP/1.1`, `Host: ${host}.example`, framing, ...fields, '', ''].join('\r\n')
      await wire.send(head)
      if (isLate) await wire.receive({ until: received => received.length > 0, timeoutMs: 400 }).catch(() => undefined)
      await wire.send(body)
      await wire.send('GET /after HTTP/1.1\r\nHost: open.example\r\n\r\n')
      const isDone = () => wire.isClosed || wire.received.includes('UPSTREAM')
      await eventually(isDone, `${framing.slice(0, 40)}: it is closed, or the next request is answered`)
      wire.close()
      expect([framing.slice(0, 40), isLate, upstream.text.includes('/smuggled')]).toEqual([
        framing.slice(0, 40),
        isLate,
        false,
      ])
    }
  }
})
