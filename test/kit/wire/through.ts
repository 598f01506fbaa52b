import { type RawUpstream, sendRaw, type WireOptions, type WirePart, type WireResponse } from './wire.ts'

/** What became of raw bytes that were sent to a gate. */
export interface Passed {
  readonly response: WireResponse
  /** Every byte that reached the upstream meanwhile, as Latin-1; empty where it was not touched. */
  readonly received: string
}

/** Sends exactly these bytes to a gate, and looks at what its upstream got of them. One request at a time for each upstream. */
export async function sendThrough(
  port: number,
  upstream: Pick<RawUpstream, 'connections'>,
  parts: WirePart | readonly WirePart[],
  options: WireOptions = {},
): Promise<Passed> {
  // A connection that is used again is not the newest one.
  const before = upstream.connections.map(({ received }) => received.length)
  const response = await sendRaw(port, parts, options)
  const fresh = upstream.connections.map(({ received }, index) => received.subarray(before[index] ?? 0))
  return { response, received: Buffer.concat(fresh).toString('latin1') }
}

/** A request without a body, on a connection of its own: its line and its fields as they are given. */
export function rawRequest(line: string, host: string, fields: readonly string[] = []): string {
  return [`${line} HTTP/1.1`, `Host: ${host}`, ...fields, 'Connection: close', '', ''].join('\r\n')
}

/** The lines of a received head with this name, in any case. */
export function linesOf(received: string, name: string): readonly string[] {
  const [head = ''] = received.split('\r\n\r\n', 1)
  return head.split('\r\n').filter(line => line.toLowerCase().startsWith(`${name}:`))
}
