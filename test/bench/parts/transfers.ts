import { connect } from 'node:net'
import { BodyCounter } from '../body-counter.ts'
import type { Field } from '../field.ts'
import { type Child, cpuUs, forgetPeak, peakRssMb } from '../process.ts'
import { type Findings, median, type Target, target } from '../report.ts'
import { ratioOf } from '../rounds.ts'
import { type Stand, TRANSFER_BYTES } from '../stand.ts'
import type { SubjectKey, Way } from '../subject.ts'
import type { Effort } from './part.ts'

type Direction = 'download' | 'upload'

interface Transfer {
  readonly cpuMs: number
  readonly seconds: number
  readonly peakRssMb: number
}

interface Row {
  readonly key: SubjectKey
  readonly name: string
  readonly direction: Direction
  readonly taken: Transfer[]
}

/** Beside Caddy. */
const AT_MOST: Readonly<Record<Direction, number>> = { download: 1, upload: 1.1 }

/** 100 MB take their time: three rounds tell enough. */
const MOST_ROUNDS = 3

/** 100 MB down and up through every subject. Peers pass uploads on as they come, like Sallyport: see their settings. */
export async function transfers(_: Stand, effort: Effort, field: Field): Promise<Findings> {
  // The way with a sign-in stands for both: a body costs the same.
  const measured = field.offering('upload').filter(({ key }) => key !== 'public')
  const rows: Row[] = []
  for (const direction of ['download', 'upload'] as const) {
    for (const { key, name } of measured) rows.push({ key, name, direction, taken: [] })
  }
  const rounds = Math.min(effort.rounds, MOST_ROUNDS)
  for (let round = -1; round < rounds; round++) {
    console.error(`bench: 100 MB: ${round === -1 ? 'warm-up' : `round ${round + 1} of ${rounds}`}`)
    for (const { key, direction, taken } of rows) {
      const subject = measured.find(one => one.key === key)
      if (subject === undefined) continue
      const done = await field.with(subject, child =>
        move(direction, child, subject.way(direction === 'download' ? 'app' : 'upload')),
      )
      if (round >= 0 && done !== null) taken.push(done)
    }
  }
  return {
    tables: (['download', 'upload'] as const).map(direction => [
      [`100 MB ${direction}`, 'CPU ms', 'seconds', 'peak RSS MB'],
      ...rows.filter(row => row.direction === direction && row.taken.length === rounds).map(cells),
    ]),
    targets: (['download', 'upload'] as const).flatMap(direction =>
      judge(
        direction,
        rows.filter(({ taken }) => taken.length === rounds),
      ),
    ),
    figures: rows,
  }
}

function cells({ name, taken }: Row): string[] {
  return [
    name,
    median(taken.map(one => one.cpuMs)).toFixed(0),
    median(taken.map(one => one.seconds)).toFixed(2),
    Math.max(...taken.map(one => one.peakRssMb)).toFixed(0),
  ]
}

function judge(direction: Direction, rows: readonly Row[]): Target[] {
  const of = (key: SubjectKey): readonly Transfer[] =>
    rows.find(row => row.key === key && row.direction === direction)?.taken ?? []
  const [own, caddy] = [of('private'), of('caddy')]
  const costs = (taken: readonly Transfer[]): number[] => taken.map(one => one.cpuMs)
  return [
    ...(own.length > 0 && caddy.length > 0
      ? [
          target(
            `100 MB ${direction}, CPU: signed in / Caddy`,
            ratioOf(costs(own), costs(caddy)),
            AT_MOST[direction],
            '×',
          ),
        ]
      : []),
    ...(own.length > 0
      ? [target(`100 MB ${direction}, peak RSS`, Math.max(...own.map(one => one.peakRssMb)), 200, 'MB')]
      : []),
  ]
}

/** One transfer; throws when a byte is missing, by our own count or by the upstream's. */
async function move(direction: Direction, child: Child, way: Way): Promise<Transfer> {
  forgetPeak(child)
  const [cpuBefore, startMs] = [cpuUs(child), performance.now()]
  const { status, bytes, text } = await (direction === 'download'
    ? exchange(way, '/large', 0)
    : exchange(way, '/', TRANSFER_BYTES))
  const seconds = (performance.now() - startMs) / 1000
  const arrived = direction === 'download' ? bytes : Number(text)
  if (status !== 200 || arrived !== TRANSFER_BYTES) {
    throw new Error(`${direction} of 100 MB on port ${way.port}: ${arrived} bytes arrived, status ${status}`)
  }
  return { cpuMs: (cpuUs(child) - cpuBefore) / 1000, seconds, peakRssMb: peakRssMb(child) }
}

/** One request on a socket of its own; a body of zeros is sent as fast as it is taken. */
function exchange(way: Way, path: string, bodyBytes: number): Promise<{ status: number; bytes: number; text: string }> {
  const fields = Object.entries({ ...way.headers, 'content-length': String(bodyBytes), connection: 'close' })
  const head = `${bodyBytes > 0 ? 'PUT' : 'GET'} ${path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  return new Promise((resolve, reject) => {
    const socket = connect(way.port, '127.0.0.1')
    const chunk = Buffer.alloc(256 * 1024)
    const reader = new BodyCounter()
    let left = bodyBytes
    const pump = (): void => {
      while (left > 0) {
        const part = chunk.subarray(0, Math.min(left, chunk.length))
        left -= part.length
        if (!socket.write(part)) return void socket.once('drain', pump)
      }
    }
    socket.once('connect', () => {
      socket.write(head)
      pump()
    })
    socket.on('data', bytes => reader.take(Buffer.from(bytes)))
    socket.once('error', reject)
    socket.once('close', () => resolve(reader.result()))
  })
}
