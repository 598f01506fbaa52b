import { openField } from '../field.ts'
import { settledRssKb } from '../process.ts'
import { type Findings, target } from '../report.ts'
import { LOAD_COLUMNS, loadCells, measureRounds, ratioOf, whole } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import { subject } from '../subject.ts'
import type { Effort } from './part.ts'

/** The gate's own routes: two hosts for each upstream. */
const OWN_ROUTES = 10
const COUNTS = [10, 10_000] as const
const CONNECTIONS = 32

/** The same request through a gate with ten routes and one with ten thousand. The route is public: least hides what a look-up costs. */
export async function routes(stand: Stand, { rounds, seconds }: Effort): Promise<Findings> {
  const gates = []
  for (const count of COUNTS) {
    const gate = await stand.anotherGate(`routes-${count}`, { otherRoutes: count - OWN_ROUTES })
    const launch = async () => {
      const child = gate.start()
      await gate.untilServed()
      return child
    }
    const way = () => ({ port: gate.port, headers: { host: gate.host('app', 'public') } })
    gates.push(subject('own', `Sallyport, ${count} routes`, launch, way, front => front === 'app'))
  }
  const field = openField(gates, stand.application)
  const load = { seconds, connections: CONNECTIONS }
  // 3 % is less than a round of a busy machine varies: twice as many rounds.
  const cells = gates.map(gate => ({ subject: gate, front: 'app' as const, load }))
  const measured = await measureRounds('routes', field, cells, rounds * 2)
  const [few, many] = measured
  const [, last] = gates
  const kb = last === undefined ? null : await field.with(last, settledRssKb)
  for (const gate of gates) await gate.stop()
  if (field.failures.length > 0) throw new Error(field.failures.map(({ name, why }) => `${name}: ${why}`).join('; '))
  const rows = whole(measured)
  return {
    tables: [
      [[`small GET, ${CONNECTIONS} connections`, ...LOAD_COLUMNS], ...rows.map(row => [row.name, ...loadCells(row)])],
    ],
    targets: [
      target('CPU: 10 000 routes / 10 routes', ratioOf(many?.cpuUsRounds ?? [], few?.cpuUsRounds ?? []), 1.03, '×'),
      target('RSS with 10 000 routes', (kb ?? Number.NaN) / 1024, 120, 'MB'),
    ],
    figures: rows,
  }
}
