import { type Gate, startGate } from '../gate.ts'
import {
  hasHead,
  openWire,
  type RawUpstream,
  sendRaw,
  startRawUpstream,
  type UpstreamConnection,
  type Wire,
  type WireOptions,
  type WirePart,
  type WireResponse,
} from './wire.ts'

/**
 * A gate in front of an upstream on a raw socket, for tests that look at the bytes on both sides. It waits long for bodies, so
 * that nothing depends on how busy the machine is. Ends with its scope.
 */
export interface Exchange extends AsyncDisposable {
  readonly gate: Gate
  readonly upstream: RawUpstream
  /** What the upstream does with a connection once a head came by it; a text is sent as it is. */
  script: string | ((connection: UpstreamConnection, head: string) => Promise<void>)
  /** Sends these bytes; answers what the client got, and what the upstream got meanwhile. */
  send(
    request: string | readonly WirePart[],
    options?: WireOptions,
  ): Promise<{ readonly response: WireResponse; readonly received: string }>
  open(): Promise<Wire>
}

/** An answer with nothing special about it. */
export const PLAIN = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'

/** `toml` gets the upstream's address; app.example is public there when absent. */
export async function startExchange(toml: (address: string) => string = publicRoute): Promise<Exchange> {
  const upstream = await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      if (connection.isClosed) return
      const { script } = exchange
      if (typeof script === 'string') await connection.send(script)
      else await script(connection, raw.toString('latin1'))
    }
  })
  const gate = await startGate(toml(`http://127.0.0.1:${upstream.port}`), { bodyWaitMs: 10_000 })
  const exchange: Exchange = {
    gate,
    upstream,
    script: PLAIN,
    async send(request, options) {
      const before = upstream.connections.map(connection => connection.received.length)
      const response = await sendRaw(gate.port, request, options)
      const received = upstream.connections
        .map((connection, index) => connection.received.toString('latin1', before[index] ?? 0))
        .join('')
      return { response, received }
    },
    open: () => openWire(gate.port),
    async [Symbol.asyncDispose]() {
      await gate[Symbol.asyncDispose]()
      await upstream.close()
    },
  }
  return exchange
}

function publicRoute(address: string): string {
  return `[[routes]]\nhost = "app.example"\nupstream = "${address}"\nallow = "public"\ntimeout = "2s"\n`
}
