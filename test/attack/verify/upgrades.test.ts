/**
 * Another protocol by `Upgrade` (RFC 9110 §7.8): whatever a client says once the application has switched, nobody judges. HTTP/2 over
 * cleartext (`h2c`, RFC 7540 §3.2) is the one that applications really speak.
 */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { untilTheEnd } from '../../kit/opened.ts'
import { HOSTS } from '../../kit/programs/recipe-routes.ts'
import { describeEach, openRecipes } from '../../kit/programs/recipes.ts'
import { WEBSOCKET_KEY } from '../../kit/wire/websocket.ts'
import { openWire } from '../../kit/wire/wire.ts'

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const recipes = keep(await openRecipes())

const H2 = 'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA'
const ASKING = ['Connection: Upgrade, HTTP2-Settings', H2]
const SOCKET = ['Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`]

/** Ways to ask for another protocol, each as the lines of a request. */
const SPELLINGS: readonly (readonly string[])[] = [
  ...[
    'h2c',
    'H2C',
    '  h2c  ',
    '\th2c\t',
    'h2c, websocket',
    'websocket, h2c',
    'websocket,h2c',
    'WebSocket , H2C',
    'h2c,',
    ',h2c',
    'h2c/1',
    '"h2c"',
    'websocket h2c',
    'websocket;h2c',
    'websocket/13, h2c',
    'h2c, h2c',
  ].map(value => [...ASKING, `Upgrade: ${value}`]),
  [...ASKING, 'Upgrade: websocket', 'Upgrade: h2c'],
  [...ASKING, 'Upgrade: h2c', 'Upgrade: websocket'],
  [...ASKING, 'Upgrade: ', 'Upgrade: h2c'],
  [...ASKING, 'Upgrade: h2c', 'Upgrade: '],
  [...ASKING, 'upgrade: websocket', 'UPGRADE: h2c', 'Upgrade: websocket'],
  [...ASKING, ...SOCKET, 'Upgrade: h2c'],
  [...ASKING, ...SOCKET, 'Upgrade: websocket', 'Upgrade: h2c'],
  [...ASKING, ...SOCKET, 'Upgrade: h2c', 'Upgrade: websocket'],
  [...ASKING, ...SOCKET, 'Upgrade: websocket, h2c'],
  ['Connection: HTTP2-Settings', 'Connection: upgrade', H2, 'Upgrade: h2c'],
  ['Connection: close, Upgrade', H2, 'Upgrade: h2c'],
  ['Connection: upgrade,keep-alive,upgrade', H2, 'Upgrade: h2c'],
  ['Connection: Upgrade', 'Upgrade: TLS/1.0, h2c'],
]

/** What a client would send next, as if it had been let through. */
const UNJUDGED = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /secret\r\nremote-user: root\r\n\r\n'

describeEach('docs/recipes for %s, where another protocol is asked for', name => {
  test.each(SPELLINGS.map(lines => [lines] as const))('let nothing past a verdict: %j', async lines => {
    const { port, upgrading, cookieOf } = recipes.stand(name)
    for (const [path, own] of [
      ['/open/x', []],
      ['/x', [await cookieOf('grace', 'up')]],
    ] as const) {
      const before = upgrading.upgrades.length
      const unjudged = upgrading.unjudged.length
      const wire = await openWire(port)
      try {
        const head = [`GET ${path} HTTP/1.1`, `Host: ${HOSTS.up}:${port}`, ...own, ...lines]
        await wire.send(`${head.join('\r\n')}\r\n\r\n`)
        const { status } = await wire.receive()
        await wire.send(UNJUDGED).catch(() => {})
        // A second request shows that whatever the first one led to has arrived.
        await recipes.stand(name).ask('/open/after', [], { host: HOSTS.up })
        const seen = upgrading.upgrades.slice(before)
        expect([path, status === 101, upgrading.unjudged.slice(unjudged)]).toEqual([path, false, []])
        expect([path, seen.flat().filter(value => value.toLowerCase() !== 'websocket')]).toEqual([path, []])
        expect(Math.max(0, ...seen.map(values => values.length))).toBeLessThan(2)
      } finally {
        wire.close()
      }
    }
  })

  test('let a handshake of a WebSocket through as it is', async () => {
    const { port, upgrading } = recipes.stand(name)
    const before = upgrading.upgrades.length
    for (const value of ['websocket', 'WebSocket']) {
      const lines = ['Connection: Upgrade', `Upgrade: ${value}`, ...SOCKET]
      await recipes.stand(name).ask('/open/x', lines, { host: `${HOSTS.up}:${port}` })
    }
    expect(upgrading.upgrades.slice(before).map(values => values.join().toLowerCase())).toEqual([
      'websocket',
      'websocket',
    ])
  })
})
