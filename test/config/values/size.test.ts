import { describe, expect, test } from 'bun:test'
import { parseSize } from '../../../src/config/values/size.ts'
import { accepts } from '../checks.ts'

const route = (lines = '') =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = ["user"]\nportal = "home"\n${lines}\n`

describe('a size', () => {
  test.each([
    ['0B', 0],
    ['10kB', 10_000],
    ['10 KB', 10_000],
    ['100MB', 100_000_000],
    ['1.5GB', 1_500_000_000],
    ['512KiB', 524_288],
    ['2mib', 2_097_152],
    ['1GiB', 1_073_741_824],
    ['1TiB', 1_099_511_627_776],
  ])('%s is %d bytes', (text, bytes) => expect(parseSize(text)).toEqual({ ok: true, value: bytes }))
})

describe('max_body', () => {
  const maxOf = (text: string) => accepts(text).routes[0]?.maxBodyBytes
  test('is none unless it is set', () => expect(maxOf(route())).toBeNull())
  test('is the route’s own before that of the server', () => {
    const server = '[server]\nmax_body = "1MB"\n'
    expect(maxOf(server + route())).toBe(1_000_000)
    expect(maxOf(server + route('max_body = "2kB"'))).toBe(2_000)
    expect(maxOf(server + route('max_body = "off"'))).toBeNull()
  })
})

test('keep_length is off unless a route says otherwise', () => {
  const keptOf = (text: string) => accepts(text).routes[0]?.keepLengthBytes
  expect(keptOf(route(''))).toBeNull()
  expect(keptOf(route('keep_length = "4MiB"'))).toBe(4_194_304)
  expect(keptOf(route('keep_length = "off"'))).toBeNull()
})

describe('keep_posts', () => {
  const keptOf = (text: string) => accepts(text).routes[0]?.keepPostsBytes
  test('is off unless it is set', () => expect(keptOf(route())).toBeNull())
  test('is a size up to 1 MiB, or off', () => {
    expect(keptOf(route('keep_posts = "256KiB"'))).toBe(262_144)
    expect(keptOf(route('keep_posts = "1MiB"'))).toBe(1_048_576)
    expect(keptOf(route('keep_posts = "off"'))).toBeNull()
  })
})

describe('rate', () => {
  test('is none unless it is set, and has defaults for all but its number', () => {
    expect(accepts(route()).routes[0]?.rate).toBeNull()
    expect(accepts(route('rate = { requests = 5 }')).routes[0]?.rate).toEqual({
      requests: 5,
      perMs: 60_000,
      burst: 5,
      by: 'client',
    })
  })
  test('has every key', () => {
    const text = `[server]\nrate = { requests = 600, per = "1h", burst = 9 }\n${route('rate = { requests = 5, per = "1s", burst = 20, by = "user" }')}`
    const { server, routes } = accepts(text)
    expect(server.rate).toEqual({ requests: 600, perMs: 3_600_000, burst: 9, by: 'client' })
    expect(routes[0]?.rate).toEqual({ requests: 5, perMs: 1000, burst: 20, by: 'user' })
  })
})
