import { decideAccess } from '../policy/policy.ts'
import type { PortalRequest } from '../portal/portal.ts'
import type { Session } from '../session/session.ts'
import { requestFacts } from './facts.ts'
import { originOf, type Passage, schemeOf } from './passage.ts'
import type { GatePortal } from './snapshot.ts'

/** This request as the portal sees it; null on a host that belongs to no portal. */
export function portalRequest(passage: Passage): PortalRequest | null {
  const { snapshot, target, portal } = passage
  if (portal === null || target === null) return null
  return {
    request: passage.request,
    target,
    origin: originOf(passage, target),
    clientAddress: passage.client,
    requestId: passage.id,
    portal: portal.config,
    providers: snapshot.config.providers,
    wantsAuthTime: portal.wantsAuthTime,
    session: passage.session,
    serves: host => snapshot.portals.lookup(host) === portal,
    rolesOf: session => portal.rolesOf(session.identity),
    applications: session => applicationsOf(passage, portal, session),
  }
}

function applicationsOf(passage: Passage, portal: GatePortal, session: Session): { name: string; address: string }[] {
  const scheme = schemeOf(passage)
  const port = passage.target?.authority.slice(passage.target.host.length) ?? ''
  const applications: { name: string; address: string }[] = []
  const facts = { ...requestFacts(passage, session), method: 'GET' }
  for (const { config, policy, portal: own } of passage.snapshot.routes) {
    if (own !== portal || config.host.startsWith('*.')) continue
    const { verdict } = decideAccess(policy, session.identity, facts)
    if (verdict !== 'allow' && verdict !== 'step-up') continue
    applications.push({ name: config.name, address: `${scheme}://${config.host}${port}${config.path}` })
  }
  return applications
}
