import { expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { Glob } from 'bun'

const SRC = resolve(import.meta.dir, '../../src')

/** So much a stranger reads before they go on to another file. */
const FIRST_LINES = 20

/** Whether a file says what it is about, in its first lines: at its top, or of something in it that others use. */
function isSaid(text: string): boolean {
  const begins = text.split('\n', FIRST_LINES).some(line => /^\/\*\*(?! @jsx)/.test(line))
  return begins && (/^\/\*\*/.test(text) || /\*\/\nexport /.test(text))
}

test.each([
  ["/** About something. */\n\nimport { a } from './a.ts'\n\nexport const b = a\n", true],
  ["import { a } from './a.ts'\n\n/** Says. */\nexport const b = a\n\nexport const c = a\n", true],
  ["import { a } from './a.ts'\n\n/** Says. */\nconst b = a\n\nexport const c = b\n", false],
  ['// No.\nexport const b = 1\n', false],
  [`${"import './a.ts'\n".repeat(20)}\n/** Says. */\nexport const b = 1\n`, false],
  [`/** @jsxImportSource hono/jsx */\n${"import './a.ts'\n".repeat(20)}\n/** Says. */\nexport const b = 1\n`, false],
])('what says nothing is seen: %j', (text, said) => expect(isSaid(text)).toBe(said))

test('every file says what it is about, in its first twenty lines', async () => {
  const silent: string[] = []
  for (const file of [...new Glob('**/*.{ts,tsx}').scanSync(SRC)].sort())
    if (file !== 'main.ts' && !file.endsWith('.d.ts') && !isSaid(await Bun.file(join(SRC, file)).text()))
      silent.push(file)
  expect(silent).toEqual([])
})
