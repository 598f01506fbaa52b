import * as runner from 'bun:test'
import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { completedCommands, runCompletion, SHELLS, type Shell } from '../../src/cli/completion.ts'
import { COMMANDS } from '../../src/cli/help/commands.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'
import { needs } from '../kit/needs.ts'

/** What runs the script of `completion SHELL` in `$SCRIPT` and prints a candidate a line, for the words in its arguments. */
const DRIVERS: Readonly<Record<Shell, string>> = {
  bash: `source "$SCRIPT"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_sallyport
[ \${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "\${COMPREPLY[@]}"`,
  // Outside of its line editor zsh completes nothing: what it is told to offer is printed.
  zsh: `compdef() { : }
_describe() { print -l -- \${(@)\${(@P)2}%%:*} }
_files() { print -l -- *(N) }
_arguments() {
  local spec before=$words[CURRENT-1]
  for spec; do
    if [[ $spec == $before:value:_files ]]; then _files; return; fi
  done
  for spec; do
    case $spec in
      -*) print -r -- \${spec%%:*} ;;
      1:word:*) print -l -- \${(s: :)\${\${spec#*\\(}%\\)}} ;;
      '*:file:_files') _files ;;
    esac
  done
}
source "$SCRIPT"
words=("$@") CURRENT=$#
_sallyport | grep -e "^\${@[-1]}" || true`,
  fish: `source $SCRIPT
complete -C (string join ' ' -- $argv) | string replace -r '\\t.*' ''`,
}

const SHELL_ARGUMENTS: Readonly<Record<Shell, (driver: string, words: readonly string[]) => readonly string[]>> = {
  bash: (driver, words) => ['bash', '--norc', '-c', driver, 'bash', ...words],
  zsh: (driver, words) => ['zsh', '-f', '-c', driver, 'zsh', ...words],
  fish: (driver, words) => ['fish', '--no-config', '-c', driver, '--', ...words],
}

for (const shell of SHELLS) {
  const { describe } = shell === 'bash' ? runner : needs(shell)
  describe(`completion in ${shell}`, () => completes(shell))
}

function completes(shell: Shell): void {
  /** What the shell offers for the last word, in a folder with two files. */
  async function offers(...words: readonly string[]): Promise<readonly string[]> {
    using folder = temporaryFolder()
    const { out, code } = await runIn(folder.path, io => runCompletion([shell], io))
    expect(code).toBe(0)
    const script = join(folder.path, 'script')
    writeFileSync(script, out)
    const place = join(folder.path, 'place')
    mkdirSync(place)
    for (const name of ['routes.toml', 'my routes.toml']) writeFileSync(join(place, name), '')
    const ran = Bun.spawnSync([...SHELL_ARGUMENTS[shell](DRIVERS[shell], ['sallyport', ...words])], {
      cwd: place,
      env: { PATH: process.env.PATH ?? '', HOME: folder.path, SCRIPT: script, TERM: 'dumb' },
    })
    expect(ran.stderr.toString()).toBe('')
    return ran.stdout
      .toString()
      .split('\n')
      .filter(line => line !== '')
      .sort()
  }

  test('offers every command', async () => {
    expect(await offers('')).toEqual(COMMANDS.map(({ name }) => name).sort())
    expect(await offers('che')).toEqual(['check'])
  })

  test('offers the options of the command, and none of another', async () => {
    expect(await offers('check', '--')).toEqual(['--config', '--diff', '--help', '--json'])
    expect(await offers('restore', '--w')).toEqual(['--with-key'])
    expect(await offers('check', '--w')).toEqual([])
  })

  test('offers what stands behind a command', async () => {
    expect(await offers('sessions', '')).toEqual(['list', 'revoke'].concat(shell === 'zsh' ? ZSH_OPTIONS : []).sort())
    expect(await offers('user', 're')).toEqual(['remove', 'reset'])
    expect(await offers('completion', 'z')).toEqual(['zsh'])
    expect(await offers('help', 'upstr')).toEqual(['upstreams'])
  })

  test('offers files where one is named', async () => {
    expect(await offers('check', 'rou')).toEqual(['routes.toml'])
    expect((await offers('check', 'my')).map(name => name.replace('\\ ', ' '))).toEqual(['my routes.toml'])
    expect(await offers('explain', '--config', 'rou')).toEqual(['routes.toml'])
    expect(await offers('version', 'rou')).toEqual([])
  })
}

test('every command that has options brings them', () => {
  const bare = completedCommands().filter(({ options }) => options.length === 1)
  expect(bare.map(({ name }) => name)).toEqual(['client-key', 'schema', 'completion', 'health', 'version', 'help'])
})

/** The stand-in for zsh offers options without a dash too. */
const ZSH_OPTIONS = ['--all', '--config', '--help', '--json', '--provider', '--subject', '-c', '-h']

test('a shell that there is no script for is refused with those that there are', async () => {
  using folder = temporaryFolder()
  const { code, err } = await runIn(folder.path, io => runCompletion(['tcsh'], io))
  expect([code, err]).toEqual([2, 'say for which shell: bash, zsh, fish\nusage: sallyport completion bash|zsh|fish\n'])
})
