/**
 * Rewrites what is generated in docs/: the tables of keys and of error codes.
 *
 * Usage: bun .ci/reference.ts. Each lies between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; the rest is untouched.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { errorReference } from '../src/base/error-reference.ts'
import { configReference } from '../src/config/keys/keys.ts'

const GENERATED = [
  ['keys', configReference()],
  ['errors', errorReference()],
] as const

for (const [name, text] of GENERATED) {
  const file = `docs/${name}.md`
  const path = new URL(`../${file}`, import.meta.url).pathname
  const before = readFileSync(path, 'utf8')
  const block = new RegExp(`(<!-- ${name}:begin -->\\n)[\\s\\S]*?(<!-- ${name}:end -->)`)
  if (!block.test(before)) {
    console.error(`${file} has no block between <!-- ${name}:begin --> and <!-- ${name}:end -->`)
    process.exit(1)
  }
  const after = before.replace(block, (_, begin: string, end: string) => `${begin}\n${text}\n\n${end}`)
  if (after !== before) writeFileSync(path, after)
  console.log(after === before ? `${file} is up to date` : `${file} has been rewritten`)
}
