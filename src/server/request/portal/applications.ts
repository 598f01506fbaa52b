import type { RouteConfig } from '../../../config/resolve/routes.ts'
import { decidePolicy } from '../../../policy/policy.ts'
import { ownPath } from '../../../portal/place.ts'
import type { Application } from '../../../portal/portal.ts'
import { upstreamHealth } from '../../../proxy/upstream/health-status.ts'
import type { Session } from '../../../session/session.ts'
import type { GatePortal } from '../../config/snapshot.ts'
import { type Passage, schemeOf } from '../passage.ts'
import { requestFacts } from '../policy-input.ts'

/**
 * What this person may open at this portal, in the order of the file: decided by the gate's own rules, for a page load from
 * where they are now. What only a newer sign-in is missing for is there too.
 *
 * Several routes of one host are one application, at the shortest path, unless the file tells them apart; one table is one
 * application, at the first of its addresses, and without a name one for each of its hosts.
 */
export function applicationsOf(passage: Passage, portal: GatePortal, session: Session): readonly Application[] {
  const facts = requestFacts(passage, session)
  const open = passage.snapshot.routes.filter(({ config, policy, portal: own }) => {
    if (own !== portal || config.host.startsWith('*.')) return false
    const target = { path: config.path, readings: [], query: '' }
    const { verdict } = decidePolicy(policy, session.identity, { ...facts, method: 'GET', target })
    return verdict === 'allow' || verdict === 'step-up'
  })
  const whole = open.filter(({ config }) => !config.isExact && config.when === null)
  const byAddress = new Map(whole.map(({ config }) => [config.host + config.path, config]))
  const scheme = schemeOf(passage)
  const port = passage.target?.authority.slice(passage.target.host.length) ?? ''
  const shown = new Set<string>()
  return open
    .filter(route => !route.config.app.isHidden && !isPart(route.config, byAddress))
    .filter(({ config }) => {
      const own = config.app.isNamed ? config.firstId : `${config.host} ${config.firstId}`
      return shown.size < shown.add(own).size
    })
    .map(({ config, upstream }) => ({
      name: config.name,
      address: `${scheme}://${config.host}${port}${config.path}`,
      description: config.app.description,
      group: config.app.group,
      icon: config.app.icon === null ? null : `${ownPath('icons')}/${config.app.icon.hash}`,
      health: upstream === null ? null : upstreamHealth(upstream, passage.startedMs),
    }))
}

/** Whether a route belongs to the application of one above it that this person may open, or is a single address. */
function isPart(
  { host, path, isExact, when, name, app }: RouteConfig,
  byAddress: ReadonlyMap<string, RouteConfig>,
): boolean {
  if ((isExact || when !== null) && !app.isNamed) return true
  for (let at = path; at !== '/'; ) {
    at = at.slice(0, at.lastIndexOf('/')) || '/'
    const above = byAddress.get(host + at)
    if (above !== undefined && (!app.isNamed || (above.app.isNamed && above.name === name))) return true
  }
  return false
}
