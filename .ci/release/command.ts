/** Runs a command to its end; what it says goes to stderr. Throws Error when it is not there or fails. */
export async function command(
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const [name = ''] = argv
  if (Bun.which(name) === null)
    throw new Error(`${name} is not here; install it, or leave out what takes it (--without)`)
  const child = Bun.spawn([...argv], {
    cwd,
    env: { ...process.env, ...env },
    stdin: 'ignore',
    stdout: 2,
    stderr: 'inherit',
  })
  const status = await child.exited
  if (status !== 0) throw new Error(`${argv.slice(0, 2).join(' ')} exited ${status}`)
}
