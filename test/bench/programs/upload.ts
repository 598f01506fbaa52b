/** An upstream that reads a body to its end and answers how many bytes it had. Usage: bun upload.ts PORT */
export {}

const [port] = process.argv.slice(2)

Bun.serve({
  port: Number(port),
  hostname: '127.0.0.1',
  maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  async fetch(request) {
    let bytes = 0
    for await (const chunk of request.body ?? []) bytes += chunk.length
    return new Response(String(bytes))
  },
})
