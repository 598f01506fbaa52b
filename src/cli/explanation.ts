import { GateError } from '../base/errors.ts'
import type { Config } from '../config/types/config.ts'
import type { RouteConfig } from '../config/types/routes.ts'
import type { AccessRule } from '../config/types/rules.ts'
import { findCertificate } from '../config/values/certificate.ts'
import { GRANTED, type Identity } from '../identity/identity.ts'
import { trustedEmails } from '../identity/vouched.ts'
import type { Facts } from '../policy/condition.ts'
import { describeRule } from '../policy/describe.ts'
import { tellNeeds } from '../policy/needs.ts'
import { compilePolicy, type Decision, decidePolicy, tryRules } from '../policy/policy.ts'
import { REASONS, type Reason, type Trial } from '../policy/reasons.ts'
import { compileRoles } from '../policy/roles.ts'
import { findUnverifiedEmail, type UnverifiedEmail, waysOut } from '../policy/unverified.ts'
import { compileCompatPages, isCallback } from '../portal/place.ts'
import { compileRouteTable } from '../route/table.ts'
import { parseTarget, type Target } from '../route/target.ts'
import { portalHosts } from '../server/config/compile.ts'
import { addressText } from '../server/listen/listen.ts'
import { isSameGrantee, type RoleGrant } from '../session/grants/document.ts'
import { offeredRoles } from '../session/grants/offered.ts'

/** One request that is asked about. */
export interface Question {
  readonly url: URL
  readonly identity: Identity | null
  readonly facts: Omit<Facts, 'target' | 'method'> & { readonly method: string }
  /** What was granted at each portal, by its name. */
  readonly grants?: ReadonlyMap<string, readonly RoleGrant[]>
}

/** One entry of `allow` or `deny`, with what it came to. */
export interface ExplainedRule {
  readonly list: 'allow' | 'deny'
  /** From 1, as people count. */
  readonly number: number
  readonly rule: string
  readonly outcome: Trial['outcome']
  readonly missing: readonly { readonly reason: Reason; readonly why: string }[]
}

/** The answer; its names are those of `--json`. */
export interface Explanation {
  readonly url: string
  readonly method: string
  readonly ip: string | null
  /** ISO 8601. */
  readonly at: string
  readonly route: string | null
  readonly upstream: readonly string[]
  readonly portal: string | null
  readonly allow: string
  /** The names of the certificate that a browser is shown at this host; null without HTTPS of our own. */
  readonly certificate: string | null
  readonly who: string
  readonly roles: readonly string[]
  /** Those that an admin granted; `until` is null for good. */
  readonly granted: readonly { readonly role: string; readonly until: string | null }[]
  readonly rules: readonly ExplainedRule[]
  readonly verdict: Decision['verdict'] | 'no-route' | 'refused'
  readonly reason: string
  readonly why: string
  /** What would have to be so for it to pass, in the words of the file; null where it passes, or rules have no part in it. */
  readonly needs: string | null
  /** Where an e-mail address has a part in a refusal that the provider does not say to have verified. */
  readonly unverified_email: {
    readonly says: string
    /** Whether a verified one would be let in. */
    readonly alone: boolean
    readonly hint: string
  } | null
  /** What a new sign-in has to show, for the verdict `step-up`. */
  readonly step_up: {
    readonly max_age: number | null
    readonly acr: readonly string[]
    readonly amr: readonly string[]
  } | null
}

