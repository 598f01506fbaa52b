/**
 * Rewrites the tables of docs/keys.md from the one table of keys.
 *
 * Usage: bun .ci/reference.ts. The block lies between `<!-- keys:begin -->` and `<!-- keys:end -->`; the rest is untouched.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { configReference } from '../src/config/keys/reference.ts'

const path = new URL('../docs/keys.md', import.meta.url).pathname
const before = readFileSync(path, 'utf8')
const block = /(<!-- keys:begin -->\n)[\s\S]*?(<!-- keys:end -->)/
if (!block.test(before)) {
  console.error('docs/keys.md has no block between <!-- keys:begin --> and <!-- keys:end -->')
  process.exit(1)
}
const after = before.replace(block, (_, begin: string, end: string) => `${begin}\n${configReference()}\n\n${end}`)
if (after !== before) writeFileSync(path, after)
console.log(after === before ? 'docs/keys.md is up to date' : 'docs/keys.md has been rewritten')
