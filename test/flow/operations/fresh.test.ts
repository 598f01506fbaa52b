import { describe, expect, test } from 'bun:test'
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { runToEnd } from '../../kit/programs/ended.ts'

const CI = join(import.meta.dir, '../../../.ci')

/** What is a command there, and no script of `.ci`. */
const COMMANDS = ['id', 'python3', 'node', 'npm']
const TOOLS = ['dirname', 'sh', 'tr', 'printenv', 'cat', 'mktemp', 'setsid', 'sed', 'sleep', 'tee', 'tail', 'grep']

/** What a script of `.ci` says in a checkout whose other scripts are these, by name: how it ends, and its lines. */
async function runs(
  script: string,
  others: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
) {
  using folder = temporaryFolder()
  const [bin, ci] = [join(folder.path, 'bin'), join(folder.path, '.ci')]
  for (const path of [bin, ci]) mkdirSync(path)
  copyFileSync(join(CI, script), join(ci, script))
  for (const [name, text] of Object.entries(others)) {
    const isCommand = COMMANDS.includes(name)
    writeFileSync(join(isCommand ? bin : ci, name), `#!/bin/sh\n${text}\n`)
    if (isCommand) chmodSync(join(bin, name), 0o755)
  }
  mkdirSync(join(folder.path, 'node_modules/.bin'), { recursive: true })
  symlinkSync('/bin/true', join(folder.path, 'node_modules/.bin/bun'))
  for (const name of TOOLS) symlinkSync(Bun.which(name) ?? name, join(bin, name))
  return await runToEnd(['/bin/sh', `.ci/${script}`], { cwd: folder.path, env: { PATH: bin, ...env } })
}

describe('continuous integration', () => {
  const tests = 'echo "3 passed, 0 failed"'

  test.each([0, 1])('ends as the fresh machine does, and tries nothing again: %i', async code => {
    expect(await runs('run', { fresh: `exit ${code}`, test: tests })).toEqual({ code: code, stdout: '', stderr: '' })
  })

  test('says loudly that there is no fresh machine, and runs the tests here', async () => {
    const { code, stdout } = await runs('run', { fresh: 'exit 75', test: tests })
    expect(code).toBe(0)
    expect(stdout).toContain('No fresh machine could be made')
    expect(stdout).toEndWith('\n3 passed, 0 failed\n')
  })

  test('fails as the tests here do', async () => {
    expect((await runs('run', { fresh: 'exit 75', test: 'exit 1' })).code).toBe(1)
  })
})

describe('a fresh machine', () => {
  test.each<[first: string, rest: string, says: string, code: number]>([
    ['3 passed, 0 failed', '2 passed, 0 failed, 4 skipped', '5 passed, 0 failed, 4 skipped', 0],
    ['3 passed, 1 failed', '2 passed, 2 failed', '5 passed, 3 failed, 0 skipped', 1],
    ['3 passed, 0 failed', 'killed', '0 passed, 1 failed', 1],
  ])('counts npm test and what it leaves out in one last line: %s; %s', async (first, rest, says, code) => {
    const { code: ended, stdout } = await runs('fresh-inside', {
      node: 'echo v20',
      npm: `case "$*" in
'run demo') echo ' Open http://app.test/'; exec /bin/sleep 60 ;;
'test --silent') echo '${first}' ;;
*) echo 10 ;;
esac`,
      test: `[ "$1" = --rest ] && echo '${rest}'`,
    })
    expect([stdout.trimEnd().split('\n').at(-1), ended]).toEqual([says, code])
  })

  test('says once more before its last line why tests failed, since much may stand after it', async () => {
    const { stdout } = await runs('fresh-inside', {
      node: 'echo v20',
      npm: `case "$*" in
'run demo') echo ' Open http://app.test/'; exec /bin/sleep 60 ;;
'test --silent') printf 'much\\nWhat failed, and why:\\nFAILED one\\n    Error: of one\\n3 passed, 1 failed\\n' ;;
*) echo 10 ;;
esac`,
      test: `[ "$1" = --rest ] && printf 'more\\n2 passed, 0 failed, 4 skipped\\n'`,
    })
    expect(stdout).toEndWith(`
more
2 passed, 0 failed, 4 skipped
What failed, and why:
FAILED one
    Error: of one
5 passed, 1 failed, 4 skipped
`)
  })

  test('makes none inside itself', async () => {
    const { code, stderr } = await runs('fresh', {}, { SALLYPORT_FRESH: 'trixie' })
    expect([code, stderr]).toEqual([2, 'fresh: this is a fresh machine already\n'])
  })

  test('is for root to make; that there is none is no failure of a test', async () => {
    const { code, stdout, stderr } = await runs('fresh', { id: 'echo 1000' })
    expect([code, stdout]).toEqual([75, ''])
    expect(stderr).toBe('fresh: only root can make a machine of its own; nothing was tried\n')
  })

  test('is none where what makes it cannot be had', async () => {
    const { code, stderr } = await runs('fresh', {
      id: 'echo 0',
      setup: 'echo "setup: apt has no mmdebstrap" >&2; exit 1',
    })
    expect(code).toBe(75)
    expect(stderr).toBe('setup: apt has no mmdebstrap\nfresh: its own tools cannot be had; nothing was tried\n')
  })
})

describe("pip's settings for it", () => {
  const python3 = `shift 2
case "$*" in
'config get global.index-url') echo https://files.test/simple ;;
'config get install.extra-index-url') printf 'https://a.test\\nhttps://b.test\\n' ;;
'config get global.find-links' | 'config get global.cert') echo /opt/mine ;;
*) echo 'ERROR: No such key' >&2; exit 1 ;;
esac`

  test('are how it reaches its index, and nothing that names a file', async () => {
    const { code, stdout } = await runs(
      'pip-settings',
      { python3 },
      { PIP_FIND_LINKS: '/opt/wheels', PIP_CERT: '/a.pem' },
    )
    expect(code).toBe(0)
    expect(stdout).toBe(
      '[global]\nindex-url = https://files.test/simple\nextra-index-url = https://a.test https://b.test\n',
    )
  })

  test('are those of the variables first', async () => {
    const env = { PIP_INDEX_URL: 'https://other.test/simple', PIP_TRUSTED_HOST: 'other.test' }
    const { stdout } = await runs('pip-settings', { python3: 'exit 1' }, env)
    expect(stdout).toBe('[global]\nindex-url = https://other.test/simple\ntrusted-host = other.test\n')
  })

  test('are none where nothing is set', async () => {
    expect(await runs('pip-settings', {})).toMatchObject({ code: 0, stdout: '[global]\n' })
  })
})
