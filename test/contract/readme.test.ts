import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkConfig } from '../../src/config/check.ts'

const ROOT = join(import.meta.dir, '../..')

/** The mistakes and warnings of a file that someone is told to begin with. */
function complaints(text: string): readonly string[] {
  const result = checkConfig(text, {
    file: join(ROOT, 'routes.toml'),
    readText: path => readFileSync(path, 'utf8'),
    readBytes: path => readFileSync(path),
    env: name => (name === 'POCKET_ID_SECRET' ? 'a secret' : undefined),
  })
  return (result.ok ? result.warnings : result.diagnostics).map(({ line, message }) => `${line}: ${message}`)
}

test("the README's first routes.toml is good as it stands", () => {
  const [, first = ''] = /```toml\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? []
  expect(first).toContain('[[routes]]')
  expect(complaints(first)).toEqual([])
})

test('the routes.toml that the project comes with is good as it stands', () => {
  expect(complaints(readFileSync(join(ROOT, 'routes.toml'), 'utf8'))).toEqual([])
})
