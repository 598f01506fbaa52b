/** Fields by which one application's answer would act on a whole host, or speak as the gate. */
import { describe, expect, test } from 'bun:test'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { acceptWebSocket, askForWebSocket } from '../../kit/wire/websocket.ts'
import { sendRaw, startRawUpstream, type WireResponse } from '../../kit/wire/wire.ts'

const ACTS: readonly (readonly [name: string, value: string])[] = [
  ['Clear-Site-Data', '"*"'],
  ['Alt-Svc', 'h3=":8443"; ma=86400'],
  ['NEL', '{"report_to":"evil","max_age":31536000,"include_subdomains":true}'],
  ['Report-To', '{"group":"evil","max_age":31536000,"endpoints":[{"url":"https://evil.example/"}]}'],
  ['Reporting-Endpoints', 'evil="https://evil.example/"'],
  ['Secure-Session-Registration', '(ES256);path="/register";challenge="evil"'],
  ['Secure-Session-Challenge', '"evil";id="another"'],
]
const OURS = ['X-Sallyport-Sign-In', 'X-Sallyport-Token', 'x-sallyport-anything']

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: got => got.includes('\r\n\r\n'), timeoutMs: 300_000 })
      const asked = raw.toString('latin1')
      const allowed = /\r\nx-allow: ([^\r]*)/i.exec(asked)?.[1]
      const fields = [
        ...ACTS.map(([name, value]) => `${name}: ${value}`),
        ...OURS.map(name => `${name}: https://evil.example/`),
        ...(allowed === undefined ? [] : [`Service-Worker-Allowed: ${allowed}`]),
        'X-Own: of the application',
      ]
      if (asked.includes('/socket ')) await connection.send(acceptWebSocket({ raw }, fields))
      else await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${fields.join('\r\n')}\r\n\r\nok`)
    }
  }),
)
const route = (more: string) => routeTo(upstream, 'app.example', `allow = "public"\n${more}`)
const passed = [...ACTS.map(([name]) => name), 'Service-Worker-Allowed'].map(name => `"${name}"`)
const gate = keep(
  await startGate(
    [
      PORTAL,
      route(''),
      route('path = "/below"'),
      route(`path = "/asked"\npass_fields = [${passed.join(', ')}]`),
      route('path = "/some"\npass_fields = "Clear-Site-Data"'),
      '[[routes]]\nhost = "closed.example"\nrespond = { body = "closed" }\nportal = "home"\nallow = ["user"]\n',
    ].join('\n'),
  ),
)

function ask(path: string, fields: readonly string[] = []): Promise<WireResponse> {
  return sendRaw(gate.port, rawRequest(`GET ${path}`, 'app.example', fields))
}

/** A handshake, whose answer is looked at as soon as its head is there. */
function shake(path: string): Promise<WireResponse> {
  return sendRaw(gate.port, askForWebSocket('app.example', path))
}

describe.each(['GET', 'a WebSocket that is refused', 'a WebSocket'])('in the answer to %s', what => {
  const answer = (folder: string) =>
    what === 'GET' ? ask(`${folder}/page`) : shake(what === 'a WebSocket' ? `${folder}/socket` : `${folder}/page`)

  test('what acts on the whole host does not pass unless the route says so, name by name', async () => {
    const plain = await answer('')
    expect(plain.status).toBe(what === 'a WebSocket' ? 101 : 200)
    expect(plain.field('x-own')).toBe('of the application')
    const asked = await answer('/asked')
    const some = await answer('/some')
    for (const [name, value] of ACTS) {
      expect([name, plain.field(name), asked.field(name)]).toEqual([name, null, value])
      expect([name, some.field(name)]).toEqual([name, name === 'Clear-Site-Data' ? value : null])
    }
  })

  test('what only the gate says never passes', async () => {
    for (const folder of ['', '/asked']) {
      const { raw } = await answer(folder)
      expect(raw.toString('latin1')).not.toMatch(/x-sallyport/i)
    }
  })
})

describe('a service worker may have', () => {
  const scopes: readonly (readonly [path: string, allowed: string, passes: boolean])[] = [
    ['/page', '/', true],
    ['/page', '/any', true],
    ['/below/page', '/below/', true],
    ['/below/page', '/below/deeper/', true],
    // A scope is the beginning of an address: this one is that of /belowground, too.
    ['/below/page', '/below', false],
    ['/below/page', '/', false],
    ['/below/page', '/belowground/', false],
    ['/below/page', '/below/../', false],
    ['/below/page', '/below/%2e%2e/', false],
    ['/below/page', '//app.example/below/', false],
    ['/below/page', '/\\below/', false],
    ['/below/page', 'https://app.example/', false],
    ['/below/page', '../', false],
    ['/asked/page', '/', true],
  ]
  test.each(scopes)('from %s the scope %s: %p', async (path, allowed, passes) => {
    expect((await ask(path, [`X-Allow: ${allowed}`])).field('service-worker-allowed')).toBe(passes ? allowed : null)
  })
})

test('our own pages are in nobody else’s window, and what is in them is in nobody else’s document', async () => {
  const seen = new Set<string>()
  for (const path of ['/', '/.sallyport/login', '/.sallyport/me', '/.sallyport/nothing', '/.sallyport/tokens']) {
    for (const accept of ['text/html', 'application/json']) {
      const answer = await sendRaw(gate.port, rawRequest(`GET ${path}`, 'closed.example', [`Accept: ${accept}`]))
      // Where a browser only passes through, there is nothing to be protected.
      if (answer.status >= 300 && answer.status < 400) continue
      const type = answer.field('content-type') ?? ''
      seen.add(type)
      expect([path, accept, answer.field('cross-origin-resource-policy')]).toEqual([path, accept, 'same-origin'])
      if (type.startsWith('text/html')) expect(answer.field('cross-origin-opener-policy')).toBe('same-origin')
    }
  }
  expect([...seen].sort()).toEqual(['application/problem+json', 'text/html; charset=utf-8'])
})
