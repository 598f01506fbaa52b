/**
 * `npm run bench`: what Sallyport costs beside a bare Bun proxy, nginx, HAProxy, Caddy and Apache with mod_auth_openidc, all
 * in one run; and beside oauth2-proxy, caddy-security, Traefik and Tinyauth for whoever has them.
 *
 * Usage: bun test/bench/run.ts [--only PART,…] [--subjects KEY,…] [--with NAME=PATH …] [--before PATH] [--rounds 5] [--seconds 1]
 *                              [--runs 3] [--connections 1,32,256] [--sessions 1000000] [--quick] [--urgent] [--profile FOLDER] [--json FILE]
 *
 * The measure is CPU time per request of the proxy, pinned to a core of its own: it does not move with what the load or the
 * upstream cost on the other core. Rounds are interleaved, and what is compared is compared round by round. Each table is
 * printed once it is there; a proxy that fails is named, and the others go on.
 * A part with ratios is done three times (or each part as often as `--runs` says), and again where a ratio of three runs is more than 15 % apart; all runs are printed.
 * Before a proxy counts, its answers are compared with the application's own bytes, with a session and without.
 * `--before PATH` measures an earlier executable of Sallyport too, signed in.
 * `--quick` is one round of one run, to see that all of it runs; `--urgent` (for root) goes before whatever else the machine does;
 * `--profile` runs Sallyport from its sources and leaves in a folder which of its functions took how long: figures are higher then.
 * Exit code 1 when a target is missed or anything failed, 2 for wrong usage.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Failure, openField, reasonOf } from './field.ts'
import { isProgram, type Others, readOthers } from './others/with.ts'
import { browser } from './parts/browser.ts'
import { forward } from './parts/forward.ts'
import { idle } from './parts/idle.ts'
import { many } from './parts/many.ts'
import { nonReaders } from './parts/non-readers.ts'
import type { Part } from './parts/part.ts'
import { quiet } from './parts/quiet.ts'
import { routes } from './parts/routes.ts'
import { sessions } from './parts/sessions.ts'
import { small } from './parts/small.ts'
import { starts } from './parts/starts.ts'
import { tls } from './parts/tls.ts'
import { transfers } from './parts/transfers.ts'
import { websocket } from './parts/websocket.ts'
import { goFirst, leaveProxyCore } from './process.ts'
import { profileTable } from './profile.ts'
import { type Judged, judge, judgedTable, repeat } from './repeat.ts'
import { align, type Findings, loadNow, machine } from './report.ts'
import { ensureBinary } from './sallyport.ts'
import { makeStand } from './stand.ts'
import type { SubjectKey } from './subject.ts'

const PARTS: Readonly<Record<string, Part>> = {
  small,
  browser,
  forward,
  transfers,
  'non-readers': nonReaders,
  websocket,
  tls,
  routes,
  quiet,
  idle,
  sessions,
  many,
  starts,
}

const SUBJECTS: readonly SubjectKey[] = [
  'bun',
  'least',
  'public',
  'private',
  'before',
  'nginx',
  'haproxy',
  'caddy',
  'apache',
  'caddy-security',
  'oauth2-proxy',
  'traefik',
]

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(PARTS).join(',') },
    subjects: { type: 'string' },
    with: { type: 'string', multiple: true, default: [] },
    before: { type: 'string' },
    rounds: { type: 'string' },
    runs: { type: 'string' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '1,32,256' },
    quick: { type: 'boolean', default: false },
    sessions: { type: 'string' },
    urgent: { type: 'boolean', default: false },
    profile: { type: 'string' },
    json: { type: 'string' },
  },
})

const names = chosen('part', values.only, Object.keys(PARTS))
const keys = values.subjects === undefined ? null : chosen('subject', values.subjects, SUBJECTS)
const others = othersOf(values.with)
const before = values.before === undefined ? null : programAt(values.before)
const askedRuns = values.runs === undefined ? (values.quick ? 1 : null) : Number(values.runs)
const effort = {
  rounds: Number(values.rounds ?? (values.quick ? 1 : 5)),
  seconds: Number(values.seconds),
  most: Number(values.sessions ?? (values.quick ? 20_000 : 1_000_000)),
  connections: values.connections.split(',').map(Number),
}
const profileFolder = values.profile === undefined ? null : resolve(values.profile)
if (profileFolder !== null) mkdirSync(profileFolder, { recursive: true })
if (cpus().length < 2) fail('needs two cores, one for the proxy alone')

const goBack = values.urgent ? goFirst() : () => undefined
await leaveProxyCore()
await ensureBinary()
const { cpu, cores, bun } = machine()
console.log(`${cpu}, ${cores} cores, the proxy alone on one; Bun ${bun}; load ${loadNow()}`)
for (const { name, why } of others.leftOut) console.log(`left out: ${name} (${why})`)
const figures: Record<string, object> = {}
const targets: Judged[] = []
const failures: Failure[] = []
const stand = await makeStand({ only: keys, others, profileFolder, before })
try {
  for (const name of names) await run(name)
} finally {
  await stand.stop()
  goBack()
}
console.log(`\n${align(judgedTable(targets))}`)
for (const { name, why } of failures) console.log(`FAILED: ${name}: ${why}`)
if (profileFolder !== null) tellProfiles(profileFolder)
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ machine: machine(), ...figures, targets, failures }, null, 2)}\n`)
}
process.exit(targets.every(one => one.isMet) && failures.length === 0 ? 0 : 1)

/** One part, as often as it takes, and what it found out; the next one goes on whatever became of it. */
async function run(name: string): Promise<void> {
  const field = openField(stand.subjects, stand.application)
  const all: Findings[] = []
  const once = async (count: number): Promise<Findings> => {
    const found = await PARTS[name]?.(stand, effort, field)
    if (found === undefined) throw new TypeError(`there is no part ${name}`)
    for (const table of found.tables) console.log(`\n${align(table)}`)
    console.log(`(${name}, run ${count}, load ${loadNow()})`)
    failures.push(...(found.failures ?? []).map(one => ({ ...one, name: `${name}, ${one.name}` })))
    all.push(found)
    return found
  }
  try {
    await repeat(once, askedRuns)
  } catch (error) {
    failures.push({ name, why: reasonOf(error) })
    console.error(`bench: ${name}: ${reasonOf(error)}`)
  }
  figures[name] = all.map(found => found.figures)
  targets.push(...judge(all))
  failures.push(...field.failures.map(one => ({ ...one, name: `${name}, ${one.name}` })))
}

/** Where the time of the gate went, and where the profiles are: one for each process of it that was started. */
function tellProfiles(folder: string): void {
  console.log(`\n${align(profileTable(folder))}`)
  for (const name of readdirSync(folder)) if (name.endsWith('.md')) console.log(`profile: ${join(folder, name)}`)
}

function othersOf(given: readonly string[]): Others {
  try {
    return readOthers(given)
  } catch (error) {
    return fail(reasonOf(error))
  }
}

/** Where a program is, from any folder. */
function programAt(path: string): string {
  return isProgram(path) ? resolve(path) : fail(`--before: ${path} is no program`)
}

/** The names of a comma-separated list, each one of those that there are. */
function chosen<Name extends string>(what: string, text: string, all: readonly Name[]): Name[] {
  return text.split(',').map(name => {
    const found = all.find(one => one === name)
    return found ?? fail(`no ${what} "${name}"; there are: ${all.join(', ')}`)
  })
}

function fail(why: string): never {
  console.error(`bench: ${why}`)
  process.exit(2)
}
