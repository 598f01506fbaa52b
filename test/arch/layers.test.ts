import { expect, test } from 'bun:test'
import { dirname, join, relative, resolve } from 'node:path'
import { Glob } from 'bun'

const SRC = resolve(import.meta.dir, '../../src')

/** Lowest first. Rooms that share a rank may not import each other. */
const RANKS: readonly (readonly string[])[] = [
  ['base'],
  ['config'],
  ['route'],
  ['identity'],
  ['session'],
  ['policy'],
  ['portal', 'proxy'],
  ['server'],
  ['cli'],
]

/** One file alone may import these packages, so that changing one is changing one file. */
const SINGLE_IMPORTERS: Readonly<Record<string, string>> = {
  'smol-toml': 'config/parse.ts',
  'toml-eslint-parser': 'config/locate.ts',
}

/** Imports from the text: Bun's transpiler leaves out those that are only types. */
const IMPORT = /(?:^|\n)\s*(?:import|export)\s(type\s)?(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]/g

interface Import {
  readonly file: string
  readonly names: string
  /** Types alone, so nothing runs because of it. */
  readonly isType: boolean
}

function importsOf(text: string): Omit<Import, 'file'>[] {
  return [...text.matchAll(IMPORT)].map(([, type, names = '']) => ({ names, isType: type !== undefined }))
}

function rankOf(room: string): number {
  return RANKS.findIndex(rank => rank.includes(room))
}

const files = [...new Glob('**/*.{ts,tsx}').scanSync(SRC)].sort()
const imports: Import[] = []
for (const file of files) {
  for (const found of importsOf(await Bun.file(join(SRC, file)).text())) imports.push({ file, ...found })
}

test('the text of every import form is seen', () => {
  const text =
    "import a from './a.ts'\nimport type { B } from \"../b.ts\"\nexport { c } from './c.ts'\nimport './d.ts'\nimport {\n  e,\n} from 'e'\n"
  expect(importsOf(text).map(({ names }) => names)).toEqual(['./a.ts', '../b.ts', './c.ts', './d.ts', 'e'])
  expect(importsOf(text).filter(({ isType }) => isType)).toEqual([{ names: '../b.ts', isType: true }])
  expect(imports.length).toBeGreaterThan(100)
})

test('every file lives in a room that has a rank', () => {
  const homeless = files.filter(file => file !== 'main.ts' && rankOf(file.split('/')[0] ?? '') === -1)
  expect(homeless).toEqual([])
})

test('imports point down only', () => {
  const banned: string[] = []
  for (const { file, names } of imports) {
    if (!names.startsWith('.') || file === 'main.ts') continue
    const target = relative(SRC, resolve(SRC, dirname(file), names))
    if (target.startsWith('..')) {
      if (target !== '../package.json') banned.push(`${file} imports ${target}: the program consists of src alone`)
      continue
    }
    const [from, to] = [file.split('/')[0] ?? '', target.split('/')[0] ?? '']
    if (from === to) continue
    if (rankOf(to) > rankOf(from)) banned.push(`${file} imports ${target}: ${from} is below ${to} and must not know it`)
    if (rankOf(to) === rankOf(from))
      banned.push(`${file} imports ${target}: ${from} and ${to} stand side by side; what both need belongs below`)
  }
  expect(banned).toEqual([])
})

test('no file runs because of itself: what goes around in a circle loads in an order that nobody chose', () => {
  const needs = new Map<string, string[]>()
  for (const { file, names, isType } of imports) {
    if (isType || !names.startsWith('.')) continue
    needs.set(file, [...(needs.get(file) ?? []), relative(SRC, resolve(SRC, dirname(file), names))])
  }
  const circles: string[] = []
  const isDone = new Set<string>()
  const follow = (file: string, path: readonly string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    if (isDone.has(file) || path.includes(file)) return
    for (const next of needs.get(file) ?? []) follow(next, [...path, file])
    isDone.add(file)
  }
  for (const file of files) follow(file, [])
  expect(circles).toEqual([])
})

test('ARCHITECTURE.md names files that there are', async () => {
  const root = resolve(SRC, '..')
  const text = await Bun.file(join(root, 'ARCHITECTURE.md')).text()
  const named = [...text.matchAll(/`([\w./*-]+\.tsx?)`/g)].map(match => match[1] ?? '')
  expect(named.length).toBeGreaterThan(30)
  const isThere = (pattern: string) => [...new Glob(pattern).scanSync({ cwd: root, dot: true })].length > 0
  expect(named.filter(name => ![name, `src/${name}`, `src/*/${name}`].some(isThere))).toEqual([])
})

test('packages that may be changed one day stand behind one file', () => {
  const banned = imports.filter(({ file, names }) => names in SINGLE_IMPORTERS && SINGLE_IMPORTERS[names] !== file)
  expect(banned).toEqual([])
})

test('only src/cli touches the process, so that everything else can be tested with values', async () => {
  const banned: string[] = []
  for (const file of files) {
    if (file.startsWith('cli/') || file === 'main.ts') continue
    const text = await Bun.file(join(SRC, file)).text()
    for (const [index, line] of text.split('\n').entries()) {
      if (/^\s*(\/?\*|\/\/)/.test(line)) continue
      if (/\bprocess\.(env|exit|on|argv|stdout|stderr|cwd)\b|\bconsole\.|\bDate\.now\(|\bMath\.random\(/.test(line)) {
        banned.push(`${file}:${index + 1} ${line.trim()}`)
      }
    }
  }
  expect(banned).toEqual([])
})
