/**
 * `npm run bench`: what Sallyport costs beside a bare Bun proxy, nginx, HAProxy and Caddy, all in one run.
 *
 * Usage: bun test/bench/run.ts [--rounds 5] [--seconds 3] [--connections 32] [--json FILE]
 *
 * The measure is CPU time per request of the proxy, pinned to a core of its own: it does not move with what the load or the
 * upstream cost on the other core. Rounds are interleaved, so that a slow minute of the machine is everybody's.
 * Exit code 1 when a request failed or a target is missed.
 */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startProvider } from '../kit/provider.ts'
import { type Child, cpuUs, LOAD_CORE, leaveProxyCore, peakRssMb, startChild, untilServed } from './process.ts'
import { machine, median, type Results, type Row, render, target } from './report.ts'
import { ensureBinary, type Gate, makeGate, PRIVATE_HOST, PUBLIC_HOST, UPLOAD_HOST } from './sallyport.ts'
import { bareBun, caddy, haproxy, nginx, type Subject, startNginx } from './subjects.ts'
import { download, TRANSFER_BYTES, type Transfer, upload } from './transfers.ts'
import { type Load, runWrk } from './wrk.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    json: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const connections = Number(values.connections)
const STARTS = 10

if (cpus().length < 2) {
  console.error('bench: needs two cores, one for the proxy alone')
  process.exit(1)
}
await leaveProxyCore()
await ensureBinary()
const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
const children: Child[] = []
try {
  const results = await benchmark()
  console.log(render(results))
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
  process.exitCode = results.targets.every(one => one.isMet) ? 0 : 1
} finally {
  await Promise.all(children.map(child => child.stop()))
  rmSync(folder, { recursive: true, force: true })
}

async function benchmark(): Promise<Results> {
  const [upstream, sink] = await startUpstreams()
  const provider = await startProvider({
    clients: [{ client_id: 'bench', client_secret: 'benchmark secret' }],
    accounts: [{ sub: 'ada', name: 'Ada', email: 'ada@example.com', groups: ['users', 'staff'] }],
  })
  try {
    const gate = makeGate(
      join(folder, 'gate'),
      { gate: await freePort(), admin: await freePort(), upstream, sink },
      provider,
    )
    const running = keep(gate.start())
    const cookies = { private: await gate.signIn(PRIVATE_HOST), upload: await gate.signIn(UPLOAD_HOST) }

    const sallyport = (name: string, headers: Record<string, string>): Subject => ({
      name,
      port: gate.port,
      headers,
      start: () => running,
    })
    const subjects: Subject[] = [
      bareBun(await freePort(), upstream),
      sallyport('Sallyport, public', { host: `${PUBLIC_HOST}:${gate.port}` }),
      sallyport('Sallyport, signed in', { host: `${PRIVATE_HOST}:${gate.port}`, cookie: cookies.private }),
      nginx(folder, await freePort(), upstream),
      haproxy(folder, await freePort(), upstream),
      caddy(folder, await freePort(), upstream),
    ]
    const rows = await measure(subjects, running)
    const transfers = await transfer(gate, running, cookies)
    await running.stop()
    const startMs = await measureStarts(gate)
    return { machine: machine(), rows, transfers, startMs, targets: judge(rows, transfers, startMs) }
  } finally {
    await provider.stop()
  }
}

