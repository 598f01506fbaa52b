import { connect as connectHttp2 } from 'node:http2'
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls'

/** Whom a TLS client trusts, and which name it asks for. */
export interface SecureOptions {
  readonly port: number
  /** The name that is asked for; none when null. */
  readonly name: string | null
  readonly ca: string
}

/** An open TLS connection; who the other side says it is was verified. */
export function openSecure({ port, name, ca }: SecureOptions): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const server = name === null ? { checkServerIdentity: () => undefined } : { servername: name }
  const socket = connect({ host: '127.0.0.1', port, ca, ...server }, () => resolve(socket))
  socket.on('error', reject)
  return promise
}

/** The certificate that a client which asks for this name is shown. */
export async function certificateFor(options: SecureOptions): Promise<PeerCertificate> {
  const { promise, resolve, reject } = Promise.withResolvers<PeerCertificate>()
  const { port, name } = options
  const socket = connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ...(name === null ? {} : { servername: name }),
  })
  socket.on('secureConnect', () => resolve(socket.getPeerCertificate()))
  socket.on('error', reject)
  const certificate = await promise
  socket.destroy()
  return certificate
}

/** A request by HTTP/1.1 over TLS. */
export function secureFetch(
  { port, name, ca }: SecureOptions,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const host = name ?? '127.0.0.1'
  return fetch(`https://127.0.0.1:${port}${path}`, {
    redirect: 'manual',
    ...init,
    headers: { host: `${host}:${port}`, ...init.headers },
    tls: { ca, serverName: host },
  } as RequestInit)
}

/** What came back on one stream of HTTP/2. */
interface Http2Answer {
  readonly status: number
  readonly fields: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
}

/** One connection that speaks HTTP/2. Closed at the end of the scope. */
export interface Http2Client extends Disposable {
  ask(path: string, fields?: Readonly<Record<string, string>>, body?: Uint8Array): Promise<Http2Answer>
  /** The first piece of a body; the rest is not waited for. */
  begin(path: string): Promise<string>
  /** Asks, and goes on reading once a first piece is there; `closed` resolves with how the stream was closed (RFC 9113 §7). */
  hold(path: string, fields?: Readonly<Record<string, string>>): Promise<{ readonly closed: Promise<number> }>
  /** Asks, and reads nothing of the body once its answer is there, until `rest` is called: how many bytes came then. */
  dawdle(path: string): Promise<{ rest(): Promise<number> }>
}

/** Connects, and insists on HTTP/2. */
export function openHttp2({ port, name, ca }: SecureOptions): Http2Client {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: name ?? '' })
  session.on('error', () => undefined)
  return {
    ask(path, fields = {}, body) {
      const { promise, resolve, reject } = Promise.withResolvers<Http2Answer>()
      const method = body === undefined ? 'GET' : 'POST'
      const stream = session.request({
        ':method': method,
        ':path': path,
        ':scheme': 'https',
        ':authority': `${name}:${port}`,
        ...fields,
      })
      const pieces: Buffer[] = []
      let head: Record<string, string | readonly string[] | undefined> = {}
      stream.on('response', got => {
        head = { ...got } as typeof head
      })
      stream.on('data', (piece: Buffer) => pieces.push(piece))
      stream.on('error', reject)
      stream.on('end', () =>
        resolve({ status: Number(head[':status']), fields: head, body: Buffer.concat(pieces).toString('utf8') }),
      )
      stream.end(body)
      return promise
    },
    begin(path) {
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      const stream = session.request({ ':path': path, ':scheme': 'https', ':authority': `${name}:${port}` })
      stream.on('error', reject)
      stream.once('data', (piece: Buffer) => {
        resolve(piece.toString('utf8'))
        stream.close()
      })
      return promise
    },
    hold(path, fields = {}) {
      const { promise, resolve, reject } = Promise.withResolvers<{ readonly closed: Promise<number> }>()
      const { promise: closed, resolve: close } = Promise.withResolvers<number>()
      const head = { ':path': path, ':scheme': 'https', ':authority': `${name}:${port}` }
      const stream = session.request({ ...head, ...fields })
      stream.on('error', reject)
      stream.on('close', () => close(stream.rstCode ?? 0))
      stream.on('response', got => {
        if (got[':status'] !== 200) reject(new Error(`${path}: ${got[':status']}`))
      })
      stream.on('data', () => resolve({ closed }))
      return promise
    },
    dawdle(path) {
      const { promise, resolve, reject } = Promise.withResolvers<{ rest(): Promise<number> }>()
      const stream = session.request({ ':path': path, ':scheme': 'https', ':authority': `${name}:${port}` })
      stream.pause()
      stream.on('error', reject)
      const rest = () => {
        const { promise: read, resolve, reject } = Promise.withResolvers<number>()
        let count = 0
        stream.on('data', (piece: Buffer) => {
          count += piece.length
        })
        stream.on('error', reject)
        stream.on('end', () => resolve(count))
        stream.resume()
        return read
      }
      stream.on('response', () => resolve({ rest }))
      return promise
    },
    [Symbol.dispose]: () => session.destroy(),
  }
}
