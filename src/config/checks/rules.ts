/** Checks `allow`, `deny` and roles: names that exist, and conditions that can hold. */

import { compileNetworks } from '../../base/net.ts'
import { FOR_EVERYONE, type RuleList } from '../keys/allow.ts'
import type { RootTable } from '../keys/keys.ts'
import { type PortalTable, ruleOfPerson } from '../keys/portals.ts'
import type { RouteTable } from '../keys/routes.ts'
import { type AccessTable, isNeverLookedAt, PERSON, SWITCHES } from '../keys/rules.ts'
import type { UpstreamTable } from '../keys/upstreams.ts'
import { itemsOf, quote, type Raw, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean } from '../text/suggest.ts'
import { foldFieldName } from '../values/headers.ts'
import { HTPASSWD } from '../values/htpasswd.ts'
import { parseNetwork } from '../values/listen.ts'
import { isStripped } from '../values/stripped-fields.ts'
import { momentMs } from '../values/times.ts'
import { fieldsAbout } from './identity.ts'
import { createIssuerCheck } from './several-providers.ts'

/** Keys that never hold for a user who is not signed in. */
const IDENTITY_KEYS: readonly string[] = ['roles', ...Object.keys(PERSON), 'max_age', 'acr', 'amr']

/** Keys that say something only together with others. */
const SILENT_KEYS = new Set<string>(['timezone', 'ignore_case', 'anonymous', 'guest_link', ...SWITCHES])

/** What the rules of a route say: about roles and providers that exist, about each other, and whether they say anything. */
export function checkRules(route: RouteTable, root: RootTable, report: Report): void {
  const { allow, deny } = route.values
  const check = createRuleCheck(route, root, report)
  checkExpressions(route, report)
  checkFieldsInFront(route, report)
  const issuers = createIssuerCheck(check.portal, root, report)
  if (allow?.kind === 'list') {
    checkRoleNames(route.raw.entries.get('allow'), check)
    for (const rule of tablesOf(allow)) {
      checkRule(rule, check)
      for (const part of withParts(rule)) checkNetworks(part, root, report)
      issuers.check(rule, true)
      if (rule.values.anonymous === true) checkAnonymous(rule, report)
      if (rule.values.anonymous === true || rule.values.guest_link === true) refuseWritten(rule, report)
      if (rule.values.guest_link === true) checkGuestLink(rule, check)
    }
  }
  if (!deny) return
  checkRoleNames(route.raw.entries.get('deny'), check)
  for (const rule of tablesOf(deny)) {
    checkRule(rule, check)
    issuers.check(rule, false)
    refuseOutermost(rule, 'deny applies to everyone, signed in or not', report)
  }
  if (allow?.kind === 'public' && asksWho(deny)) {
    const hint = 'allow = "authenticated" makes no exception from it'
    report.warn(
      [...route.at, 'deny'],
      'deny.signed_out',
      'a user who signs out avoids this rule, because the route is public',
      {
        hint,
      },
    )
  }
}

/** How many expressions a request of one route may be held to before that shows. */
const MANY_EXPRESSIONS = 20

function checkExpressions({ at, values: { allow, deny } }: RouteTable, report: Report): void {
  const lists = [allow?.kind === 'list' ? allow : null, deny ?? null].filter(list => list !== null)
  const rules = lists.flatMap(tablesOf).flatMap(withParts)
  const count = rules.reduce((sum, { values }) => sum + (values.path_regexp?.length ?? 0), 0)
  if (count <= MANY_EXPRESSIONS) return
  const message = `this route has ${count} regular expressions, and a request may have to match each of them`
  const hint = 'paths is faster, and an expression may hold several: "^/(a|b)/"'
  report.warn(at, 'expression.many', message, { hint })
}

/** A client from among the trusted proxies is one: it says what address it likes, and has none where it says nothing. */
function checkNetworks({ raw, values }: AccessTable, root: RootTable, report: Report): void {
  const trusted = root.values.server?.values.trusted_proxies ?? []
  if (trusted.length === 0) return
  for (const [index, item] of itemsOf(raw.entries.get('networks')).entries()) {
    const network = values.networks?.[index]
    if (network === undefined || !trusted.some(outer => holdsNetwork(outer, network))) continue
    const hint = 'name your proxy’s own address in trusted_proxies, in place of the network that it is in'
    const message = `${showRaw(item)} is in trusted_proxies: a client there can claim any address, and has none if it claims none`
    report.warn(item.at, 'network.trusted', message, { hint })
  }
}

/** Whether all of a network is in another one; both as `parseNetwork` writes them. */
function holdsNetwork(outer: string, inner: string): boolean {
  const [address = '', bits] = inner.split('/')
  return Number(bits) >= Number(outer.split('/')[1]) && compileNetworks([outer]).has(address)
}

