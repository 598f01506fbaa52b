/** The commit that a folder is at, with `-dirty` where files differ from it; null where nothing says so, as in an archive. */
export function commitOf(root: string): string | null {
  const head = git(root, 'rev-parse', 'HEAD')
  return head === null ? null : git(root, 'status', '--porcelain') === '' ? head : `${head}-dirty`
}

/** When a commit was made, in seconds since 1970: the time of everything that is released of it. */
export function commitTime(root: string): number {
  return Number(git(root, 'log', '-1', '--format=%ct'))
}

function git(root: string, ...args: readonly string[]): string | null {
  try {
    const { exitCode, stdout } = Bun.spawnSync(['git', ...args], { cwd: root, stderr: 'ignore' })
    return exitCode === 0 ? stdout.toString().trim() : null
  } catch {
    // No git at all.
    return null
  }
}
