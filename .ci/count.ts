/**
 * Prints `N passed, N failed` from a JUnit report, and exits 1 on any failure or when no test ran.
 *
 * Usage: bun .ci/count.ts REPORT RUNNER_STATUS. A runner that failed outside any test (a file that does not load) counts as
 * one failure, since the report says nothing of it.
 */
import { existsSync, readFileSync } from 'node:fs'

const [reportPath, runnerStatus] = process.argv.slice(2)
const report = reportPath !== undefined && existsSync(reportPath) ? readFileSync(reportPath, 'utf8') : ''
const totals = /<testsuites\b[^>]*>/.exec(report)?.[0] ?? ''

const total = countOf('tests')
const skipped = countOf('skipped')
const reported = countOf('failures') + countOf('errors')
const failed = reported === 0 && (runnerStatus !== '0' || total - skipped <= 0) ? 1 : reported
const passed = Math.max(0, total - skipped - reported)

if (failed > reported) {
  console.log(
    total === 0 ? 'No test ran.' : `The runner exited ${runnerStatus} outside the tests: see its output above.`,
  )
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(failed > 0 ? 1 : 0)

function countOf(name: string): number {
  return Number(new RegExp(`\\b${name}="(\\d+)"`).exec(totals)?.[1] ?? 0)
}