/** Where a proxy in front asks, it says what fields there are. */
function checkFieldsInFront({ values: { allow, deny, verify } }: RouteTable, report: Report): void {
  if (!verify) return
  const lists = [allow?.kind === 'list' ? allow : null, deny ?? null].filter(list => list !== null)
  for (const rule of lists.flatMap(tablesOf).flatMap(withParts)) {
    const raw = rule.raw.entries.get('headers')
    if (raw === undefined) continue
    const hint = 'a field that it keeps to itself counts as not there; sallyport doctor does not see that'
    const message = 'the proxy in front has to pass these fields on with its question'
    report.warn(raw.at, 'rule.front', message, { hint, part: 'key' })
  }
}

/** A rule does not decide by what is taken off requests before their application, as nobody vouches for it. */
export function checkDroppedFields({ values: { server, routes } }: RootTable, report: Report): void {
  const trusted = server?.values.trusted_fields ?? []
  const address = server?.values.client_address ?? []
  const ours = new Set([...(routes ?? []).flatMap(fieldsAbout), ...trusted].concat(address).map(foldFieldName))
  for (const { values } of routes ?? []) {
    const lists = [values.allow?.kind === 'list' ? values.allow : null, values.deny ?? null].filter(
      list => list !== null,
    )
    for (const { raw } of lists.flatMap(tablesOf).flatMap(withParts)) {
      const fields = raw.entries.get('headers')
      for (const [name, { at }] of fields?.kind === 'table' ? fields.entries : []) {
        if (trusted.includes(name.toLowerCase()) || isNeverLookedAt(name)) continue
        const isOurs = ours.has(foldFieldName(name))
        if (!isOurs && !isStripped(name)) continue
        const hint = isOurs
          ? 'it is another field here, or another spelling of one: see headers, trusted_fields and client_address'
          : 'any client can write it: if your proxy in front sets it, name it in trusted_fields of [server]'
        const message = `Sallyport drops ${quote(name)} from requests, so rules do not look at it`
        report.mistake(at, 'header.owned', message, { hint, part: 'key' })
      }
    }
  }
}

function withParts(rule: AccessTable): readonly AccessTable[] {
  return [rule, ...partsOf(rule).flatMap(withParts)]
}

/** Whether anything in a route's rules asks who someone is: then there has to be a portal that can tell. */
export function needsPortal({ values, raw }: RouteTable): string | null {
  const { allow, deny, tokens, passwords } = values
  if (allow?.kind === 'authenticated') return 'allow'
  if (allow?.kind === 'list' && !allow.entries.every(entry => typeof entry !== 'string' && entry.values.anonymous))
    return 'allow'
  if (deny && asksWho(deny)) return 'deny'
  if (tokens === true) return 'tokens'
  if (values.mcp !== false && values.mcp !== undefined) return 'mcp'
  if (passwords === true) return 'passwords'
  if (values.upstream?.kind === 'own' && namesPeople(values.upstream.table)) return 'upstream'
  return ['assertion', 'pass_token'].find(name => raw.entries.has(name)) ?? null
}

/** Whether an upstream of a route's own calls each person by a name of theirs. */
function namesPeople({ values: { basic_auth: basic } }: UpstreamTable): boolean {
  const parts = [...(basic?.values.user ?? []), ...(basic?.values.password ?? [])]
  return parts.some(part => part.kind === 'identity')
}

/** What the rules of a route, or of a portal, are held against. */
export interface RuleCheck {
  readonly report: Report
  /** The portal's name; null or undefined where there is none, or it is not known. */
  readonly portalName: string | null | undefined
  /** As diagnostics show that. */
  readonly shown: string
  /** Those that the route serves, where it says so. */
  readonly served: readonly string[] | null | undefined
  readonly providers: readonly string[]
  /** The route's portal; undefined where that is not known. */
  readonly portal: PortalTable | undefined
  /** The portal's roles; null where they are not known. */
  readonly roles: readonly string[] | null
  /** Whether the portal has guest links; unknown where the portal is, or a mistake is in them. */
  readonly linksOf: 'some' | 'none' | 'unknown'
}

function createRuleCheck(route: RouteTable, root: RootTable, report: Report): RuleCheck {
  const { portal: portalName, methods: served } = route.values
  const portal = portalName ? root.values.portals?.get(portalName) : undefined
  const shown = showRaw(route.raw.entries.get('portal'))
  return { ...portalCheck(portal, root, report), portalName, shown, served }
}

