import { askBy } from '../../../src/base/http-client.ts'
import type { Ports } from '../../../src/base/ports.ts'
import { makeAuthority } from '../certificates.ts'

/** An address of the internet behind which `startPublisher` stands, and where nothing is ever asked. */
const PUBLIC = '93.184.216.34'

/** A host of the internet that answers by TLS under a name, for clients that publish themselves. */
export interface Publisher extends AsyncDisposable {
  /** What a gate resolves and fetches by, so that this host is at a public address; other addresses are refused as unreachable. */
  readonly ports: Pick<Ports, 'ask' | 'resolve'>
  /** What names resolve to; every name has the public address where it is not in here. */
  readonly names: Map<string, readonly string[]>
  /** Paths that were asked for. */
  readonly asked: string[]
  /** The addresses that were connected to by TLS. */
  readonly dialled: string[]
  /** What is answered at a path. */
  readonly answers: Map<string, () => Response | Promise<Response>>
  /** Puts a document at an address of `client.example`, and answers that address. */
  publish(path: string, document?: object, headers?: Readonly<Record<string, string>>): string
}

/** Starts one with a certificate for `client.example` alone. */
export function startPublisher(redirect: string): Publisher {
  const authority = makeAuthority()
  const { cert, key } = authority.issue('DNS:client.example')
  const names: Publisher['names'] = new Map()
  const answers: Publisher['answers'] = new Map()
  const asked: string[] = []
  const dialled: string[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: { cert, key },
    fetch(request) {
      const { pathname, host } = new URL(request.url)
      asked.push(host + pathname)
      return answers.get(pathname)?.() ?? new Response(null, { status: 404 })
    },
  })
  return {
    names,
    asked,
    dialled,
    answers,
    ports: {
      resolve: async host => names.get(host) ?? [PUBLIC],
      ask: askBy((address, init) => {
        const { origin, host, protocol } = new URL(address)
        // Applications of the gate.
        if (protocol === 'http:') return fetch(address, init)
        dialled.push(host)
        if (host !== PUBLIC) return Promise.reject(new TypeError('nothing is there'))
        const to = address.replace(origin, `https://127.0.0.1:${server.port}`)
        return fetch(to, { ...init, tls: { ...init.tls, ca: authority.cert } })
      }),
    },
    publish(path, document = {}, headers = {}) {
      const id = `https://client.example${path}`
      const all = { client_id: id, client_name: 'Published', redirect_uris: [redirect], ...document }
      answers.set(path, () => Response.json(all, { headers }))
      return id
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true)
    },
  }
}
