/**
 * Prints `N passed, N failed, N skipped` from a JUnit report, and exits 1 on any failure or when no test ran. Before it stands each
 * failure with its file, title and error, since of a long log often the end alone is kept; and each program that is missing, with how
 * many tests it would run: those that `test/kit/needs.ts` skips have its name at the end of a title.
 *
 * Usage: bun .ci/count.ts REPORT RUNNER_STATUS RUNNER_OUTPUT. Where only tests of what changed were asked for, none is no mistake. A file that does not load is in the runner's own summary (` 4 fail`)
 * and not in the report: the higher of the two counts. A runner that failed and counted nothing counts as one failure.
 */
import { existsSync, readFileSync } from 'node:fs'

const [reportPath, runnerStatus, outputPath] = process.argv.slice(2)
const report = read(reportPath)
const output = read(outputPath)
const totals = /<testsuites\b[^>]*>/.exec(report)?.[0] ?? ''

const total = countOf('tests')
const skipped = countOf('skipped')
const inReport = countOf('failures') + countOf('errors')
const reported = Math.max(inReport, Number(/^ (\d+) fail$/m.exec(output.slice(-2000))?.[1] ?? 0))
const isNoneMeant = /^--changed: .*(?:nothing to run|no test files are affected)$/m.test(output)
const isEmpty = total - skipped <= 0 && !isNoneMeant
const failed = reported === 0 && (runnerStatus !== '0' || isEmpty) ? 1 : reported
const passed = Math.max(0, total - skipped - inReport)

/** How much is said: of so many failures so many lines, each so long. */
const [MOST_FAILURES, MOST_LINES, MOST_LENGTH] = [20, 30, 300]

interface Failure {
  readonly what: string
  readonly lines: readonly string[]
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

const failures = failuresSaid()
if (failures.length > 0) console.log('What failed, and why:')
for (const { what, lines } of failures.slice(0, MOST_FAILURES)) {
  console.log(`FAILED ${what}`)
  for (const line of lines.slice(0, MOST_LINES)) console.log(`    ${line.slice(0, MOST_LENGTH)}`)
  if (lines.length > MOST_LINES) console.log(`    … ${lines.length - MOST_LINES} more lines`)
}
if (failures.length > MOST_FAILURES) console.log(`… ${failures.length - MOST_FAILURES} more failures`)
if (failed > reported) {
  console.log(
    total === 0 ? 'No test ran.' : `The runner exited ${runnerStatus} outside the tests: see its output above.`,
  )
}
for (const [program, count] of missing())
  console.log(`No ${program} here: ${count} ${count === 1 ? 'test' : 'tests'} skipped`)
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed > 0 ? 1 : 0)

/** Programs that are not here, and how many tests each would run; one that needs several counts for each. */
function missing(): readonly (readonly [program: string, tests: number])[] {
  const counts = new Map<string, number>()
  for (const [, attributes = ''] of report.matchAll(/<testcase\b([^>]*)>\s*<skipped\b/g)) {
    const programs = [...attributes.matchAll(/ \(needs ([^()]+)\)/g)].flatMap(([, names = '']) => names.split(', '))
    for (const program of new Set(programs)) counts.set(program, (counts.get(program) ?? 0) + 1)
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
}

/**
 * Each failure: what is in the report, and from the output processes that died and what was thrown outside of tests. Errors are taken
 * from the report, since in the output of several processes they do not stand at their tests.
 */
function failuresSaid(): readonly Failure[] {
  const found: Failure[] = []
  for (const [, testcase = '', failure = '', text = ''] of report.matchAll(
    /<testcase\b([^>]*)>\s*<failure\b([^>]*?)(?:\/>|>([^<]*))/g,
  )) {
    const group = attributeOf(testcase, 'classname')
    const title = [group, attributeOf(testcase, 'name')].filter(part => part !== '').join(' > ')
    // How it died is in the output alone.
    if (title === '(worker crashed)') continue
    const error = text.trim() === '' ? attributeOf(failure, 'message') : decode(text).trim()
    found.push({ what: `${attributeOf(testcase, 'file')}: ${title}`, lines: error.split('\n') })
  }
  let file = ''
  const lines = Bun.stripANSI(output).split('\n')
  for (const [at, line] of lines.entries()) {
    file = /^(\S+\.test\.tsx?):$/.exec(line)?.[1] ?? file
    const crashed = /^✗ (\S+ \(worker crashed: .*\))$/.exec(line)?.[1]
    if (crashed !== undefined) found.push({ what: crashed, lines: [] })
    if (line !== '# Unhandled error between tests') continue
    const rest = lines.slice(at + 2, at + 2 + 10 * MOST_LINES)
    const end = rest.findIndex(one => /^-{10,}$/.test(one))
    found.push({ what: `${file}: outside its tests`, lines: end < 0 ? rest : rest.slice(0, end) })
  }
  return found
}

function attributeOf(element: string, name: string): string {
  return decode(new RegExp(`\\b${name}="([^"]*)"`).exec(element)?.[1] ?? '')
}

function decode(xml: string): string {
  return xml.replace(/&(?:#(\d+)|(\w+));/g, (all, code?: string, name = '') =>
    code === undefined ? (ENTITIES[name] ?? all) : String.fromCodePoint(Number(code)),
  )
}

function countOf(name: string): number {
  return Number(new RegExp(`\\b${name}="(\\d+)"`).exec(totals)?.[1] ?? 0)
}

function read(path: string | undefined): string {
  return path !== undefined && existsSync(path) ? readFileSync(path, 'utf8') : ''
}
