/** `explain`: what a file says of one request and one user, with the reasons; for the command, and for an admin who asks on a page. */

import { canonicalAddress } from '../../base/net.ts'
import type { AccessRule } from '../../config/keys/rules.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import { parseAskedAddress } from '../../config/values/address.ts'
import { findCertificate, isCovered } from '../../config/values/certificate.ts'
import { addressText } from '../../config/values/listen.ts'
import { NO_TRUSTED_EMAILS } from '../../identity/claim-trust.ts'
import type { Identity } from '../../identity/identity.ts'
import { describeRule } from '../../policy/describe.ts'
import { canComeTo, describeMembers, findUnverifiedMember, tellComing } from '../../policy/members.ts'
import { findUnverifiedEmail, tellGroups, tellNeeds, type UnverifiedEmail, waysOut } from '../../policy/needs.ts'
import { type Decision, tryRules } from '../../policy/policy.ts'
import { REASONS, type Reason, type Trial } from '../../policy/reasons.ts'
import type { AskedRequest, RequestExplained } from '../../portal/admin/overview.ts'
import type { Grants as GrantStore } from '../../session/grants/grants.ts'
import { countGrants, type Grants, rolesIn, withRoles } from './granted-roles.ts'
import { type Circumstances, createJudge, factsAt, type IdentityAt, type Judge, type Sent } from './judge.ts'

/** One request that is asked about. */
export interface Question {
  readonly url: URL
  /** How it is sent, where a browser did not write it. */
  readonly sent?: Sent | undefined
  readonly identity: Identity | null
  readonly facts: Circumstances
  readonly grants?: Grants
  /** Further roles of the user, from any source. */
  readonly roles?: readonly string[]
}

