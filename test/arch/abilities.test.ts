import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const TESTS = join(import.meta.dir, '..')

/** What not every machine has, by how a test reads or starts it, and what it then has to ask for by `needs`. */
const NEEDED: readonly (readonly [use: RegExp, need: string])[] = [
  [/`\/proc\/\$\{|['"`]\/proc\/self\//, '/proc'],
  [/\b(?:descriptorsOf|listeningDescriptors)\b/, '/proc'],
  // A process that hands over finds its sockets there.
  [/\bhandOver\(|\.kill\('SIGUSR2'\)/, '/proc'],
  [/'unshare'/, 'mounts of its own'],
  [/'127\.0\.0\.[2-9]'/, '127.0.0.2'],
  [/'setpriv'/, 'setpriv'],
  [/\b(?:describe|test)\.(?:if|skipIf|todoIf)\(/, 'what is missing, by its name'],
]

/** Who uses one of them without asking there, and why that is well. */
const ASKED_ELSEWHERE: Readonly<Record<string, string>> = {
  'kit/needs.ts': 'answers the question',
  'kit/programs/mount.ts': 'answers the question',
  'kit/programs/ended.ts': 'asks ps where there is no /proc',
  'kit/programs/container.ts': 'of tests that need mounts of their own',
  'flow/operations/container.test.ts': 'of tests that need mounts of their own',
  'flow/operations/count.test.ts': 'tries the questions',
  'kit/upgrade/succession.ts': 'of tests that hand over',
  'kit/programs/machine.ts': 'asks by itself, and its one test says why it is skipped',
  'kit/programs/memory-group.ts': 'makes no group where there is no /proc',
  'attack/answers/own-answers.test.ts': 'sends it as the path of a request',
  'arch/abilities.test.ts': 'is this file',
}

test('no test uses what not every machine has unless it asks for it, and none is skipped without a name', () => {
  const unasked: string[] = []
  const used = new Set<string>()
  for (const name of new Bun.Glob('**/*.ts').scanSync(TESTS)) {
    if (/^(?:bench|fuzz)\//.test(name)) continue
    const text = readFileSync(join(TESTS, name), 'utf8')
    const asked = [...text.matchAll(/\bneeds\(([^)]*)\)/g)].map(([, names = '']) => names).join()
    for (const [use, need] of NEEDED) {
      if (!use.test(text) || asked.includes(`'${need}'`)) continue
      used.add(name)
      if (!Object.hasOwn(ASKED_ELSEWHERE, name)) unasked.push(`${name}: ${need}`)
    }
  }
  expect(unasked).toEqual([])
  expect(Object.keys(ASKED_ELSEWHERE).filter(name => !used.has(name))).toEqual([])
})
