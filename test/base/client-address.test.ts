import { describe, expect, test } from 'bun:test'
import { findClient } from '../../src/base/client-address.ts'
import { compileNetworks } from '../../src/base/net.ts'

describe("the client's address", () => {
  const trusted = compileNetworks(['10.0.0.0/8', 'fd00::/8'])
  /** The peer, its X-Forwarded-For, the client, and whether that is proven. */
  const walks: [peer: string, field: string | null, address: string, isProven: boolean][] = [
    ['203.0.113.9', null, '203.0.113.9', true],
    ['203.0.113.9', '198.51.100.1', '203.0.113.9', true],
    ['203.0.113.9', 'junk', '203.0.113.9', true],
    ['10.0.0.1', null, '10.0.0.1', false],
    ['10.0.0.1', '198.51.100.1', '198.51.100.1', true],
    ['::ffff:10.0.0.1', '198.51.100.1', '198.51.100.1', true],
    ['10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1', true],
    ['10.0.0.1', '2001:DB8:0::1', '2001:db8::1', true],
    ['10.0.0.1', '\t198.51.100.1 ', '198.51.100.1', true],
    // From the right, past whom we trust, to the first whom we do not.
    ['10.0.0.1', '192.0.2.1, 198.51.100.1', '198.51.100.1', true],
    ['10.0.0.1', '192.0.2.1, 198.51.100.1, fd00::2,10.0.0.3', '198.51.100.1', true],
    ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3', true],
    // What cannot be read ends the walk at whoever sent it.
    ['10.0.0.1', 'junk', '10.0.0.1', false],
    ['10.0.0.1', '', '10.0.0.1', false],
    ['10.0.0.1', '198.51.100.1, junk', '10.0.0.1', false],
    ['10.0.0.1', '198.51.100.1, junk, 10.0.0.2', '10.0.0.2', false],
    ['10.0.0.1', 'junk, 198.51.100.1', '198.51.100.1', true],
    ['10.0.0.1', '198.51.100.1:80', '10.0.0.1', false],
    ['10.0.0.1', '[2001:db8::1]', '10.0.0.1', false],
    ['10.0.0.1', '0::198.51.100.1', '10.0.0.1', false],
    ['10.0.0.1', '198.51.100.1,', '10.0.0.1', false],
    ['unknown', '198.51.100.1', 'unknown', true],
  ]
  test.each(walks)('of peer %s with X-Forwarded-For %j is %s, proven %p', (peer, field, address, isProven) => {
    expect(findClient(peer, field, trusted, true)).toEqual({ address, isProven })
  })

  /** The same of a field that is one address. */
  const single: typeof walks = [
    ['203.0.113.9', null, '203.0.113.9', true],
    ['203.0.113.9', '198.51.100.1', '203.0.113.9', true],
    ['10.0.0.1', null, '10.0.0.1', false],
    ['10.0.0.1', '', '10.0.0.1', false],
    ['10.0.0.1', '198.51.100.1', '198.51.100.1', true],
    ['10.0.0.1', '\t2001:DB8:0::1 ', '2001:db8::1', true],
    ['10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1', true],
    ['10.0.0.1', '10.0.0.7', '10.0.0.7', true],
    ['10.0.0.1', '192.0.2.1, 198.51.100.1', '10.0.0.1', false],
    ['10.0.0.1', '198.51.100.1:80', '10.0.0.1', false],
    ['10.0.0.1', '[2001:db8::1]', '10.0.0.1', false],
    ['10.0.0.1', 'unknown', '10.0.0.1', false],
  ]
  test.each(single)('of peer %s with one address %j is %s, proven %p', (peer, field, address, isProven) => {
    expect(findClient(peer, field, trusted, false)).toEqual({ address, isProven })
  })

  test('nobody is believed where nobody is trusted', () => {
    expect(findClient('10.0.0.1', '198.51.100.1', compileNetworks([]), true)).toEqual({
      address: '10.0.0.1',
      isProven: true,
    })
  })
})
