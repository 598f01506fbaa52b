import { expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { runFmt } from '../../src/cli/fmt.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'
import { compiledBinary } from '../kit/programs/binary.ts'

const ROUTE = '[[routes]]\nhost="a.example" # mine\nrespond={ body="in" }\nallow="public"\n'
const FORMATTED = '[[routes]]\nhost = "a.example"  # mine\nrespond = { body = "in" }\nallow = "public"\n'

function place(files: Readonly<Record<string, string>>) {
  const folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder.path, name, '..'), { recursive: true })
    writeFileSync(join(folder.path, name), text)
  }
  return {
    path: (name: string) => join(folder.path, name),
    read: (name: string) => readFileSync(join(folder.path, name), 'utf8'),
    fmt: (...argv: string[]) => runIn(folder.path, io => runFmt(argv, io)),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

test('fmt formats the file once, in one step, and keeps its mode', async () => {
  using here = place({ 'routes.toml': ROUTE })
  chmodSync(here.path('routes.toml'), 0o640)
  const { ino } = statSync(here.path('routes.toml'))
  expect(await here.fmt()).toEqual({ code: 0, out: 'routes.toml is formatted\n', err: '' })
  expect(here.read('routes.toml')).toBe(FORMATTED)
  const after = statSync(here.path('routes.toml'))
  expect([after.mode & 0o777, after.ino === ino]).toEqual([0o640, false])
  expect(readdirSync(here.path('.'))).toEqual(['routes.toml'])
  expect(await here.fmt()).toEqual({ code: 0, out: '', err: '' })
  expect(statSync(here.path('routes.toml')).ino).toBe(after.ino)
})

test('fmt --check writes nothing, and exits 1 where something would change', async () => {
  using here = place({ 'routes.toml': ROUTE, 'good.toml': FORMATTED })
  expect(await here.fmt('--check')).toEqual({ code: 1, out: 'routes.toml is not formatted\n', err: '' })
  expect(here.read('routes.toml')).toBe(ROUTE)
  expect(await here.fmt('good.toml', '--check')).toEqual({ code: 0, out: '', err: '' })
})

test('fmt formats what a file includes too, and of a link what it leads to', async () => {
  using here = place({ 'routes.toml': 'include="conf.d/*.toml"\n', 'conf.d/a.toml': ROUTE, 'data/b.toml': ROUTE })
  symlinkSync(here.path('data/b.toml'), here.path('conf.d/b.toml'))
  const { code, out } = await here.fmt()
  expect([code, out]).toEqual([0, 'routes.toml is formatted\nconf.d/a.toml is formatted\nconf.d/b.toml is formatted\n'])
  expect([here.read('conf.d/a.toml'), here.read('data/b.toml')]).toEqual([FORMATTED, FORMATTED])
  expect(lstatSync(here.path('conf.d/b.toml')).isSymbolicLink()).toBe(true)
})

test('fmt leaves what is no TOML as it is, and says where it stops; other mistakes are no matter', async () => {
  using here = place({ 'routes.toml': 'a = [\n', 'odd.toml': 'unknown=1\n' })
  const { code, err } = await here.fmt()
  expect([code, err]).toEqual([1, expect.stringMatching(/routes\.toml:\d+:\d+/)])
  expect(here.read('routes.toml')).toBe('a = [\n')
  expect((await here.fmt('odd.toml')).code).toBe(0)
  expect(here.read('odd.toml')).toBe('unknown = 1\n')
  expect(await here.fmt('gone.toml')).toMatchObject({ code: 1, err: 'gone.toml does not exist\n' })
  expect(existsSync(here.path('gone.toml'))).toBe(false)
})

test('the executable has the formatter in it, packed', async () => {
  using here = place({ 'routes.toml': ROUTE })
  const ran = Bun.spawnSync([await compiledBinary(), 'fmt'], { cwd: here.path('.'), env: {} })
  expect([ran.exitCode, ran.stderr.toString(), ran.stdout.toString()]).toEqual([0, '', 'routes.toml is formatted\n'])
  expect(here.read('routes.toml')).toBe(FORMATTED)
  const library = 'node_modules/@tombi-toml/wasm-lib/dist/tombi_wasm_bg.wasm'
  const piece = readFileSync(join(import.meta.dir, '../..', library)).subarray(0, 4096)
  expect(readFileSync(await compiledBinary()).includes(piece)).toBe(false)
})
