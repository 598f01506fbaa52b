import type { Field } from '../field.ts'
import { settledRssKb } from '../process.ts'
import { type Findings, type Grid, type Target, target } from '../report.ts'
import { LOAD_COLUMNS, loadCells, type Measured, measureRounds, ratioOf } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import type { SubjectKey } from '../subject.ts'
import type { Effort } from './part.ts'

interface Level {
  readonly title: string
  readonly path: string
  readonly connections: number
}

/** The level whose cost most targets are about; by the other, the cost beside a bare proxy too. */
const MAIN_CONNECTIONS = 32
const MANY_CONNECTIONS = 256

/** A small GET at every number of connections, and one of 10 kB; and what memory the gate keeps after all that. */
export async function small(_: Stand, { rounds, seconds, connections }: Effort, field: Field): Promise<Findings> {
  const levels: Level[] = connections.map(count => ({
    title: `small GET, ${count === 1 ? '1 connection' : `${count} connections`}`,
    path: '/',
    connections: count,
  }))
  levels.push({ title: `10 kB GET, ${MAIN_CONNECTIONS} connections`, path: '/10k', connections: MAIN_CONNECTIONS })
  const found = await measureLevels(field, levels, rounds, seconds)
  return {
    tables: found.map(
      ({ level, rows }): Grid => [
        [level.title, ...LOAD_COLUMNS],
        ...rows.values().map(row => [row.name, ...loadCells(row)]),
      ],
    ),
    targets: [
      ...found.flatMap(({ level, rows }) => (level.path === '/' ? judge(level, rows) : [])),
      ...(await judgeMemory(field)),
    ],
    figures: found.map(({ level, rows }) => ({ ...level, rows: [...rows.values()] })),
  }
}

type Rows = ReadonlyMap<SubjectKey, Measured>

async function measureLevels(
  field: Field,
  levels: readonly Level[],
  rounds: number,
  seconds: number,
): Promise<{ readonly level: Level; readonly rows: Rows }[]> {
  // Level by level within a round, so that the subjects of one table follow each other closely.
  const cells = levels.flatMap(level =>
    field.offering('app').map(subject => {
      const { path, connections } = level
      return { level, subject, front: 'app' as const, load: { path, seconds, connections } }
    }),
  )
  const measured = await measureRounds('GET', field, cells, rounds)
  return levels.map(level => ({
    level,
    rows: new Map(
      measured.flatMap((row, at) => (row !== null && cells[at]?.level === level ? [[row.key, row] as const] : [])),
    ),
  }))
}

async function judgeMemory(field: Field): Promise<Target[]> {
  const gate = field.offering('app').find(({ key }) => key === 'private')
  if (gate === undefined) return []
  const kb = await field.with(gate, settledRssKb)
  return kb === null ? [] : [target('RSS after the run', kb / 1024, 80, 'MB')]
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
      : [
          target(
            `p99 ${at}: signed in / Caddy`,
            ratioOf(signedIn.p99MsRounds, caddy.p99MsRounds),
            connections === 1 ? 1.2 : 1,
            '×',
          ),
        ]
  return [
    ...(connections === MAIN_CONNECTIONS || connections === MANY_CONNECTIONS
      ? against('bun', 'bare Bun', connections === MAIN_CONNECTIONS ? 1.5 : 1.4)
      : []),
    ...(connections === MAIN_CONNECTIONS
      ? [
          ...against('least', 'the least of a gate', 1.15),
          ...against('caddy', 'Caddy', 0.72),
          ...against('traefik', 'Traefik', 0.77),
          ...against('caddy-security', 'caddy-security', 0.42),
          ...against('oauth2-proxy', 'oauth2-proxy', 0.16),
          ...against('apache', 'mod_auth_openidc', 0.28),
        ]
      : []),
    ...tail,
  ]
}
