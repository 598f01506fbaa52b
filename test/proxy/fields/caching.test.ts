import { describe, expect, test } from 'bun:test'
import { isForCachesAlone } from '../../../src/config/values/cache-control.ts'
import { privateControl } from '../../../src/proxy/fields/caching.ts'

describe('Cache-Control of an answer that no shared cache may keep (RFC 9111 §5.2.2)', () => {
  test.each([
    [null, 'private'],
    ['', 'private'],
    ['max-age=60', 'private, max-age=60'],
    ['public', 'private'],
    ['Public, Max-Age=60', 'private, Max-Age=60'],
    ['max-age=60 ,\tS-MaxAge=600', 'private, max-age=60'],
    ['public, private, max-age=60', 'private, max-age=60'],
    ['no-store, public', 'no-store'],
    ['must-understand, no-store, max-age=60', 'private, must-understand, no-store, max-age=60'],
    ['no-cache', 'private, no-cache'],
    ['public;max-age=60', 'private'],
    ['surrogate-max-age=60, max-age=5', 'private, max-age=5'],
    ['private="set-cookie", max-age=60', 'private, no-cache'],
    ['x="a, no-store, b', 'private, no-store'],
    [',,max-age=1,', 'private, max-age=1'],
  ])('%p becomes %p', (control, made) => {
    expect(privateControl(control)).toBe(made)
  })

  test.each([
    'private',
    'no-store',
    'private, no-cache',
    'No-Store, max-age=0',
    'PRIVATE,max-age=60, immutable',
    'private, must-revalidate',
    'private, must-understand',
    'private, no-store, must-understand',
    'private, no-transform',
    'private, max-age=60, stale-while-revalidate=30, stale-if-error=600',
  ])('%p stays as it is', control => {
    expect(privateControl(control)).toBe(control)
  })

  test.each(['s-maxage=60', 'public', 'proxy-revalidate', 'surrogate-max-age=1', 'made-up'])(
    'what is not known to keep it from shared caches goes: %s',
    directive => {
      expect(privateControl(`private, ${directive}, no-cache`)).toBe('private, no-cache')
    },
  )

  test('is not all that shared caches obey', () => {
    const names = ['x-accel-expires', 'surrogate-control', 'edge-control', 'cdn-cache-control', 'x-cdn-cache-control']
    expect(names.filter(name => !isForCachesAlone(name))).toEqual([])
    const others = ['cache-control', 'expires', 'x-accel-buffering', 'surrogate-key', 'vary', 'age']
    expect(others.filter(isForCachesAlone)).toEqual([])
  })
})
