import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../gate.ts'
import { plantEnvironment, plantSecretsOf } from '../log/planted.ts'
import { record, testPlace } from '../log/record.ts'
import { compiledBinary } from './binary.ts'

export { freePort } from './free-port.ts'

/** The program as a process of its own: the compiled executable, or the sources under Bun. */
export interface Child extends AsyncDisposable {
  readonly port: number
  readonly process: Bun.Subprocess
  /** Standard output and error so far. */
  output(): string
}

export interface ChildOptions {
  /** What runs `serve`: `[dist/sallyport]`, or `[bun, src/main.ts]`. */
  readonly command: readonly string[]
  readonly folder: string
  /** Everything but the listeners, which are written before it. */
  readonly toml: string
  readonly port: number
  /** Where it listens; that port of 127.0.0.1 when absent. */
  readonly listen?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** The sources under this Bun. */
export const FROM_SOURCE: readonly string[] = [process.execPath, join(import.meta.dir, '../../../src/main.ts')]

/** Both ways to run it, by name. */
export const PROGRAMS: readonly (readonly [string, () => Promise<readonly string[]>])[] = [
  ['the sources', async () => FROM_SOURCE],
  ['the executable', async () => [await compiledBinary()]],
]

/** Starts the program on a routes.toml and waits until it listens. Killed at the end of the scope. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const config = join(options.folder, 'routes.toml')
  const asksForDebug = LOG_LEVEL.test(options.toml)
  writeFileSync(config, childToml(options.port, options.toml, options.listen))
  plantEnvironment(options.env ?? {})
  const place = testPlace()
  let output = ''
  const child = Bun.spawn([...options.command, 'serve', '--config', config], {
    cwd: options.folder,
    env: { PATH: process.env.PATH ?? '', HOME: options.folder, ...options.env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder()
    let part = ''
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true })
      output += text
      part += text
      const end = part.lastIndexOf('\n') + 1
      record(place, part.slice(0, end))
      part = part.slice(end)
    }
    record(place, part)
  }
  void collect(child.stdout)
  void collect(child.stderr)
  await eventually(
    () => output.includes('Sallyport is listening') || child.exitCode !== null,
    () => `the program listens: ${output}`,
    60_000,
  )
  if (child.exitCode !== null) throw new Error(`the program ended with ${child.exitCode}: ${output}`)
  return {
    port: options.port,
    process: child,
    output: () => (asksForDebug ? output : output.replaceAll(DEBUG_LINE, '')),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

/**
 * The routes.toml of a child: the listener, then this. Its log is at debug, for the search at the end of the run; unless the file
 * has a level of its own, `output` leaves out what info would not say.
 */
export function childToml(port: number, toml: string, listen: readonly string[] = [`127.0.0.1:${port}`]): string {
  plantSecretsOf(toml)
  const level = LOG_LEVEL.test(toml) ? '' : 'log_level = "debug"\n'
  return `[server]\nlisten = ${JSON.stringify(listen)}\n${level}\n${toml}`
}

const LOG_LEVEL = /^log_level\b/m
const DEBUG_LINE = /^\{"time":"[^"]*","level":"debug",.*\n/gm
