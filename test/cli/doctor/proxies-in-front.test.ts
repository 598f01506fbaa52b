import { describe, expect, test } from 'bun:test'
import { examineFronts } from '../../../src/cli/doctor/proxies-in-front.ts'
import { ask } from '../../../src/console/network.ts'
import { configOf, type Gate, PORTAL, startGate } from '../../kit/gate.ts'

/** Where a proxy in front sends what begins with /.sallyport/, and with which X-Forwarded-Host. */
type Behaviour = (
  gate: Gate,
  request: Request,
) => { readonly port: number; readonly host: string | null; readonly says?: (headers: Headers) => void }

const OWN: Behaviour = (gate, request) => ({ port: gate.port, host: request.headers.get('host') })
const TRUSTING: Behaviour = (gate, request) => ({
  port: gate.port,
  host: request.headers.get('x-forwarded-host') ?? request.headers.get('host'),
})
/** Where the doctor is, to a proxy that writes it anew. */
const SAYING = (headers: Headers) => headers.set('x-forwarded-for', '203.0.113.9')
/** A proxy that does this of its client's address, and is good else. */
const saying =
  (says: (headers: Headers) => void): Behaviour =>
  (gate, request) => ({ ...OWN(gate, request), says })
const LEADING_TO_VERIFY: Behaviour = (gate, request) => ({
  port: request.url.includes('/verify') ? gate.verifyPort : gate.port,
  host: request.headers.get('host'),
})

/** What the doctor says of a proxy that does this, in front of a Sallyport that runs. */
async function examine(
  behave: Behaviour,
  trusted = '127.0.0.1',
  field = 'X-Forwarded-For',
): Promise<readonly string[]> {
  let gate: Gate | null = null
  await using front = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      if (gate === null) return new Response(null, { status: 503 })
      const { pathname, search } = new URL(request.url)
      if (!pathname.startsWith('/.sallyport/')) return new Response(null, { status: 401 })
      const { port, host, says = SAYING } = behave(gate, request)
      const headers = new Headers(request.headers)
      headers.set('x-forwarded-host', host ?? '')
      says(headers)
      return fetch(`http://127.0.0.1:${port}${pathname}${search}`, { headers, redirect: 'manual' })
    },
  })
  const routes = `[[routes]]\nhost = "127.0.0.1"\nverify = true\nportal = "home"\nallow = ["user"]\n`
  const portal = PORTAL.replace('insecure_cookies', `url = "http://localhost:${front.port}"\ninsecure_cookies`)
  await using running = await startGate(portal + routes, {
    server: `trusted_proxies = ["${trusted}"]\nverify = "127.0.0.1:0"\nclient_address = "${field}"`,
  })
  gate = running
  const { findings } = await examineFronts(configOf(running), { ask })
  return findings.map(({ grade, what }) => `${grade}: ${what.replaceAll(`:${front.port}`, '')}`)
}

describe('sallyport doctor, of proxies in front', () => {
  test('one that does what a verdict relies on is good', async () => {
    expect(await examine(OWN)).toEqual([
      'good: http://localhost leads to Sallyport, and names its own host',
      'good: http://127.0.0.1 leads to Sallyport, and names its own host',
    ])
  })

  test('one that takes the host from its client is told', async () => {
    const what = 'believes this machine when it names another host in X-Forwarded-Host'
    expect(await examine(TRUSTING)).toEqual([`warning: http://localhost ${what}`, `warning: http://127.0.0.1 ${what}`])
  })

  test('one that leads its clients to where verdicts are given fails', async () => {
    expect(await examine(LEADING_TO_VERIFY)).toEqual([
      'bad: http://localhost gives verdicts to clients',
      'bad: http://127.0.0.1 gives verdicts to clients',
    ])
  })

  test('one that does not hand our pages on is told, once', async () => {
    const astray: Behaviour = (gate, request) => ({ port: gate.adminPort, host: request.headers.get('host') })
    expect(await examine(astray)).toEqual([
      'bad: no Sallyport answers below http://127.0.0.1/.sallyport/: something else answers, with 404',
    ])
  })

  test('a network that may ask is more than a proxy', async () => {
    const [first] = await examine(OWN, '127.0.0.0/8')
    expect(first).toBe('warning: a client in 127.0.0.0/8 may ask for verdicts, and state any host, path and address')
  })

  describe('that say the client’s address', () => {
    const both = (say: (origin: string) => string) => ['http://localhost', 'http://127.0.0.1'].map(say)

    test('not at all', async () => {
      expect(await examine(saying(headers => headers.delete('x-forwarded-for')))).toEqual(
        both(
          origin =>
            `warning: the proxy in front of ${origin} says no address in X-Forwarded-For: no rule with networks lets anybody in, and all its clients share one limit`,
        ),
      )
    })

    test('as their client has it', async () => {
      expect(await examine(saying(() => undefined))).toEqual(
        both(
          origin =>
            `warning: a client of ${origin} can claim any address in X-Forwarded-For: the proxy in front does not overwrite X-Forwarded-For`,
        ),
      )
    })

    test('as their client has it in another field', async () => {
      const believing = saying(headers =>
        headers.set('x-forwarded-for', headers.get('true-client-ip') ?? '203.0.113.9'),
      )
      expect(await examine(believing)).toEqual(
        both(origin => `warning: ${origin} believes this machine when it says another address in True-Client-IP`),
      )
    })

    test('behind what this machine says, of which nothing shows from a trusted one', async () => {
      const appending = saying(headers =>
        headers.set('x-forwarded-for', [headers.get('x-forwarded-for'), '127.0.0.1'].filter(Boolean).join(', ')),
      )
      const found = await examine(appending)
      expect(found.map(line => line.replace(/:.*/, ''))).toEqual(['good', 'unseen', 'good', 'unseen'])
      expect(found[1]).toBe(
        'unseen: whether strangers can say another address in X-Forwarded-For does not show from 127.0.0.1, which is in trusted_proxies',
      )
    })

    test('in the field that counts, whatever they do with others', async () => {
      const found = await examine(
        saying(headers => headers.set('x-real-ip', '203.0.113.9')),
        '127.0.0.1',
        'X-Real-IP',
      )
      expect(found).toEqual(both(origin => `good: ${origin} leads to Sallyport, and names its own host`))
    })

    test('twice', async () => {
      const twice = saying(headers => headers.append('x-real-ip', '10.0.0.1, 203.0.113.9'))
      expect(await examine(twice, '127.0.0.1', 'X-Real-IP')).toEqual([
        'bad: the proxy in front of http://127.0.0.1 says more than one address in X-Real-IP, which is refused',
      ])
    })
  })
})