/** The verdict for one request with all that led to it, by the same functions that decide real ones. */
export function explain(config: Config, question: Question): Explanation {
  const { url, identity, facts } = question
  const base = {
    url: url.href,
    method: facts.method,
    ip: facts.client,
    at: new Date(facts.nowMs).toISOString(),
    certificate: certificateText(config, url.hostname),
    who: whoText(identity),
    needs: null,
    unverified_email: null,
    step_up: null,
  }
  const nothing = { ...base, route: null, upstream: [], portal: null, allow: '', roles: [], granted: [], rules: [] }
  let target: Target
  try {
    target = parseTarget(facts.method, url.href.split('#')[0] ?? url.href, url.host)
  } catch (error) {
    if (!(error instanceof GateError)) throw error
    return { ...nothing, verdict: 'refused', reason: error.code, why: error.message }
  }
  if (target.isReserved) {
    return { ...nothing, verdict: 'allow', reason: 'reserved', why: "Sallyport's own pages answer here" }
  }
  const table = compileRouteTable(
    config.routes.map(route => {
      const { host, path, isExact, isOneLabel, stripPrefix } = route
      return { host, path, isExact, isOneLabel, stripPrefix, value: route }
    }),
    portalHosts(config),
  )
  const match = table.match(target)
  const own = whyOwn(config, target, match?.value ?? null)
  if (own !== null) return { ...nothing, verdict: 'allow', reason: 'reserved', why: own }
  if (match === null) {
    const why = `no route has the host ${target.host} and this path`
    return { ...nothing, verdict: 'no-route', reason: 'route.none', why }
  }
  const route = match.value
  const granted = grantedAt(config, question, route.portal)
  const asked = {
    identity: identity === null ? null : { ...identity, [GRANTED]: granted.map(({ role }) => role) },
    facts: { ...facts, target },
  }
  const { decision, roles, trials, unverified } = decideFor(config, route, asked)
  const described = {
    ...base,
    route: route.id,
    upstream: leadsTo(route, config),
    portal: route.portal,
    allow: allowText(route),
    roles,
    granted: granted.map(({ role, untilMs }) => {
      return { role, until: untilMs === null ? null : new Date(untilMs).toISOString() }
    }),
    rules: trials.map(trial => explainTrial(route, trial)),
    needs: tellNeeds(route, decision, trials, identity !== null),
  }
  const barrier = match.also.find(other => decideFor(config, other, asked).decision.verdict !== 'allow')
  if (decision.verdict === 'allow' && barrier !== undefined) {
    const why = `a backend could read this path as one under "${barrier.id}", which is not allowed`
    return { ...described, verdict: 'refused', reason: 'target.ambiguous', why }
  }
  const { verdict, reason } = decision
  const why =
    reason === 'rule.broken' && verdict === 'deny' ? `${REASONS[reason].why} (${decision.fault})` : REASONS[reason].why
  if (verdict !== 'step-up')
    return { ...described, verdict, reason, why, unverified_email: explainEmail(config, unverified) }
  const { maxAgeS, acr, amr } = decision.demand
  return { ...described, verdict, reason, why, step_up: { max_age: maxAgeS, acr, amr } }
}

/** What this person was granted at a portal, as far as it counts. */
function grantedAt(config: Config, { identity, facts, grants }: Question, portal: string | null): readonly RoleGrant[] {
  const offered = offeredRoles(config).get(portal ?? '')
  if (identity === null || offered === undefined) return []
  return (grants?.get(portal ?? '') ?? []).filter(
    ({ who, role, untilMs }) =>
      offered.has(role) && isSameGrantee(who, identity) && (untilMs === null || facts.nowMs < untilMs),
  )
}

/** Why the portal of a host answers at an address that is not below ours; null where it does not. */
function whyOwn({ portals }: Config, target: Target, route: RouteConfig | null): string | null {
  const portal = [...portals.values()].find(({ name, url }) => name === route?.portal || url?.host === target.host)
  if (portal === undefined) return null
  if (isCallback({ portal, target })) return 'providers send people back here (callback_path)'
  const { compat } = portal
  const isOld = compat !== null && compileCompatPages(portal, compat)(target) !== null
  return isOld ? `the portal ${portal.name} answers at this address of ${compat.program} (compat)` : null
}

/** The addresses of the upstream, or what answers in its place. */
function leadsTo({ upstream, answer }: RouteConfig, { server }: Config): readonly string[] {
  if (upstream !== null) {
    return upstream.addresses.map(one =>
      one.kind === 'unix' ? `unix:${one.path}` : `${one.scheme}://${one.authority}${one.basePath}`,
    )
  }
  if (answer === null) return []
  if (answer.kind === 'verify')
    return [`the proxy in front, which asks at ${server.verify.map(addressText).join(' or ')} (verify)`]
  return [answer.kind === 'files' ? `files in ${answer.folder}` : `${answer.kind} with status ${answer.status}`]
}

function decideFor(
  config: Config,
  route: RouteConfig,
  { identity, facts }: { readonly identity: Identity | null; readonly facts: Facts },
): {
  decision: Decision
  roles: readonly string[]
  trials: readonly Trial[]
  unverified: UnverifiedEmail | null
} {
  const portal = route.portal === null ? undefined : config.portals.get(route.portal)
  const compiled = portal === undefined ? null : compileRoles(portal.roles, trustedEmails(config.providers))
  const policy = compilePolicy(route, compiled)
  const decision = decidePolicy(policy, identity, facts)
  const isRefused = decision.verdict === 'deny' && identity !== null
  return {
    unverified: isRefused ? findUnverifiedEmail(policy, identity, facts) : null,
    decision,
    roles: identity === null || compiled === null ? [] : compiled.of(identity),
    trials: tryRules(policy, identity, facts),
  }
}

