import { connect, createServer, type Socket } from 'node:net'
import { eventually } from '../gate.ts'
import { startValkey, type Valkey } from './valkey.ts'

/** A primary and its replica behind one address, as a virtual IP or a proxy gives: `await using pair = await startPair()`. */
export interface FailoverPair extends AsyncDisposable {
  readonly primary: Valkey
  readonly replica: Valkey
  url(database?: number): string
  /** Waits until the replica has all that the primary has now, then takes its source away: from here on it lags. */
  lag(): Promise<void>
  /** Cuts every connection, unless those that are there stay; the address leads to this server from here on. */
  leadTo(server: Valkey, stays?: 'stays'): void
  /** Kills the primary. The replica takes over, and the address leads to it once `first` is done. */
  failOver(first?: () => Promise<void>): Promise<void>
}

/** A port that leads to another one. */
export interface Relay extends AsyncDisposable {
  readonly port: number
  /** Where new connections lead from here on; null: they are refused. */
  leadTo(port: number | null): void
  /** Ends all connections. */
  cut(): void
  /** Ends each of those that are open when the next answer comes, which does not arrive. */
  cutAnswers(): void
}

export async function startRelay(to: number): Promise<Relay> {
  let target: number | null = to
  const cuttable = new Set<() => void>()
  const open = new Set<Socket>()
  const relay = createServer(client => {
    if (target === null) {
      client.destroy()
      return
    }
    const server = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      open.add(one)
      one.on('error', () => undefined)
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
    client.pipe(server)
    server.pipe(client)
    cuttable.add(() => {
      server.unpipe(client)
      server.on('data', () => client.destroy())
    })
  })
  await new Promise<void>(resolve => relay.listen(0, '127.0.0.1', resolve))
  const { port } = relay.address() as { readonly port: number }
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  return {
    port,
    leadTo(next) {
      target = next
    },
    cut,
    cutAnswers() {
      for (const cutOne of cuttable) cutOne()
    },
    async [Symbol.asyncDispose]() {
      relay.close()
      cut()
    },
  }
}

/** Starts two real servers, of which one replicates the other. */
export async function startPair(): Promise<FailoverPair> {
  await using stack = new AsyncDisposableStack()
  const primary = stack.use(await startValkey())
  const replica = stack.use(await startValkey())
  // It waits five seconds for other replicas otherwise.
  expectOk(await primary.ask(0, 'CONFIG', 'SET', 'repl-diskless-sync-delay', '0'))
  expectOk(await replica.ask(0, 'REPLICAOF', '127.0.0.1', `${primary.port}`))
  const relay = stack.use(await startRelay(primary.port))
  function leadTo({ port }: Valkey, stays?: 'stays'): void {
    relay.leadTo(port)
    if (stays === undefined) relay.cut()
  }
  const all = stack.move()
  return {
    primary,
    replica,
    url: (database = 0) => `redis://127.0.0.1:${relay.port}/${database}`,
    leadTo,
    async lag() {
      await eventually(async () => {
        const [source, copy] = [
          await primary.ask(0, 'INFO', 'replication'),
          await replica.ask(0, 'INFO', 'replication'),
        ]
        return (
          copy.includes('master_link_status:up') &&
          /master_repl_offset:(\d+)/.exec(source)?.[1] === /slave_repl_offset:(\d+)/.exec(copy)?.[1]
        )
      }, 'the replica has everything')
      // Nothing listens on port 1: it goes on as a replica that cannot reach its source.
      expectOk(await replica.ask(0, 'REPLICAOF', '127.0.0.1', '1'))
    },
    async failOver(first) {
      await primary.kill()
      expectOk(await replica.ask(0, 'REPLICAOF', 'NO', 'ONE'))
      await first?.()
      leadTo(replica)
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function expectOk(answer: string): void {
  if (answer !== 'OK') throw new Error(`the server says ${answer}`)
}
