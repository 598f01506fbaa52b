/** Servers of which one is the primary, and three sentinels that watch them and put another in its place: `await using site = await startSentinels()`. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../gate.ts'
import { freePort } from './child.ts'
import { documentedUser, startValkey, type Valkey, type ValkeyOptions, valkeyProgram } from './valkey.ts'

export const PRIMARY = 'mymaster'

/** What a user of the sentinels may do whom a gate signs in to them as. */
const WATCHER = documentedUser('watch')

export interface Sentinels extends AsyncDisposable {
  readonly servers: readonly Valkey[]
  /** An address of a store, by all three; the login is that of the servers, with its @. */
  url(login?: string, query?: string): string
  readonly ports: readonly number[]
  /** The server that most sentinels name now. */
  primary(): Promise<Valkey>
  /** Waits until another server than this one is named by every sentinel that runs. */
  another(than: Valkey): Promise<Valkey>
  /** A command's answer of one of them. */
  ask(index: number, ...command: string[]): Promise<string>
  /** Has them choose another primary while the present one is well. */
  failOver(): Promise<void>
  stop(index: number): Promise<void>
  start(index: number): Promise<void>
}

export interface SentinelsOptions extends ValkeyOptions {
  /** How many servers there are. */
  readonly count?: number
  /** What the sentinels want to hear from their user `default`. */
  readonly watchword?: string
  /** A user `watch` of theirs with this password, who may do what the documents say. */
  readonly watcher?: string
  /** The file of the authority of `tls`, by which servers and sentinels know each other; `clientCa` makes both ask who comes for a certificate. */
  readonly ca?: string
  /** By which port everybody reaches a server; absent: by its own. */
  readonly portOf?: (server: Valkey, index: number) => number
  /** Called before anybody connects. */
  readonly onStarted?: (servers: readonly Valkey[]) => void
  /** How long a server has to be away before it is replaced. */
  readonly downMs?: number
}

