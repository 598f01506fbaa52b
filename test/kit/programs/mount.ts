import { temporaryFolder } from '../folder.ts'

/** A small disk of its own in a folder; only root may mount one. */
export function mountSmall(folder: string, options: string): { [Symbol.dispose](): void } {
  const mounted = Bun.spawnSync(['mount', '-t', 'tmpfs', '-o', options, 'none', folder], { stderr: 'pipe' })
  if (!mounted.success) throw new Error(mounted.stderr.toString())
  return { [Symbol.dispose]: () => void Bun.spawnSync(['umount', '-l', folder]) }
}

/** A file shown at the place of another, as a container mounts one by itself; only root may. */
export function mountFile(file: string, place: string): { [Symbol.dispose](): void } {
  const mounted = Bun.spawnSync(['mount', '--bind', file, place], { stderr: 'pipe' })
  if (!mounted.success) throw new Error(mounted.stderr.toString())
  return { [Symbol.dispose]: () => void Bun.spawnSync(['umount', '-l', place]) }
}

/** Whether this user may mount here: root, unless a sandbox forbids it. */
export function mayMount(): boolean {
  if (process.getuid?.() !== 0) return false
  using folder = temporaryFolder()
  try {
    mountSmall(folder.path, 'size=64k')[Symbol.dispose]()
    return true
  } catch {
    return false
  }
}
