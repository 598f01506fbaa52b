import { existsSync } from 'node:fs'
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

/**
 * Whether a process may have mounts of its own here. A sandbox forbids that, and so does a root that is no mount point: what `unshare`
 * makes private is the mount of the root.
 */
export function mayMountApart(): boolean {
  if (process.getuid?.() !== 0 || Bun.which('unshare') === null) return false
  const command = ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', 'true']
  return Bun.spawnSync(command, { stderr: 'ignore' }).success
}

/** Whether this user may mount here: root, unless a sandbox forbids it. */
export function mayMount(): boolean {
  // umount(8) knows what is mounted by this file alone.
  if (process.getuid?.() !== 0 || !existsSync('/proc/self/mountinfo')) return false
  using folder = temporaryFolder()
  try {
    mountSmall(folder.path, 'size=64k')[Symbol.dispose]()
    return true
  } catch {
    return false
  }
}
