import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'

const COUNT = join(import.meta.dir, '../../../.ci/count.ts')

const GOOD = "import { test } from 'bun:test'\ntest('holds', () => undefined)\n"
const BAD = "import { test } from 'bun:test'\ntest('does not hold', () => { throw new Error('as meant') })\n"
const UNLOADABLE = "import './nowhere.ts'\n"

/** What is counted of a run of these files, and the exit code. */
function count(files: Readonly<Record<string, string>>): { readonly says: string | undefined; readonly code: number } {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  const [report, output] = [join(folder.path, 'junit.xml'), join(folder.path, 'output')]
  const run = Bun.spawnSync(['bun', 'test', '--reporter=junit', `--reporter-outfile=${report}`], { cwd: folder.path })
  writeFileSync(output, `${run.stdout}${run.stderr}`)
  const counted = Bun.spawnSync(['bun', COUNT, report, String(run.exitCode), output])
  return { says: counted.stdout.toString().trim().split('\n').at(-1), code: counted.exitCode }
}

test.each<[what: string, files: Record<string, string>, says: string, code: number]>([
  ['all hold', { 'a.test.ts': GOOD }, '1 passed, 0 failed', 0],
  ['one fails', { 'a.test.ts': GOOD, 'b.test.ts': BAD }, '1 passed, 1 failed', 1],
  ['a file does not load', { 'a.test.ts': GOOD, 'b.test.ts': UNLOADABLE }, '1 passed, 1 failed', 1],
  [
    'a test fails and two files do not load',
    { 'a.test.ts': GOOD, 'b.test.ts': BAD, 'c.test.ts': UNLOADABLE, 'd.test.ts': UNLOADABLE },
    '1 passed, 3 failed',
    1,
  ],
  ['there is none', {}, '0 passed, 1 failed', 1],
])('the last line of the tests counts what the runner counts where %s', (_, files, says, code) => {
  expect(count(files)).toEqual({ says, code })
})
