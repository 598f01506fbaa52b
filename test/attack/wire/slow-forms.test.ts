/** Forms for ourselves that come a byte at a time: they are ended, and so is their connection, however it is spoken. */
import { expect } from 'bun:test'
import { connect as connectHttp2 } from 'node:http2'
import { cookieName } from '../../../src/session/cookie.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { eventually, type Gate, portalWith, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeForUsers } from '../../kit/toml.ts'
import { openSecure } from '../../kit/wire/tls.ts'
import { httpResponse, openWire, startRawUpstream, type Wire, wireOf } from '../../kit/wire/wire.ts'

const { describe, test } = needs('openssl')

const authority = makeAuthority()
const own = authority.issue('DNS:app.example')
const keep = untilTheEnd()
const app = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))

/** A gate with all that takes a form, where one may take as long as this. */
function start(formWaitMs: number, tls = ''): Promise<Gate> {
  return startGate(
    tls + portalWith('personal_tokens = true') + routeForUsers(app, 'app.example', 'keep_posts = "256KiB"'),
    {
      formWaitMs,
      files: { 'own.pem': own.cert, 'own.key': own.key },
    },
  )
}

const secure = (http2: boolean) =>
  `[tls]\nlisten = ["127.0.0.1:0"]\ncertificates = [{ cert = "own.pem", key = "own.key" }]\nhttp2 = ${http2}\n`

const gates = {
  'plain HTTP': keep(await start(300)),
  TLS: keep(await start(300, secure(false))),
  'TLS with HTTP/2 on offer': keep(await start(300, secure(true))),
}
const patient = keep(await start(600_000))

const FORMS = ['logout', 'sessions', 'tokens', 'guest', 'kept', 'backchannel-logout']
const FORM_TYPE = 'Content-Type: application/x-www-form-urlencoded'

async function connect(gate: Gate): Promise<Wire> {
  if (Number.isNaN(gate.securePort)) return openWire(gate.port)
  return wireOf(await openSecure({ port: gate.securePort, name: 'app.example', ca: authority.cert }))
}

/** What a browser sends with a form from a page of ours, by plain HTTP or not. */
async function ownFields(gate: Gate): Promise<readonly string[]> {
  const { cookie } = await gate.signIn('app.example')
  return [
    `Cookie: ${cookie}; ${cookie.replace('sallyport', cookieName('session', true))}`,
    'Sec-Fetch-Site: same-origin',
  ]
}

/** Sends the head of a form with the beginning of its body. */
async function begin(wire: Wire, path: string, framing: string, fields: readonly string[]): Promise<void> {
  const lines = [`POST ${path} HTTP/1.1`, 'Host: app.example', FORM_TYPE, framing, ...fields, '', '']
  await wire.send(lines.join('\r\n') + (framing.startsWith('Content') ? 'a' : '1\r\na\r\n'))
}

/** Goes on with a byte now and then, until the other side has closed; what had come by then. */
async function drip(wire: Wire, framing: string): Promise<string> {
  const piece = framing.startsWith('Content') ? 'x' : '1\r\nx\r\n'
  await eventually(async () => {
    await wire.send(piece)
    return wire.isClosed
  }, 'the connection is closed')
  wire.close()
  return wire.received.toString('latin1')
}

describe('a form that does not come to its end in time: 408 (RFC 9110 §15.5.9), and the connection is closed', () => {
  for (const [name, gate] of Object.entries(gates)) {
    for (const framing of ['Content-Length: 4000', 'Transfer-Encoding: chunked']) {
      test(`${FORMS.join(', ')}: ${name}, ${framing}`, async () => {
        const fields = await ownFields(gate)
        const said = await Promise.all(
          FORMS.map(async page => {
            const wire = await connect(gate)
            await begin(wire, `/.sallyport/${page}`, framing, fields)
            const text = await drip(wire, framing)
            return `${page} ${text.slice(9, 12)} ${/"code":"([^"]+)"/.exec(text)?.[1]}`
          }),
        )
        expect(said).toEqual(FORMS.map(page => `${page} 408 target.stalled`))
        expect(gate.told('failed on our side')).toEqual([])
      })
    }
  }

  test('a form for an application that is to be kept for its sender', async () => {
    const gate = gates['plain HTTP']
    const { owner } = await gate.signIn('app.example')
    const fields = [`Cookie: ${owner}`, 'Sec-Fetch-Site: same-origin', 'Accept: text/html']
    for (const framing of ['Content-Length: 100000', 'Transfer-Encoding: chunked']) {
      const wire = await connect(gate)
      await begin(wire, '/form', framing, fields)
      expect((await drip(wire, framing)).slice(9, 12)).toBe('408')
    }
    expect(app.connections.length).toBe(0)
  })

  test('a form that may be the button that sends a kept one', async () => {
    for (const gate of Object.values(gates)) {
      const wire = await connect(gate)
      await begin(wire, '/form', 'Content-Length: 58', await ownFields(gate))
      const said = await wire.receive()
      expect([said.status, said.body.toString()]).toEqual([408, expect.stringContaining('target.stalled')])
      wire.close()
    }
    expect(app.connections.length).toBe(0)
  })
})

test('a form that may be such a button goes nowhere once its sender has signed out', async () => {
  const fields = await ownFields(patient)
  const wire = await connect(patient)
  await begin(wire, '/form', 'Content-Length: 58', fields)
  const leaving = await connect(patient)
  await begin(leaving, '/.sallyport/logout', 'Content-Length: 1', fields)
  expect((await leaving.receive()).status).toBe(303)
  await wire.send('x'.repeat(57))
  expect((await wire.receive()).status).toBe(401)
  expect(app.connections.length).toBe(0)
  wire.close()
  leaving.close()
})

test('by HTTP/2 its stream alone is answered, and the connection goes on', async () => {
  const gate = gates['TLS with HTTP/2 on offer']
  const at = { ':scheme': 'https', ':authority': `app.example:${gate.securePort}` }
  const session = connectHttp2(`https://127.0.0.1:${gate.securePort}`, {
    ca: authority.cert,
    servername: 'app.example',
  })
  const ask = (fields: Record<string, string>, body: string | null) => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const stream = session.request({ ...at, ...fields })
    stream.on('error', reject)
    stream.on('response', head => resolve(head[':status']))
    if (body === null) stream.end()
    else stream.write(body)
    return promise
  }
  const form = { ':method': 'POST', ':path': '/.sallyport/backchannel-logout' }
  const slow = ask({ ...form, 'content-type': 'application/x-www-form-urlencoded' }, 'a')
  expect(await ask({ ':path': '/.sallyport/jwks.json' }, null)).toBe(200)
  expect(await slow).toBe(408)
  expect(await ask({ ':path': '/.sallyport/jwks.json' }, null)).toBe(200)
  session.destroy()
})

test('a form that takes its time and comes whole is read', async () => {
  const wire = await connect(patient)
  await begin(wire, '/.sallyport/logout', 'Content-Length: 4', await ownFields(patient))
  for (const piece of ['b', 50, 'c', 50, 'd']) await wire.send(piece)
  expect((await wire.receive()).status).toBe(303)
  wire.close()
})

test('a client that leaves in the middle of its form is no failure of ours', async () => {
  const wire = await connect(patient)
  await begin(wire, '/.sallyport/sessions', 'Content-Length: 4000', await ownFields(patient))
  await wire.send(100)
  wire.close()
  await eventually(() => patient.access.some(line => line.includes('/.sallyport/sessions')), 'its line is written')
  expect(patient.told('failed on our side')).toEqual([])
})
