/**
 * Weakens one line at a time, and says which changes no test notices:
 * `bun test/mutants/run.ts --count 40 [--seed 1] [--under src/server/request]… [--tests test/attack/verify]… [--all]`.
 *
 * Works on a copy in a folder of its own. Without `--tests` each change meets the tests that mirror its folder, and those in `BELONGING`,
 * as far as `npm test` runs them; what none of them notices is built, and meets those of the executable. With `--all` those of
 * test/slow.txt come after them, and what they alone notice is counted apart. What the compiler refuses counts for nothing,
 * and is asked of those alone that no test has noticed. Exits 1 where any is left.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { createRandom } from '../fuzz/random.ts'
import { type Change, changed, changesOf } from './changes.ts'

const ROOT = resolve(import.meta.dir, '../..')

/** The code that says who passes, and as whom. */
const SECURITY = 'proxy/fields route policy server/request server/credentials session'
  .split(' ')
  .map(room => `src/${room}`)

/** Tests that hold a folder's code besides those that mirror it; the quickest first. */
const BELONGING: readonly (readonly [under: string, tests: string])[] = [
  ['src/server/request/verify', 'test/attack/verify'],
  ['src/server/request/mcp', 'test/attack/credentials test/flow/credentials'],
  [
    'src/server/request/portal',
    'test/portal test/attack/sign-in test/flow/upstreams/applications.test.ts test/flow/sign-in test/flow/identity',
  ],
  [
    'src/server/request',
    'test/server/request test/attack/routes test/attack/credentials test/attack/verify test/flow/rules test/flow/identity test/flow/operations/admin.test.ts test/flow/upstreams',
  ],
  ['src/server/credentials', 'test/flow/credentials test/attack/credentials'],
  ['src/session', 'test/session test/flow/sessions test/attack/sign-in test/flow/credentials'],
  [
    'src/policy',
    'test/policy test/attack/routes test/flow/rules test/flow/operations/admin.test.ts test/cli/explain.test.ts',
  ],
  ['src/route', 'test/route test/attack/routes test/flow/rules'],
  [
    'src/proxy/fields',
    'test/proxy/fields test/attack/credentials/identity.test.ts test/attack/wire test/attack/answers test/flow/identity test/attack/routes',
  ],
]

