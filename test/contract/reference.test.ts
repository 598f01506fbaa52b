import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { configReference } from '../../src/config/keys/reference.ts'

const MEND = 'docs/keys.md and the table of keys differ: run `bun .ci/reference.ts` and commit docs/keys.md'

test('docs/keys.md documents exactly the keys that are accepted', () => {
  const keys = readFileSync(new URL('../../docs/keys.md', import.meta.url), 'utf8')
  const block = /<!-- keys:begin -->\n([\s\S]*?)<!-- keys:end -->/.exec(keys)?.[1]
  if (block === undefined)
    throw new Error('docs/keys.md has no block between <!-- keys:begin --> and <!-- keys:end -->')
  expect(block.trim() === configReference() || MEND).toBe(true)
})
