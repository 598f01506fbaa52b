/** Holds a file against its own `[[expect]]` tables. */

import { freezeDeep } from '../../base/freeze.ts'
import type { CheckResult } from '../../config/check.ts'
import type { Expectation, ExpectedPerson } from '../../config/keys/expect.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { Diagnostic } from '../../config/text/diagnostic.ts'
import { type Identity, makeIdentity } from '../../identity/identity.ts'
import { REASONS } from '../../policy/reasons.ts'
import { type Explanation, explain } from './explain.ts'
import { createJudge, type Judge } from './judge.ts'

/** The result of an expectation; `broken` is null where it is met. */
interface Met {
  readonly expectation: Expectation
  readonly broken: { readonly message: string; readonly hint: string } | null
}

/**
 * Returns a file unchanged if it meets its expectations; otherwise with a mistake for each broken one, so that it is
 * refused.
 *
 * It judges by `explain`. Neither granted roles in a session store nor the present time matter: the same file always
 * has the same result.
 */
export function holdExpectations(result: CheckResult): CheckResult {
  if (!result.ok || result.config.expectations.length === 0) return result
  const { config, warnings, expectedAt, fingerprint, texts, files } = result
  const broken = meetExpectations(config).flatMap(({ broken: why }, index): Diagnostic[] => {
    const place = expectedAt[index]
    if (why === null || place === undefined) return []
    return [{ severity: 'error', code: 'expect.broken', ...why, path: `expect[${index}].verdict`, ...place }]
  })
  if (broken.length === 0) return result
  return freezeDeep<CheckResult>({ ok: false, diagnostics: [...warnings, ...broken], fingerprint, texts, files })
}

/** Every expectation of a file, with its result. */
function meetExpectations(config: Config): readonly Met[] {
  const judge = createJudge(config)
  return config.expectations.map(expectation => ({ expectation, broken: whyBroken(config, expectation, judge) }))
}

function whyBroken(config: Config, expectation: Expectation, judge: Judge): Met['broken'] {
  const { address, shownAs, method, who, ip: client, sent, atMs, signedInMs, verdict } = expectation
  const url = new URL(address.href)
  const place = judge.place(url, method, address)
  const routes = place.kind === 'route' ? [place.route, ...place.also] : []
  const timed = atMs === null && routes.some(route => judge.compiled(route).policy.needs.time)
  if (timed) {
    const message = `the result of ${shownAs} depends on the time`
    return { message, hint: 'say when: at = "2026-12-24T18:00:00Z"' }
  }
  const nowMs = atMs ?? 0
  const identity = who === null ? null : identityOf(who, config, routes[0]?.portal ?? null)
  const facts = { method, client, sent, nowMs, signedInAtMs: identity === null ? null : nowMs - signedInMs }
  const told = explain(config, { url, sent: address, identity, facts, roles: who?.roles ?? [] }, judge)
  if (told.verdict === verdict) return null
  return {
    message: `${shownAs} gets "${told.verdict}", not "${verdict}": ${whyText(told)}`,
    hint: 'fix the rules, or the expectation; sallyport explain tries every rule',
  }
}

/** In words that repeat nothing of the file: what is in it may have come from the environment. */
function whyText({ verdict, reason }: Explanation): string {
  const known = Object.entries(REASONS).find(([code]) => code === reason)
  if (known !== undefined) return known[1].why
  return verdict === 'no-route' ? 'no route has this host and path' : reason
}

const LISTS = new Set(['groups', 'amr'])

function identityOf(
  { provider, subject, email, groups, claims }: ExpectedPerson,
  config: Config,
  portal: string | null,
): Identity {
  const name = provider ?? config.portals.get(portal ?? '')?.providers[0] ?? ''
  const verified: Record<string, unknown> = {}
  if (email !== null) Object.assign(verified, { email, email_verified: true })
  if (groups.length > 0) verified.groups = groups
  for (const [claim, values] of claims) verified[claim] = values.length > 1 || LISTS.has(claim) ? values : values[0]
  return makeIdentity(name, config.providers.get(name)?.issuer ?? '', subject ?? 'someone', verified)
}
