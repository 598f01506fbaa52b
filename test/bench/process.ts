import { dlopen, ptr } from 'bun:ffi'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setPriority } from 'node:os'

/** The proxy under test has this core for itself; load, upstream and this program share the other. */
export const PROXY_CORE = 0
export const LOAD_CORE = 1

/** Where a program is kept that people rarely have on their PATH. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`

const AUTOGROUP = '/proc/self/autogroup'

/**
 * Lets this program and everything it starts go before the machine's other work; only root may. Answers what undoes it.
 *
 * Linux shares cores between sessions first, and within one by niceness (sched(7), autogroups): it is the session that goes
 * first, where there is such a thing.
 */
export function goFirst(): () => void {
  const setTo = (niceness: number): void => {
    if (existsSync(AUTOGROUP)) writeFileSync(AUTOGROUP, String(niceness))
    else setPriority(niceness)
  }
  setTo(-15)
  return () => setTo(0)
}

export interface Child {
  /** The processes that were started; what they start counts with them. */
  readonly pids: readonly number[]
  /** Rejects when one of them ends without having been told to, with what it said; else it never settles. */
  readonly died: Promise<never>
  /** SIGTERM, then SIGKILL after three seconds. */
  stop(): Promise<void>
}

export interface ChildOptions {
  readonly core: number
  readonly cwd?: string
  readonly env?: Record<string, string>
  /** A file for its standard output; none: thrown away. */
  readonly stdout?: string
}

type Running = Pick<Child, 'pids'>

const running = new Set<Child>()

/** Stops every child that still runs. */
export async function stopChildren(): Promise<void> {
  await Promise.all([...running].map(child => child.stop()))
}

