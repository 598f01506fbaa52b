import { describe, expect, test } from 'bun:test'
import { errorFacts, GateError } from '../../src/base/errors.ts'
import { type Answered, type Ask, answeredBy } from '../../src/base/http-client.ts'
import { type OutgoingConfig, ProxyError, throughProxy } from '../../src/base/outgoing.ts'

const NONE: OutgoingConfig = {
  proxy: 'http://proxy:3128',
  authorization: null,
  except: { hosts: [], suffixes: [], networks: [] },
}

/** How an address is asked: the address, and the proxy that the network is told. */
async function proxyOf(address: string, config: OutgoingConfig | null) {
  const used: unknown[] = []
  const ask: Ask = async (_, { proxy }) => {
    used.push(proxy)
    return answeredBy(new Response('ok'))
  }
  const ports = throughProxy({ ask }, () => config)
  await ports.ask(address, { signal: AbortSignal.timeout(1000) })
  return { used, proxy: ports.proxyFor(address) }
}

describe('except', () => {
  const except = {
    hosts: ['id.example.com', '[2001:db8::1]'],
    suffixes: ['.lan'],
    networks: ['10.0.0.0/8', 'fd00::/8'],
  }

  test.each([
    ['https://id.example.com/x', true, 'a host'],
    ['https://ID.example.com:8443/', true, 'a host in another case and on another port'],
    ['https://id.example.com./', true, 'a host with the dot of the root'],
    ['https://other.id.example.com/', false, 'a name below a host'],
    ['https://[2001:db8::1]/', true, 'an address as a host'],
    ['https://id.lan/', true, 'an ending'],
    ['https://a.b.lan/', true, 'an ending further down'],
    ['https://lan/', false, 'an ending without what is before it'],
    ['https://evil-lan/', false, 'another name that ends so'],
    ['https://id.lan.example.com/', false, 'an ending in the middle'],
    ['https://10.1.2.3/', true, 'an address in a network'],
    ['https://11.1.2.3/', false, 'an address beyond it'],
    ['https://[fd12::3]/', true, 'an IPv6 address in a network'],
    ['https://[::ffff:10.1.2.3]/', true, 'an IPv4 address in IPv6'],
    ['https://127.0.0.1/', true, 'this machine'],
    ['http://[::1]:4318/', true, 'this machine by IPv6'],
    ['http://collector.localhost:4318/', true, 'this machine by name'],
    ['https://other.example.com/', false, 'any other'],
  ])('%s: %p (%s)', async (address, isDirect) => {
    const { used, proxy } = await proxyOf(address, { ...NONE, except })
    expect(used).toEqual([isDirect ? undefined : { url: 'http://proxy:3128' }])
    expect(proxy).toBe(isDirect ? null : 'http://proxy:3128')
  })

  test('nothing goes through a proxy where the file names none', async () => {
    expect(await proxyOf('https://id.example.com/', null)).toEqual({ used: [undefined], proxy: null })
  })
})

test('the login goes to the proxy alone', async () => {
  const { used } = await proxyOf('https://id.example.com/', { ...NONE, authorization: 'Basic eA==' })
  expect(used).toEqual([{ url: 'http://proxy:3128', headers: { 'proxy-authorization': 'Basic eA==' } }])
})

test('a proxy that wants a login is no answer of who was asked, by plain HTTP either', async () => {
  const ask = async (): Promise<Answered> => answeredBy(new Response('no', { status: 407 }))
  const ports = throughProxy({ ask }, () => NONE)
  const thrown = await ports.ask('http://id.example.com/', { signal: AbortSignal.timeout(1000) }).then(
    () => null,
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(ProxyError)
  expect(thrown).toMatchObject({ code: 'ERR_PROXY_TUNNEL', refusal: '407 Proxy Authentication Required' })
})

test('what Bun advises whoever wrote a program is not told of a proxy either, and the proxy is', async () => {
  using closed = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: socket => void socket.terminate() } })
  for (const address of [`http://127.0.0.1:${closed.port}/`, 'http://127.0.0.1:1/']) {
    const thrown = await fetch(address).catch((error: unknown) => error)
    const facts = errorFacts(new GateError('internal', 'x', { cause: new ProxyError('http://proxy:3128', thrown) }))
    expect(facts.cause).toMatch(/(?:closed unexpectedly|Unable to connect) \(through the proxy http:\/\/proxy:3128\)/)
  }
})
