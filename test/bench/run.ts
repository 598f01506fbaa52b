/**
 * `npm run bench`: what Sallyport costs beside a bare Bun proxy, nginx, HAProxy, Caddy and Apache with mod_auth_openidc, all
 * in one run.
 *
 * Usage: bun test/bench/run.ts [--only PART,…] [--subjects KEY,…] [--rounds 5] [--seconds 1] [--connections 1,32,256]
 *                              [--sessions 1000000] [--quick] [--urgent] [--json FILE]
 *
 * The measure is CPU time per request of the proxy, pinned to a core of its own: it does not move with what the load or the
 * upstream cost on the other core. Rounds are interleaved, and what is compared is compared round by round.
 * `--quick` is one round, to see that all of it runs; `--urgent` (for root) goes before whatever else the machine does.
 * Exit code 1 when a request failed or a target is missed, 2 for wrong usage.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { idle } from './parts/idle.ts'
import type { Part } from './parts/part.ts'
import { routes } from './parts/routes.ts'
import { sessions } from './parts/sessions.ts'
import { small } from './parts/small.ts'
import { starts } from './parts/starts.ts'
import { tls } from './parts/tls.ts'
import { transfers } from './parts/transfers.ts'
import { websocket } from './parts/websocket.ts'
import { goFirst, leaveProxyCore } from './process.ts'
import { align, type Findings, machine, targetTable } from './report.ts'
import { ensureBinary } from './sallyport.ts'
import { makeStand } from './stand.ts'
import type { SubjectKey } from './subject.ts'

const PARTS: Readonly<Record<string, Part>> = { small, transfers, websocket, tls, routes, idle, sessions, starts }

const SUBJECTS: readonly SubjectKey[] = ['bun', 'public', 'private', 'nginx', 'haproxy', 'caddy', 'apache']

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(PARTS).join(',') },
    subjects: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '1,32,256' },
    quick: { type: 'boolean', default: false },
    sessions: { type: 'string' },
    urgent: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})

const names = chosen('part', values.only, Object.keys(PARTS))
const keys = values.subjects === undefined ? null : chosen('subject', values.subjects, SUBJECTS)
const effort = {
  rounds: Number(values.rounds ?? (values.quick ? 1 : 5)),
  seconds: Number(values.seconds),
  most: Number(values.sessions ?? (values.quick ? 20_000 : 1_000_000)),
  connections: values.connections.split(',').map(Number),
}
if (cpus().length < 2) fail('needs two cores, one for the proxy alone')

const goBack = values.urgent ? goFirst() : () => undefined
await leaveProxyCore()
await ensureBinary()
const findings: Record<string, Findings> = {}
const stand = await makeStand(keys)
try {
  for (const name of names) {
    const found = await PARTS[name]?.(stand, effort)
    if (found !== undefined) findings[name] = found
  }
} finally {
  await stand.stop()
  goBack()
}
const targets = Object.values(findings).flatMap(found => found.targets)
const { cpu, cores, bun } = machine()
console.log(`${cpu}, ${cores} cores, the proxy alone on one; Bun ${bun}`)
for (const table of [...Object.values(findings).flatMap(found => found.tables), targetTable(targets)])
  console.log(`\n${align(table)}`)
if (values.json !== undefined) {
  const figures = Object.fromEntries(Object.entries(findings).map(([name, found]) => [name, found.figures]))
  writeFileSync(values.json, `${JSON.stringify({ machine: machine(), ...figures, targets }, null, 2)}\n`)
}
process.exit(targets.every(one => one.isMet) ? 0 : 1)

/** The names of a comma-separated list, each one of those that there are. */
function chosen<Name extends string>(what: string, text: string, all: readonly Name[]): Name[] {
  return text.split(',').map(name => {
    const found = all.find(one => one === name)
    return found ?? fail(`no ${what} "${name}"; there are: ${all.join(', ')}`)
  })
}

function fail(why: string): never {
  console.error(`bench: ${why}`)
  process.exit(2)
}
