import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { childToml, freePort, startChild } from '../../kit/programs/child.ts'
import { routeTo } from '../../kit/toml.ts'
import { handOver } from '../../kit/upgrade/succession.ts'

const keep = untilTheEnd()
const upstream = keep(Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('here') }))
const ROUTE = routeTo(upstream, 'app.example', 'allow = "public"')
const { test } = needs('openssl', '::1', '/proc')

const authority = makeAuthority()
const { cert, key } = authority.issue('DNS:app.example')
const BOTH = ['0.0.0.0', '[::]']

/** What answers by IPv4 and by IPv6 at a port; null where nothing listens. */
async function answers(scheme: 'http' | 'https', port: number): Promise<readonly (string | null)[]> {
  const ask = (host: string) =>
    fetch(`${scheme}://${host}:${port}/`, {
      headers: { host: 'app.example', connection: 'close' },
      keepalive: false,
      tls: { ca: authority.cert, serverName: 'app.example', checkServerIdentity: () => undefined },
    }).then(
      one => one.text(),
      () => null,
    )
  return Promise.all([ask('127.0.0.1'), ask('[::1]')])
}

/** A gate that listens at these hosts, on a port each for plain HTTP and for TLS. */
async function openGate(plain: readonly string[], secure: readonly string[], workers: number) {
  const folder = keep(temporaryFolder())
  writeFileSync(join(folder.path, 'app.pem'), cert)
  writeFileSync(join(folder.path, 'app.key'), key)
  const [port, securePort] = [await freePort(), await freePort()]
  const at = (hosts: readonly string[], one: number) => hosts.map(host => `${host}:${one}`)
  const toml = `workers = ${workers}
[tls]
listen = ${JSON.stringify(at(secure, securePort))}
certificates = [{ cert = "app.pem", key = "app.key" }]
redirect_http = false
${ROUTE}`
  const command = [await compiledBinary()]
  const child = keep(await startChild({ command, folder: folder.path, port, toml, listen: at(plain, port) }))
  const list = (hosts: readonly string[]) =>
    writeFileSync(join(folder.path, 'routes.toml'), childToml(port, toml, at(hosts, port)))
  return { port, securePort, child, list }
}

test.each([
  ['both listed', BOTH, 1, ['here', 'here']],
  ['both listed, IPv6 first', BOTH.toReversed(), 1, ['here', 'here']],
  ['both listed, two workers', BOTH, 2, ['here', 'here']],
  ['[::] alone', ['[::]'], 1, ['here', 'here']],
  ['0.0.0.0 alone', ['0.0.0.0'], 1, ['here', null]],
  ['this machine by IPv4 beside all by IPv6', ['127.0.0.1', '[::]'], 1, ['here', 'here']],
])(
  'what the file lists answers by plain HTTP and by TLS: %s',
  async (_what, hosts, workers, expected) => {
    const { port, securePort } = await openGate(hosts, hosts, workers)
    expect([await answers('http', port), await answers('https', securePort)]).toEqual([expected, expected])
  },
  300_000,
)

test.each([
  ['[::] alone to both', ['[::]'], BOTH, 1, ['here', 'here']],
  ['[::] alone to both, two workers', ['[::]'], BOTH, 2, ['here', 'here']],
  ['both to [::] alone', BOTH, ['[::]'], 1, ['here', 'here']],
  ['both to [::] alone, two workers', BOTH, ['[::]'], 2, ['here', 'here']],
  ['both to 0.0.0.0 alone', BOTH, ['0.0.0.0'], 1, ['here', null]],
  ['0.0.0.0 alone to both', ['0.0.0.0'], BOTH, 1, ['here', 'here']],
  ['0.0.0.0 alone to [::] alone', ['0.0.0.0'], ['[::]'], 1, ['here', 'here']],
])(
  'after a takeover, what the new file lists answers: %s',
  async (_what, before, after, workers, expected) => {
    const { port, child, list } = await openGate(before, ['127.0.0.1'], workers)
    list(after)
    await using _successor = await handOver(child)
    child.process.kill('SIGTERM')
    await child.process.exited
    expect(await answers('http', port)).toEqual(expected)
  },
  300_000,
)
