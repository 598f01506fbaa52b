import { type Findings, target } from '../report.ts'
import { type Cell, LOAD_COLUMNS, loadCells, measureRounds, ratioOf } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import type { Effort } from './part.ts'

/** The gate's own routes: two hosts for each upstream. */
const OWN_ROUTES = 8
const CONNECTIONS = 32

/** The same request through a gate with ten routes and one with ten thousand. The route is public: least hides what a look-up costs. */
export async function routes(stand: Stand, { rounds, seconds }: Effort): Promise<Findings> {
  const cells: Cell[] = []
  for (const count of [10, 10_000]) {
    const gate = await stand.anotherGate(`routes-${count}`, { otherRoutes: count - OWN_ROUTES })
    const child = gate.start()
    await gate.untilServed()
    const way = { port: gate.port, headers: { host: gate.host('app', 'public') } }
    cells.push({ name: `Sallyport, ${count} routes`, child, way, load: { seconds, connections: CONNECTIONS } })
  }
  // 5 % is less than a round of a busy machine varies: twice as many rounds.
  const rows = await measureRounds('routes', cells, rounds * 2)
  await Promise.all(cells.map(({ child }) => child.stop()))
  const [few, many] = rows.map(row => row.cpuUsRounds)
  return {
    tables: [
      [[`small GET, ${CONNECTIONS} connections`, ...LOAD_COLUMNS], ...rows.map(row => [row.name, ...loadCells(row)])],
    ],
    targets: [target('CPU: 10 000 routes / 10 routes', ratioOf(many ?? [], few ?? []), 1.05, '×')],
    figures: rows,
  }
}
