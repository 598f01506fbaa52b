import { describe, expect, test } from 'bun:test'
import { createOrigin, isUp, noteAnswer, noteFailure, type Origin } from '../../../src/proxy/upstream/origin.ts'
import { upstreamConfig } from '../../kit/applications/upstream.ts'

function originOf(to: string, changed: Parameters<typeof upstreamConfig>[1] = {}): Origin {
  const config = upstreamConfig(to, changed)
  const [address] = config.addresses
  if (address === undefined) throw new Error('an address was given')
  return createOrigin(address, config)
}

describe('an address that fails', () => {
  test('rests for a second, for longer each time, and for half a minute at most', () => {
    const origin = originOf('http://app')
    let nowMs = 1_000_000
    const rests: number[] = []
    for (let failure = 0; failure < 8; failure++) {
      noteFailure(origin, nowMs)
      rests.push(origin.restsUntilMs - nowMs)
      nowMs = origin.restsUntilMs
    }
    expect(rests).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  })
  test('of requests that failed together is one failure, and news once', () => {
    const origin = originOf('http://app')
    expect([noteFailure(origin, 1000), noteFailure(origin, 1001), noteFailure(origin, 1999)]).toEqual([
      true,
      false,
      false,
    ])
    expect([origin.failures, isUp(origin, 1999), isUp(origin, 2000)]).toEqual([1, false, true])
  })
  test('is as before once it answers', () => {
    const origin = originOf('http://app')
    noteFailure(origin, 1000)
    noteAnswer(origin)
    expect(isUp(origin, 1000)).toBe(true)
    noteFailure(origin, 5000)
    expect(origin.restsUntilMs).toBe(6000)
  })
  test('does not rest for long because the clock was set back', () => {
    const origin = originOf('http://app')
    noteFailure(origin, 10_000_000)
    expect([isUp(origin, 10_000_000), isUp(origin, 6_400_000)]).toEqual([false, true])
    expect(noteFailure(origin, 6_400_000)).toBe(false)
    expect(origin.restsUntilMs).toBe(6_402_000)
  })
  test('by its checks is down whatever requests say', () => {
    const origin = originOf('http://app')
    origin.isUnwell = true
    noteAnswer(origin)
    expect(isUp(origin, 0)).toBe(false)
  })
})

describe('TLS options', () => {
  const tls = { ca: 'CA', serverName: 'app.internal', own: { cert: 'C', key: 'K' }, insecureSkipVerify: false }
  test('are those of the file, and none that loosens anything', () =>
    expect(originOf('https://app', { tls }).tls).toEqual({ ca: 'CA', serverName: 'app.internal', cert: 'C', key: 'K' }))
  test('skip the check only where the file says so', () => {
    const nothing = { ca: null, serverName: null, own: null }
    expect(originOf('https://app', { tls: { ...nothing, insecureSkipVerify: false } }).tls).toEqual({})
    expect(originOf('https://app', { tls: { ...nothing, insecureSkipVerify: true } }).tls).toEqual({
      rejectUnauthorized: false,
    })
  })
  test('are absent for an address without any', () => expect(originOf('https://app').tls).toBeUndefined())
})
