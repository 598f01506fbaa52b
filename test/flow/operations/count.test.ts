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

/** What is counted of a run of these files, line by line, before it why each failed, and the exit code. */
function count(
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): { readonly why: readonly string[]; readonly lines: readonly string[]; readonly code: number } {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  const [report, output] = [join(folder.path, 'junit.xml'), join(folder.path, 'output')]
  const test = [process.execPath, 'test', ...OPTIONS, `--reporter-outfile=${report}`]
  const run = Bun.spawnSync(test, { cwd: folder.path, env: { ...process.env, ...env } })
  writeFileSync(output, `${run.stdout}${run.stderr}`)
  const counted = Bun.spawnSync(['bun', COUNT, report, String(run.exitCode), output])
  const lines = counted.stdout.toString().trim().split('\n')
  const start = lines.findIndex(line => /^(?:No .* here: |\d+ passed, )/.test(line))
  return { why: lines.slice(0, start), lines: lines.slice(start), code: counted.exitCode }
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

test('before the last line stands why each failed: its file, its title and its error, bounded', () => {
  const texts = {
    'a.test.ts': `import { afterAll, describe, expect, test } from 'bun:test'
afterAll(() => { throw new Error('after "all" <of it>') })
test('holds', () => undefined)
describe('of a group', () => { test('is other', () => { expect({ one: 1, two: 3 }).toEqual({ one: 1, two: 2 }) }) })
test('is late', async () => { await Bun.sleep(60_000) }, 100)
`,
    'b.test.ts': UNLOADABLE,
    'c.test.ts': `import { test } from 'bun:test'
test('says much', () => { throw new Error(Array.from({ length: 90 }, (_, n) => n + 'x'.repeat(900)).join('\\n')) })
for (let n = 0; n < 40; n++) test('one of many ' + n, () => { throw new Error('as meant') })
`,
    'e.test.ts': "import { test } from 'bun:test'\nfor (let n = 0; n < 90; n++) test('holds ' + n, () => undefined)\n",
    'd.test.ts': `import { test } from 'bun:test'
test('takes its process along', () => process.exit(7))
`,
  }
  const whyOf = (...names: readonly (keyof typeof texts)[]) => {
    const { why, lines } = count(Object.fromEntries(names.map(name => [name, texts[name]])))
    expect(why[0]).toBe('What failed, and why:')
    return {
      text: why.join('\n'),
      last: lines.join('\n'),
      failures: why.filter(line => line.startsWith('FAILED ')).length,
    }
  }
  const { text, last, failures } = whyOf('a.test.ts', 'd.test.ts')
  expect(text).toMatch(
    /^FAILED a\.test\.ts: of a group > is other\n[\s\S]*?Error: expect\(received\)[\s\S]*?\+ {3}"two": 3,$/m,
  )
  expect(text).toMatch(/^FAILED a\.test\.ts: is late\n[\s\S]*?timed out/m)
  expect(text).toMatch(/^FAILED a\.test\.ts: \(unnamed\)\n +Error: after "all" <of it>$/m)
  expect(text).toMatch(/^FAILED d\.test\.ts \(worker crashed: exit code 7\)$/m)
  expect([failures, last]).toEqual([4, '1 passed, 4 failed, 0 skipped'])
  // Apart: several processes write their output in any order.
  const unloadable = whyOf('b.test.ts')
  expect(unloadable.text).toMatch(
    /^FAILED b\.test\.ts: outside its tests\n +error: Cannot find module '\.\/nowhere\.ts'/m,
  )
  expect([unloadable.failures, unloadable.last]).toEqual([1, '0 passed, 1 failed, 0 skipped'])
  const many = whyOf('c.test.ts', 'e.test.ts')
  expect([many.failures, many.last]).toEqual([20, '90 passed, 41 failed, 0 skipped'])
  expect(many.text).toEndWith('… 21 more failures')
  expect(many.text).toMatch(/^ {4}… \d+ more lines$/m)
  expect(many.text.length).toBeLessThan(20 * 32 * 310)
})

test('what is missing is named with the tests that it would run, one that needs two for each', () => {
  const text = `import { whereThereIs } from '${NEEDS}'
const { describe, test } = whereThereIs(false, 'nginx')
describe.each([1, 2])('each %i', () => { test.each([1, 2])('inner %i', () => { throw new Error('runs') }) })
test.skipIf(false)('of it', () => { throw new Error('runs') })
test.concurrent('of it, beside others', () => { throw new Error('runs') })
test.concurrent.each([1, 2])('of it, each %i beside others', () => { throw new Error('runs') })
whereThereIs(false, 'caddy, haproxy').test('of two', () => { throw new Error('runs') })
whereThereIs(true, 'fish').test('runs', () => undefined)
`
  expect(count({ 'a.test.ts': text })).toEqual({
    why: [],
    lines: [
      'No caddy here: 1 test skipped',
      'No haproxy here: 1 test skipped',
      'No nginx here: 8 tests skipped',
      '1 passed, 0 failed, 9 skipped',
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
  expect(gone).toMatchObject({ lines: ['No caddy here: 1 test skipped', '0 passed, 1 failed, 1 skipped'], code: 1 })
  const caddy = join(programs.path, 'caddy')
  writeFileSync(caddy, '')
  chmodSync(caddy, 0o755)
  const there = count({ 'a.test.ts': text }, env)
  expect(there).toEqual({ why: [], lines: ['1 passed, 0 failed, 0 skipped'], code: 0 })
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
  expect(count({ 'a.test.ts': text }, { CI: 'true', XDG_CACHE_HOME: caches.path })).toMatchObject({
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
  expect(count({ 'a.test.ts': UNSTEADY, 'b.test.ts': GOOD })).toMatchObject({
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
