/** The least that a proxy on Bun can do: hand the request to fetch and its answer back. What Sallyport is measured against. */
export {}

const [port, upstream] = process.argv.slice(2)

Bun.serve({
  port: Number(port),
  hostname: '127.0.0.1',
  fetch(request) {
    const path = request.url.slice(request.url.indexOf('/', 8))
    return fetch(`http://127.0.0.1:${upstream}${path}`, {
      method: request.method,
      headers: request.headers,
      body: request.body,
      redirect: 'manual',
      decompress: false,
    })
  },
})
