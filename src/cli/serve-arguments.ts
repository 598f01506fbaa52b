/** Which command lines mean `serve`. Apart from the commands, so that a server does not load them. */

/** Options that ask for something else than a server. */
const ASKING = ['--version', '-v', '--help', '-h']

/** The arguments of `serve`, where a command line means that command; null where it means another. */
export function serveArguments(argv: readonly string[]): readonly string[] | null {
  const [first, ...rest] = argv
  if (first === undefined || first === 'serve') return rest
  return first.startsWith('-') && !ASKING.includes(first) ? argv : null
}
