/** `sallyport completion`: what completes commands and options in bash, zsh and fish. */

import { EXIT, failWith, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { usageLines } from '../console/usage.ts'
import { USAGE as IMPORT } from '../migrate/import.ts'
import { USAGE as REHEARSE } from '../migrate/rehearse/run.ts'
import { USAGE as AUDIT } from './audit.ts'
import { USAGE as BACKUP } from './backup.ts'
import { USAGE as CHECK } from './check.ts'
import { USAGE as CLIENT_KEY } from './client-key.ts'
import { USAGE as DEMO } from './demo/run.ts'
import { USAGE as DOCTOR } from './doctor/run.ts'
import { USAGE as EXPLAIN } from './explain.ts'
import { USAGE as FMT } from './fmt.ts'
import { USAGE as GUESTS } from './guests.ts'
import { COMMANDS } from './help/commands.ts'
import { TOPICS } from './help/topics.ts'
import { USAGE as INIT } from './init/usage.ts'
import { USAGE as RECIPE } from './recipe/run.ts'
import { USAGE as REQUESTS } from './requests.ts'
import { USAGE as RESTORE } from './restore.ts'
import { USAGE as SERVE } from './serve.ts'
import { USAGE as SERVICE } from './service.ts'
import { USAGE as SESSIONS } from './sessions.ts'
import { USAGE as TOKENS } from './tokens.ts'
import { USAGE as USER } from './user/user.ts'

const USAGE = {
  text: `usage: sallyport completion bash|zsh|fish

Prints the script by which a shell completes commands, options and files. For every new shell:

  bash   sallyport completion bash > ~/.local/share/bash-completion/completions/sallyport
         or, without the package bash-completion, in ~/.bashrc:
         source <(sallyport completion bash)
  zsh    in ~/.zshrc, behind compinit: source <(sallyport completion zsh)
  fish   sallyport completion fish > ~/.config/fish/completions/sallyport.fish`,
  options: {},
  maxPositionals: 1,
} as const

/** `sallyport completion`: answers the exit code. */
export function runCompletion(argv: readonly string[], io: Io): number {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const shell = SHELLS.find(name => name === parsed.positionals[0])
  if (shell === undefined)
    return failWith(io, `say for which shell: ${SHELLS.join(', ')}\n${usageLines(USAGE.text)}`, EXIT.usage)
  io.stdout(completionScript(shell, completedCommands()))
  return EXIT.ok
}

/** The shells that there are scripts for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** The script by which a shell completes Sallyport's command lines. It does not run the program. */
function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(commands)
    case 'zsh':
      return zshScript(commands)
    case 'fish':
      return fishScript(commands)
  }
}

const long = ({ name }: CompletedOption) => `--${name}`
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

/**
 * Also for the bash 3.2 of macOS, and without the package bash-completion. An option without a command means `serve`.
 */
function bashScript(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ name, options, words, takesFiles }) => {
    const valued = options.filter(option => option.takesValue)
    const before = valued.flatMap(option => [long(option), ...(option.short === null ? [] : [`-${option.short}`])])
    const parts = [
      `words=${quoted(words.join(' '))}`,
      `options=${quoted(options.map(long).join(' '))}`,
      `valued=${quoted(` ${before.join(' ')} `)}`,
      `files=${takesFiles ? 'yes' : ''}`,
    ]
    return `    ${name}) ${parts.join(' ')} ;;\n`
  })
  return `_sallyport() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}
  local words= options= valued= files= one
  case $command in -*) command=serve ;; esac
  case $command in
${cases.join('')}  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    words=${quoted(commands.map(({ name }) => name).join(' '))} files=
  elif case $valued in *" $before "*) true ;; *) false ;; esac; then
    words= options= files=yes
  fi
  case $current in -*) words=$options files= ;; esac
  COMPREPLY=()
  while IFS= read -r one; do COMPREPLY+=("$one"); done < <(compgen -W "$words" -- "$current")
  [ -n "$files" ] || return 0
  compopt -o filenames 2>/dev/null
  while IFS= read -r one; do COMPREPLY+=("$one"); done < <(compgen -f -- "$current")
}
complete -F _sallyport sallyport
`
}

