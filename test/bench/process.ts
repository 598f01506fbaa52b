import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'

/** The proxy under test has this core for itself; load, upstream and this program share the other. */
export const PROXY_CORE = 0
export const LOAD_CORE = 1

/** Where a program is kept that people rarely have on their PATH. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`

export interface Child {
  readonly pid: number
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

/** Starts a program on one core. What it says on standard error is shown when it ends before it is stopped. */
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
  void child.exited.then(async status => {
    if (!isStopped) console.error(`bench: ${command[0]} exited ${status} by itself:\n${await said}`)
  })
  return {
    pid: child.pid,
    async stop() {
      isStopped = true
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
      await child.exited
      clearTimeout(timer)
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

/** CPU time that a process and its descendants have used, user and system, in µs. Resolution: the kernel's clock tick, 10 ms. */
export function cpuUs(pid: number): number {
  return tree(pid).reduce((total, one) => total + one.ticks, 0) * 10_000
}

/** The most memory that the processes had resident (VmHWM), summed over the tree, in MB. */
export function peakRssMb(pid: number): number {
  let kilobytes = 0
  for (const one of tree(pid)) {
    kilobytes += Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${one.pid}/status`, 'utf8'))?.[1] ?? 0)
  }
  return kilobytes / 1024
}

/** Makes VmHWM begin again at what is resident now (proc(5), clear_refs). */
export function forgetPeak(pid: number): void {
  for (const one of tree(pid)) writeFileSync(`/proc/${one.pid}/clear_refs`, '5')
}

/** Moves this program away from the proxy's core. */
export async function leaveProxyCore(): Promise<void> {
  await runChild(['taskset', '-a', '-c', '-p', String(LOAD_CORE), String(process.pid)], LOAD_CORE)
}

/** Waits until GET answers 200 on a loopback port, asking every millisecond. Answers when that was (performance.now). */
export async function untilServed(port: number, host: string, path = '/'): Promise<number> {
  const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline) {
    if (await answers200(port, request)) return performance.now()
    await Bun.sleep(1)
  }
  throw new Error(`nothing served ${host} on port ${port} in 20 s`)
}

function answers200(port: number, request: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    socket.once('data', bytes => {
      socket.destroy()
      resolve(/^HTTP\/1\.1 200/.test(bytes.toString('latin1')))
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}

interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly ticks: number
}

function tree(root: number): readonly ProcessEntry[] {
  const all = readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) ? (readEntry(Number(name)) ?? []) : []))
  const found = all.filter(one => one.pid === root)
  for (const parent of found) found.push(...all.filter(one => one.parent === parent.pid))
  return found
}

/** Fields of proc(5), /proc/PID/stat: 4 ppid, 14 utime, 15 stime; the name before them may hold anything. */
function readEntry(pid: number): ProcessEntry | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { pid, parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return null
  }
}
