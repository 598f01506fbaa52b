/** Where the tests of a room are. */
import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '../..')

/** Tests of a whole room, and what they are about. */
const OF_A_ROOM: Readonly<Record<string, string>> = {
  'migrate/caddy/model.test.ts': 'all of it against a model of Caddy',
  'migrate/caddy/traps.test.ts': 'all of it, by what people get wrong',
  'migrate/combinations.test.ts': 'every other gate, by pairs of what it can say',
  'migrate/inputs.test.ts': 'every other gate, by what comes into it',
  'portal/portal-attacks.test.ts': 'all of it, by what attackers try at a sign-in',
}

/** Whether a source file or folder has the name of a test, or its beginning up to a hyphen; `x/x` is about the folder `x`. */
function isAboutSource(name: string): boolean {
  const [folder, file = ''] = [name.slice(0, name.lastIndexOf('/')), name.slice(name.lastIndexOf('/') + 1)]
  const words = file.split('-')
  const beginnings = words.map((_, index) => words.slice(0, words.length - index).join('-'))
  if (folder.endsWith(`/${file}`) && existsSync(join(ROOT, 'src', folder))) return true
  return beginnings.some(beginning =>
    ['.ts', '.tsx', ''].some(ending => existsSync(join(ROOT, 'src', folder, `${beginning}${ending}`))),
  )
}

test('a test of a room has the name of the file or folder that it is about, with or without more after a hyphen', () => {
  const rooms = [...new Bun.Glob('*').scanSync({ cwd: join(ROOT, 'src'), onlyFiles: false })]
  const tests = [...new Bun.Glob(`{${rooms.join()}}/**/*.test.{ts,tsx}`).scanSync({ cwd: join(ROOT, 'test') })]
  expect(tests.length).toBeGreaterThan(200)
  const astray = tests.filter(name => !isAboutSource(name.replace(/\.test\.tsx?$/, '')))
  expect(astray.sort()).toEqual(Object.keys(OF_A_ROOM).sort())
})
