import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { ListenAddress } from '../../../src/config/values/listen.ts'
import { compilePorts, ownOrigin } from '../../../src/server/config/own-ports.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { EVERYONE, portalTable, providerTable, routeSaying, SILENT } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const tcp = (port: number) => ({ kind: 'tcp', host: '0.0.0.0', port }) as const

/** The ports of a portal at `url`, where this is listened to by plain HTTP and by TLS. */
function portsOf(
  url: string,
  listen: readonly ListenAddress[],
  secure: readonly number[] = [],
  publicPort = secure[0],
) {
  const { protocol, hostname: host, host: authority } = new URL(url)
  const tls = publicPort === undefined ? null : { listen: secure.map(tcp), publicPort }
  const scheme = protocol === 'https:' ? 'https' : 'http'
  return compilePorts({ scheme, host, authority }, { server: { listen }, tls })
}

const at = (authority: string) => ({ host: authority.replace(/:\d+$/, ''), authority })

describe('a host is reached by a port of ours, whatever the client names', () => {
  const behindProxy = portsOf('https://auth.example.com', [tcp(8080)])
  const byItself = portsOf('https://auth.example.com:8443', [tcp(80)], [443], 8443)
  const plain = portsOf('http://auth.localhost:8080', [tcp(8080), { kind: 'unix', path: '/run/gate.sock' }])

  test.each([
    [behindProxy, 'https', 'app.example.com', 'https://app.example.com'],
    [behindProxy, 'https', 'app.example.com:443', 'https://app.example.com'],
    [behindProxy, 'https', 'app.example.com:9999', 'https://app.example.com'],
    // Listened to, but not by TLS: what answers https:// there is another program.
    [behindProxy, 'https', 'app.example.com:8080', 'https://app.example.com'],
    [byItself, 'https', 'app.example.com:8443', 'https://app.example.com:8443'],
    [byItself, 'https', 'app.example.com', 'https://app.example.com'],
    [byItself, 'https', 'app.example.com:80', 'https://app.example.com:8443'],
    [plain, 'http', 'app.localhost:8080', 'http://app.localhost:8080'],
    [plain, 'http', 'app.localhost', 'http://app.localhost:8080'],
    [plain, 'http', 'app.localhost:81', 'http://app.localhost:8080'],
    [plain, 'https', 'app.localhost:8080', 'https://app.localhost'],
    [plain, 'http', '[::1]:81', 'http://[::1]:8080'],
    [plain, 'http', '[::1]', 'http://[::1]:8080'],
  ] as const)('%#: %s', (ports, scheme, authority, origin) => {
    const host = authority.startsWith('[') ? { host: '[::1]', authority } : at(authority)
    expect(ownOrigin(ports, scheme, host)).toBe(origin)
  })

  test('without an address of the portal’s own, by those that are listened to and the usual ones', () => {
    const plainly = compilePorts(null, { server: { listen: [tcp(8080)] }, tls: null })
    const secured = compilePorts(null, {
      server: { listen: [tcp(80)] },
      tls: { listen: [tcp(4443)], publicPort: 8443 },
    })
    const asked = ['app.test', 'app.test:8080', 'app.test:8443', 'app.test:4443', 'app.test:9999'].map(at)
    expect(asked.map(one => ownOrigin(plainly, 'http', one))).toEqual([
      'http://app.test',
      'http://app.test:8080',
      'http://app.test',
      'http://app.test',
      'http://app.test',
    ])
    expect(asked.map(one => ownOrigin(secured, 'https', one))).toEqual([
      'https://app.test:8443',
      'https://app.test:8443',
      'https://app.test:8443',
      'https://app.test:4443',
      'https://app.test:8443',
    ])
  })
})

describe('a ticket', () => {
  let gate: Gate
  beforeAll(async () => {
    gate = await startGate(
      providerTable(SILENT) +
        portalTable(`${EVERYONE}\nurl = "http://auth.localhost:8080"`) +
        routeSaying('x', 'app.localhost', 'portal = "home"\nallow = ["user"]'),
    )
  })
  afterAll(() => gate[Symbol.asyncDispose]())

  test('goes to a port of ours, though whoever asked for it named another', async () => {
    const { cookie } = await gate.signIn('auth.localhost')
    const page = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']
    for (const authority of ['app.localhost:8080', 'app.localhost:9999', 'app.localhost:1', 'APP.localhost.:9999']) {
      const asked = await sendRaw(gate.port, rawRequest('GET /deep', authority, page))
      const location = new URL(asked.field('location') ?? '')
      expect(location.origin).toBe('http://auth.localhost:8080')
      const given = await sendRaw(
        gate.port,
        rawRequest(`GET ${location.pathname}${location.search}`, location.host, [...page, `Cookie: ${cookie}`]),
      )
      expect([authority, given.field('location')]).toEqual([
        authority,
        expect.stringMatching(/^http:\/\/app\.localhost:8080\/\.sallyport\/enter\?ticket=/),
      ])
    }
  })
})