function explainEmail({ providers }: Config, unverified: UnverifiedEmail | null): Explanation['unverified_email'] {
  if (unverified === null) return null
  const { email, provider, isAlone } = unverified
  const says = `${email} is not verified at ${providers.get(provider)?.label ?? provider}`
  return { says, alone: isAlone, hint: waysOut(unverified) }
}

function explainTrial({ allow, deny }: RouteConfig, { list, index, outcome, missing }: Trial): ExplainedRule {
  const rules: readonly AccessRule[] = list === 'deny' ? deny : allow.kind === 'rules' ? allow.rules : []
  const rule = rules[index]
  return {
    list,
    number: index + 1,
    rule: rule !== undefined ? describeRule(rule) : allow.kind === 'roles' ? `role ${allow.roles.join(' or ')}` : '',
    outcome,
    missing: missing.map(({ reason }) => ({ reason, why: REASONS[reason].why })),
  }
}

function certificateText({ tls }: Config, host: string): string | null {
  if (tls === null) return null
  const own = findCertificate(tls.certificates, host)
  if (own === undefined && tls.acme?.names.includes(host) === true)
    return `a certificate for ${host} from ${tls.acme.directory}`
  const shown = own ?? tls.certificates[0]
  if (shown === undefined) return 'no certificate'
  const what = `the certificate for ${shown.names.join(', ') || 'no host'}, until ${new Date(shown.expiresAtMs).toISOString().slice(0, 10)}`
  return own === undefined ? `${what}, which is not for ${host}` : what
}

function whoText(identity: Identity | null): string {
  if (identity === null) return 'nobody (not signed in)'
  if (identity.isGuest === true) return 'a guest, by a link for this address'
  const groups = identity.groups.length === 0 ? '' : `, groups ${identity.groups.join(' ')}`
  return `${identity.subject}${identity.email === null ? '' : ` <${identity.email}>`}${groups}`
}

function allowText({ allow, deny, methods }: RouteConfig): string {
  const own = methods === null ? '' : `, methods ${methods.join(' ')}`
  const denied = deny.length === 0 ? '' : `, but for ${count(deny.length, 'deny rule')}`
  const who =
    allow.kind === 'roles'
      ? allow.roles.join(' or ')
      : allow.kind === 'rules'
        ? count(allow.rules.length, 'rule')
        : allow.kind
  return who + own + denied
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

/** An Explanation for people. */
export function renderExplanation(explanation: Explanation): string {
  const {
    method,
    url,
    ip,
    at,
    route,
    upstream,
    allow,
    portal,
    certificate,
    who,
    roles,
    granted,
    rules,
    verdict,
    why,
    reason,
    step_up,
    needs,
    unverified_email,
  } = explanation
  const rows: [string, string][] = [['request', `${method} ${url}`]]
  if (certificate !== null) rows.push(['shows', certificate])
  if (route !== null) {
    rows.push(['route', `${route} -> ${upstream.join(', ')}`])
    rows.push(['allow', allow + (portal === null ? '' : ` (portal ${portal})`)])
    rows.push(['who', who], ['roles', roles.join(', ') || 'none'])
    for (const { role, until } of granted)
      rows.push(['granted', `${role}, ${until === null ? 'for good' : `until ${until}`}`])
    if (rules.length > 0) rows.push(['from', `${ip ?? 'an unknown address (--ip)'} at ${at}`])
  }
  for (const rule of rules) {
    rows.push(['', `${rule.list} ${rule.number}: ${rule.rule}: ${rule.outcome}`])
    for (const { reason: code, why: text } of rule.missing) rows.push(['', `  ${text} (${code})`])
  }
  rows.push(['verdict', `${verdict}: ${why} (${reason})`])
  if (needs !== null) rows.push(['needs', needs])
  if (unverified_email !== null) {
    const { says, alone, hint } = unverified_email
    rows.push(['e-mail', `${says}${alone ? ', and nothing else is in the way' : ''}: ${hint}`])
  }
  if (step_up !== null) rows.push(['sign in', `again, ${demandText(step_up)}`])
  return rows.map(([name, value]) => `${name.padEnd(8)} ${value}\n`).join('')
}

function demandText({ max_age, acr, amr }: NonNullable<Explanation['step_up']>): string {
  const parts = [
    max_age === null ? null : `max_age ${max_age} s`,
    acr.length === 0 ? null : `acr ${acr.join(' or ')}`,
    amr.length === 0 ? null : `amr ${amr.join(' or ')}`,
  ]
  return parts.filter(part => part !== null).join(', ')
}
