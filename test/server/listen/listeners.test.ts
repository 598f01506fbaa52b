import { expect } from 'bun:test'
import type { Log } from '../../../src/base/ports.ts'
import type { ServerCertificate } from '../../../src/config/values/certificate.ts'
import { NONE_HANDED } from '../../../src/server/listen/inherited/sockets.ts'
import { openListeners } from '../../../src/server/listen/listeners.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'

const { test } = needs('openssl')

const authority = makeAuthority()

function certificateFor(name: string): ServerCertificate {
  return { ...authority.issue(`DNS:${name}`), names: [name], expiresAtMs: Number.POSITIVE_INFINITY }
}

test('a question for a verdict that waits is among the requests that are being answered', async () => {
  const { promise: verdict, resolve: decide } = Promise.withResolvers<Response>()
  const answer = () => new Response('here')
  const quiet = () => undefined
  const place = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
  const listeners = openListeners({
    plain: [place],
    tls: null,
    verify: { places: [place], fetch: () => verdict },
    listener: { fetch: answer },
    certificates: [],
    hstsS: () => null,
    isShared: false,
    inherited: NONE_HANDED,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  })
  expect(listeners.pendingRequests).toBe(0)
  const asking = fetch(`http://${listeners.verifyAddresses[0]}/`, { keepalive: false })
  await eventually(() => listeners.pendingRequests === 1, 'it waits')
  decide(answer())
  expect(await (await asking).text()).toBe('here')
  await eventually(() => listeners.pendingRequests === 0, 'nobody waits')
  await listeners.stop(0)
})

test('certificates that cannot be used are tried again, and the ones before serve meanwhile', async () => {
  const [one, other] = [certificateFor('one.example'), certificateFor('other.example')]
  const told: string[] = []
  const quiet = () => undefined
  const log: Log = { debug: quiet, info: quiet, warn: quiet, error: message => told.push(message) }
  const answer = () => new Response('here')
  const listeners = openListeners({
    plain: [],
    tls: { listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }], http2: false } as never,
    verify: { places: [], fetch: answer },
    listener: { fetch: answer },
    certificates: [one],
    hstsS: () => null,
    partingMs: 0,
    isShared: false,
    inherited: NONE_HANDED,
    log,
  })
  const [address = ''] = listeners.secureAddresses
  const ask = async (serverName: string) => {
    const tls = { ca: authority.cert, serverName, checkServerIdentity: () => undefined }
    return (await fetch(`https://${address}/`, { keepalive: false, tls })).text()
  }
  // As where the system has no descriptor for one more listener.
  const unusable = { ...other, key: one.key }
  listeners.useCertificates([unusable])
  listeners.useCertificates([unusable])
  expect(told).toHaveLength(2)
  expect(await ask('one.example')).toBe('here')
  listeners.useCertificates([other])
  listeners.useCertificates([other])
  expect(told).toHaveLength(2)
  expect(await ask('other.example')).toBe('here')
  await listeners.stop(0)
})