export async function startSentinels(options: SentinelsOptions = {}): Promise<Sentinels> {
  const { count = 2, watchword, portOf: portFrom = ({ port }) => port, onStarted, ...each } = options
  await using stack = new AsyncDisposableStack()
  const secure = options.ca === undefined ? [] : ['--tls-ca-cert-file', options.ca, '--tls-replication', 'yes']
  const settings = ['--repl-diskless-sync-delay', '0', ...secure, ...(each.settings ?? [])]
  const servers: Valkey[] = []
  for (let at = 0; at < count; at++) servers.push(stack.use(await startValkey({ ...each, settings })))
  onStarted?.(servers)
  const portOf = (server: Valkey) => portFrom(server, servers.indexOf(server))
  const [first] = servers
  if (first === undefined) throw new Error('no server')
  for (const server of servers.slice(1)) await server.ask(0, 'REPLICAOF', '127.0.0.1', `${portOf(first)}`)
  await eventually(
    async () => (await first.ask(0, 'INFO', 'replication')).includes(`connected_slaves:${count - 1}`),
    'the replicas are there',
  )
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-sentinels-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const ports: number[] = []
  const running: (Bun.Subprocess | null)[] = []
  for (let at = 0; at < 3; at++) {
    const port = await freePort()
    ports.push(port)
    const settings = [...settingsOf(portOf(first), options), ...listening(port, options), `dir ${folder}`]
    writeFileSync(join(folder, `${at}.conf`), `${settings.join('\n')}\n`)
  }
  stack.defer(() => Promise.all(ports.map((_, at) => stop(at))).then(() => undefined))

  const auth = [
    ...(watchword === undefined ? [] : ['-a', watchword, '--no-auth-warning']),
    ...(options.tls === undefined ? [] : ['--tls', '--insecure', '--cert', options.tls.cert, '--key', options.tls.key]),
  ]

  async function ask(index: number, ...command: string[]): Promise<string> {
    const client = Bun.spawn([valkeyProgram('cli'), '-p', `${ports[index]}`, ...auth, ...command], {
      stdout: 'pipe',
      stderr: 'pipe',
    })
    return (await new Response(client.stdout).text()).trim()
  }

  async function start(index: number): Promise<void> {
    running[index] = Bun.spawn([valkeyProgram('server'), join(folder, `${index}.conf`), '--sentinel'], {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'inherit',
    })
    await eventually(async () => (await ask(index, 'PING')) === 'PONG', 'the sentinel answers')
  }

  async function stop(index: number): Promise<void> {
    const sentinel = running[index]
    running[index] = null
    sentinel?.kill('SIGKILL')
    await sentinel?.exited
  }

  /** What those that run name. */
  async function named(): Promise<readonly string[]> {
    const those = ports.keys().filter(at => running[at] !== null)
    return Promise.all([...those].map(at => ask(at, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', PRIMARY)))
  }

  function serverAt(answer: string | undefined): Valkey | undefined {
    return servers.find(server => answer?.split('\n')[1] === `${portOf(server)}`)
  }

  async function another(than: Valkey | null): Promise<Valkey> {
    let found: Valkey | undefined
    await eventually(
      async () => {
        const answers = await named()
        found = serverAt(answers[0])
        return found !== undefined && found !== than && answers.every(answer => answer === answers[0])
      },
      'the sentinels name a primary',
      60_000,
    )
    if (found === undefined) throw new Error('the sentinels name no primary')
    return found
  }

  for (const at of ports.keys()) await start(at)
  await eventually(
    async () => {
      const seen = await Promise.all(ports.map((_, at) => ask(at, 'SENTINEL', 'CKQUORUM', PRIMARY)))
      const known = await Promise.all(ports.map((_, at) => ask(at, 'SENTINEL', 'REPLICAS', PRIMARY)))
      const isKnown = known.every(list => (list.match(/^name$/gm) ?? []).length === count - 1)
      return isKnown && seen.every(answer => answer.startsWith('OK 3 usable'))
    },
    'the sentinels know each other',
    60_000,
  )
  const all = stack.move()
  return {
    servers,
    url: (login = '', query = '') =>
      `${options.tls === undefined ? 'redis' : 'rediss'}+sentinel://${login}${ports.map(port => `127.0.0.1:${port}`).join(',')}/${PRIMARY}${query}`,
    ports,
    primary: () => another(null),
    another,
    ask,
    async failOver() {
      await eventually(
        async () => (await ask(0, 'SENTINEL', 'FAILOVER', PRIMARY)) === 'OK',
        'a failover begins',
        60_000,
      )
    },
    stop,
    start,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** What each sentinel's file says of the primary at this port, and who may ask it. */
function settingsOf(
  port: number,
  { password, watchword, watcher, downMs = 1000 }: SentinelsOptions,
): readonly string[] {
  return [
    'bind 127.0.0.1',
    'daemonize no',
    ...(watchword === undefined ? [] : [`requirepass ${watchword}`]),
    ...(watcher === undefined ? [] : [`user watch on >${watcher} ${WATCHER}`]),
    `sentinel monitor ${PRIMARY} 127.0.0.1 ${port} 2`,
    ...(password === undefined ? [] : [`sentinel auth-pass ${PRIMARY} ${password}`]),
    `sentinel down-after-milliseconds ${PRIMARY} ${downMs}`,
    `sentinel failover-timeout ${PRIMARY} 3000`,
  ]
}

/** What a sentinel's file says of its port. */
function listening(port: number, { tls, ca, clientCa }: SentinelsOptions): readonly string[] {
  if (tls === undefined) return [`port ${port}`]
  const authority = ca === undefined ? [] : [`tls-ca-cert-file ${ca}`, 'tls-replication yes']
  const asking = `tls-auth-clients ${clientCa === undefined ? 'no' : 'yes'}`
  const files = [`tls-cert-file ${tls.cert}`, `tls-key-file ${tls.key}`, asking, ...authority]
  return ['port 0', `tls-port ${port}`, ...files]
}
