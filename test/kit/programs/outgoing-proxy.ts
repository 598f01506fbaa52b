import { createServer, connect as dial, type Socket } from 'node:net'
import { plant } from '../log/planted.ts'

/** A forward proxy on loopback, by which alone some names lead anywhere: HTTPS by CONNECT, plain HTTP by whole addresses. */
export interface OutgoingProxy extends AsyncDisposable {
  readonly port: number
  /** What it was asked for: `CONNECT id.example.com:443`, `POST http://hook.lan/x`. */
  readonly asked: readonly string[]
  /** How many connections it has had, whatever came of them. */
  readonly connections: () => number
  /** Answers everything with this status from now on; null: it works again. */
  refuse(status: string | null): void
}

export interface OutgoingProxyOptions {
  /** Host, or host and port → the port of this machine where it is. Nothing else is reached. */
  readonly hosts: Readonly<Record<string, number | undefined>>
  /** Whose requests alone it takes. */
  readonly login?: { readonly user: string; readonly password: string }
}

/** Starts one. A connection is for one request, as those of the gate are. */
export async function startOutgoingProxy({ hosts, login }: OutgoingProxyOptions): Promise<OutgoingProxy> {
  const asked: string[] = []
  const open = new Set<Socket>()
  let connections = 0
  let refusal: string | null = null
  const basic = login === undefined ? null : Buffer.from(`${login.user}:${login.password}`).toString('base64')
  if (login !== undefined) plant(login.password, 'password of a proxy')
  if (basic !== null) plant(basic, 'login of a proxy')

  function answer(client: Socket, status: string): void {
    client.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
  }

  function take(client: Socket, head: string, rest: Buffer): void {
    const [line = '', ...fields] = head.split('\r\n')
    const [method = '', target = ''] = line.split(' ')
    asked.push(`${method} ${target}`)
    const given = fields.find(field => /^proxy-authorization:/i.test(field))?.replace(/^[^:]*: */, '')
    const isStranger = basic !== null && given !== `Basic ${basic}`
    const url = URL.parse(method === 'CONNECT' ? `https://${target}` : target)
    const port = hosts[target] ?? hosts[url?.host ?? ''] ?? hosts[url?.hostname ?? '']
    const refused = refusal ?? (isStranger ? '407 Proxy Authentication Required' : null)
    if (refused !== null || url === null || port === undefined) {
      answer(client, refused ?? '502 Bad Gateway')
      return
    }
    const there = dial(port, '127.0.0.1', () => {
      if (method === 'CONNECT') client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      else {
        const kept = fields.filter(field => !/^(?:proxy-|connection:)/i.test(field))
        there.write(
          `${[`${method} ${url.pathname}${url.search} HTTP/1.1`, ...kept, 'Connection: close'].join('\r\n')}\r\n\r\n`,
        )
      }
      there.write(rest)
      client.pipe(there)
      there.pipe(client)
    })
    open.add(there)
    there.on('error', () => client.destroy())
    there.on('close', () => open.delete(there))
    client.on('close', () => there.destroy())
  }

  const server = createServer(client => {
    connections++
    open.add(client)
    let received = Buffer.alloc(0)
    client.on('error', () => undefined)
    client.on('close', () => open.delete(client))
    const read = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf('\r\n\r\n')
      if (end === -1) return
      // What comes until there is somewhere for it to go would be lost.
      client.pause().off('data', read)
      take(client, received.subarray(0, end).toString('latin1'), received.subarray(end + 4))
    }
    client.on('data', read)
  })
  const { promise: listening, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await listening
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : Number.NaN,
    asked,
    connections: () => connections,
    refuse(status) {
      refusal = status
    },
    async [Symbol.asyncDispose]() {
      const { promise: closed, resolve: done } = Promise.withResolvers<void>()
      server.close(() => done())
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
