import { expect, test } from 'bun:test'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'

const CI = join(import.meta.dir, '../../../.ci')
const COUNT = join(CI, 'count.ts')
const NEEDS = join(import.meta.dir, '../../kit/needs.ts')

const GOOD = "import { test } from 'bun:test'\ntest('holds', () => undefined)\n"
const BAD = "import { test } from 'bun:test'\ntest('does not hold', () => { throw new Error('as meant') })\n"
const UNSTEADY =
  "import { expect, test } from 'bun:test'\nlet tries = 0\ntest('holds in the end', () => expect(++tries).toBe(2))\n"
const UNLOADABLE = "import './nowhere.ts'\n"

/** What `.ci/test` hands to `bun test` for every run, but for where the report goes. */
const OPTIONS = (
  /^ *bun test ([\s\S]*?) --reporter-outfile=/m
    .exec(readFileSync(join(CI, 'test'), 'utf8'))?.[1]
    ?.match(/--[\w-]+(?:[= ]\w+)?/g) ?? []
).flatMap(option => option.split(' '))

/** What is counted of a run of these files, line by line, and the exit code. */
function count(
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): { readonly lines: readonly string[]; readonly code: number } {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  const [report, output] = [join(folder.path, 'junit.xml'), join(folder.path, 'output')]
  const test = [process.execPath, 'test', ...OPTIONS, `--reporter-outfile=${report}`]
  const run = Bun.spawnSync(test, { cwd: folder.path, env: { ...process.env, ...env } })
  writeFileSync(output, `${run.stdout}${run.stderr}`)
  const counted = Bun.spawnSync(['bun', COUNT, report, String(run.exitCode), output])
  return { lines: counted.stdout.toString().trim().split('\n'), code: counted.exitCode }
}

test.each<[what: string, files: Record<string, string>, says: string, code: number]>([
  ['all hold', { 'a.test.ts': GOOD }, '1 passed, 0 failed, 0 skipped', 0],
  ['one fails', { 'a.test.ts': GOOD, 'b.test.ts': BAD }, '1 passed, 1 failed, 0 skipped', 1],
  ['a file does not load', { 'a.test.ts': GOOD, 'b.test.ts': UNLOADABLE }, '1 passed, 1 failed, 0 skipped', 1],
  [
    'a test fails and two files do not load',
    { 'a.test.ts': GOOD, 'b.test.ts': BAD, 'c.test.ts': UNLOADABLE, 'd.test.ts': UNLOADABLE },
    '1 passed, 3 failed, 0 skipped',
    1,
  ],
  ['there is none', {}, '0 passed, 1 failed, 0 skipped', 1],
])('the last line of the tests counts what the runner counts where %s', (_, files, says, code) => {
  const counted = count(files)
  expect([counted.lines.at(-1), counted.code]).toEqual([says, code])
})

test('what is missing is named with the tests that it would run, one that needs two for each', () => {
  const text = `import { whereThereIs } from '${NEEDS}'
const { describe, test } = whereThereIs(false, 'nginx')
describe.each([1, 2])('each %i', () => { test.each([1, 2])('inner %i', () => { throw new Error('runs') }) })
test.skipIf(false)('of it', () => { throw new Error('runs') })
whereThereIs(false, 'caddy, haproxy').test('of two', () => { throw new Error('runs') })
whereThereIs(true, 'fish').test('runs', () => undefined)
`
  expect(count({ 'a.test.ts': text })).toEqual({
    lines: [
      'No caddy here: 1 test skipped',
      'No haproxy here: 1 test skipped',
      'No nginx here: 5 tests skipped',
      '1 passed, 0 failed, 6 skipped',
    ],
    code: 0,
  })
})

test('with CI=true a missing program is a failure, and one that is there is none', () => {
  const text = `import { needs } from '${NEEDS}'
needs('caddy').test('of it', () => undefined)
`
  using programs = temporaryFolder()
  const env = { CI: 'true', PATH: programs.path }
  const gone = count({ 'a.test.ts': text }, env)
  expect(gone).toEqual({ lines: ['No caddy here: 1 test skipped', '0 passed, 1 failed, 1 skipped'], code: 1 })
  const caddy = join(programs.path, 'caddy')
  writeFileSync(caddy, '')
  chmodSync(caddy, 0o755)
  const there = count({ 'a.test.ts': text }, env)
  expect(there).toEqual({ lines: ['1 passed, 0 failed, 0 skipped'], code: 0 })
})

test.each([
  ['answers', 1],
  ['does not answer', 0],
])('with CI=true a proxy that is missing though PyPI %s is a failure: %p', (what, failed) => {
  const text = `import { test } from 'bun:test'
import { proxyTests } from '${join(CI, '../test/kit/programs/recipes.ts')}'
proxyTests('Traefik 3.7.9').test('of it', () => undefined)
test('runs', () => undefined)
`
  using caches = temporaryFolder()
  const fronts = join(caches.path, 'sallyport/fronts')
  mkdirSync(fronts, { recursive: true })
  if (what === 'does not answer') writeFileSync(join(fronts, 'unreachable'), '')
  expect(count({ 'a.test.ts': text }, { CI: 'true', XDG_CACHE_HOME: caches.path })).toEqual({
    lines: ['No Traefik here: 1 test skipped', `1 passed, ${failed} failed, 1 skipped`],
    code: failed,
  })
})

test('the set-up owes every program, of packages that not every Debian has those that apt knows, and a fresh machine its rights', () => {
  using programs = temporaryFolder()
  const apt = join(programs.path, 'apt-cache')
  writeFileSync(apt, '#!/bin/sh\n[ "$2" = crowdsec ] && echo "  Candidate: 1.4" || echo "  Candidate: (none)"\n')
  chmodSync(apt, 0o755)
  const script = `import { isOwed } from '${NEEDS}'
console.log(['nginx', 'crowdsec', 'opentelemetry-proto', 'root', '/proc', '127.0.0.2'].filter(isOwed).join())`
  const owed = (PATH: string, SALLYPORT_FRESH?: string) =>
    Bun.spawnSync([process.execPath, '-e', script], {
      env: { ...process.env, PATH, SALLYPORT_FRESH },
    }).stdout.toString()
  expect([owed(programs.path), owed('/nowhere'), owed('/nowhere', 'trixie')]).toEqual([
    'nginx,crowdsec\n',
    'nginx\n',
    'nginx,root,/proc\n',
  ])
})

test('a test that would hold at a second try has failed', () => {
  expect(count({ 'a.test.ts': UNSTEADY, 'b.test.ts': GOOD })).toEqual({
    lines: ['1 passed, 1 failed, 0 skipped'],
    code: 1,
  })
})

test('that nothing is reached by what changed is no failure, and that no test ran is one', () => {
  using folder = temporaryFolder()
  const output = join(folder.path, 'output')
  const counted = (text: string) => {
    writeFileSync(output, text)
    return Bun.spawnSync(['bun', COUNT, join(folder.path, 'none.xml'), '0', output])
      .stdout.toString()
      .trim()
      .split('\n')
  }
  expect(counted('--changed: no changed files, nothing to run\n\n 0 pass\n')).toEqual(['0 passed, 0 failed, 0 skipped'])
  expect(counted('--changed: 2 changed files, but no test files are affected\n')).toEqual([
    '0 passed, 0 failed, 0 skipped',
  ])
  expect(counted(' 0 pass\n')).toEqual(['No test ran.', '0 passed, 1 failed, 0 skipped'])
})
