import type { Field } from '../field.ts'
import type { Findings } from '../report.ts'
import { LOAD_COLUMNS, loadCells, measureRounds, whole } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import type { FrontName } from '../subject.ts'
import type { Effort } from './part.ts'

const CONNECTIONS = 32

/** A small GET over TLS: to an upstream whose certificate is checked against an authority of our own, and from a client, by HTTP/1.1. */
export async function tls(_: Stand, effort: Effort, field: Field): Promise<Findings> {
  const upstream = await measure(field, effort, 'secure', 'TLS to the upstream')
  const client = await measure(field, effort, 'https', 'TLS from the client')
  return {
    tables: [upstream, client].map(({ what, rows }) => [
      [`small GET, ${what}, ${CONNECTIONS} connections`, ...LOAD_COLUMNS],
      ...rows.map(row => [row.name, ...loadCells(row)]),
    ]),
    targets: [],
    figures: { upstream: upstream.rows, client: client.rows },
  }
}

async function measure(field: Field, { rounds, seconds }: Effort, front: FrontName, what: string) {
  const load = { seconds, connections: CONNECTIONS }
  const cells = field.offering(front).map(subject => ({ subject, front, load }))
  return { what, rows: whole(await measureRounds(what, field, cells, rounds)) }
}