/** So long may the tests of one change take: whoever waits for ever has noticed. */
const PATIENCE_MS = 10 * 60_000

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    under: { type: 'string', multiple: true, default: SECURITY },
    tests: { type: 'string', multiple: true },
    all: { type: 'boolean', default: false },
  },
})
const count = Number(values.count)
const seed = Number(values.seed)
if (!(count > 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: bun test/mutants/run.ts --count 40 [--seed 1] [--under FOLDER]… [--tests PATH]… [--all]')
  process.exit(2)
}

const copy = mkdtempSync(join(tmpdir(), 'sallyport-mutants-'))
const EXECUTABLE = join(copy, 'dist/sallyport')
const WHOLE = `${EXECUTABLE}-whole`

/** The tests that mirror a file or its folder, and those in `BELONGING`. */
function testsOf(file: string): readonly [near: readonly string[], far: readonly string[]] {
  if (values.tests !== undefined) return [values.tests, []]
  const [, belonging = ''] = BELONGING.find(([under]) => file.startsWith(under)) ?? []
  const isThere = (path: string) => path !== '' && existsSync(join(ROOT, path))
  const mirror = file.replace(/^src/, 'test')
  const near = [mirror.replace(/\.tsx?$/, '.test.ts'), dirname(mirror)].filter(isThere)
  return [near, belonging.split(' ').filter(path => isThere(path) && !near.includes(path))]
}

/** What `npm test` leaves out. */
const SLOW = [...readFileSync(join(ROOT, 'test/slow.txt'), 'utf8').matchAll(/^ *[0-9]+ +(\S+)/gm)].map(
  ([, file]) => file ?? '',
)

/** What a command says where it fails; null where it does not. */
function failureOf(command: readonly string[]): string | null {
  const path = join(copy, 'said.txt')
  // A file, since a server that outlives its test holds a pipe open.
  const file = openSync(path, 'w')
  const { success } = Bun.spawnSync([...command], {
    cwd: copy,
    env: { ...process.env, PATH: `${ROOT}/node_modules/.bin:${Bun.env.PATH}` },
    stdout: file,
    stderr: file,
    timeout: PATIENCE_MS,
  })
  closeSync(file)
  return success ? null : readFileSync(path, 'utf8')
}

function isSound(linted: string): boolean {
  // What the compiler knows of the other files takes it a tenth of the time.
  const compile = ['tsc', '--noEmit', '--incremental', '--tsBuildInfoFile', 'known.tsbuildinfo']
  return failureOf(compile) === null && failureOf(['biome', 'lint', linted]) === null
}

/** A change in the copy, made and taken back at will. */
interface Trial {
  make(): Promise<unknown>
  takeBack(): Promise<unknown>
}

/**
 * The test among these that notices; null where none does. It has to fail a second time in a process of its own, and to hold without the
 * change: one that fails now and then, for want of time, or always, has noticed nothing.
 */
async function noticedBy(trial: Trial, tests: readonly string[], leftOut: readonly string[]): Promise<string | null> {
  const ignored = [...leftOut]
  for (const path of tests) {
    for (;;) {
      const said = failureOf([...TEST, ...ignored.map(file => `--path-ignore-patterns=${file}`), path])
      if (said === null) break
      const file = [...said.matchAll(/^(test\/\S+\.test\.ts):$/gm)].at(-1)?.[1] ?? path
      const isSteady = failureOf([...TEST, `./${file}`]) !== null
      await trial.takeBack()
      const isItsDoing = failureOf([...TEST, `./${file}`]) === null
      await trial.make()
      if (isSteady && isItsDoing)
        return `${file}: ${/^\(fail\) (.*?)(?: \[[\d.]+ms\])?$/m.exec(said)?.[1] ?? 'it ends without an answer'}`
      console.log(`${isSteady ? 'always' : 'once'}  ${file}`)
      if (file === path) break
      ignored.push(file)
    }
  }
  return null
}

/** What a test has started ends with the first that fails. */
const TEST = ['bun', 'test', '--no-orphans', '--bail', '--pass-with-no-tests', '--timeout', '300000']

/** Files of tests at one of these paths. */
function filesAt(paths: readonly string[], isMeant: (file: string) => boolean): readonly string[] {
  return tested.filter(file => paths.some(path => file === path || file.startsWith(`${path}/`)) && isMeant(file))
}

/** What they look at is the executable: of the weakened program, it takes seconds to make. */
function startsExecutable(file: string): boolean {
  return /\b(?:compiledBinary|PROGRAMS)\b/.test(readFileSync(join(copy, file), 'utf8'))
}

type Verdict = 'caught' | 'slow' | 'refused' | 'LEFT'

async function judge(change: Change): Promise<readonly [verdict: Verdict, by: string | null]> {
  const path = join(copy, change.file)
  const text = await Bun.file(path).text()
  const trial: Trial = {
    make: () => Bun.write(path, changed(text, change)),
    takeBack: () => Bun.write(path, text),
  }
  const [near, far] = testsOf(change.file)
  const tests = [...near, ...far]
  try {
    await trial.make()
    const atOnce = await noticedBy(trial, near, SLOW)
    if (atOnce !== null) return ['caught', atOnce]
    if (!isSound(change.file)) return ['refused', null]
    const by = await noticedBy(trial, far, SLOW)
    if (by !== null) return ['caught', by]
    const byExecutable = await withExecutable(
      trial,
      filesAt(tests, file => !SLOW.includes(file) && startsExecutable(file)),
    )
    if (byExecutable !== null) return ['caught', byExecutable]
    const slow = values.all ? filesAt(tests, file => SLOW.includes(file)) : []
    const later = (await noticedBy(trial, slow, [])) ?? (await withExecutable(trial, slow.filter(startsExecutable)))
    return later === null ? ['LEFT', null] : ['slow', later]
  } finally {
    await trial.takeBack()
  }
}

/** The same with an executable of the weakened program. */
async function withExecutable(trial: Trial, tests: readonly string[]): Promise<string | null> {
  if (tests.length === 0) return null
  const weakened = `${EXECUTABLE}-weakened`
  if (failureOf(['bun', '.ci/build.ts']) !== null) return null
  renameSync(EXECUTABLE, weakened)
  const use = (which: string) => {
    rmSync(EXECUTABLE, { force: true })
    copyFileSync(which, EXECUTABLE)
    isNewerThanAll(EXECUTABLE)
  }
  try {
    const both: Trial = {
      async make() {
        await trial.make()
        use(weakened)
      },
      async takeBack() {
        await trial.takeBack()
        use(WHOLE)
      },
    }
    await both.make()
    return await noticedBy(both, tests, [])
  } finally {
    use(WHOLE)
    rmSync(weakened)
  }
}

/** Tests refuse an executable that is older than its sources, as this one is by a line. */
function isNewerThanAll(path: string): void {
  utimesSync(path, new Date('2100-01-01'), new Date('2100-01-01'))
}

const tested: readonly string[] = [...new Bun.Glob('test/**/*.test.ts').scanSync(ROOT)].toSorted()
const tally: Record<Verdict, number> = { caught: 0, slow: 0, refused: 0, LEFT: 0 }
try {
  const kept = Bun.spawnSync(['git', 'ls-files', '-co', '--exclude-standard', '-z'], { cwd: ROOT }).stdout.toString()
  for (const file of kept.split('\0').filter(name => name !== '' && existsSync(join(ROOT, name))))
    await Bun.write(join(copy, file), Bun.file(join(ROOT, file)))
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  const unbuilt = failureOf(['bun', '.ci/build.ts'])
  if (unbuilt !== null) throw new Error(`the executable cannot be built: ${unbuilt}`)
  copyFileSync(EXECUTABLE, WHOLE)
  isNewerThanAll(EXECUTABLE)

  if (!isSound('.')) throw new Error('the compiler or the linter refuses the project as it is')

  const files = kept
    .split('\0')
    .filter(file => /\.tsx?$/.test(file) && values.under.some(under => file.startsWith(`${under}/`)))
  const all = (
    await Promise.all(files.toSorted().map(async file => changesOf(file, await Bun.file(join(copy, file)).text())))
  ).flat()
  const random = createRandom(seed)
  console.log(`seed ${seed}: ${Math.min(count, all.length)} of ${all.length} changes`)
  for (let done = 0; done < count && all.length > 0; ) {
    const [change] = all.splice(random.below(all.length), 1)
    if (change === undefined) break
    const [verdict, by] = await judge(change)
    tally[verdict]++
    if (verdict !== 'refused') done++
    console.log(`${verdict}  ${change.file}:${change.line}\n  - ${change.before.trim()}\n  + ${change.after.trim()}`)
    if (by !== null) console.log(`  ${by}`)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
const slowly = values.all ? `, ${tally.slow} by the tests of test/slow.txt alone` : ''
console.log(
  `${tally.caught} caught${slowly}, ${tally.LEFT} left, ${tally.refused} refused by the compiler or the linter`,
)
process.exit(tally.LEFT + tally.slow > 0 ? 1 : 0)
