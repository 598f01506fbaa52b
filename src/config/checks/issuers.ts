import type { RootTable } from '../keys/keys.ts'
import type { PortalTable, RuleTable } from '../keys/portals.ts'
import { isOAuth2, oauth2Issuer } from '../keys/provider/presets.ts'
import type { ProviderTable } from '../keys/providers.ts'
import type { AccessTable } from '../keys/rules.ts'
import { itemsOf, quote } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { HTPASSWD } from '../values/htpasswd.ts'

/** What a provider can say of someone, and what another may say in other words or with another meaning. */
const SAID = ['groups', 'emails', 'domains', 'claims', 'like'] as const

/**
 * What `subjects`, groups and the like mean where a portal has several providers, each of which says what it will.
 *
 * A `sub` is somebody at one issuer alone (OpenID Connect Core 1.0 §5.7), so that `subjects` without that issuer is a mistake; whoever
 * lets people in by what any provider says is warned.
 */
export interface IssuerCheck {
  /** `lets`: whether the rule lets people in; one that keeps them out may well be about everyone's. */
  check(rule: RuleTable | AccessTable, lets: boolean): void
}

/** The check of the rules of one portal; it says nothing where the portal has one issuer, or its providers are not known. */
export function createIssuerCheck(portal: PortalTable | undefined, root: RootTable, report: Report): IssuerCheck {
  const own = portal?.values.providers ?? []
  const hinted = [...(root.values.providers?.keys() ?? [])].find(name => own.includes(name)) ?? ''
  const issuers = new Map(own.map(name => [name, issuerOf(root.values.providers?.get(name))]))
  const isKnown = [...issuers.values()].every(issuer => issuer !== undefined)
  if (!isKnown || new Set(issuers.values()).size < 2) return { check() {} }

  const example = `providers = [${quote(hinted)}]`

  /** `among`: the providers to which the rules around this one hold it; null: any. */
  function check(rule: RuleTable | AccessTable, lets: boolean, among: readonly string[] | null): void {
    const whose = namedBy(rule) ?? among
    const { entries } = rule.raw
    const patterns = entries.get('like')
    const likeSubjects = patterns?.kind === 'table' ? patterns.entries.get('sub') : undefined
    const subjects = entries.get('subjects') ?? likeSubjects
    const isOneIssuers =
      new Set((whose ?? own).filter(name => issuers.has(name)).map(name => issuers.get(name))).size < 2
    if (subjects !== undefined && !isOneIssuers && (likeSubjects !== undefined || asksProviders(rule))) {
      const message = 'a subject is somebody at one provider alone, and this portal has several'
      report.mistake(subjects.at, 'rule.subjects', message, { hint: `say at which: ${example}`, part: 'key' })
    } else if (lets && whose === null) {
      const name = SAID.find(key => entries.has(key))
      if (name !== undefined) {
        const hint = `say whose: ${example}, or all of them where each may say so`
        const message = `${name} counts as any provider of this portal says it`
        report.warn([...rule.at, name], 'rule.providers', message, { hint, part: 'key' })
      }
    }
    const { any, all, not } = 'not' in rule.values ? rule.values : { any: null, all: null, not: null }
    for (const part of [...(any ?? []), ...(all ?? [])]) check(part, lets, whose)
    if (not) check(not, !lets, whose)
  }

  return { check: (rule, lets) => check(rule, lets, null) }
}

/** What a provider's subjects are somebody at; null for a file of users, undefined where that is not known. */
function issuerOf(provider: ProviderTable | undefined): string | null | undefined {
  if (provider === undefined) return undefined
  const { values } = provider
  return isOAuth2(values) ? oauth2Issuer(values, values.claims?.values.sub) : values.issuer
}

/** The providers that a rule names; null where it names none. */
function namedBy({ raw: { entries } }: RuleTable | AccessTable): readonly string[] | null {
  const items = [...itemsOf(entries.get('providers')), ...itemsOf(entries.get('provider'))]
  return items.length === 0 ? null : items.map(item => (item.kind === 'text' ? (item.text ?? '') : ''))
}

/** Whether any of a rule's subjects is a provider's: names of a portal's own file are told apart by themselves. */
function asksProviders({ raw: { entries } }: RuleTable | AccessTable): boolean {
  return itemsOf(entries.get('subjects')).some(
    item => item.kind !== 'text' || item.text?.startsWith(`${HTPASSWD}:`) !== true,
  )
}
