import type { RootTable } from '../keys/keys.ts'
import { itemsOf, type Raw, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'

/** What expectations name has to be there: they would hold, or not, for the wrong reason. */
export function checkExpectations(root: RootTable, report: Report): void {
  const { providers, portals, expect } = root.values
  const roles = new Set([...(portals?.values() ?? [])].flatMap(portal => [...(portal.values.roles?.keys() ?? [])]))
  for (const { values } of expect ?? []) {
    const entries = values.as?.raw.entries
    const told = (raw: Raw, what: 'provider' | 'role', known: readonly string[]) => {
      if (raw.kind !== 'text' || raw.text === null || known.includes(raw.text)) return
      report.mistake(raw.at, `${what}.undefined`, `there is no ${what} ${showRaw(raw)}`, {
        hint: raw.isFilled ? '' : didYouMean(raw.text, known),
      })
    }
    for (const raw of itemsOf(entries?.get('provider'))) told(raw, 'provider', [...(providers?.keys() ?? [])])
    for (const raw of itemsOf(entries?.get('roles'))) told(raw, 'role', [...roles])
  }
}
