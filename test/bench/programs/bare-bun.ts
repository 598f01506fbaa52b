/**
 * The least that a proxy on Bun can do: hand the request to fetch and its answer back. What Sallyport is measured against.
 *
 * Usage: bun bare-bun.ts PORT=http:UPSTREAM PORT=https:UPSTREAM …
 */
import { readFileSync } from 'node:fs'

// A port with `s` behind it speaks TLS with its clients.
const { BENCH_CERT: certFile = '', BENCH_KEY: keyFile = '' } = process.env
const { BENCH_CA: caFile, BENCH_SERVER_NAME: serverName = '' } = process.env

for (const pair of process.argv.slice(2)) {
  const [port, upstream = ''] = pair.split('=')
  const [scheme, upstreamPort] = upstream.split(':')
  const origin = `${scheme}://127.0.0.1:${upstreamPort}`
  const tls = scheme === 'https' && caFile ? { tls: { ca: readFileSync(caFile, 'utf8'), serverName } } : {}
  Bun.serve({
    port: Number.parseInt(port ?? '', 10),
    ...(port?.endsWith('s')
      ? { tls: { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') } }
      : {}),
    hostname: '127.0.0.1',
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    idleTimeout: 60,
    fetch(request) {
      const path = request.url.slice(request.url.indexOf('/', 8))
      return fetch(origin + path, {
        method: request.method,
        headers: request.headers,
        body: request.body,
        redirect: 'manual',
        decompress: false,
        ...tls,
      })
    },
  })
}
