import { connect, type Socket } from 'node:net'
import type { Field } from '../field.ts'
import { type Child, forgetPeak, peakRssMb } from '../process.ts'
import { ask } from '../proof.ts'
import { type Findings, median, type Target, target } from '../report.ts'
import { LONG_BYTES, type Stand } from '../stand.ts'
import type { Subject, SubjectKey, Way } from '../subject.ts'
import type { Effort } from './part.ts'

const CLIENTS = 1000
/** Opened at a time: fewer than any subject's backlog holds. */
const WAVE = 200

/** Somebody else asks so often, whether the answer before has come or not: who waits for each would ask least when it lasts longest. */
const EVERY_MS = 20
const SECONDS = 10

/** An answer that does not come by then counts as having taken as long. */
const PATIENCE_MS = 30_000

const MEASURED: readonly SubjectKey[] = ['private', 'before', 'caddy']

interface Row {
  readonly key: SubjectKey
  readonly name: string
  readonly peakRssMb: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly worstMs: number
}

/** A thousand clients that ask for 50 MB each and read nothing of it: what they take, and how long somebody else waits meanwhile. */
export async function nonReaders(_: Stand, __: Effort, field: Field): Promise<Findings> {
  const rows: Row[] = []
  for (const subject of field.offering('app').filter(({ key }) => MEASURED.includes(key))) {
    console.error(`bench: ${CLIENTS} clients that do not read: ${subject.name}`)
    // On a fresh process: what earlier loads left free in its heap would hide what these take.
    await subject.stop()
    const row = await field.with(subject, child => measure(child, subject))
    await subject.stop()
    if (row !== null) rows.push(row)
  }
  return {
    tables: [
      [
        [
          `${CLIENTS} clients do not read ${LONG_BYTES / 1e6} MB each`,
          'peak RSS MB',
          'p50 ms of others',
          'p99 ms',
          'worst ms',
        ],
        ...rows.map(row => [
          row.name,
          row.peakRssMb.toFixed(0),
          row.p50Ms.toFixed(1),
          row.p99Ms.toFixed(1),
          row.worstMs.toFixed(0),
        ]),
      ],
    ],
    targets: judgeRows(rows),
    figures: rows,
  }
}

function judgeRows(rows: readonly Row[]): Target[] {
  const own = rows.find(({ key }) => key === 'private')
  if (own === undefined) return []
  return [
    target(`${CLIENTS} non-readers, peak RSS`, own.peakRssMb, 400, 'MB'),
    target(`${CLIENTS} non-readers, p99 of others`, own.p99Ms, 250, 'ms'),
  ]
}

async function measure(child: Child, subject: Subject): Promise<Row> {
  const way = subject.way('app')
  const sockets: Socket[] = []
  try {
    forgetPeak(child)
    const others = askOften(way)
    while (sockets.length < CLIENTS) {
      sockets.push(
        ...(await Promise.all(Array.from({ length: Math.min(WAVE, CLIENTS - sockets.length) }, () => openDeaf(way)))),
      )
    }
    const times = (await others).sort((one, other) => one - other)
    return {
      key: subject.key,
      name: subject.name,
      peakRssMb: peakRssMb(child),
      p50Ms: median(times),
      p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
      worstMs: times.at(-1) ?? Number.NaN,
    }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

/** Asks for the small answer at fixed times, and answers how long each took from when it was due. Throws for any other answer. */
async function askOften(way: Way): Promise<number[]> {
  const start = performance.now()
  const asked: Promise<{ readonly status: number; readonly ms: number }>[] = []
  for (let count = 0; count < (SECONDS * 1000) / EVERY_MS; count++) {
    const due = start + count * EVERY_MS
    await Bun.sleep(Math.max(0, due - performance.now()))
    const answered = ask(way, '/').then(
      ({ status }) => ({ status, ms: performance.now() - due }),
      () => ({ status: 0, ms: 0 }),
    )
    asked.push(Promise.race([answered, Bun.sleep(PATIENCE_MS).then(() => ({ status: 200, ms: PATIENCE_MS }))]))
  }
  const all = await Promise.all(asked)
  const bad = all.filter(({ status }) => status !== 200)
  if (bad.length > 0) throw new Error(`${bad.length} of ${all.length} others were answered with ${bad[0]?.status}`)
  return all.map(({ ms }) => ms)
}

/** A client that has asked, and takes nothing from the system of what comes. */
function openDeaf(way: Way): Promise<Socket> {
  const fields = Object.entries(way.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return new Promise((resolve, reject) => {
    const socket = connect(way.port, '127.0.0.1', () => {
      socket.write(`GET /long HTTP/1.1\r\n${fields.join('')}\r\n`, () => resolve(socket))
    })
    socket.pause()
    socket.once('error', reject)
  })
}