/** The same as far as a portal says it. */
export function portalCheck(
  portal: PortalTable | undefined,
  root: RootTable,
  report: Report,
): Omit<RuleCheck, 'portalName' | 'shown' | 'served'> {
  const rawRoles = portal?.raw.entries.get('roles')
  const rawProviders = root.raw.entries.get('providers')
  return {
    report,
    providers: rawProviders?.kind === 'table' ? [...rawProviders.entries.keys()] : [],
    portal,
    linksOf:
      portal?.values.guest_links === undefined ? 'unknown' : portal.values.guest_links === null ? 'none' : 'some',
    roles:
      portal === undefined || (rawRoles !== undefined && rawRoles.kind !== 'table')
        ? null
        : [...(rawRoles?.entries.keys() ?? [])],
  }
}

/** The rules of a list, without the roles. */
export function tablesOf({ entries }: RuleList): readonly AccessTable[] {
  return entries.filter(entry => typeof entry !== 'string')
}

function asksWho(list: RuleList): boolean {
  return list.entries.some(entry => typeof entry === 'string' || identityKey(entry) !== null)
}

/** The first key in a rule, or in the rules in it, that asks who someone is. */
function identityKey(rule: AccessTable): Raw | null {
  for (const [name, raw] of rule.raw.entries) {
    const says = SWITCHES.every(own => own !== name || rule.values[own] !== false)
    if (says && IDENTITY_KEYS.includes(name)) return raw
  }
  for (const part of partsOf(rule)) {
    const found = identityKey(part)
    if (found !== null) return found
  }
  return null
}

/** The rules that stand in a rule. */
export function partsOf({ values: { any, all, not } }: AccessTable): readonly AccessTable[] {
  return [...(any ?? []), ...(all ?? []), ...(not ? [not] : [])]
}

/** A rule, and those in it. */
export function checkRule(rule: AccessTable, check: RuleCheck): void {
  const { report } = check
  checkSaysSomething(rule, report)
  checkProviderNames(rule.raw.entries, { all: check.providers, portal: check.portal }, report)
  checkRoleNames(rule.raw.entries.get('roles'), check)
  checkMethods(rule, check)
  checkTimes(rule, report)
  checkCase(rule, report)
  for (const part of partsOf(rule)) {
    checkRule(part, check)
    refuseOutermost(part, 'it belongs to a whole entry of allow, not into a part of one', report)
  }
}

/** An unknown key, or a mistaken one, counts as a condition: it was meant as one, and is reported itself. */
function checkSaysSomething({ at, raw, values }: AccessTable, report: Report): void {
  const says =
    [...raw.entries.keys()].some(name => !SILENT_KEYS.has(name)) || SWITCHES.some(name => values[name] !== false)
  // A value of another kind was meant to say something.
  if (says || values.anonymous !== false || values.guest_link !== false) return
  const hint = raw.entries.has('timezone')
    ? 'add hours, days, from or until'
    : 'it would match every request: name roles, groups, networks or another condition'
  report.mistake(at, 'rule.empty', 'this rule has no condition', { hint })
}

/** Names of roles, in a list or as a single text. */
export function checkRoleNames(raw: Raw | undefined, { roles, portalName, shown: portal, report }: RuleCheck): void {
  if (roles === null || !portalName) return
  for (const item of itemsOf(raw)) {
    if (item.kind !== 'text' || item.text === null || item.text === '' || roles.includes(item.text)) continue
    const words = wordsAt(item)
    const none = `define it under [portals.${portalName}.roles]`
    const meant = item.isFilled ? null : meantEntry(item.source, words.length > 0)
    const hint = item.isFilled ? '' : (meant ?? didYouMean(item.source, [...roles, ...words], none))
    report.mistake(item.at, 'role.undefined', `the portal ${portal} has no role ${showRaw(item)}`, { hint })
  }
}

/** The words that stand for more than a role where this is. */
function wordsAt({ at }: Raw): readonly string[] {
  const keys = [at.at(-1), at.at(-2)]
  return keys.includes('allow') ? ['public', 'authenticated'] : keys.includes('members') ? ['authenticated'] : []
}

/** The suggestion for a word in place of a role that needs a separate rule, or means everyone. */
function meantEntry(word: string, isEntry: boolean): string | null {
  if (!isEntry) return null
  if (parseNetwork(word).ok) return `write { networks = [${quote(word)}] }`
  const rule = ruleOfPerson(word)
  if (rule === null) return null
  return rule.includes('any') ? FOR_EVERYONE : `write ${rule}`
}

function checkMethods({ raw, values }: AccessTable, { served, report }: RuleCheck): void {
  const { methods: own } = values
  if (!own || !served || own.some(name => served.includes(name))) return
  const hint = 'the route itself lists its methods, and none of these is among them'
  report.mistake(raw.entries.get('methods')?.at ?? raw.at, 'rule.method', 'this rule can never hold', { hint })
}

