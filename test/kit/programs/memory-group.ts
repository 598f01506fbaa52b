import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../gate.ts'

/** A control group in which a program may use so much memory, and is killed beyond it. Gone at the end of the scope, when its program is. */
export interface MemoryGroup extends AsyncDisposable {
  /** The same command, inside of it. */
  enclose(command: readonly string[]): readonly string[]
  /** How many of its processes were killed. */
  kills(): number
}

/** Null where this machine lets nobody make one. */
export function makeMemoryGroup(bytes: number): MemoryGroup | null {
  if (!existsSync(OWN_GROUP)) return null
  return (
    groupAt(join('/sys/fs/cgroup', ownGroup()), VERSION_2, bytes) ?? groupAt('/sys/fs/cgroup/memory', VERSION_1, bytes)
  )
}

/** What the two interfaces of Linux call the same. */
interface Names {
  readonly limit: string
  readonly swap: string
  /** Where the kills are counted. */
  readonly events: string
}

const VERSION_1: Names = {
  limit: 'memory.limit_in_bytes',
  swap: 'memory.memsw.limit_in_bytes',
  events: 'memory.oom_control',
}
const VERSION_2: Names = { limit: 'memory.max', swap: 'memory.swap.max', events: 'memory.events' }

const OWN_GROUP = '/proc/self/cgroup'

/** Where this process is in the one hierarchy of version 2. */
function ownGroup(): string {
  return /^0::(.*)$/m.exec(readFileSync(OWN_GROUP, 'utf8'))?.[1] ?? ''
}

function groupAt(parent: string, names: Names, bytes: number): MemoryGroup | null {
  const path = join(parent, `sallyport-test-${process.pid}-${made++}`)
  try {
    mkdirSync(path)
  } catch {
    return null
  }
  // A folder of the hierarchy that limits no memory has no such file, and none can be made there.
  if (!existsSync(join(path, names.limit))) {
    rmdirSync(path)
    return null
  }
  writeFileSync(join(path, names.limit), String(bytes))
  if (existsSync(join(path, names.swap))) {
    writeFileSync(join(path, names.swap), names === VERSION_1 ? String(bytes) : '0')
  }
  return {
    enclose: command => ['sh', '-c', 'echo $$ > "$0" && exec "$@"', join(path, 'cgroup.procs'), ...command],
    kills: () => Number(/^oom_kill (\d+)/m.exec(readFileSync(join(path, names.events), 'utf8'))?.[1]),
    async [Symbol.asyncDispose]() {
      const isGone = (): boolean => {
        try {
          rmdirSync(path)
          return true
        } catch {
          return false
        }
      }
      await eventually(isGone, `nothing is left in ${path}`)
    },
  }
}

let made = 0
