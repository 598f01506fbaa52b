import type { RootTable } from '../keys/keys.ts'
import { isOAuth2 } from '../keys/provider/presets.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { AccessTable } from '../keys/rules.ts'
import type { Report } from '../text/report.ts'

/** Keys that look at how, or how long ago, somebody signed in. */
const SHOWN = ['max_age', 'acr', 'amr'] as const

/** Why people of a provider can never show it, as the end of a sentence. */
const BY_OAUTH2 = 'OAuth 2.0 says nothing of how or when'
const BY_FILE = 'a file of users has no levels'

/**
 * Rules that people of some of a portal's providers can never satisfy: by OAuth 2.0 nothing says how or when they signed in, and people of
 * a file have `auth_time` and `amr` alone. What an OpenID provider states is in its discovery document, which `check` does not ask for.
 */
export function checkStepUp({ values }: RouteTable, root: RootTable, report: Report): void {
  const portal = root.values.portals?.get(values.portal ?? '')
  const named = (portal?.values.providers ?? []).flatMap(name => {
    const provider = root.values.providers?.get(name)
    return provider === undefined ? [] : [{ name, values: provider.values }]
  })
  const plain = named.filter(provider => isOAuth2(provider.values)).map(({ name }) => name)
  const files = named.filter(provider => provider.values.users != null).map(({ name }) => name)
  for (const list of [values.allow?.kind === 'list' ? values.allow : null, values.deny ?? null]) {
    for (const entry of list?.entries ?? []) {
      if (typeof entry === 'string') continue
      if (plain.length > 0) look(entry, SHOWN, { names: plain, why: BY_OAUTH2 }, report)
      if (files.length > 0) look(entry, ['acr'], { names: files, why: BY_FILE }, report)
    }
  }
}

function look(
  rule: AccessTable,
  keys: readonly string[],
  { names, why }: { readonly names: readonly string[]; readonly why: string },
  report: Report,
): void {
  for (const key of keys) {
    const entry = rule.raw.entries.get(key)
    if (entry === undefined) continue
    const hint =
      why === BY_FILE
        ? 'ask for amr instead: amr = ["otp"] for a second factor'
        : 'leave it to people of OpenID providers, or let these sign in by one'
    const message = `nobody who signs in at ${names.join(', ')} can show ${key}: ${why}`
    report.warn(entry.at, 'rule.step_up', message, { hint, part: 'key' })
  }
  const { any, all, not } = rule.values
  for (const part of [...(any ?? []), ...(all ?? []), ...(not ? [not] : [])]) look(part, keys, { names, why }, report)
}