function checkTimes({ raw, values }: AccessTable, report: Report): void {
  const { from, until, timezone, hours, days } = values
  if (from && until && momentMs(from, timezone ?? 'UTC', 'start') >= momentMs(until, timezone ?? 'UTC', 'end')) {
    const at = raw.entries.get('until')?.at ?? raw.at
    report.mistake(at, 'rule.dates', 'until is not after from, so this rule can never hold', { hint: 'swap them?' })
  }
  const zone = raw.entries.get('timezone')
  // What was refused is undefined, and would have used it.
  const usesZone = hours !== null || days !== null || [from, until].some(one => one !== null && one?.kind !== 'instant')
  if (zone === undefined || usesZone) return
  // A rule with only a time zone is reported as an empty rule.
  if ([...raw.entries.keys()].every(name => SILENT_KEYS.has(name))) return
  const hint = 'it belongs to hours, days, or dates without an offset'
  report.mistake(zone.at, 'timezone.unused', 'no condition of this rule has a time zone', { hint, part: 'key' })
}

function checkCase({ raw, values }: AccessTable, report: Report): void {
  if (values.ignore_case !== true || values.paths !== null || values.path_regexp !== null) return
  // A rule with only this key is reported as an empty rule.
  if ([...raw.entries.keys()].every(name => SILENT_KEYS.has(name))) return
  const at = raw.entries.get('ignore_case')?.at ?? raw.at
  const hint = 'it belongs to paths or path_regexp of the same rule'
  report.mistake(at, 'ignore_case.unused', 'nothing in this rule is about letters of a path', { hint, part: 'key' })
}

/** Without a sign-in there is no user to check; without a condition it would be a public route in disguise. */
function checkAnonymous(rule: AccessTable, report: Report): void {
  const asks = identityKey(rule)
  const hint = 'without a sign-in there is no user: use one rule for users and another for networks'
  if (asks !== null) {
    report.mistake(
      asks.at,
      'rule.anonymous',
      'this condition needs a signed-in user, but the rule has anonymous = true',
      {
        hint,
        part: 'key',
      },
    )
  } else if ([...rule.raw.entries.keys()].every(name => SILENT_KEYS.has(name))) {
    const open = 'to let everyone in, write allow = "public"; else add networks, hours, methods or dates'
    report.mistake([...rule.at, 'anonymous'], 'rule.anonymous', 'this rule lets everyone in', { hint: open })
  }
}

/** The client writes these values, so they give no access to users who are not signed in. */
function refuseWritten(rule: AccessTable, report: Report): void {
  for (const key of ['headers', 'query'] as const) {
    const raw = rule.raw.entries.get(key)
    if (raw === undefined) continue
    const hint = 'the client writes it: use it in deny, or in a rule for signed-in users'
    report.mistake(raw.at, 'rule.written', `${key} cannot allow requests without a sign-in`, { hint, part: 'key' })
  }
  for (const part of partsOf(rule)) refuseWritten(part, report)
}

/**
 * No provider has identified a guest, so no condition about a user can hold. And there must be users who make links.
 */
function checkGuestLink(rule: AccessTable, { portalName: portal, report, linksOf }: RuleCheck): void {
  const at = [...rule.at, 'guest_link']
  const asks = identityKey(rule)
  if (asks !== null) {
    const hint = 'a guest has no account; use one rule for people and another for guests'
    report.mistake(asks.at, 'rule.guest_link', 'this condition needs a signed-in user, but the rule is for guests', {
      hint,
      part: 'key',
    })
  } else if (rule.values.anonymous === true) {
    const hint = 'with anonymous no guest link is needed: keep one of them'
    report.mistake(at, 'rule.guest_link', 'guest_link is set beside anonymous', { hint, part: 'key' })
  } else if (linksOf === 'none') {
    const hint = `add guest_links = { allow = ["…"] } to [portals.${portal}]: who may make them`
    report.mistake(at, 'rule.guest_link', 'the portal has no guest links', { hint, part: 'key' })
  }
}

/** What is said of a whole entry of `allow` is said nowhere else. */
function refuseOutermost({ at, values }: AccessTable, hint: string, report: Report): void {
  if (values.anonymous === true) {
    report.mistake([...at, 'anonymous'], 'rule.anonymous', 'anonymous has no meaning here', { hint, part: 'key' })
  }
  if (values.guest_link === true) {
    report.mistake([...at, 'guest_link'], 'rule.guest_link', 'guest_link has no meaning here', { hint, part: 'key' })
  }
}

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
