import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { importsOf } from './imports.ts'

const SRC = resolve(import.meta.dir, '../../src')

/** Files of ours, and what else, that are loaded with a file: by name, from `src/` on. */
function loadedWith(file: string): ReadonlySet<string> {
  const found = new Set<string>()
  const follow = (name: string): void => {
    if (found.has(name)) return
    found.add(name)
    if (!/\.tsx?$/.test(name)) return
    const path = join(SRC, name)
    for (const { names, when } of importsOf(readFileSync(path, 'utf8'))) {
      if (when === 'now') follow(names.startsWith('.') ? relative(SRC, resolve(dirname(path), names)) : names)
    }
  }
  follow(file)
  return found
}

test('what is loaded at once, later, or never is told apart', () => {
  const text =
    "import { a } from './a.ts'\nimport type { B } from './b.ts'\nexport {\n  c,\n} from './c.ts'\nconst { d } = await import('./d.ts')\n"
  expect(importsOf(text).map(({ when }) => when)).toEqual(['now', 'never', 'now', 'later'])
})

test('a process that is to become another first has loaded next to nothing: all of it would be loaded twice', () => {
  expect([...loadedWith('main.ts')].sort()).toEqual([
    'base/libc.ts',
    'bun:ffi',
    'cli/serve-arguments.ts',
    'console/inherited-sockets.ts',
    'console/reexec.ts',
    'main.ts',
  ])
})

describe('a server', () => {
  const loaded = loadedWith('cli/serve.ts')

  test('is loaded without the other commands', () => {
    expect(loaded).toContain('server/request/pipeline.ts')
    expect([...loaded].filter(name => /^(cli|migrate)\//.test(name))).toEqual(['cli/serve.ts'])
  })

  test.each(['node:zlib', 'otpauth', '@opentelemetry/otlp-transformer', 'yaml'])(
    'is loaded without %s, which most of them never need',
    name => expect(loaded).not.toContain(name),
  )
})
