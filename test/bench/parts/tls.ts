import type { Findings } from '../report.ts'
import { type Cell, LOAD_COLUMNS, loadCells, measureRounds } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import type { Effort } from './part.ts'

const CONNECTIONS = 32

/**
 * A small GET to an upstream over TLS, whose certificate every subject checks against an authority of our own.
 *
 * Absent: TLS from the client. Where the gate speaks it, its cells belong here: `Way` then says the scheme, and wrk takes it.
 */
export async function tls({ subjects }: Stand, { rounds, seconds }: Effort): Promise<Findings> {
  const cells: Cell[] = []
  for (const subject of subjects) {
    const child = await subject.start()
    cells.push({ name: subject.name, child, way: subject.way('secure'), load: { seconds, connections: CONNECTIONS } })
  }
  const rows = await measureRounds('TLS to the upstream', cells, rounds)
  return {
    tables: [
      [
        [`small GET, TLS to the upstream, ${CONNECTIONS} connections`, ...LOAD_COLUMNS],
        ...rows.map(row => [row.name, ...loadCells(row)]),
      ],
    ],
    targets: [],
    figures: rows,
  }
}
