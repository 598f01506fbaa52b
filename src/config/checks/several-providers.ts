/** Checks rules of portals with several providers: whose `sub`, group or address is meant. */

import type { RootTable } from '../keys/keys.ts'
import { isOAuth2, oauth2Issuer } from '../keys/oauth2.ts'
import type { PortalTable, RuleTable } from '../keys/portals.ts'
import type { ProviderTable } from '../keys/providers.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { AccessTable } from '../keys/rules.ts'
import { itemsOf, type Path, quote } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { HTPASSWD } from '../values/htpasswd.ts'

/** What a provider can say of someone, and what another may say in other words or with another meaning. */
const SAID = ['groups', 'emails', 'domains', 'claims', 'like'] as const

/**
 * Placeholders that a provider's prefix bounds. A display name (`name`) and the portal's own `roles` identify no user.
 */
const NAMES = new Set(['sub', 'preferred_username', 'groups', 'all_roles'])

/**
 * What `subjects`, groups and similar keys mean where a portal has several providers, each with its own claims.
 *
 * A `sub` identifies a user only at one issuer (OpenID Connect Core 1.0 §5.7), so `subjects` without that issuer is a
 * mistake. Access by what any provider says is a warning.
 */
export interface IssuerCheck {
  /** What a key of a route hands its application about somebody, by the names of placeholders. */
  told(route: RouteTable, at: Path, placeholders: readonly string[]): void
  /** `lets`: whether the rule lets people in; one that keeps them out may well be about everyone's. */
  check(rule: RuleTable | AccessTable, lets: boolean): void
}

/** The check of the rules of one portal; it says nothing where the portal has one issuer, or its providers are not known. */
export function createIssuerCheck(portal: PortalTable | undefined, root: RootTable, report: Report): IssuerCheck {
  const own = portal?.values.providers ?? []
  const hinted = [...(root.values.providers?.keys() ?? [])].find(name => own.includes(name)) ?? ''
  const issuers = new Map(own.map(name => [name, issuerOf(root.values.providers?.get(name))]))
  const isKnown = [...issuers.values()].every(issuer => issuer !== undefined)
  if (!isKnown || new Set(issuers.values()).size < 2) return { check() {}, told() {} }

  function sharesDomain(): boolean {
    const owners = new Map<string, unknown>()
    return own.some(name =>
      root.values.providers?.get(name)?.values.email_domains?.some(domain => {
        const owner = owners.get(domain) ?? issuers.get(name)
        owners.set(domain, owner)
        return owner !== issuers.get(name)
      }),
    )
  }

  /**
   * Whether more than one issuer is without bounds. A user of a bounded issuer cannot be mistaken for a user of
   * another.
   */
  const isOpen = (bounds: (provider: ProviderTable) => boolean) =>
    new Set(
      own.flatMap(name => {
        const provider = root.values.providers?.get(name)
        return provider === undefined || bounds(provider) ? [] : [issuers.get(name)]
      }),
    ).size > 1
  const open = {
    names: isOpen(({ values }) => values.prefix != null),
    // Groups that only the file says count where a rule names its provider.
    groups: isOpen(
      ({ values, raw }) => values.prefix != null || (raw.entries.has('users') && (values.groups ?? []).length === 0),
    ),
    addresses: isOpen(({ values }) => values.email_domains != null) || sharesDomain(),
  }
  const isOpenKey = (key: (typeof SAID)[number]) =>
    key === 'groups' ? open.groups : key === 'emails' || key === 'domains' ? open.addresses : true
  const isOpenPlaceholder = (name: string) =>
    NAMES.has(name) ? open.names : name === 'email' ? open.addresses : name.startsWith('claims.')

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
      const message = 'a subject is unique at one provider only, and this portal has several'
      report.mistake(subjects.at, 'rule.subjects', message, { hint: `say at which: ${example}`, part: 'key' })
    } else if (lets && whose === null) {
      const name = SAID.find(key => entries.has(key) && isOpenKey(key))
      if (name !== undefined) {
        const hint = `say whose: ${example}, or all of them where each may say so`
        const message = `this rule takes ${name} from every provider of the portal`
        report.warn([...rule.at, name], 'rule.providers', message, { hint, part: 'key' })
      }
    }
    const { any, all, not } = 'not' in rule.values ? rule.values : { any: null, all: null, not: null }
    for (const part of [...(any ?? []), ...(all ?? [])]) check(part, lets, whose)
    if (not) check(not, !lets, whose)
  }

  /** Whether only users of one issuer may pass, as every rule and role that gives access says. */
  function isOfOneIssuer({ values: { allow } }: RouteTable): boolean {
    if (allow?.kind !== 'list') return false
    const named = allow.entries.flatMap(entry => {
      const rules: readonly (RuleTable | AccessTable)[] | undefined =
        typeof entry === 'string' ? portal?.values.roles?.get(entry) : [entry]
      return rules === undefined ? [null] : rules.map(namedBy)
    })
    if (named.includes(null)) return false
    return new Set(named.flatMap(names => (names ?? []).map(name => issuers.get(name)))).size < 2
  }

  return {
    check: (rule, lets) => check(rule, lets, null),
    told(route, at, placeholders) {
      const name = placeholders.find(isOpenPlaceholder)
      if (name === undefined || isOfOneIssuer(route)) return
      const hint =
        'bound all of its providers but one, by prefix for names and groups and email_domains for addresses, or put {provider} into the same field'
      const message = `the application gets ${name} from every provider of the portal, and cannot tell one's "boss" from the other's`
      report.warn(at, 'identity.providers', message, { hint, part: 'key' })
    },
  }
}

/** What a provider's subjects are somebody at; null for a file of users, undefined where that is not known. */
function issuerOf(provider: ProviderTable | undefined): string | null | undefined {
  if (provider === undefined) return undefined
  const { values } = provider
  return isOAuth2(values) ? oauth2Issuer(values, values.claims?.values.sub) : values.issuer
}

/** The providers that a rule names; null where it names none. */
export function namedBy({ raw: { entries } }: RuleTable | AccessTable): readonly string[] | null {
  const items = [...itemsOf(entries.get('providers')), ...itemsOf(entries.get('provider'))]
  return items.length === 0 ? null : items.map(item => (item.kind === 'text' ? (item.text ?? '') : ''))
}

/** Whether any of a rule's subjects belongs to a provider: names of a portal's own file are already distinct. */
function asksProviders({ raw: { entries } }: RuleTable | AccessTable): boolean {
  return itemsOf(entries.get('subjects')).some(
    item => item.kind !== 'text' || item.text?.startsWith(`${HTPASSWD}:`) !== true,
  )
}
