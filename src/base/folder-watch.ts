import { lstatSync, readFileSync, realpathSync, watch } from 'node:fs'
import { dirname } from 'node:path'

/** A folder whose entries are watched. Pairs with `close`. */
export interface FolderWatch {
  /** Whether every change is reported, no matter who makes it. If not, the caller has to poll. */
  readonly isSure: boolean
  close(): void
}

/**
 * Calls with an entry's name (empty where it is not known) after it may have been written, made, removed or renamed. Never keeps
 * a process alive.
 *
 * A folder that is not there, or may not be watched, is never sure; one whose watch broke is not from then on.
 */
export function watchFolder(folder: string, onEntry: (name: string) => void): FolderWatch {
  let isSure = tellsAll(folder)
  try {
    const watching = watch(folder, { persistent: false }, (_, name) => onEntry(name ?? ''))
    watching.on('error', () => {
      isSure = false
      watching.close()
    })
    return {
      get isSure() {
        return isSure
      },
      close: () => watching.close(),
    }
  } catch {
    return { isSure: false, close() {} }
  }
}

/**
 * Whether Linux reports every change in a folder. It reports local changes (inotify(7)). It does not report what
 * another machine does on a shared file system, nor that a link on the way to the folder was replaced.
 */
function tellsAll(folder: string): boolean {
  try {
    return realpathSync(folder) === folder && LOCAL.has(mountAt(folder)?.type ?? '')
  } catch {
    return false
  }
}

/**
 * Whether a watch on the folder sees changes of the file. It does not where the file is a link to another folder, or
 * is mounted on its own, as in containers.
 */
export function showsInFolder(path: string): boolean {
  try {
    return (
      lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true && !mounts().some(({ at }) => at === path)
    )
  } catch {
    return false
  }
}

/** File systems that no other machine writes to. */
const LOCAL: ReadonlySet<string> = new Set(
  'bcachefs btrfs erofs ext2 ext3 ext4 f2fs jfs overlay ramfs reiserfs squashfs tmpfs xfs zfs'.split(' '),
)

interface Mount {
  readonly at: string
  readonly type: string
}

function mountAt(folder: string): Mount | undefined {
  const all = mounts()
  for (let path = folder; ; path = dirname(path)) {
    // What was mounted last covers the others.
    const found = all.findLast(({ at }) => at === path)
    if (found !== undefined || path === dirname(path)) return found
  }
}

/** What the text of the last look came to: it is the same at nearly every look. */
let known: { readonly text: string; readonly mounts: readonly Mount[] } = { text: '', mounts: [] }

/** proc_pid_mountinfo(5): the fifth field is where, the one after the lone hyphen which type; blanks are written in octal. */
function mounts(): readonly Mount[] {
  const text = readFileSync('/proc/self/mountinfo', 'utf8')
  if (text !== known.text) known = { text, mounts: text.trimEnd().split('\n').map(mountOf) }
  return known.mounts
}

function mountOf(line: string): Mount {
  const [before = '', after = ''] = line.split(' - ')
  const at = (before.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
  return { at, type: after.split(' ')[0] ?? '' }
}
