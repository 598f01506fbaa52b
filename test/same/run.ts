/**
 * Shows that a change of the source changed nothing that anybody can see: records two programs, and prints where they differ.
 *
 * Usage: bun test/same/run.ts BEFORE AFTER
 *
 * Each is a commit, which is checked out and built, or the path of an executable. What is recorded: every command's help, every chapter
 * of the documentation, the schema, what `check` and `explain` say of the recorded files, the recipes and the documents' examples, the
 * names that are in the program, and the answers to some 1 000 requests with the log and the counts. Exit code 0: the same; 1: a difference.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Glob } from 'bun'
import { temporaryFolder } from '../kit/folder.ts'
import { commandSections, nameSections, type Section } from './commands.ts'
import { servedSections } from './served.ts'

const ROOT = resolve(import.meta.dir, '../..')
/** Recordings of commits stay here: the one to compare with is the same for days. */
const KEPT = join(tmpdir(), 'sallyport-same')

const [before, after] = process.argv.slice(2)
if (before === undefined || after === undefined) {
  console.error('usage: bun test/same/run.ts BEFORE AFTER (commits, or executables)')
  process.exit(2)
}
const [first, second] = [await recordingOf(before), await recordingOf(after)]
const differences = differencesOf(first, second)
console.log(differences.join('\n'))
console.log(`${first.length} and ${second.length} sections, ${differences.length} of them differ`)
process.exit(differences.length === 0 ? 0 : 1)

/** What a program said; of a commit it is kept, until something else is asked. */
async function recordingOf(what: string): Promise<readonly Section[]> {
  if (existsSync(what) && statSync(what).isFile()) return record(resolve(what))
  const commit = run(ROOT, 'git', 'rev-parse', '--verify', `${what}^{commit}`)
  const kept = join(KEPT, `${commit}-${askedHash()}.json`)
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8'))
  using folder = temporaryFolder()
  const checkout = join(folder.path, 'checkout')
  run(ROOT, 'git', 'worktree', 'add', '--detach', checkout, commit)
  try {
    symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
    run(checkout, process.execPath, '.ci/build.ts')
    const sections = await record(join(checkout, 'dist/sallyport'))
    mkdirSync(KEPT, { recursive: true })
    writeFileSync(kept, JSON.stringify(sections))
    return sections
  } finally {
    run(ROOT, 'git', 'worktree', 'remove', '--force', checkout)
  }
}

/** What is asked, and of which files: a recording of anything else cannot be compared. */
function askedHash(): string {
  const hash = createHash('sha256')
  for (const path of new Glob('{README.md,docs/**/*,test/same/*,test/golden/config/*}').scanSync({ cwd: ROOT })) {
    hash.update(`${path}\0`).update(readFileSync(join(ROOT, path)))
  }
  return hash.digest('hex').slice(0, 16)
}

function run(cwd: string, ...command: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { cwd })
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${stderr.toString()}`)
  return stdout.toString().trim()
}

async function record(program: string): Promise<readonly Section[]> {
  using commands = temporaryFolder()
  using served = temporaryFolder()
  return [
    ...nameSections(program),
    ...(await servedSections(program, served.path)),
    ...(await commandSections(program, commands.path)),
  ]
}

/** A piece of text for each section that is not the same in both, with the lines that differ. */
function differencesOf(before: readonly Section[], after: readonly Section[]): readonly string[] {
  const texts = (sections: readonly Section[]) => new Map(sections.map(({ name, text }) => [name, text]))
  const [old, now] = [texts(before), texts(after)]
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter(name => old.get(name) !== now.get(name))
    .map(name => `== ${name}\n${diffOf(old.get(name) ?? '(nothing)', now.get(name) ?? '(nothing)')}`)
}

function diffOf(before: string, after: string): string {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries({ before, after })) writeFileSync(join(folder.path, name), `${text}\n`)
  const diff = Bun.spawnSync(['diff', '-U1', 'before', 'after'], { cwd: folder.path })
  return diff.stdout.toString().split('\n').slice(2).join('\n').replaceAll('\r', '')
}