/** Good as a file named _sallyport in a folder of fpath, and to be sourced behind compinit. */
function zshScript(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ name, options, words, takesFiles }) => {
    const specs = options.flatMap(option => {
      const value = option.takesValue ? ':value:_files' : ''
      const short = option.short === null ? [] : [quoted(`-${option.short}${value}`)]
      return [quoted(long(option) + value), ...short]
    })
    const rest = words.length > 0 ? [quoted(`1:word:(${words.join(' ')})`)] : []
    const files = takesFiles ? [quoted('*:file:_files')] : []
    return `    ${name}) _arguments ${[...specs, ...rest, ...files].join(' ')} ;;\n`
  })
  return `#compdef sallyport
_sallyport() {
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    local -a commands
    commands=(
${commands.map(({ name, about }) => `      ${quoted(`${name}:${about}`)}\n`).join('')}    )
    _describe command commands
    return
  fi
  local command=$words[2]
  if [[ $command == -* ]]; then
    command=serve
  else
    shift words
    (( CURRENT-- ))
  fi
  case $command in
${cases.join('')}  esac
}
if [[ $funcstack[1] == _sallyport ]]; then
  _sallyport "$@"
else
  compdef _sallyport sallyport
fi
`
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, about, options, words, takesFiles }) => {
    const behind = `complete -c sallyport -n '__fish_seen_subcommand_from ${name}'`
    return [
      `complete -c sallyport -n __fish_use_subcommand -a ${name} -d ${quoted(about)}`,
      ...options.map(option => {
        const short = option.short === null ? '' : ` -s ${option.short}`
        return `${behind} -l ${option.name}${short}${option.takesValue ? ' -r -F' : ''}`
      }),
      ...(words.length > 0 ? [`${behind} -a ${quoted(words.join(' '))}`] : []),
      ...(takesFiles ? [`${behind} -F`] : []),
    ]
  })
  return `complete -c sallyport -f\n${lines.join('\n')}\n`
}

/** An option as a shell completes it. */
interface CompletedOption {
  /** Without dashes. */
  readonly name: string
  /** One letter, or null. */
  readonly short: string | null
  readonly takesValue: boolean
}

/** A command as a shell completes it. */
interface CompletedCommand {
  readonly name: string
  readonly about: string
  readonly options: readonly CompletedOption[]
  /** Words that may stand behind it. */
  readonly words: readonly string[]
  /** Whether names of files may. */
  readonly takesFiles: boolean
}

type ParsedOptions = Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly short?: string }>>

/** What each command parses its arguments by; those that are missing have no options. */
const USAGES: Readonly<Record<string, { readonly options: ParsedOptions }>> = {
  serve: SERVE,
  check: CHECK,
  fmt: FMT,
  explain: EXPLAIN,
  doctor: DOCTOR,
  service: SERVICE,
  sessions: SESSIONS,
  tokens: TOKENS,
  guests: GUESTS,
  requests: REQUESTS,
  audit: AUDIT,
  user: USER,
  'client-key': CLIENT_KEY,
  backup: BACKUP,
  restore: RESTORE,
  demo: DEMO,
  init: INIT,
  import: IMPORT,
  recipe: RECIPE,
  rehearse: REHEARSE,
}

/** Every command of the list that `sallyport help` shows, with the options by which it parses its arguments. */
export function completedCommands(): readonly CompletedCommand[] {
  return COMMANDS.map(({ name, call, about, words }) => ({
    name,
    about,
    options: [
      ...Object.entries(USAGES[name]?.options ?? {}).map(([option, { type, short }]) => ({
        name: option,
        short: short ?? null,
        takesValue: type === 'string',
      })),
      { name: 'help', short: 'h', takesValue: false },
    ],
    words: name === 'help' ? [...COMMANDS, ...TOPICS].map(one => one.name) : (words ?? wordsOf(call)),
    takesFiles: /\b(?:FILE|LOG)\b/.test(call),
  }))
}

/** `list` and `revoke` of `sessions list|revoke`. */
function wordsOf(call: string): readonly string[] {
  return /^\S+ ([a-z]+(?:\|[a-z]+)+)/.exec(call)?.[1]?.split('|') ?? []
}
