import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { configReference } from '../../src/config/keys/reference.ts'

const MEND = 'README.md and the table of keys differ: run `bun .ci/reference.ts` and commit README.md'

test('the README documents exactly the keys that are accepted', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const block = /<!-- keys:begin -->\n([\s\S]*?)<!-- keys:end -->/.exec(readme)?.[1]
  if (block === undefined) throw new Error('README.md has no block between <!-- keys:begin --> and <!-- keys:end -->')
  expect(block.trim() === configReference() || MEND).toBe(true)
})
