import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { errorReference } from '../../src/base/error-reference.ts'
import { configReference } from '../../src/config/keys/keys.ts'

for (const [name, what, made] of [
  ['keys', 'exactly the keys that are accepted', configReference()],
  ['errors', 'every code of a failure, with why it happens and what to do', errorReference()],
] as const) {
  test(`docs/${name}.md documents ${what}`, () => {
    const text = readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8')
    const block = new RegExp(`<!-- ${name}:begin -->\\n([\\s\\S]*?)<!-- ${name}:end -->`).exec(text)?.[1]
    if (block === undefined) throw new Error(`docs/${name}.md has no <!-- ${name}:begin --> and <!-- ${name}:end -->`)
    const mend = `docs/${name}.md and its source differ: run \`bun .ci/reference.ts\` and commit docs/${name}.md`
    expect(block.trim() === made || mend).toBe(true)
  })
}
