/** `sallyport rehearse`: asks what the new file would do with the requests of an access log. */

import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { showJson } from '../../base/control-characters.ts'
import { loadConfig } from '../../config/load.ts'
import { renderDiagnostics } from '../../config/render-diagnostics.ts'
import type { Config } from '../../config/resolve/config.ts'
import { whyUnreadable } from '../../config/text/substitute.ts'
import { EXIT, failWith, parseArguments } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { findingOf } from './findings.ts'
import { bareLine, FORMATS, type Format, findFormat } from './formats.ts'
import { createGroups, type Groups } from './groups.ts'
import { createJudge, type Judge } from './judge.ts'
import type { LoggedRequest } from './logged.ts'
import { readPeople } from './people.ts'
import { countKinds, hasServed, type Reading, renderRehearsal } from './report.ts'

export const USAGE = {
  text: `usage: sallyport rehearse LOG… [--config routes.toml] [--host HOST] [--as NAME=claims] [--people FILE] [--json]

Reads access logs of the old program, and says which requests this file would allow, refuse or not find, by the rules that decide
real requests. It contacts nothing. It reads compressed logs (.gz), and standard input (-).
Exit code: 0 if nothing that was served would be refused, 1 if something would, 2 for a wrong command line, file or log (also a log
without a served request).

  --format NAME     ${FORMATS.map(({ name }) => name).join(', ')}; default: recognised by the first lines
  --host HOST       the host, for a log without hosts
  --as NAME=claims  the claims of a user in the log, as for explain --as: --as ada@example.com=sub=ada,groups=staff,ops; may be repeated
  --people FILE     the same for many users, as JSON: {"ada@example.com": {"sub": "ada", "groups": ["staff"]}}
  --skip PATH       leaves out this path and below, such as /oauth2 for the old gate's own pages; may be repeated
  --all             shows every address, not only the most frequent
  --json            everything as JSON
  --config FILE     another file than routes.toml`,
  options: {
    config: { type: 'string', short: 'c', default: 'routes.toml' },
    format: { type: 'string' },
    host: { type: 'string' },
    as: { type: 'string', multiple: true },
    people: { type: 'string' },
    skip: { type: 'string', multiple: true },
    all: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  maxPositionals: 1000,
} as const

/** `sallyport rehearse`: answers the exit code. */
export async function runRehearse(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { values, positionals: files } = parsed
  const fail = (message: string): number => {
    return failWith(io, message, EXIT.usage)
  }
  if (files.length === 0) return fail('rehearse needs an access log, such as /var/log/caddy/access.log')
  const forced = FORMATS.find(({ name }) => name === values.format)
  if (values.format !== undefined && forced === undefined) {
    return fail(`--format ${values.format} is not known; there are ${FORMATS.map(({ name }) => name).join(', ')}`)
  }
  const file = values.config
  const loaded = loadConfig(resolve(io.cwd, file), { ...io, now: Date.now }, file)
  if (!loaded.ok) {
    io.stderr(renderDiagnostics(loaded.diagnostics, loaded.texts, { colour: io.colour.stderr }))
    return EXIT.usage
  }
  const { config } = loaded
  let peopleText: string | null = null
  try {
    if (values.people !== undefined) peopleText = io.readText(resolve(io.cwd, values.people))
  } catch (error) {
    return fail(`${values.people} ${whyUnreadable(error)}`)
  }
  const people = readPeople(values.as ?? [], peopleText, config)
  if (!people.ok) return fail(people.why)

  const rehearsed = await readLogs(files, {
    forced: forced ?? null,
    host: values.host ?? onlyHost(config),
    skip: values.skip ?? [],
    cwd: io.cwd,
    judge: createJudge(config, loaded.fingerprint, people.people),
  })
  if (typeof rehearsed === 'string') return fail(rehearsed)
  const { reading, groups, namesUsers } = rehearsed
  const facts = {
    hosts: new Set(config.routes.map(({ host }) => host)),
    namesUsers: (host: string) => namesUsers || groups.hasUsers(host),
  }
  const findings = groups.list().map(group => findingOf(group, facts))
  const totals = countKinds(findings)
  const isGood = totals.lost === 0 && hasServed(findings)
  if (values.json === true) {
    await io.stdout(`${showJson({ ok: isGood, log: reading, totals, groups: findings }, 2)}\n`)
  } else {
    await io.stdout(renderRehearsal({ reading, findings }, io.colour.stdout, values.all === true))
  }
  return isGood ? EXIT.ok : totals.lost === 0 ? EXIT.usage : EXIT.failed
}

/** The host of a file that has no other. */
function onlyHost({ routes }: Config): string | null {
  const [host = null, ...more] = new Set(routes.map(route => route.host))
  return more.length === 0 && host?.startsWith('*') === false ? host : null
}

/** How logs are read. */
interface ReadOptions {
  /** Null: by the first lines. */
  readonly forced: Format | null
  /** The host of a log that names none; null: such a log is refused. */
  readonly host: string | null
  /** Paths that are passed over, with what is below them. */
  readonly skip: readonly string[]
  /** Where relative paths start. */
  readonly cwd: string
  readonly judge: Judge
}

/** What was read, judged and counted. */
interface ReadLogs {
  readonly reading: Reading
  readonly groups: Groups
  /** Whether a request without a user was always anonymous. */
  readonly namesUsers: boolean
}

/** A line of one of them, from 1. */
interface LogPosition {
  readonly file: string
  readonly number: number
}

/** From how many lines the format is seen. */
const FIRST_LINES = 100

/** All requests of these logs, each judged as it is read; or why they cannot be read. */
async function readLogs(files: readonly string[], options: ReadOptions): Promise<ReadLogs | string> {
  const { forced, host, skip, cwd, judge } = options
  const groups = createGroups()
  const counts = { lines: 0, requests: 0, other: 0, skipped: 0, unreadable: 0 }
  const span = { fromMs: Number.POSITIVE_INFINITY, untilMs: Number.NEGATIVE_INFINITY }
  let firstUnreadable: LogPosition | null = null
  let isHostMissing = false
  let format = forced
  let held: { readonly line: string; readonly place: LogPosition }[] = []

  function count(request: LoggedRequest): void {
    if (skip.some(path => isBelow(request.address, path))) {
      counts.skipped++
      return
    }
    counts.requests++
    span.fromMs = Math.min(span.fromMs, request.atMs)
    span.untilMs = Math.max(span.untilMs, request.atMs)
    isHostMissing ||= request.host === null
    groups.add(judge(request, request.host ?? host ?? ''), request)
  }

  function take({ read }: Format, line: string, place: LogPosition): void {
    counts.lines++
    const found = read(bareLine(line))
    if (found === 'other') counts.other++
    else if (found !== null) count(found)
    else {
      counts.unreadable++
      firstUnreadable ??= place
    }
  }

  /** Finds the format of what was held back, and takes it. */
  function begin(): boolean {
    format = findFormat(held.map(({ line }) => line))
    if (format === null) return false
    for (const { line, place } of held) take(format, line, place)
    held = []
    return true
  }

  for (const file of files) {
    let number = 0
    try {
      for await (const lines of linesOf(file === '-' ? file : resolve(cwd, file))) {
        for (const line of lines) {
          const place = { file, number: ++number }
          if (line.trim() === '') continue
          if (format !== null) take(format, line, place)
          else if (held.push({ line, place }) === FIRST_LINES && !begin()) return unknownFormat(file)
        }
        if (isHostMissing && host === null) break
      }
    } catch (error) {
      return `${file} ${whyUnreadable(error)}`
    }
    if (held.length > 0 && !begin()) return unknownFormat(file)
    if (isHostMissing && host === null) return `${file} names no host: say whose it is, as in --host app.example.com`
  }
  if (format === null || counts.requests + counts.skipped === 0) return `${files.join(', ')}: no request is in it`
  const { fromMs, untilMs } = span
  const reading: Reading = {
    ...counts,
    files,
    format: format.about,
    firstUnreadable: placeText(firstUnreadable),
    from: counts.requests === 0 ? null : new Date(fromMs).toISOString(),
    until: counts.requests === 0 ? null : new Date(untilMs).toISOString(),
    assumedHost: isHostMissing ? host : null,
  }
  return { reading, groups, namesUsers: format.namesUsers }
}

function placeText(place: LogPosition | null): string | null {
  return place === null ? null : `${place.file === '-' ? 'standard input' : place.file} line ${place.number}`
}

function unknownFormat(file: string): string {
  const known = FORMATS.map(({ name, about }) => `${name} (${about})`).join(', ')
  return `${file}: its first lines are in none of the formats that are known: ${known}; --format NAME takes it for one`
}

/** Whether an address is this path, or one below it. */
function isBelow(address: string, path: string): boolean {
  const rest = address.startsWith(path) ? address.slice(path.length) : null
  return rest !== null && (rest === '' || path.endsWith('/') || /^[/?]/.test(rest))
}

/** Longer than any line of a request: what is longer is cut, and cannot be read. */
const MAX_LINE_CHARACTERS = 256 * 1024

/** What is read of a log at a time. */
const PIECE_BYTES = 256 * 1024

/**
 * The lines of a log, many at a time, however long it is; compressed by gzip too, which is seen from its first bytes. `-` is
 * standard input. Throws what the platform throws, and an error of zlib for a damaged file.
 */
async function* linesOf(path: string): AsyncGenerator<readonly string[]> {
  const source = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: PIECE_BYTES })
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of unpacked(source)) {
    rest += decoder.decode(piece, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    yield lines.map(line => (line.endsWith('\r') ? line.slice(0, -1) : line))
    if (rest.length > MAX_LINE_CHARACTERS) rest = rest.slice(0, MAX_LINE_CHARACTERS)
  }
  if (rest !== '') yield [rest]
}

async function* unpacked(source: Readable): AsyncGenerator<Uint8Array> {
  const pieces: AsyncIterator<Uint8Array> = source[Symbol.asyncIterator]()
  const first = await pieces.next()
  if (first.done === true) return
  const all = async function* () {
    yield first.value
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value
  }
  const isGzip = first.value[0] === 0x1f && first.value[1] === 0x8b
  if (!isGzip) {
    yield* all()
    return
  }
  const gunzip = createGunzip()
  const from = Readable.from(all())
  from.on('error', error => gunzip.destroy(error))
  yield* from.pipe(gunzip)
}
