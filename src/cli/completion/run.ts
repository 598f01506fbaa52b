import { EXIT, parseArguments } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { usageLines } from '../../console/usage.ts'
import { completionScript, SHELLS } from './scripts.ts'
import { completedCommands } from './table.ts'

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
  if (shell === undefined) {
    io.stderr(`say for which shell: ${SHELLS.join(', ')}\n${usageLines(USAGE.text)}\n`)
    return EXIT.usage
  }
  io.stdout(completionScript(shell, completedCommands()))
  return EXIT.ok
}
