import { expect, test } from 'bun:test'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Field, openField } from '../bench/field.ts'
import { askingTinyauth } from '../bench/others/asking.ts'
import { caddySecurity } from '../bench/others/caddy-security.ts'
import { oauth2Proxy } from '../bench/others/oauth2-proxy.ts'
import { traefik } from '../bench/others/traefik.ts'
import { readOthers } from '../bench/others/with.ts'
import { bareBun, least } from '../bench/peers.ts'
import { type Child, stopChildren } from '../bench/process.ts'
import { type Application, ask } from '../bench/proof.ts'
import { judge, judgedTable, repeat } from '../bench/repeat.ts'
import { type Findings, target } from '../bench/report.ts'
import { measureRounds } from '../bench/rounds.ts'
import { startBenchProvider } from '../bench/stand.ts'
import { type Front, type Subject, type SubjectKind, subject, type Trust } from '../bench/subject.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { portalWith, startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { ADA } from '../kit/people.ts'
import { freePort } from '../kit/programs/free-port.ts'
import { routeForUsers } from '../kit/toml.ts'

const RUN = join(import.meta.dir, '../bench/run.ts')
const STAND_INS = join(import.meta.dir, '../kit/programs/other-gates.ts')
const NO_TRUST: Trust = { caFile: '', serverName: '', certFile: '', keyFile: '', bothFile: '' }
const HERE = 'what the application says'

interface Upstream extends AsyncDisposable {
  readonly port: number
  readonly application: Application
  fronts(): Promise<readonly Front[]>
}

/** An application with a small answer at every path; ends the children of a test too. */
function startUpstream(): Upstream {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response(HERE) })
  const { port = 0 } = server
  return {
    port,
    application: (_, path) => ask({ port, headers: {} }, path),
    fronts: async () => [{ name: 'app', port: await freePort(), upstream: port }],
    async [Symbol.asyncDispose]() {
      await stopChildren()
      await server.stop(true)
    },
  }
}

/** Whoever signs in by this cookie is answered as a gate would, unless `fetch` says otherwise. */
function servedBy(kind: SubjectKind, fetch: (request: Request) => Response): Subject & Disposable {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch })
  const child: Child = { pids: [process.pid], died: new Promise(() => undefined), stop: async () => undefined }
  const way = () => ({ port: server.port ?? 0, headers: { host: 'bench.localhost', cookie: 'session=ada' } })
  const made = subject(
    'own',
    kind,
    async () => child,
    way,
    front => front === 'app',
    kind,
  )
  return { ...made, [Symbol.dispose]: () => void server.stop(true) }
}

function isAda(request: Request): boolean {
  return request.headers.get('cookie') === 'session=ada'
}

/** A program that stands in for another gate. */
function standIn(folder: string, name: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${STAND_INS}' ${name} "$@"\n`)
  chmodSync(path, 0o755)
  return path
}

/** What a subject is found to answer, or why it is left out. */
async function found(field: Field, one: Subject): Promise<unknown> {
  const got = await field.with(one, async () => (await ask(one.way('app'), '/')).bytes.toString())
  return got ?? field.failures.find(({ name }) => name === one.name)?.why
}

test('a proxy that does not start is named with what it said, and the others are measured', async () => {
  using folder = temporaryFolder()
  await using upstream = startUpstream()
  const broken = traefik('/bin/false', folder.path, await upstream.fronts())
  const good = bareBun(await upstream.fronts(), NO_TRUST)
  const field = openField([broken, good], upstream.application)
  let asked = 0
  for (const one of field.offering('app')) {
    await field.with(one, async () => {
      expect((await ask(one.way('app'), '/')).bytes.toString()).toBe(HERE)
      asked++
    })
  }
  expect(asked).toBe(1)
  expect(field.failures).toEqual([{ name: 'Traefik', why: expect.stringContaining('/bin/false exited 1 by itself') }])
  expect(field.offering('app')).toEqual([good])
  expect(await field.with(broken, async () => 'measured')).toBeNull()
})

test('one that fails in the middle is started anew once, and out when it fails again', async () => {
  await using upstream = startUpstream()
  const one = bareBun(await upstream.fronts(), NO_TRUST)
  const field = openField([one], upstream.application)
  const first = await field.with(one, async child => child.pids[0])
  let tries = 0
  const second = await field.with(one, async child => {
    if (tries++ === 0) throw new Error('401: the session ran out')
    return child.pids[0]
  })
  expect(second).toBeNumber()
  expect(second).not.toBe(first)
  expect(field.failures).toEqual([])
  const fails = async () => {
    throw new Error('requests failed', { cause: new Error('refused') })
  }
  expect(await field.with(one, fails)).toBeNull()
  expect(field.failures).toEqual([{ name: one.name, why: 'requests failed: refused' }])
  const cells = [{ subject: one, front: 'app', load: { seconds: 1, connections: 1 } }] as const
  expect(await measureRounds('nobody is left', field, cells, 1)).toEqual([null])
})

