import { describe, expect, test } from 'bun:test'
import {
  canonicalAddress,
  compileNetworks,
  isLoopbackHost,
  isPublicAddress,
  neighbourhoodOf,
  networkOf,
} from '../../src/base/net.ts'

describe('one spelling of an address', () => {
  const spelled: [text: string, canonical: string | null][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['256.0.0.1', null],
    ['10.0.0', null],
    ['10.0.0.1.', null],
    ['10.0.0.1 ', null],
    ['010.0.0.1', null],
    ['0x0a.0.0.1', null],
    ['167772161', null],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::0001', '2001:db8::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7', null],
    ['1:2:3:4:5:6:7:8:9', null],
    ['1::2::3', null],
    [':::', null],
    ['12345::', null],
    ['[::1]', null],
    ['::1/128', null],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
    ['', null],
    ['app.example', null],
  ]
  test.each(spelled)('%j is %j', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical)
  })

  test.each(['::ffff:10.0.0.1', '::FFFF:10.0.0.1', '0::ffff:10.0.0.1', '0:0:0:0:0:ffff:10.0.0.1', '::ffff:a00:1'])(
    'RFC 4291 §2.5.5.2: %j is the IPv4 address that it holds',
    text => {
      expect(canonicalAddress(text)).toBe('10.0.0.1')
    },
  )

  test.each([
    '::10.0.0.1',
    '0::10.0.0.1',
    '0:0::10.0.0.1',
    '::0:10.0.0.1',
    '0000::0:10.0.0.1',
    '0:0:0:0:0:0:10.0.0.1',
    '::10.0.0.1%eth0',
    '0::10.0.0.1%eth0',
  ])('RFC 4291 §2.5.5.1: %j, which some read as IPv4, is none in any spelling', text => {
    expect(canonicalAddress(text)).toBeNull()
    expect(compileNetworks(['::/0', '0.0.0.0/0']).judge(text)).toBeNull()
  })

  test.each(['::ffff:010.0.0.1', '::ffff:0x0a.0.0.1', '::ffff:10.0.1', '64:ff9b::10.0.0.01'])(
    '%j ends in what is no IPv4 address',
    text => {
      expect(canonicalAddress(text)).toBeNull()
    },
  )

  test('RFC 4007 §11: a zone stays beside its address, and changes no network', () => {
    expect(canonicalAddress('FE80::1%eth0')).toBe('fe80::1%eth0')
    expect(compileNetworks(['fe80::/10']).has('fe80::1%eth0')).toBe(true)
    expect(networkOf('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
  })
})

describe('networks', () => {
  /** A network, an address in it, one beside it. */
  const networks: [network: string, inside: string, outside: string][] = [
    ['10.0.0.0/8', '10.255.255.255', '11.0.0.0'],
    ['10.1.2.3', '10.1.2.3', '10.1.2.2'],
    ['192.168.7.0/25', '192.168.7.127', '192.168.7.128'],
    ['0.0.0.0/0', '255.255.255.255', '::1'],
    ['10.0.0.0/8', '::ffff:10.1.2.3', '::a01:203'],
    ['2001:db8::/32', '2001:db8:ffff::1', '2001:db9::'],
    ['2001:db8::/33', '2001:db8:7fff::1', '2001:db8:8000::'],
    ['fd00::1', 'fd00:0::1', 'fd00::2'],
    ['::/0', 'ffff::', '10.0.0.1'],
    // Written as IPv6, IPv4 all the same.
    ['::ffff:10.0.0.0/104', '10.255.0.1', '11.0.0.1'],
    ['::ffff:a00:0/104', '::ffff:10.0.0.1', '11.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1', '10.0.0.2'],
    ['::ffff:0:0/96', '203.0.113.9', '::1'],
  ]
  test.each(networks)('%s has %s and not %s', (network, inside, outside) => {
    const set = compileNetworks([network])
    expect([set.judge(inside), set.judge(outside)]).toEqual([true, false])
    expect([set.has(inside), set.has(outside)]).toEqual([true, false])
  })

  test.each([
    '',
    'localhost',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/ 8',
    '10.0.0.0/0x8',
    '10/8',
    '010.0.0.0/8',
    '::/129',
    '::10.0.0.0/104',
    '0::10.0.0.0/104',
    // Holds all of IPv4 and half of something else.
    '::ffff:0:0/95',
  ])('%j is no network', text => {
    expect(() => compileNetworks([text])).toThrow(TypeError)
  })

  test('of several, one is enough; of none, nobody is in', () => {
    const set = compileNetworks(['10.0.0.0/8', 'fd00::/8'])
    expect(['10.0.0.1', 'fd00::1', '192.0.2.1', '2001:db8::1'].map(set.has)).toEqual([true, true, false, false])
    expect(set.isEmpty).toBe(false)
    const none = compileNetworks([])
    expect([none.isEmpty, none.has('10.0.0.1'), none.judge('10.0.0.1')]).toEqual([true, false, false])
  })

  test('what is no address is neither in nor out, however often it is asked', () => {
    const set = compileNetworks(['0.0.0.0/0', '::/0'])
    for (const text of ['junk', '', 'junk']) expect([set.judge(text), set.has(text)]).toEqual([null, false])
  })

  test('answers stay right past what is remembered of them', () => {
    const set = compileNetworks(['10.0.0.0/16'])
    for (let at = 0; at < 5000; at++) set.judge(`10.0.${at >> 8}.${at & 255}`)
    expect([set.judge('10.0.200.1'), set.judge('10.1.0.1'), set.judge('10.0.0.1')]).toEqual([true, false, true])
  })
})

describe('what counts as one client', () => {
  const cases: [address: string, network: string, neighbourhood: string][] = [
    ['203.0.113.9', '203.0.113.9', '203.0.113.0/24'],
    ['::ffff:203.0.113.9', '203.0.113.9', '203.0.113.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64', '2001:db8:0:0::/64'],
    ['unix', 'unix', 'unix'],
    ['not:an:address', 'not:an:address', 'not:an:address'],
    ['', '', ''],
  ]
  test.each(cases)('%j is one of %j, near %j', (address, network, neighbourhood) => {
    expect(networkOf(address)).toBe(network)
    expect(neighbourhoodOf(address)).toBe(neighbourhood)
  })
})

test.each([
  ['localhost', true],
  ['app.localhost', true],
  ['127.0.0.1', true],
  ['127.255.0.1', true],
  ['::1', true],
  ['[::1]', true],
  ['::ffff:127.0.0.1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['localhost.example', false],
  ['notlocalhost', false],
  ['127.1', false],
  ['::127.0.0.1', false],
  ['', false],
] as const)('%j means this machine: %p', (host, isLoopback) => {
  expect(isLoopbackHost(host)).toBe(isLoopback)
})

test.each([
  ['1.1.1.1', true],
  ['::ffff:1.1.1.1', true],
  ['2606:4700::1111', true],
  ['10.0.0.1', false],
  ['100.64.0.1', false],
  ['169.254.169.254', false],
  ['::ffff:10.0.0.1', false],
  ['::a00:1', false],
  ['64:ff9b::a00:1', false],
  ['2002:a00:1::', false],
  ['fd00::1', false],
  ['4000::1', false],
  ['1.1', false],
  ['example.com', false],
] as const)('%j is of the internet: %p', (address, isPublic) => {
  expect(isPublicAddress(address)).toBe(isPublic)
})
