import type { Explanation } from '../server/forecast/explain.ts'

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
    groups,
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
  if (groups !== null) rows.push(['groups', groups])
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