test('who answers with anything but the application’s own bytes, or gives them to anybody, is named and not measured', async () => {
  await using upstream = startUpstream()
  let left = 1
  const answers: Readonly<Record<string, readonly [SubjectKind, (request: Request) => Response, string]>> = {
    'a proxy': ['proxy', () => new Response(HERE), HERE],
    'a gate': [
      'gate',
      request => (isAda(request) ? new Response(HERE) : new Response('sign in', { status: 401 })),
      HERE,
    ],
    'a verdict': ['verdict', request => new Response('ada', { status: isAda(request) ? 202 : 401 }), 'ada'],
    'a gate that redirects whoever it is': ['gate', () => Response.redirect('/auth'), 'got 302 and 0 bytes'],
    'a gate that shows a page of its own': ['gate', () => new Response('please sign in'), 'got 200 and 14 bytes'],
    'a gate whose sessions end with their first request': [
      'gate',
      request => (isAda(request) && left-- > 0 ? new Response(HERE) : Response.redirect('/auth')),
      'got 302 and 0 bytes',
    ],
    'a gate that lets everybody in': ['gate', () => new Response(HERE), "got the application's answer (200) without"],
    'a gate that shows it in a page of its own': [
      'gate',
      request => new Response(isAda(request) ? HERE : `<p>${HERE}</p>`, { status: 200 }),
      "got the application's answer (200) without",
    ],
    'a verdict for everybody': ['verdict', () => new Response(null, { status: 204 }), 'answer (204) without'],
    'a verdict for nobody': ['verdict', () => new Response(null, { status: 401 }), 'signed in was 401'],
  }
  for (const [name, [kind, answer, outcome]] of Object.entries(answers)) {
    using one = servedBy(kind, answer)
    const field = openField([one], upstream.application)
    expect([name, await found(field, one)]).toEqual([name, expect.stringContaining(outcome)])
    left = 1
  }
})

test('one that ends its session while it is measured is found out: a load counts redirects as answers', async () => {
  await using upstream = startUpstream()
  let isOver = false
  using one = servedBy('gate', request => (isAda(request) && !isOver ? new Response(HERE) : Response.redirect('/auth')))
  const field = openField([one], upstream.application)
  await field.with(one, async () => field.proveStill(one, 'app', '/'))
  isOver = true
  expect(field.proveStill(one, 'app', '/')).rejects.toThrow('got 302 and 0 bytes')
})

test('caddy-security and oauth2-proxy find enough at the provider of the benchmark, and their sessions last', async () => {
  using folder = temporaryFolder()
  await using provider = await startBenchProvider()
  await using upstream = startUpstream()
  const security = caddySecurity(standIn(folder.path, 'caddy-security'), folder.path, await upstream.fronts(), provider)
  const oauth2 = oauth2Proxy(standIn(folder.path, 'oauth2-proxy'), folder.path, await upstream.fronts(), provider)
  const field = openField([security, oauth2], upstream.application)
  expect([await found(field, security), await found(field, oauth2)]).toEqual([HERE, HERE])
})

needs('caddy').test('Tinyauth 5 takes what it is started with', async () => {
  using folder = temporaryFolder()
  await using provider = await startBenchProvider()
  await using upstream = startUpstream()
  const place = { folder: folder.path, provider, app: upstream.port, profileFolder: null }
  const one = askingTinyauth(standIn(folder.path, 'tinyauth'), place)
  expect(await found(openField([one], upstream.application), one)).toBe(HERE)
})

