import type { RootTable } from './keys.ts'
import type { Report } from './report.ts'

/** What limits say together with the routes that have them: people are told apart only where they can sign in. */
export function checkLimits(root: RootTable, report: Report): void {
  for (const { values, at } of root.values.routes ?? []) {
    if (values.rate?.values.by !== 'user' || values.portal !== null) continue
    const hint = 'set by = "client", or add portal = "…": where people sign in'
    report.mistake([...at, 'rate', 'by'], 'rate.user', 'nobody can be told apart on a route without a portal', { hint })
  }
}
