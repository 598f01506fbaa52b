/**
 * Weakens one line at a time, and says which changes no test notices:
 * `bun test/mutants/run.ts --count 40 [--seed 1] [--under src/server/request]… [--tests test/attack/verify]…`.
 *
 * Works on a copy in a folder of its own. Without `--tests` each change meets the tests that mirror its folder, and those in `BELONGING`.
 * What the compiler refuses counts for nothing, and is asked of those alone that no test has noticed. Exits 1 where any is left.
 */
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
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
  ['src/server/request/portal', 'test/portal test/attack/sign-in'],
  [
    'src/server/request',
    'test/server/request test/attack/routes test/attack/credentials test/attack/verify test/flow/rules',
  ],
  ['src/server/credentials', 'test/flow/credentials test/attack/credentials'],
  ['src/session', 'test/session test/flow/sessions test/attack/sign-in'],
  ['src/policy', 'test/policy test/attack/routes'],
  ['src/route', 'test/route test/attack/routes'],
  [
    'src/proxy/fields',
    'test/proxy/fields test/attack/credentials/identity.test.ts test/attack/wire test/attack/answers',
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
  },
})
const count = Number(values.count)
const seed = Number(values.seed)
if (!(count > 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: bun test/mutants/run.ts --count 40 [--seed 1] [--under FOLDER]… [--tests PATH]…')
  process.exit(2)
}

function mirrors(file: string): readonly string[] {
  const [, belonging = ''] = BELONGING.find(([under]) => file.startsWith(under)) ?? []
  const mirrored = [file.replace(/^src/, 'test').replace(/\.tsx?$/, '.test.ts'), dirname(file.replace(/^src/, 'test'))]
  return [...new Set([...mirrored, ...belonging.split(' ')])].filter(
    path => path !== '' && existsSync(join(ROOT, path)),
  )
}

function inCopy(copy: string, command: readonly string[]): boolean {
  const { success } = Bun.spawnSync([...command], {
    cwd: copy,
    env: { ...process.env, PATH: `${ROOT}/node_modules/.bin:${Bun.env.PATH}` },
    stdout: 'ignore',
    stderr: 'ignore',
    timeout: PATIENCE_MS,
  })
  return success
}

function isSound(copy: string, linted: string): boolean {
  return inCopy(copy, ['tsc', '--noEmit']) && inCopy(copy, ['biome', 'lint', linted])
}

async function judge(copy: string, change: Change): Promise<'caught' | 'refused' | 'LEFT'> {
  const path = join(copy, change.file)
  const text = await Bun.file(path).text()
  await Bun.write(path, changed(text, change))
  try {
    for (const tests of values.tests ?? mirrors(change.file))
      if (!inCopy(copy, ['bun', 'test', '--bail', '--timeout', '60000', tests])) return 'caught'
    return isSound(copy, change.file) ? 'LEFT' : 'refused'
  } finally {
    await Bun.write(path, text)
  }
}

const copy = mkdtempSync(join(tmpdir(), 'sallyport-mutants-'))
const tally = { caught: 0, refused: 0, LEFT: 0 }
try {
  const kept = Bun.spawnSync(['git', 'ls-files', '-co', '--exclude-standard', '-z'], { cwd: ROOT }).stdout.toString()
  for (const file of kept.split('\0').filter(name => name !== '' && existsSync(join(ROOT, name))))
    await Bun.write(join(copy, file), Bun.file(join(ROOT, file)))
  for (const folder of ['node_modules', 'dist']) symlinkSync(join(ROOT, folder), join(copy, folder))

  if (!isSound(copy, '.')) throw new Error('the compiler or the linter refuses the project as it is')

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
    const verdict = await judge(copy, change)
    tally[verdict]++
    if (verdict !== 'refused') done++
    console.log(`${verdict}  ${change.file}:${change.line}\n  - ${change.before.trim()}\n  + ${change.after.trim()}`)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
console.log(`${tally.caught} caught, ${tally.LEFT} left, ${tally.refused} refused by the compiler or the linter`)
process.exit(tally.LEFT > 0 ? 1 : 0)
