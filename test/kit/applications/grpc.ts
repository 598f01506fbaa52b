import { Client, credentials, Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js'
import type { Certificate } from '../certificates.ts'

/** The one method of it: answers `hello ` and what it was sent. */
export const SAY = '/test.Greeter/Say'

/** Messages of gRPC go as they are: nothing here reads them. */
const asIs = (bytes: Buffer): Buffer => bytes

/** An application that speaks gRPC and nothing else, by HTTP/2 over TLS. */
export interface GrpcApp extends Disposable {
  readonly port: number
  /** What came with each call. */
  readonly calls: readonly Metadata[]
}

export async function startGrpc({ cert, key }: Certificate): Promise<GrpcApp> {
  const server = new Server()
  const calls: Metadata[] = []
  const codecs = {
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
  server.addService(
    { Say: { path: SAY, requestStream: false, responseStream: false, ...codecs } },
    {
      Say(
        call: { readonly request: Buffer; readonly metadata: Metadata },
        answer: (error: null, value: Buffer) => void,
      ) {
        calls.push(call.metadata)
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
    calls,
    [Symbol.dispose]: () => server.forceShutdown(),
  }
}

/** How a call ended, as gRPC's own client tells it. */
export interface Outcome {
  readonly code: number
  /** What was answered, or why not. */
  readonly text: string
  readonly metadata: Metadata
}

/** Whom to call, by HTTPS on this machine. */
export interface Callee {
  readonly port: number
  readonly host: string
  readonly ca: string
}

/** One call with `Ada` as its message; the fields are what goes with it. */
export async function callGrpc(
  { port, host, ca }: Callee,
  method: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(ca)), {
    'grpc.ssl_target_name_override': host,
    'grpc.default_authority': host,
  })
  const sent = new Metadata()
  for (const [name, value] of Object.entries(fields)) sent.set(name, value)
  const message = Buffer.from('Ada')
  try {
    return await new Promise<Outcome>(resolve => {
      const done = (error: ServiceError | null, value?: Buffer) =>
        resolve(
          error === null
            ? { code: status.OK, text: `${value}`, metadata: new Metadata() }
            : { code: error.code, text: error.details, metadata: error.metadata },
        )
      client.makeUnaryRequest(method, asIs, asIs, message, sent, { deadline: Date.now() + 30_000 }, done)
    })
  } finally {
    client.close()
  }
}