/** A warm-up for each, then rounds in turn. */
async function measure(subjects: readonly Subject[], gate: Child): Promise<Row[]> {
  const samples: { subject: Subject; child: Child; rounds: { load: Load; cpuUs: number }[] }[] = []
  for (const subject of subjects) {
    const child = subject.start()
    if (child !== gate) keep(child)
    if (child !== gate) await untilServed(subject.port, subject.headers.host ?? '')
    samples.push({ subject, child, rounds: [] })
  }
  for (let round = -1; round < rounds; round++) {
    for (const { subject, child, rounds: taken } of samples) {
      console.error(`bench: ${round === -1 ? 'warm-up' : `round ${round + 1} of ${rounds}`}: ${subject.name}`)
      const before = cpuUs(child.pid)
      const load = await runWrk(subject.port, seconds, connections, subject.headers)
      if (round >= 0) taken.push({ load, cpuUs: (cpuUs(child.pid) - before) / load.requests })
    }
  }
  return samples.map(({ subject, child, rounds: taken }) => ({
    name: subject.name,
    cpuUsPerRequest: median(taken.map(one => one.cpuUs)),
    cpuUsRounds: taken.map(one => one.cpuUs),
    requestsPerS: median(taken.map(one => one.load.requestsPerS)),
    p50Ms: median(taken.map(one => one.load.p50Ms)),
    p99Ms: median(taken.map(one => one.load.p99Ms)),
    peakRssMb: peakRssMb(child.pid),
  }))
}

async function transfer(
  gate: Gate,
  running: Child,
  cookies: { readonly private: string; readonly upload: string },
): Promise<Transfer[]> {
  const way = { pid: running.pid, port: gate.port }
  console.error('bench: 100 MB down and up')
  return [
    await download({
      ...way,
      path: '/large',
      headers: { host: `${PRIVATE_HOST}:${gate.port}`, cookie: cookies.private },
    }),
    await upload({ ...way, path: '/', headers: { host: `${UPLOAD_HOST}:${gate.port}`, cookie: cookies.upload } }),
  ]
}

/** From starting the program to its first answer through to the upstream, in ms; the first start warms the page cache. */
async function measureStarts(gate: Gate): Promise<number[]> {
  console.error(`bench: ${STARTS} starts`)
  const taken: number[] = []
  for (let index = -1; index < STARTS; index++) {
    const began = performance.now()
    const child = keep(gate.start())
    const served = await untilServed(gate.port, `${PUBLIC_HOST}:${gate.port}`)
    if (index >= 0) taken.push(served - began)
    await child.stop()
  }
  return taken
}

function judge(rows: readonly Row[], transfers: readonly Transfer[], startMs: readonly number[]): Results['targets'] {
  const rounds = (name: string): readonly number[] => rows.find(row => row.name === name)?.cpuUsRounds ?? []
  const signedIn = rounds('Sallyport, signed in')
  // Round by round: what else the machine did in a round, it did to both.
  const against = (name: string): number => {
    const other = rounds(name)
    return median(signedIn.map((cost, round) => cost / (other[round] ?? Number.NaN)))
  }
  return [
    target('signed in / bare Bun, median of rounds', against('bare Bun.serve → fetch'), 1.4, '×'),
    target('signed in / Caddy, median of rounds', against('Caddy'), 1, '×'),
    ...transfers.map(one => target(`100 MB ${one.name}, peak RSS`, one.peakRssMb, 200, 'MB')),
    target(`start to first answer, median of ${startMs.length}`, median(startMs), 100, 'ms'),
  ]
}

/** nginx with a small answer and a large file, and a program that swallows uploads. Their ports. */
async function startUpstreams(): Promise<readonly [number, number]> {
  const [port, sink] = [await freePort(), await freePort()]
  const large = join(folder, 'large')
  writeFileSync(large, '')
  truncateSync(large, TRANSFER_BYTES)
  keep(
    startNginx(join(folder, 'nginx-upstream'), LOAD_CORE, [
      `server { listen 127.0.0.1:${port}; default_type text/plain; root ${folder};`,
      '  location = / { return 200 "hello from the upstream\\n"; } }',
    ]),
  )
  keep(startChild([process.execPath, join(import.meta.dir, 'subjects/sink.ts'), String(sink)], { core: LOAD_CORE }))
  await untilServed(port, 'localhost')
  await untilServed(sink, 'localhost')
  return [port, sink]
}

function keep(child: Child): Child {
  children.push(child)
  return child
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('no port is free')
  return address.port
}
