import type { CompletedCommand, CompletedOption } from './table.ts'

/** The shells that there are scripts for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** The script by which a shell completes command lines of ours; it asks nothing of the program once it is there. */
export function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
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

/** For the bash 3.2 of macOS too, and without the package bash-completion. An option alone stands for `serve`. */
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
