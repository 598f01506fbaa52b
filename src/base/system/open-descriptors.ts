import { readdirSync, readlinkSync } from 'node:fs'

/** The descriptors that a process has open of one kind (`socket:`, `anon_inode:[eventpoll]`), each with what the system calls it. */
export function descriptorsOf(kind: string, pid: number | 'self' = 'self'): ReadonlyMap<number, string> {
  const folder = `/proc/${pid}/fd`
  const found = new Map<number, string>()
  for (const name of readdirSync(folder)) {
    try {
      const target = readlinkSync(`${folder}/${name}`)
      if (target.startsWith(kind)) found.set(Number(name), target)
    } catch {
      // The one by which the folder was read is closed by now.
    }
  }
  return found
}
