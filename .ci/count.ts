/**
 * Prints `N passed, N failed, N skipped` from a JUnit report, and exits 1 on any failure or when no test ran. Before it is named
 * each program that is missing, with how many tests it would run: those that `test/kit/needs.ts` skips have its name at the end of a title.
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

function countOf(name: string): number {
  return Number(new RegExp(`\\b${name}="(\\d+)"`).exec(totals)?.[1] ?? 0)
}

function read(path: string | undefined): string {
  return path !== undefined && existsSync(path) ? readFileSync(path, 'utf8') : ''
}
