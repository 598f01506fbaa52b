import { type Findings, type Grid, type Target, target } from '../report.ts'
import { type Cell, LOAD_COLUMNS, loadCells, type Measured, measureRounds, ratioOf } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import type { SubjectKey } from '../subject.ts'
import type { Effort } from './part.ts'

interface Level {
  readonly title: string
  readonly path: string
  readonly connections: number
}

/** The level whose cost the targets are about. */
const MAIN_CONNECTIONS = 32

/** A small GET at every number of connections, and one of 10 kB. */
export async function small(stand: Stand, { rounds, seconds, connections }: Effort): Promise<Findings> {
  const levels: Level[] = connections.map(count => ({
    title: `small GET, ${count === 1 ? '1 connection' : `${count} connections`}`,
    path: '/',
    connections: count,
  }))
  levels.push({ title: `10 kB GET, ${MAIN_CONNECTIONS} connections`, path: '/10k', connections: MAIN_CONNECTIONS })
  const found = await measureLevels(stand, levels, rounds, seconds)
  return {
    tables: found.map(
      ({ level, rows }): Grid => [
        [level.title, ...LOAD_COLUMNS],
        ...rows.values().map(row => [row.name, ...loadCells(row)]),
      ],
    ),
    targets: found.flatMap(({ level, rows }) => (level.path === '/' ? judge(level, rows) : [])),
    figures: found.map(({ level, rows }) => ({ ...level, rows: [...rows.values()] })),
  }
}

type Rows = ReadonlyMap<SubjectKey, Measured>

async function measureLevels(
  { subjects }: Stand,
  levels: readonly Level[],
  rounds: number,
  seconds: number,
): Promise<{ readonly level: Level; readonly rows: Rows }[]> {
  const cells: { readonly level: Level; readonly key: SubjectKey; readonly cell: Cell }[] = []
  for (const subject of subjects) {
    const child = await subject.start()
    for (const level of levels) {
      const { path, connections } = level
      const cell = { name: subject.name, child, way: subject.way('app'), load: { path, seconds, connections } }
      cells.push({ level, key: subject.key, cell })
    }
  }
  // Level by level within a round, so that the subjects of one table follow each other closely.
  cells.sort((one, other) => levels.indexOf(one.level) - levels.indexOf(other.level))
  const measured = await measureRounds(
    'GET',
    cells.map(({ cell }) => cell),
    rounds,
  )
  return levels.map(level => ({
    level,
    rows: new Map(
      cells.flatMap(({ level: own, key }, at) => {
        const row = measured[at]
        return own === level && row !== undefined ? [[key, row]] : []
      }),
    ),
  }))
}

function judge({ connections }: Level, rows: Rows): Target[] {
  const at = `at ${connections}`
  const signedIn = rows.get('private')
  if (signedIn === undefined) return []
  const against = (key: SubjectKey, name: string, atMost: number): Target[] => {
    const other = rows.get(key)
    if (other === undefined) return []
    return [target(`CPU ${at}: signed in / ${name}`, ratioOf(signedIn.cpuUsRounds, other.cpuUsRounds), atMost, '×')]
  }
  const caddy = rows.get('caddy')
  const tail =
    caddy === undefined
      ? []
      : [target(`p99 ${at}: signed in / Caddy`, ratioOf(signedIn.p99MsRounds, caddy.p99MsRounds), 1, '×')]
  if (connections !== MAIN_CONNECTIONS) return tail
  return [
    // The first is the goal, the second what was asked for before.
    ...against('bun', 'bare Bun', 1.25),
    ...against('bun', 'bare Bun, first step', 1.4),
    ...against('caddy', 'Caddy', 0.65),
    ...against('apache', 'mod_auth_openidc', 0.5),
    ...tail,
  ]
}
