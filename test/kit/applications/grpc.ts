import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { Certificate } from '../certificates.ts'

/** The one method of it: answers `hello ` and what it was sent. */
export const SAY = '/test.Greeter/Say'

/** Messages of gRPC go as they are: nothing here reads them. */
export const asIs = (bytes: Buffer): Buffer => bytes

/** An application that speaks gRPC and nothing else, by HTTP/2 over TLS. */
export interface GrpcApp extends Disposable {
  readonly port: number
  /** Calls that have come. */
  readonly calls: number
}

export async function startGrpc({ cert, key }: Certificate): Promise<GrpcApp> {
  const server = new Server()
  let calls = 0
  const codecs = {
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
  server.addService(
    { Say: { path: SAY, requestStream: false, responseStream: false, ...codecs } },
    {
      Say(call: { readonly request: Buffer }, answer: (error: null, value: Buffer) => void) {
        calls++
        answer(null, Buffer.concat([Buffer.from('hello '), call.request]))
      },
    },
  )
  const own = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, [own]), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  return {
    port,
    get calls() {
      return calls
    },
    [Symbol.dispose]: () => server.forceShutdown(),
  }
}