/** One entry of `allow` or `deny`, with its result. */
interface ExplainedRule {
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
  /** The groups that they came with, where these have a part in a refusal, and those of the rules. */
  readonly groups: string | null
  /** Where an e-mail address has a part in a refusal that the provider does not say to have verified. */
  readonly unverified_email: {
    readonly says: string
    /** Whether a verified address would be allowed. */
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
export function explain(config: Config, question: Question, judge: Judge = createJudge(config)): Explanation {
  const { url, sent, identity, facts, grants = new Map(), roles: held = [] } = question
  const base = {
    url: url.href,
    method: facts.method,
    ip: facts.client,
    at: new Date(facts.nowMs).toISOString(),
    certificate: certificateText(config, url.hostname),
    who: whoText(identity),
    needs: null,
    groups: null,
    unverified_email: null,
    step_up: null,
  }
  const nothing = { ...base, route: null, upstream: [], portal: null, allow: '', roles: [], granted: [], rules: [] }
  const place = judge.place(url, facts.method, sent)
  if (place.kind === 'refused') return { ...nothing, verdict: 'refused', reason: place.reason, why: place.why }
  if (place.kind === 'reserved') return { ...nothing, verdict: 'allow', reason: 'reserved', why: place.why }
  if (place.kind === 'no-route') return { ...nothing, verdict: 'no-route', reason: 'route.none', why: place.why }
  const { route } = place
  const grantedAt = countGrants(config, grants)
  const granted = grantedAt(identity, route.portal, facts.nowMs)
  const who: IdentityAt = portal =>
    identity === null ? null : withRoles(identity, [...rolesIn(grantedAt(identity, portal, facts.nowMs)), ...held])
  const { decision, barrier } = judge.decide(place, who, facts)
  const { policy, roles, isMember } = judge.compiled(route)
  const portal = config.portals.get(route.portal ?? '')
  const came = who(route.portal)
  const isOutsider = portal !== undefined && came !== null && !isMember(came)
  const known = isOutsider ? null : came
  const asked = factsAt(facts, place.target)
  const trials = tryRules(policy, known, asked)
  const isRefused = decision.verdict === 'deny' && known !== null
  const unverified = isOutsider
    ? findUnverifiedMember(came, roles?.trusted ?? NO_TRUSTED_EMAILS, isMember)
    : isRefused
      ? findUnverifiedEmail(policy, known, asked)
      : null
  const described = {
    ...base,
    route: route.id,
    upstream: leadsTo(route, config),
    portal: route.portal,
    allow: allowText(route),
    roles: came === null || roles === null ? [] : roles.of(came),
    granted: granted.map(({ role, untilMs }) => {
      return { role, until: untilMs === null ? null : new Date(untilMs).toISOString() }
    }),
    rules: trials.map(trial => explainTrial(route, trial)),
    needs:
      decision.reason === 'member.none' && portal !== undefined
        ? came !== null && !canComeTo(portal, came)
          ? `a sign-in by ${portal.providers.join(' or ')}`
          : describeMembers(portal)
        : tellNeeds(route, decision, trials, known !== null),
    groups: isOutsider
      ? tellComing(portal, came)
      : isRefused
        ? groupsIn(config, route, known, reasonsOf(decision.reason, trials))
        : null,
  }
  if (barrier !== null) {
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

function groupsIn({ portals }: Config, route: RouteConfig, who: Identity, reasons: readonly Reason[]): string | null {
  return tellGroups(route, portals.get(route.portal ?? '')?.roles ?? new Map(), who, reasons)
}

/** A user who is refused by `deny` lacks nothing that a rule of `allow` needs. */
function reasonsOf(reason: Reason, trials: readonly Trial[]): readonly Reason[] {
  if (reason === 'rule.denied') return [reason]
  return [reason, ...trials.flatMap(({ missing }) => missing.map(one => one.reason))]
}

/** The addresses of the upstream, or what answers in its place. */
export function leadsTo({ upstream, answer }: RouteConfig, { server }: Config): readonly string[] {
  if (upstream !== null) {
    const addresses = upstream.addresses.map(one =>
      one.kind === 'unix' ? `unix:${one.path}` : `${one.scheme}://${one.authority}${one.basePath}`,
    )
    return answer?.kind === 'files' ? [`files in ${answer.folder}, else`, ...addresses] : addresses
  }
  if (answer === null) return []
  if (answer.kind === 'verify')
    return [`the proxy in front, which asks at ${server.verify.map(addressText).join(' or ')} (verify)`]
  return [answer.kind === 'files' ? `files in ${answer.folder}` : `${answer.kind} with status ${answer.status}`]
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
  if (own === undefined && tls.acme !== null && isCovered(host, new Set(tls.acme.names)))
    return `a certificate for ${host} from ${tls.acme.directory}`
  const shown = own ?? tls.certificates[0]
  if (shown === undefined) return 'no certificate'
  const what = `the certificate for ${shown.names.join(', ') || 'no host'}, until ${new Date(shown.expiresAtMs).toISOString().slice(0, 10)}`
  return own === undefined ? `${what}, which is not for ${host}` : what
}

function whoText(identity: Identity | null): string {
  if (identity === null) return 'not signed in'
  if (identity.isGuest === true) return 'a guest, by a link for this address'
  const groups = identity.groups.length === 0 ? '' : `, groups ${identity.groups.join(' ')}`
  return `${identity.subject}${identity.email === null ? '' : ` <${identity.email}>`}${groups}`
}

/** Who may pass, in a few words. */
export function allowText({ allow, deny, methods }: RouteConfig): string {
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

interface ExplainTools {
  inForce(): Config
  readonly grants: Pick<GrantStore, 'list'>
  now(): number
}

/** Null for what is no address, or of a route that is another portal's. */
type ExplainRequest = (portal: string, asked: AskedRequest) => Promise<RequestExplained | null>

/** Explains by the file in force. What is compiled for it is kept until there is another. */
export function createExplainRequest({ inForce, grants, now }: ExplainTools): ExplainRequest {
  const judges = new WeakMap<Config, Judge>()

  function judgeOf(config: Config): Judge {
    const known = judges.get(config)
    if (known !== undefined) return known
    const made = createJudge(config)
    judges.set(config, made)
    return made
  }

  return async (portal, { address, method, client, session }) => {
    const config = inForce()
    const url = URL.parse(address)
    if (url === null || !/^https?:$/.test(url.protocol)) return null
    const sent = parseAskedAddress(address.split('#')[0] ?? address)
    const question = {
      url,
      sent: sent.ok ? sent.value : undefined,
      identity: session?.identity ?? null,
      grants: new Map([[portal, (await grants.list(portal)).grants]]),
      facts: {
        method,
        client: client === null ? null : canonicalAddress(client),
        nowMs: now(),
        signedInAtMs: session?.createdAtMs ?? null,
      },
    }
    const explained = explain(config, question, judgeOf(config))
    const isOther = explained.portal !== portal && !(explained.portal === null && config.portals.size === 1)
    return explained.route !== null && isOther ? null : explained
  }
}
