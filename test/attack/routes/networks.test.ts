import { describe, expect, test } from 'bun:test'
import { findClient } from '../../../src/base/client-address.ts'
import { compileNetworks } from '../../../src/base/net.ts'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

/** A host open to an inner network without a sign-in, one to an outer one, and one that an outer network may not open. */
const INNER = 'inner.example'
const OUTER = 'outer.example'
const BANNED = 'banned.example'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const inside = ['127.0.0.0/8', '10.0.0.0/8', 'fd00::/8'].map(network => `"${network}"`)
const toml = [
  PORTAL,
  routeTo(upstream, INNER, `portal = "home"\nallow = [{ networks = [${inside}], anonymous = true }]`),
  routeTo(upstream, OUTER, 'portal = "home"\nallow = [{ networks = ["203.0.113.0/24"], anonymous = true }]'),
  routeTo(upstream, BANNED, 'allow = "public"\ndeny = [{ networks = ["203.0.113.0/24", "2001:db8::/32"] }]'),
].join('\n')
/** Behind a proxy on this machine that is trusted; and one that trusts nobody. Both let this machine's own network in. */
const trusting = keep(await startGate(toml, { server: 'trusted_proxies = ["127.0.0.1", "192.0.2.0/24"]' }))
const direct = keep(await startGate(toml.replaceAll('127.0.0.0/8', '127.0.0.1/32')))

const { cookie } = await direct.signIn(OUTER)

/** Whether a request with these raw lines among its fields reached the upstream. */
async function reaches(gate: Gate, host: string, lines: readonly string[]): Promise<boolean> {
  const before = upstream.text.length
  const answer = await sendRaw(
    gate.port,
    Buffer.from(
      `GET / HTTP/1.1\r\nHost: ${host}\r\n${lines.map(line => `${line}\r\n`).join('')}Connection: close\r\n\r\n`,
      'latin1',
    ),
  )
  const didReach = upstream.text.length > before
  expect(answer.status === 200).toBe(didReach)
  return didReach
}

describe('behind a trusted proxy', () => {
  /** What X-Forwarded-For says; whether the inner network is let in by it; whether the banned one is kept out. */
  const cases: [value: string, isInner: boolean, isBanned: boolean][] = [
    ['10.1.2.3', true, false],
    [' 10.1.2.3 ', true, false],
    ['::ffff:10.1.2.3', true, false],
    ['::FFFF:0a01:0203', true, false],
    ['fd00:0:0::1', true, false],
    ['203.0.113.9', false, true],
    ['::ffff:203.0.113.9', false, true],
    ['2001:DB8:0::9', false, true],
    ['198.51.100.1', false, false],
    // A stranger may write what they like to the left of what the proxy adds.
    ['10.1.2.3, 198.51.100.1', false, false],
    ['203.0.113.9, 198.51.100.1', false, false],
    ['junk, 198.51.100.1', false, false],
    ['10.1.2.3, 203.0.113.9', false, true],
    ['203.0.113.9, 192.0.2.7', false, true],
    ['10.1.2.3, 192.0.2.7', true, false],
    // What is no address stands for none: neither let in, nor let through a ban.
    ['junk', false, true],
    ['unknown', false, true],
    ['_hidden', false, true],
    ['10.1', false, true],
    ['0x0a.1.2.3', false, true],
    ['010.1.2.3', false, true],
    ['167838211', false, true],
    ['::10.1.2.3', false, true],
    ['0::10.1.2.3', false, true],
    ['0:0:0:0:0:0:10.1.2.3', false, true],
    ['10.1.2.3:8080', false, true],
    ['[fd00::1]', false, true],
    ['[fd00::1]:443', false, true],
    ['10.1.2.3/8', false, true],
    ['10.1.2.3.', false, true],
    ['１０.1.2.3', false, true],
    ['for=10.1.2.3', false, true],
    ['"10.1.2.3"', false, true],
    ['10.1.2.3;', false, true],
    ['10.1.2.3,', false, true],
    [',', false, true],
    ['', false, true],
    ['10.1.2.3, junk', false, true],
    ['10.1.2.3, , 192.0.2.7', false, true],
  ]
  test.each(cases)('X-Forwarded-For: %j', async (value, isInner, isBanned) => {
    const lines = [`X-Forwarded-For: ${Buffer.from(value, 'utf8').toString('latin1')}`]
    expect(await reaches(trusting, INNER, lines)).toBe(isInner)
    expect(await reaches(trusting, BANNED, lines)).toBe(!isBanned)
  })

  test('two fields are one list, the last entry is the last', async () => {
    const lines = ['X-Forwarded-For: 10.1.2.3', 'X-Forwarded-For: 198.51.100.1']
    expect(await reaches(trusting, INNER, lines)).toBe(false)
    expect(await reaches(trusting, INNER, lines.toReversed())).toBe(true)
  })

  test('no other field names an address', async () => {
    const lines = [
      'X-Forwarded-For: 198.51.100.1',
      'X-Real-IP: 10.1.2.3',
      'Forwarded: for=10.1.2.3',
      'X_Forwarded_For: 10.1.2.3',
      'True-Client-IP: 10.1.2.3',
      'CF-Connecting-IP: 10.1.2.3',
      'X-Client-IP: 10.1.2.3',
      'Fly-Client-IP: 10.1.2.3',
    ]
    expect(await reaches(trusting, INNER, lines)).toBe(false)
  })
})

describe('without a proxy', () => {
  test.each(['203.0.113.9', '198.51.100.1', 'junk', ''])(
    'X-Forwarded-For: %j changes nothing, nor lets in',
    async value => {
      const lines = [`X-Forwarded-For: ${value}`, `X-Real-IP: ${value}`, `Forwarded: for=${value}`]
      expect(await reaches(direct, INNER, lines)).toBe(true)
      expect(await reaches(direct, OUTER, lines)).toBe(false)
      expect(await reaches(direct, OUTER, [...lines, `Cookie: ${cookie}`])).toBe(false)
      expect(await reaches(direct, BANNED, lines)).toBe(true)
    },
  )
})

describe('addresses', () => {
  const set = compileNetworks(['127.0.0.0/8', '10.0.0.0/8', '::1'])
  const judged: [string, boolean | null][] = [
    ['127.0.0.1', true],
    ['::ffff:127.0.0.1', true],
    ['::ffff:7f00:1', true],
    ['::1', true],
    ['0:0:0:0:0:0:0:1', true],
    ['::127.0.0.1', null],
    ['0:0:0:0:0:0:127.0.0.1', null],
    ['128.0.0.1', false],
    ['127.1', null],
    ['0177.0.0.1', null],
    ['2130706433', null],
    ['::ffff:010.0.0.1', null],
    ['::ffff:0x7f.0.0.1', null],
    ['::ffff:127.0.0.01', null],
    ['::ffff:127.0.0.1%eth0.1', null],
    ['localhost', null],
    ['', null],
  ]
  test.each(judged)('%j is inside: %p', (address, expected) => {
    expect(set.judge(address)).toBe(expected)
    expect(set.judge(address)).toBe(expected)
    expect(set.has(address)).toBe(expected === true)
  })

  test("a trusted proxy's own address never stands for what it could not name", () => {
    const trusted = compileNetworks(['127.0.0.1'])
    expect(findClient('127.0.0.1', 'junk', trusted, true)).toEqual({ address: '127.0.0.1', isProven: false })
    expect(findClient('127.0.0.1', null, trusted, true)).toEqual({ address: '127.0.0.1', isProven: false })
    expect(findClient('10.0.0.1', 'junk', trusted, true)).toEqual({ address: '10.0.0.1', isProven: true })
  })
})
