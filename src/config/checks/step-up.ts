import type { RootTable } from '../keys/keys.ts'
import { isOAuth2 } from '../keys/provider/presets.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { AccessTable } from '../keys/rules.ts'
import type { Report } from '../text/report.ts'

/** Keys that look at how, or how long ago, somebody signed in. */
const SHOWN = ['max_age', 'acr', 'amr'] as const

/** Rules that people of a portal's providers by OAuth 2.0 can never satisfy, since nothing says how or when they signed in there. */
export function checkStepUp({ values }: RouteTable, root: RootTable, report: Report): void {
  const portal = root.values.portals?.get(values.portal ?? '')
  const without = (portal?.values.providers ?? []).filter(name => {
    const provider = root.values.providers?.get(name)
    return provider !== undefined && isOAuth2(provider.values)
  })
  if (without.length === 0) return
  for (const list of [values.allow?.kind === 'list' ? values.allow : null, values.deny ?? null]) {
    for (const entry of list?.entries ?? []) if (typeof entry !== 'string') look(entry, without.join(', '), report)
  }
}

function look(rule: AccessTable, names: string, report: Report): void {
  for (const key of SHOWN) {
    const entry = rule.raw.entries.get(key)
    if (entry === undefined) continue
    const hint = 'leave it to people of OpenID providers, or let these sign in by one'
    const message = `nobody who signs in at ${names} can show ${key}: OAuth 2.0 says nothing of how or when`
    report.warn(entry.at, 'rule.step_up', message, { hint, part: 'key' })
  }
  const { any, all, not } = rule.values
  for (const part of [...(any ?? []), ...(all ?? []), ...(not ? [not] : [])]) look(part, names, report)
}