test('the least of a gate hands on the fields, answers with the fields and writes the line that the gate does', async () => {
  using folder = temporaryFolder()
  const received: Record<string, string>[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      received.push(request.headers.toJSON() as Record<string, string>)
      return new Response(HERE, { headers: { 'keep-alive': 'timeout=5', 'alt-svc': 'h3=":443"', 'x-own': 'kept' } })
    },
  })
  const application: Application = async () => ({ status: 200, bytes: Buffer.from(HERE) })
  try {
    const one = least(folder.path, [{ name: 'app', port: await freePort(), upstream: server.port ?? 0 }])
    const route = routeForUsers(server, 'bench.localhost', 'headers = "x-token"')
    await using gate = await startGate(`${portalWith('')}${route}`)
    const host = `bench.localhost:${gate.port}`
    const { cookie, owner } = await gate.signIn('bench.localhost', { ...ADA, email_verified: true })
    // The first answer says when this browser was here last.
    const first = await fetch(`http://127.0.0.1:${gate.port}/`, { headers: { host, cookie: `${cookie}; ${owner}` } })
    const cookies = [cookie, owner, ...first.headers.getSetCookie().map(set => set.split(';')[0])].join('; ')
    const field = openField([one], application)
    const fields = { 'user-agent': 'a program', accept: '*/*', 'accept-encoding': 'identity' }
    const answers = await field.with(one, async () => {
      const { port, headers } = one.way('app')
      received.length = 0
      const asks = [
        [port, headers],
        [gate.port, { host, cookie: cookies }],
      ] as const
      const all: Response[] = []
      for (const [at, way] of asks)
        all.push(await fetch(`http://127.0.0.1:${at}/a?b`, { headers: { ...way, ...fields } }))
      return all
    })
    expect(field.failures).toEqual([])
    const [own, gates] = (answers ?? []).map(({ headers }) => [...headers.keys()].sort())
    expect(own).toEqual(gates ?? [])
    expect(own).toContain('x-own')
    const [some, others] = received.map(one => Object.keys(one).sort())
    expect(some).toEqual(others ?? [])
    expect(some?.filter(name => name.startsWith('x-'))).toHaveLength(10)
    const lines: Record<string, unknown>[] = []
    const read = [() => readFileSync(join(folder.path, 'least.log'), 'utf8').split('\n'), () => gate.access]
    for (const all of read) {
      const find = () => all().find(line => line.includes('"path":"/a"'))
      while (find() === undefined) await Bun.sleep(5)
      lines.push(JSON.parse(find() ?? '{}'))
    }
    const [ownLine, gatesLine] = lines.map(line => Object.keys(line))
    expect(ownLine).toEqual(gatesLine ?? [])
  } finally {
    await stopChildren()
    await server.stop(true)
  }
})

/** Runs of one part, whose one target has these values. */
function runs(unit: string, ...values: readonly number[]): { readonly left: number[]; next(): Promise<Findings> } {
  const left = [...values]
  return {
    left,
    async next() {
      const value = left.shift() ?? Number.NaN
      return { tables: [], targets: [target('a figure', value, 1, unit)], figures: {} }
    },
  }
}

test('a ratio whose last three runs are more than 15 % apart is run again, at most three times, and all runs are told', async () => {
  const settled = await repeat(runs('×', 0.9, 0.95, 1, 2).next, null)
  expect(judge(settled)).toMatchObject([{ value: 0.95, runs: [0.9, 0.95, 1], isWide: false, isMet: true }])

  const noisy = await repeat(runs('×', 2, 0.9, 0.95, 0.9, 3).next, 3)
  expect(judge(noisy)).toMatchObject([{ value: 0.9, runs: [2, 0.9, 0.95, 0.9], isWide: false, isMet: true }])
  expect(judgedTable(judge(noisy))[1]).toEqual(['a figure', '0.90 ×', '1 ×', 'met', '2.00 0.90 0.95 0.90'])

  const wild = runs('×', 0.1, 0.9, 0.1, 0.9, 0.1, 0.9, 0.5)
  expect(judge(await repeat(wild.next, 3))).toMatchObject([{ isWide: true, isMet: false }])
  expect(wild.left).toEqual([0.5])

  const plain = await repeat(runs('ms', 0.9, 5).next, null)
  expect(judge(plain)).toMatchObject([{ value: 0.9, runs: [0.9], isWide: false, isMet: true }])
  const thrice = await repeat(runs('ms', 0.1, 0.9, 5, 7).next, 3)
  expect(judge(thrice)).toMatchObject([{ value: 0.9, runs: [0.1, 0.9, 5], isWide: false, isMet: true }])
  expect(judge(await repeat(runs('×', 0.9).next, 1))).toMatchObject([{ runs: [0.9], isWide: false, isMet: true }])
})

/** What the benchmark says to arguments that it refuses. */
async function refusal(...given: readonly string[]): Promise<readonly [number, string]> {
  const child = Bun.spawn([process.execPath, RUN, ...given], { stdout: 'pipe', stderr: 'pipe' })
  return Promise.all([child.exited, new Response(child.stderr).text()])
}

test('--with and --before name programs that somebody has; what is missing is said, and what is wrong refused', async () => {
  const { paths, leftOut } = readOthers(['oauth2-proxy=/bin/true', 'tinyauth=/not/there'])
  expect([...paths]).toEqual([['oauth2-proxy', '/bin/true']])
  expect(leftOut.map(({ name }) => name)).toEqual(['caddy-security', 'traefik', 'tinyauth'])
  expect(leftOut.at(-1)?.why).toBe('/not/there is no program')
  for (const wrong of ['nginx=/bin/true', 'traefik', 'traefik=']) expect(() => readOthers([wrong])).toThrow('NAME=PATH')
  expect(await refusal('--with', 'nginx=/bin/true')).toEqual([
    2,
    expect.stringContaining('bench: --with takes NAME=PATH'),
  ])
  expect(await refusal('--before', '/not/there')).toEqual([
    2,
    expect.stringContaining('bench: --before: /not/there is no program'),
  ])
  expect(await refusal('--only', 'bodies')).toEqual([2, expect.stringContaining(', non-readers, ')])
  expect(await refusal('--subjects', 'most')).toEqual([2, expect.stringContaining(' least,')])
})
