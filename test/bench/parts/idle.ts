import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { Field } from '../field.ts'
import { type Child, cpuUs, settledRssKb } from '../process.ts'
import { type Findings, median } from '../report.ts'
import type { Stand } from '../stand.ts'
import type { Subject, Way } from '../subject.ts'
import { runWrk } from '../wrk.ts'
import type { Effort } from './part.ts'

/** Each on a port of the subject's own, so that one source address has ports enough for all of them. */
const WANTED = 10_000
/** Connections opened at a time: fewer than any subject's backlog holds. */
const WAVE = 200
/** Files that this program needs besides. */
const OTHER_FILES = 500
const CONNECTIONS = 32
const ROUNDS = 3

interface Row {
  readonly name: string
  readonly connections: number
  readonly kbPerConnection: number
  /** CPU of a small GET before there were idle connections, and meanwhile. */
  readonly cpuUsBefore: number
  readonly cpuUsMeanwhile: number
}

/** Ten thousand idle keep-alive connections, each of which has had one answer: what they keep, and what others pay for them. */
export async function idle(_: Stand, { rounds, seconds }: Effort, field: Field): Promise<Findings> {
  const count = Math.min(WANTED, fileLimit() - OTHER_FILES)
  const rows: Row[] = []
  for (const subject of field.offering('app')) {
    // The same process answers for both ways through the gate.
    if (subject.key === 'public') continue
    console.error(`bench: ${count} idle connections: ${subject.name}`)
    await subject.stop()
    const row = await field.with(subject, child => measure(child, subject, count, Math.min(rounds, ROUNDS), seconds))
    await subject.stop()
    if (row !== null) rows.push(row)
  }
  return {
    tables: [
      [
        [`${count} idle connections`, 'kB each', 'CPU µs/request before', 'meanwhile'],
        ...rows.map(row => [
          row.name,
          row.kbPerConnection.toFixed(1),
          row.cpuUsBefore.toFixed(1),
          row.cpuUsMeanwhile.toFixed(1),
        ]),
      ],
    ],
    targets: [],
    figures: rows,
  }
}

/** On a fresh process: what earlier loads left free in its heap would hide what connections take. */
async function measure(child: Child, subject: Subject, count: number, rounds: number, seconds: number): Promise<Row> {
  const way = subject.way('app')
  const cost = async (): Promise<number> => {
    const taken: number[] = []
    for (let round = 0; round < rounds; round++) {
      const before = cpuUs(child)
      const { requests } = await runWrk(way, { seconds, connections: CONNECTIONS })
      taken.push((cpuUs(child) - before) / requests)
    }
    return median(taken)
  }
  await runWrk(way, { seconds, connections: CONNECTIONS })
  const cpuUsBefore = await cost()
  const rssBefore = await settledRssKb(child)
  const sockets: Socket[] = []
  try {
    while (sockets.length < count) {
      const wave = Math.min(WAVE, count - sockets.length)
      sockets.push(...(await Promise.all(Array.from({ length: wave }, () => openIdle(way)))))
    }
    const kbPerConnection = ((await settledRssKb(child)) - rssBefore) / count
    const cpuUsMeanwhile = await cost()
    const open = sockets.filter(socket => !socket.destroyed).length
    if (open < count) throw new Error(`${subject.name} closed ${count - open} of ${count} idle connections`)
    return { name: subject.name, connections: count, kbPerConnection, cpuUsBefore, cpuUsMeanwhile }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

/** A connection that has had one answer. */
function openIdle(way: Way): Promise<Socket> {
  const fields = Object.entries(way.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return new Promise((resolve, reject) => {
    const socket = connect(way.port, '127.0.0.1', () => socket.write(`GET / HTTP/1.1\r\n${fields.join('')}\r\n`))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`port ${way.port} closed a connection`)))
    socket.once('data', bytes => {
      if (/^HTTP\/1\.1 200/.test(bytes.toString('latin1'))) resolve(socket)
      else reject(new Error(`port ${way.port} answered ${bytes.toString('latin1', 0, 30)}`))
    })
  })
}

/** How many files this process, and with it every subject, may have open. */
function fileLimit(): number {
  return Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 1024)
}
