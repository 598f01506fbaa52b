/** Checks the provider names in rules. */

import type { PortalTable } from '../keys/portals.ts'
import { itemsOf, type Raw, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'
import { HTPASSWD } from '../values/htpasswd.ts'

/** What `provider` and `providers` of a rule say: one of them, names that exist, and where someone can sign in. */
export function checkProviderNames(
  entries: ReadonlyMap<string, Raw>,
  known: {
    readonly all: readonly string[]
    /** Where the rule is asked; undefined where that is not known. */
    readonly portal: PortalTable | undefined
  },
  report: Report,
): void {
  const hasFile = known.portal?.raw.entries.has(HTPASSWD) ?? false
  const own = known.portal?.values.providers
  const single = entries.get('provider')
  if (single !== undefined && entries.has('providers')) {
    const hint = 'put all of them into providers'
    report.mistake(single.at, 'key.twice', 'provider and providers say the same thing', { hint, part: 'key' })
  }
  for (const item of [...itemsOf(entries.get('providers')), ...itemsOf(single)]) {
    if (item.kind !== 'text' || item.text === null || item.text === '') continue
    if (item.text === HTPASSWD) {
      if (hasFile || known.portal === undefined) continue
      const hint = 'name one there: htpasswd = "people.htpasswd"'
      report.mistake(item.at, 'role.provider', 'this portal has no file of passwords', { hint })
    } else if (!known.all.includes(item.text)) {
      const hint = item.isFilled ? '' : didYouMean(item.text, known.all, `add a table [providers.${item.text}]`)
      report.mistake(item.at, 'provider.undefined', `there is no provider ${showRaw(item)}`, { hint })
    } else if (own !== undefined && !(own ?? []).includes(item.text)) {
      const hint = 'the rule could never hold; add the provider to the portal'
      report.mistake(item.at, 'role.provider', `no user signs in at ${showRaw(item)} in this portal`, { hint })
    }
  }
}
