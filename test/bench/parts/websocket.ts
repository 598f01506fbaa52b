import type { Field } from '../field.ts'
import { type Findings, type Grid, median, target } from '../report.ts'
import { ratioOf } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import type { SubjectKey } from '../subject.ts'
import { type EchoLoad, echo } from '../websocket.ts'
import type { Effort } from './part.ts'

const CONNECTIONS = 16
const SIZES = [64, 16_384]

interface Row {
  readonly key: SubjectKey
  readonly name: string
  readonly bytes: number
  readonly taken: EchoLoad[]
}

/** Echoes of a small and of a larger message over WebSockets. The bare Bun proxy forwards none. */
export async function websocket(_: Stand, { rounds, seconds }: Effort, field: Field): Promise<Findings> {
  const measured = field.offering('echo')
  const rows = SIZES.flatMap(bytes => measured.map(({ key, name }): Row => ({ key, name, bytes, taken: [] })))
  for (let round = -1; round < rounds; round++) {
    console.error(`bench: WebSocket: ${round === -1 ? 'warm-up' : `round ${round + 1} of ${rounds}`}`)
    for (const { key, bytes, taken } of rows) {
      const subject = measured.find(one => one.key === key)
      if (subject === undefined) continue
      const load = await field.with(subject, child =>
        echo(subject.way('echo'), child, { bytes, connections: CONNECTIONS, seconds }),
      )
      if (round >= 0 && load !== null) taken.push(load)
    }
  }
  const through = rows.filter(({ taken }) => taken.length === rounds)
  return {
    tables: SIZES.map(bytes => table(bytes, through)),
    targets: SIZES.flatMap(bytes => judge(bytes, through)),
    figures: through,
  }
}

function table(bytes: number, rows: readonly Row[]): Grid {
  return [
    [
      `WebSocket echo of ${bytes} bytes, ${CONNECTIONS} connections`,
      'CPU µs/echo',
      'echoes/s',
      'p50 ms',
      'p99 ms',
      'peak RSS MB',
    ],
    ...rows
      .filter(row => row.bytes === bytes)
      .map(({ name, taken }) => {
        const middle = (pick: (load: EchoLoad) => number): number => median(taken.map(pick))
        return [
          name,
          middle(one => one.cpuUsPerEcho).toFixed(1),
          middle(one => one.echoesPerS).toFixed(0),
          middle(one => one.p50Ms).toFixed(2),
          middle(one => one.p99Ms).toFixed(2),
          middle(one => one.peakRssMb).toFixed(0),
        ]
      }),
  ]
}

function judge(bytes: number, rows: readonly Row[]): Findings['targets'] {
  const costs = (key: SubjectKey): number[] =>
    rows.find(row => row.key === key && row.bytes === bytes)?.taken.map(one => one.cpuUsPerEcho) ?? []
  const [own, caddy] = [costs('private'), costs('caddy')]
  if (own.length === 0 || caddy.length === 0) return []
  return [target(`echo of ${bytes} bytes, CPU: signed in / Caddy`, ratioOf(own, caddy), 1, '×')]
}
