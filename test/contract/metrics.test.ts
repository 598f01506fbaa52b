import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Family } from '../../src/server/observe/metric-family.ts'
import { parseMetrics } from '../../src/server/observe/prometheus.ts'
import { startAnswering } from '../kit/applications/answering.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { FROM_SOURCE, freePort, startChild } from '../kit/programs/child.ts'
import { metricsOf } from '../kit/requests.ts'
import { EVERYONE, portalTable, providerTable, routeTo, SILENT } from '../kit/toml.ts'

// How many files are open is counted there.
const { test } = needs('openssl', '/proc')

/** A row of the table in docs/metrics.md, as a real server's family makes it. */
function row({ name, kind, help, series }: Family): string {
  const labels = [
    ...new Set([...series.keys()].flatMap(key => [...key.matchAll(/(\w+)="/g)].map(([, label]) => label))),
  ]
  return `| \`${name}\` | ${kind} | ${labels.map(label => `\`${label}\``).join(', ')} | ${help} |`
}

const upstream = untilTheEnd()(startAnswering(() => new Response('here')))

test('docs/metrics.md has every metric of a server with workers, certificates and upstreams, and no other', async () => {
  using folder = temporaryFolder()
  const certificate = makeAuthority().issue('DNS:app.example')
  for (const part of ['cert', 'key'] as const) writeFileSync(join(folder.path, `${part}.pem`), certificate[part])
  const [port, admin, secure] = [await freePort(), await freePort(), await freePort()]
  const toml = `workers = 2
admin = "127.0.0.1:${admin}"

[tls]
listen = ["127.0.0.1:${secure}"]
certificates = [{ cert = "cert.pem", key = "key.pem" }]

${providerTable(SILENT)}
${portalTable(EVERYONE)}
${routeTo(upstream, 'well.example', 'allow = "public"')}
[[routes]]
host = "app.example"
upstream = ["http://127.0.0.1:9", "http://127.0.0.1:10"]
allow = "public"
`
  await using _child = await startChild({ command: FROM_SOURCE, folder: folder.path, port, toml })
  // An address is counted once it was asked.
  for (const [host, status] of [
    ['app.example', 502],
    ['well.example', 200],
  ] as const) {
    const answer = await fetch(`https://127.0.0.1:${secure}/`, {
      headers: { host },
      tls: { rejectUnauthorized: false },
    })
    expect([host, answer.status]).toEqual([host, status])
  }
  const page = readFileSync(join(import.meta.dir, '../../docs/metrics.md'), 'utf8')
  let families: readonly Family[] = []
  await eventually(async () => {
    families = parseMetrics(await metricsOf({ adminPort: admin }))
    const series = new Map(families.map(family => [family.name, family.series.size]))
    return (series.get('sallyport_response_body_bytes_total') ?? 0) > 0
  }, 'the workers answer with their metrics')
  expect(page.split('\n').filter(line => line.startsWith('| `'))).toEqual(families.map(row))
}, 300_000)
