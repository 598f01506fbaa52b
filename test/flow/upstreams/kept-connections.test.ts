/** What an application receives of a request by a kept connection that it closes without an answer. */
import { describe, expect, test } from 'bun:test'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { metricsOf } from '../../kit/requests.ts'
import { hasHead, httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()

/** Answers to /warm, and to what comes by a new connection; whatever else comes by a kept one loses it. */
const app = keep(
  await startRawUpstream(async connection => {
    let isKept = false
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      const isWarming = raw.includes(' /warm HTTP')
      if (isKept && !isWarming) return connection.close()
      await connection.send(httpResponse(200, 'ok', isWarming ? [] : ['Connection: close']))
      isKept = true
    }
  }),
)
const address = `http://127.0.0.1:${app.port}`
const gate = keep(
  await startGate(`
[[routes]]
host = "one.example"
upstream = "${address}"
allow = "public"

[[routes]]
host = "several.example"
upstream = { to = ["${address}", "${address}/"], max_connections = 100 }
allow = "public"
`),
)

/** How many requests of this kind reached the application, and with which status its client was answered. */
async function send(host: string, method: string, body: string, framing = `Content-Length: ${body.length}`) {
  const from = app.text.length
  const head = (name: string, path: string) => `${name} ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: me\r\n`
  expect((await sendRaw(gate.port, `${head('GET', '/warm')}\r\n`)).status).toBe(200)
  const field = body === '' ? '' : `${framing}\r\n`
  const until = method === 'HEAD' ? { until: hasHead } : {}
  const { status } = await sendRaw(gate.port, `${head(method, '/once')}${field}\r\n${body}`, until)
  return { received: app.text.slice(from).split(`${method} /once HTTP`).length - 1, status }
}

/** Methods whose repetition is as good as once (RFC 9110 §9.2.2), of which fetch sends one without a body again. */
const REPEATED = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'QUERY']
const ONCE =
  'POST PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK SEARCH REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE MKCALENDAR LINK UNLINK BIND REBIND UNBIND ACL SOURCE'.split(
    ' ',
  )
/** RFC 9110 §9.3.1: a body of theirs means nothing, and does not go on. */
const BODILESS = new Set(['GET', 'HEAD'])
const BODIES = { '1 byte': 1, '64 kB': 64 * 1024, '5 MB': 5_000_000 }

describe('a kept connection that drops under a request', () => {
  for (const method of REPEATED) {
    test(`with ${method} and no body: it is sent once more`, async () => {
      expect(await send('one.example', method, '')).toEqual({ received: 2, status: 200 })
    })
  }
  for (const method of ONCE) {
    test(`with ${method} and no body: it is not sent again`, async () => {
      expect(await send('one.example', method, '')).toEqual({ received: 1, status: 502 })
    })
  }
  for (const [what, length] of Object.entries(BODIES)) {
    for (const method of [...REPEATED, ...ONCE]) {
      if (BODILESS.has(method)) continue
      test(`with ${method} and a body of ${what}: it is not sent again`, async () => {
        expect(await send('one.example', method, 'x'.repeat(length))).toEqual({ received: 1, status: 502 })
      })
    }
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    test(`with ${method} and a body in chunks: it is not sent again`, async () => {
      const chunks = '1\r\nx\r\n0\r\n\r\n'
      expect(await send('one.example', method, chunks, 'Transfer-Encoding: chunked')).toEqual({
        received: 1,
        status: 502,
      })
    })
    test(`with ${method} and a body, where there is another address: it is not sent again`, async () => {
      expect(await send('several.example', method, 'x')).toEqual({ received: 1, status: 502 })
    })
  }

  test('leaves nothing under way', async () => {
    const text = await metricsOf(gate)
    expect(text).toContain('sallyport_uploads_open 0')
    expect((await send('one.example', 'GET', '')).status).toBe(200)
  })
})
