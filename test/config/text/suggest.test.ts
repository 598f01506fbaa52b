import { expect, test } from 'bun:test'
import { suggest } from '../../../src/config/text/suggest.ts'

const KNOWN = ['listen', 'trusted_proxies', 'log_level', 'allow', 'host']

const CASES: readonly (readonly [word: string, meant: string | null])[] = [
  ['lsiten', 'listen'],
  ['listn', 'listen'],
  ['trustedProxies', 'trusted_proxies'],
  ['trusted-proxies', 'trusted_proxies'],
  ['loglevel', 'log_level'],
  ['hosts', 'host'],
  ['allowed', 'allow'],
  ['upstream', null],
  ['x', null],
  ['', null],
  ['l'.repeat(10_000), null],
]

for (const [word, meant] of CASES) {
  test(`"${word.slice(0, 20)}" ${meant === null ? 'means nothing known' : `means ${meant}`}`, () =>
    expect(suggest(word, KNOWN)).toBe(meant))
}
