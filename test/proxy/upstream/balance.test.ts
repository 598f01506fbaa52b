import { describe, expect, test } from 'bun:test'
import type { UpstreamConfig } from '../../../src/config/keys/upstreams.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { type Asker, compileBalance } from '../../../src/proxy/upstream/balance.ts'
import { createOrigin, noteFailure, type Origin } from '../../../src/proxy/upstream/origin.ts'
import { upstreamConfig } from '../../kit/applications/upstream.ts'

function originsOf(count: number): Origin[] {
  const config = upstreamConfig(Array.from({ length: count }, (_, index) => `http://10.0.0.${index + 1}:3000`))
  return config.addresses.map(address => createOrigin(address, config))
}

function asker(client: string, fields: Record<string, string> = {}, subject: string | null = null): Asker {
  const identity = subject === null ? null : makeIdentity('id', 'https://id.example', subject, {})
  return {
    sent: new Headers(fields).toJSON(),
    client,
    session:
      identity === null
        ? null
        : { id: 's', portal: 'home', identity, isRemembered: false, createdAtMs: 0, expiresAtMs: 1 },
  }
}

/** Where these askers go, by the addresses' positions. */
function homes(config: Partial<UpstreamConfig>, askers: readonly Asker[], origins = originsOf(3), nowMs = 0): number[] {
  const balance = compileBalance(upstreamConfig('http://a', config), origins)
  return askers.map(one => origins.indexOf(balance(one, [], nowMs)))
}

const NOBODY = asker('192.0.2.1')

describe('round-robin', () => {
  test('takes every address in turn', () => expect(homes({}, [NOBODY, NOBODY, NOBODY, NOBODY])).toEqual([0, 1, 2, 0]))
  test('leaves out what is down, and shares its part evenly', () => {
    const origins = originsOf(3)
    const [first] = origins
    if (first !== undefined) first.isUnwell = true
    expect(homes({}, [NOBODY, NOBODY, NOBODY, NOBODY], origins)).toEqual([1, 2, 1, 2])
  })
  test('tries what is down where nothing else is left', () => {
    const origins = originsOf(2)
    for (const origin of origins) origin.isUnwell = true
    expect(homes({}, [NOBODY, NOBODY], origins)).toEqual([0, 1])
  })
  test('goes to an address that was not tried yet, even one that is down', () => {
    const origins = originsOf(2)
    const [first, second] = origins
    if (first === undefined || second === undefined) throw new Error('two addresses were made')
    noteFailure(second, 0)
    expect(compileBalance(upstreamConfig('http://a'), origins)(NOBODY, [first], 0)).toBe(second)
  })
})

describe('least-connections', () => {
  test('takes the least busy, and takes turns among equals', () => {
    const origins = originsOf(3)
    const [first] = origins
    if (first !== undefined) first.inFlight = 2
    expect(homes({ balance: 'least-connections' }, [NOBODY, NOBODY, NOBODY], origins)).toEqual([1, 2, 1])
  })
})

describe('hash', () => {
  const many = Array.from({ length: 300 }, (_, index) => index)
  const by = (hash: UpstreamConfig['hash'], askers: readonly Asker[]) => homes({ balance: 'hash', hash }, askers)

  test('spreads clients evenly, and the same client goes to the same address', () => {
    const clients = many.map(index => asker(`192.0.2.${index}`))
    const first = by({ kind: 'client' }, clients)
    expect(by({ kind: 'client' }, clients)).toEqual(first)
    for (const position of [0, 1, 2]) expect(first.filter(home => home === position).length).toBeGreaterThan(60)
  })
  test('moves nothing but what an address had that goes', () => {
    const clients = many.map(index => asker(`192.0.2.${index}`))
    const three = homes({ balance: 'hash' }, clients)
    const two = homes({ balance: 'hash' }, clients, originsOf(3).slice(0, 2))
    expect(two.filter((home, index) => three[index] !== 2 && home !== three[index])).toEqual([])
  })

  type Case = readonly [string, UpstreamConfig['hash'], (value: string, client: string) => Asker]
  const keys: readonly Case[] = [
    ['person', { kind: 'user' }, (value, client) => asker(client, {}, value)],
    [
      'cookie',
      { kind: 'cookie', name: 'node' },
      (value, client) => asker(client, { cookie: `xnode=1; node=${value}; y=${client}` }),
    ],
    [
      'field',
      { kind: 'header', name: 'x-tenant' },
      (value, client) => asker(client, { 'X-Tenant': value, 'x-other': client }),
    ],
  ]
  test.each(keys)('by %s looks at nothing else', (_, hash, make) => {
    expect(
      new Set(
        by(
          hash,
          many.map(index => make('same', `192.0.2.${index}`)),
        ),
      ).size,
    ).toBe(1)
    expect(
      new Set(
        by(
          hash,
          many.map(index => make(`value ${index}`, '192.0.2.1')),
        ),
      ).size,
    ).toBe(3)
  })
  test.each(keys)('by %s is by client where there is none', (_, hash) => {
    const clients = many.map(index => asker(`192.0.2.${index}`))
    expect(by(hash, clients)).toEqual(by({ kind: 'client' }, clients))
  })
})
