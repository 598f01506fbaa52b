import { eventually } from '../gate.ts'
import type { Listening } from '../requests.ts'
import { askForWebSocket } from './websocket.ts'
import { openWire, type Wire } from './wire.ts'

/** Something that a client holds open. Cut at the end of the scope. */
export interface OpenStream extends Disposable {
  readonly wire: Wire
  /** Whether the gate has ended it, or cut it. */
  isOver(): boolean
}

/** Asks for an event stream with these lines among the fields, and waits for its first event. */
export async function openEvents(
  { port }: Listening,
  host: string,
  fields: readonly string[] = [],
  path = '/events',
): Promise<OpenStream> {
  const wire = await openWire(port)
  const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Accept: text/event-stream', ...fields, '', '']
  await wire.send(head.join('\r\n'))
  await eventually(() => wire.received.includes('begun'), `the event stream ${path} of ${host} begins`)
  return {
    wire,
    isOver: () => wire.isClosed || wire.received.toString('latin1').endsWith('0\r\n\r\n'),
    [Symbol.dispose]: () => wire.close(),
  }
}

/** Opens a WebSocket with these lines among the fields of its handshake. It is over with a close frame, or when it is cut. */
export async function openWebSocket(
  { port }: Listening,
  host: string,
  fields: readonly string[] = [],
  path = '/',
): Promise<OpenStream> {
  const wire = await openWire(port)
  await wire.send(askForWebSocket(host, path, fields))
  await eventually(() => wire.received.includes(' 101 '), `the WebSocket ${path} of ${host} opens`)
  return {
    wire,
    isOver: () => wire.isClosed || wire.received.includes(Buffer.from([0x88])),
    [Symbol.dispose]: () => wire.close(),
  }
}
