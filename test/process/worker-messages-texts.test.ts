import { expect, test } from 'bun:test'
import { loadConfig } from '../../src/config/load.ts'
import { parseTexts, withTexts, writeTexts } from '../../src/process/worker-messages.ts'

const route = (host: string) => `[[routes]]\nhost = "${host}"\nrespond = { body = "in" }\nallow = "public"\n`

const gone = () => {
  throw Object.assign(new Error('gone'), { code: 'ENOENT' })
}

const DISK = {
  readText: (path: string) => (path.endsWith('a.toml') ? 'no TOML {' : gone()),
  readBytes: gone,
  listFolder: () => ['a.toml', 'b.toml'],
  env: () => undefined,
}

test('a worker begins with the files in force, those that are included among them, whatever is on disk by then', () => {
  const inForce = new Map([
    ['/etc/routes.toml', `include = "conf.d/*.toml"\n${route('main.example')}`],
    ['/etc/conf.d/a.toml', route('a.example')],
  ])
  const read = parseTexts(writeTexts(inForce))
  expect(read).toEqual(inForce)
  let isStarting = true
  const sources = withTexts(DISK, read, () => isStarting)
  const begun = loadConfig('/etc/routes.toml', sources)
  expect(begun.ok ? begun.config.routes.map(({ host }) => host) : begun.diagnostics).toEqual([
    'main.example',
    'a.example',
  ])
  isStarting = false
  expect(loadConfig('/etc/routes.toml', sources).ok).toBe(false)
})

test('nothing is no file, and what is something else is refused', () => {
  expect(parseTexts('').size).toBe(0)
  for (const text of ['{}', '[1]', '[["a"]]', '[["a", 1]]']) expect(() => parseTexts(text)).toThrow(TypeError)
})
