/** An application of one line: what it answers to everything. Ends with its scope, or by `stop`. */
export function startAnswering(answer: (request: Request) => Response | Promise<Response>): Bun.Server<undefined> {
  // By itself it cuts a request that is silent for ten seconds: an upload that a busy machine is slow with.
  return Bun.serve({ port: 0, hostname: '127.0.0.1', idleTimeout: 0, fetch: answer })
}

/** An application that says the same to everybody. */
export function startSaying(text: string): Bun.Server<undefined> {
  return startAnswering(() => new Response(text))
}

/** An application that answers with the fields that it was sent, as JSON. */
export function startTellingFields(): Bun.Server<undefined> {
  return startAnswering(request => Response.json(request.headers.toJSON()))
}