/** Starts a program on one core. */
export function startChild(command: readonly string[], options: ChildOptions): Child {
  const child = Bun.spawn(['taskset', '-c', String(options.core), ...command], {
    env: { PATH, ...options.env },
    stdin: 'ignore',
    stdout: options.stdout === undefined ? 'ignore' : Bun.file(options.stdout),
    stderr: 'pipe',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  let isStopped = false
  const said = new Response(child.stderr).text()
  const died = child.exited.then(async status => {
    const why = `${command[0]} exited ${status} by itself: ${(await said).trim()}`
    if (isStopped) return new Promise<never>(() => undefined)
    running.delete(started)
    throw new Error(why)
  })
  died.catch((error: unknown) => console.error(`bench: ${error instanceof Error ? error.message : error}`))
  const started: Child = {
    pids: [child.pid],
    died,
    async stop() {
      isStopped = true
      running.delete(started)
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
      await child.exited
      clearTimeout(timer)
    },
  }
  running.add(started)
  return started
}

/** The same child once it is ready; stopped where it does not come to that, and at once where it ends before. */
export async function serving(child: Child, ready: () => Promise<unknown>): Promise<Child> {
  try {
    await Promise.race([ready(), child.died])
    return child
  } catch (error) {
    await child.stop()
    throw error
  }
}

/** Several programs that do one thing together, measured as one. */
export function together(...children: readonly Child[]): Child {
  return {
    pids: children.flatMap(({ pids }) => pids),
    died: Promise.race(children.map(({ died }) => died)),
    async stop() {
      await Promise.all(children.map(child => child.stop()))
    },
  }
}

/** Runs a program to its end and answers what it printed; throws when it fails. */
export async function runChild(command: readonly string[], core: number): Promise<string> {
  const child = Bun.spawn(['taskset', '-c', String(core), ...command], {
    env: { PATH },
    stdin: 'ignore',
    stderr: 'pipe',
  })
  const [out, err, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  if (status !== 0) throw new Error(`${command[0]} exited ${status}: ${err || out}`)
  return out
}

const { symbols: libc } = dlopen('libc.so.6', { clock_gettime: { args: ['i32', 'ptr'], returns: 'i32' } })

/**
 * CPU time that processes and their descendants have used, user and system, all threads, in µs.
 *
 * It is read off each process's own CPU clock, whose id is made of the pid (clock_getcpuclockid(3)): nanoseconds, where
 * /proc/PID/stat counts ticks of 10 ms. So a round may be short, and many rounds fit between two spells of other work.
 */
export function cpuUs(child: Running): number {
  const time = new BigInt64Array(2)
  let total = 0
  for (const one of tree(child)) {
    if (libc.clock_gettime((~one.pid << 3) | 2, ptr(time)) !== 0) continue
    total += Number(time[0]) * 1e6 + Number(time[1]) / 1e3
  }
  return total
}

/** The most memory that the processes had resident (VmHWM), summed over the tree, in MB. */
export function peakRssMb(child: Running): number {
  return tree(child).reduce((total, one) => total + statusKb(one.pid, 'VmHWM'), 0) / 1024
}

function statusKb(pid: number, name: string): number {
  return field(`/proc/${pid}/status`, name)
}

/** A number of proc_pid_status(5); 0 for a process or thread that has just ended. */
function field(path: string, name: string): number {
  try {
    return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(path, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** The memory that the processes have resident now (VmRSS), summed over the tree, in kB. */
function rssKb(child: Running): number {
  return tree(child).reduce((total, one) => total + statusKb(one.pid, 'VmRSS'), 0)
}

/** The same, once a collector of garbage that works when there is nothing else to do has had its turn. */
export async function settledRssKb(child: Running): Promise<number> {
  await Bun.sleep(SETTLE_MS)
  return rssKb(child)
}

/** As long as that takes. */
const SETTLE_MS = 2000

/** How often all threads of the processes were woken so far (proc_pid_status(5), voluntary_ctxt_switches). */
export function wakeUps(child: Running): number {
  return tree(child)
    .flatMap(({ pid }) => readdirSync(`/proc/${pid}/task`).map(thread => `/proc/${pid}/task/${thread}/status`))
    .reduce((total, path) => total + field(path, 'voluntary_ctxt_switches'), 0)
}

/** Makes VmHWM begin again at what is resident now (proc(5), clear_refs). */
export function forgetPeak(child: Running): void {
  for (const one of tree(child)) writeFileSync(`/proc/${one.pid}/clear_refs`, '5')
}

/** Moves this program away from the proxy's core. */
export async function leaveProxyCore(): Promise<void> {
  await runChild(['taskset', '-a', '-c', '-p', String(LOAD_CORE), String(process.pid)], LOAD_CORE)
}

/** Waits until GET answers 200 on a loopback port, asking every millisecond. Answers when that was (performance.now). */
export async function untilServed(port: number, host: string, path = '/'): Promise<number> {
  await untilAnswered(port, host, status => status === 200, path)
  return performance.now()
}

/** Waits until GET is answered with a status that will do. */
export async function untilAnswered(
  port: number,
  host: string,
  isGood: (status: number) => boolean,
  path = '/',
): Promise<void> {
  const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline) {
    if (isGood(await askStatus(port, request))) return
    await Bun.sleep(1)
  }
  throw new Error(`nothing served ${host} on port ${port} in 20 s`)
}

/** The status of one answer; 0 where there is none. */
function askStatus(port: number, request: string): Promise<number> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    socket.once('data', bytes => {
      socket.destroy()
      resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(bytes.toString('latin1'))?.[1] ?? 0))
    })
    socket.once('error', () => resolve(0))
    socket.once('close', () => resolve(0))
  })
}

interface ProcessEntry {
  readonly pid: number
  readonly parent: number
}

function tree({ pids }: Running): readonly ProcessEntry[] {
  const all = readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) ? (readEntry(Number(name)) ?? []) : []))
  const found = all.filter(one => pids.includes(one.pid))
  for (const parent of found) found.push(...all.filter(one => one.parent === parent.pid))
  return found
}

/** Field 4 of proc(5), /proc/PID/stat; the name before it may hold anything. */
function readEntry(pid: number): ProcessEntry | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return { pid, parent: Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]) }
  } catch {
    return null
  }
}
