import { expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { Glob } from 'bun'

const SRC = resolve(import.meta.dir, '../../src')

const EXPORTED = /^export (?:async )?(?:function\*?|class) (\w+)/

/** What of a text is exported, and says nothing above of what it answers; of an overload, its first line speaks for all. */
function silentIn(text: string): readonly string[] {
  const lines = text.split('\n')
  const seen = new Set<string>()
  return lines.flatMap((line, index) => {
    const name = EXPORTED.exec(line)?.[1]
    if (name === undefined || seen.has(name)) return []
    seen.add(name)
    return lines[index - 1]?.trimEnd().endsWith('*/') === true ? [] : [name]
  })
}

test('what says nothing is seen', () =>
  expect(
    silentIn(
      'export function a() {}\n/** Says. */\nexport async function b() {}\n// No.\nexport class C {}\nexport function b() {}',
    ),
  ).toEqual(['a', 'C']))

test('whoever may be called from another file says what comes of it', async () => {
  const silent: string[] = []
  for (const file of [...new Glob('**/*.{ts,tsx}').scanSync(SRC)].sort())
    for (const name of silentIn(await Bun.file(join(SRC, file)).text())) silent.push(`${file}: ${name}`)
  expect(silent).toEqual([])
})
