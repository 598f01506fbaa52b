import type { Findings } from '../report.ts'
import { type Cell, LOAD_COLUMNS, loadCells, measureRounds } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import type { FrontName } from '../subject.ts'
import type { Effort } from './part.ts'

const CONNECTIONS = 32

/** A small GET over TLS: to an upstream whose certificate is checked against an authority of our own, and from a client, by HTTP/1.1. */
export async function tls(stand: Stand, effort: Effort): Promise<Findings> {
  const upstream = await measure(stand, effort, 'secure', 'TLS to the upstream')
  const client = await measure(stand, effort, 'https', 'TLS from the client')
  return {
    tables: [upstream, client].map(({ what, rows }) => [
      [`small GET, ${what}, ${CONNECTIONS} connections`, ...LOAD_COLUMNS],
      ...rows.map(row => [row.name, ...loadCells(row)]),
    ]),
    targets: [],
    figures: { upstream: upstream.rows, client: client.rows },
  }
}

async function measure({ subjects }: Stand, { rounds, seconds }: Effort, front: FrontName, what: string) {
  const cells: Cell[] = []
  for (const subject of subjects) {
    // Apache signs in by plain HTTP alone here.
    if (front === 'https' && subject.key === 'apache') continue
    const child = await subject.start()
    cells.push({ name: subject.name, child, way: subject.way(front), load: { seconds, connections: CONNECTIONS } })
  }
  return { what, rows: await measureRounds(what, cells, rounds) }
}
