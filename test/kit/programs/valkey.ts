import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../gate.ts'
import { absent, isProgramHere } from '../needs.ts'
import { freePort } from './child.ts'

/** A real server, in a folder of its own. Stopped and gone at the end of the scope: `await using valkey = …`. */
export interface Valkey extends AsyncDisposable {
  readonly port: number
  /** By which it knows other nodes of its cluster; 0 where there is none. */
  readonly busPort: number
  /** One of its databases, with the password. */
  url(database?: number): string
  /** A command's answer, as its command line client shows it. */
  ask(database: number, ...command: string[]): Promise<string>
  kill(): Promise<void>
  /** Stops it without ending it: connections stay, and nothing answers. */
  freeze(): void
  thaw(): void
  /** Starts it again on the same port, with what it had written unless it shall be empty; as a replica of that port, where one is named. */
  start(options?: { readonly isEmpty?: boolean; readonly replicaOf?: number }): Promise<void>
}

export interface ValkeyOptions {
  /** Whether it is a node of a cluster, without any slots yet. */
  readonly isCluster?: boolean
  readonly password?: string
  /** Files for TLS; the port then speaks nothing else. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** The file of the authority whose clients alone are let in; absent: everybody is. */
  readonly clientCa?: string
  readonly settings?: readonly string[]
}

/** Debian 12 and Ubuntu have no Valkey; Redis 7 speaks and is started the same way. */
const PROGRAM = Bun.which('valkey-server') === null ? 'redis' : 'valkey'

/** What the documents let a user of this name do. */
export function documentedUser(name: string): string {
  const text = readFileSync(join(import.meta.dir, '../../../docs/operations.md'), 'utf8')
  const [, rules] = new RegExp(`^ACL SETUSER ${name} on >PASSWORD (.*)$`, 'm').exec(text) ?? []
  if (rules === undefined) throw new Error(`the documents name no user ${name}`)
  return rules
}

/** What the documents let a user do that a gate signs in as, whose keys begin with this. */
export function smallestUser(prefix: string): readonly string[] {
  return documentedUser('gate').replace('~sallyport:', `~${prefix}:`).split(' ')
}

/** The command of a part of it. */
export function valkeyProgram(part: 'server' | 'cli'): string {
  return `${PROGRAM}-${part}`
}

/** Starts `valkey-server`, or `redis-server` where there is none, on a free port, with every write on the disk at once. */
export async function startValkey({
  password,
  tls,
  clientCa,
  isCluster = false,
  settings: more = [],
}: ValkeyOptions = {}): Promise<Valkey> {
  if (!isProgramHere('valkey-server')) return absent<Valkey>('valkey-server')
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-valkey-'))
  const port = await freePort()
  const busPort = isCluster ? await freePort() : 0
  const auth = password === undefined ? [] : ['-a', password, '--no-auth-warning']
  const secure =
    tls === undefined
      ? []
      : ['--tls', '--insecure', ...(clientCa === undefined ? [] : ['--cert', tls.cert, '--key', tls.key])]
  const listening =
    tls === undefined
      ? ['--port', `${port}`]
      : [
          '--port',
          '0',
          '--tls-port',
          `${port}`,
          ...(clientCa === undefined ? ['--tls-auth-clients', 'no'] : ['--tls-ca-cert-file', clientCa]),
          '--tls-cert-file',
          tls.cert,
          '--tls-key-file',
          tls.key,
        ]
  let server: Bun.Subprocess | null = null

  async function ask(database: number, ...command: string[]): Promise<string> {
    const client = Bun.spawn([`${PROGRAM}-cli`, '-p', `${port}`, '-n', `${database}`, ...auth, ...secure, ...command], {
      stdout: 'pipe',
      stderr: 'pipe',
    })
    return (await new Response(client.stdout).text()).trim()
  }

  async function start({ isEmpty = false, replicaOf }: Parameters<Valkey['start']>[0] = {}): Promise<void> {
    if (isEmpty) rmSync(join(folder, 'appendonlydir'), { recursive: true, force: true })
    const databases = isCluster ? ['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`] : ['--databases', '1000']
    const settings = ['--bind', '127.0.0.1', '--dir', folder, ...databases, '--save', '']
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always']
    const secret = password === undefined ? [] : ['--requirepass', password, '--masterauth', password]
    const source = replicaOf === undefined ? [] : ['--replicaof', `127.0.0.1 ${replicaOf}`]
    server = Bun.spawn([`${PROGRAM}-server`, ...listening, ...settings, ...durable, ...secret, ...more, ...source], {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'inherit',
    })
    await eventually(async () => (await ask(0, 'PING')) === 'PONG', 'the server answers')
  }

  async function kill(): Promise<void> {
    server?.kill('SIGKILL')
    await server?.exited
  }

  try {
    await start()
  } catch (error) {
    await kill()
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
  return {
    port,
    busPort,
    url(database = 0) {
      const user = password === undefined ? '' : `:${encodeURIComponent(password)}@`
      return `${tls === undefined ? 'redis' : 'rediss'}://${user}127.0.0.1:${port}/${database}`
    },
    ask,
    kill,
    freeze: () => server?.kill('SIGSTOP'),
    thaw: () => server?.kill('SIGCONT'),
    start,
    async [Symbol.asyncDispose]() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
