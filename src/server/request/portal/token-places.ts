import { decidePolicy } from '../../../policy/policy.ts'
import type { TokenPlace } from '../../../portal/portal.ts'
import { withoutSignIn } from '../../../session/credentials/owners.ts'
import type { Session } from '../../../session/session.ts'
import type { GatePortal } from '../../config/snapshot.ts'
import { type Passage, schemeOf } from '../passage.ts'
import { requestFacts } from '../policy-input.ts'

/**
 * Where a token of this person would be taken, in the order of the file: decided by the gate's own rules, for whoever shows no sign-in,
 * from where they are now and by a method that the route takes.
 */
export function tokenPlacesOf(passage: Passage, portal: GatePortal, session: Session): readonly TokenPlace[] {
  const scheme = schemeOf(passage)
  const port = passage.target?.authority.slice(passage.target.host.length) ?? ''
  const identity = withoutSignIn(session.identity)
  const facts = requestFacts(passage, null)
  return passage.snapshot.routes
    .filter(({ config, policy, portal: own }) => {
      if (own !== portal || !config.tokens) return false
      const method = config.methods?.includes('GET') === false ? (config.methods[0] ?? 'GET') : 'GET'
      const target = { path: config.path, readings: [], query: '' }
      return decidePolicy(policy, identity, { ...facts, method, target }).verdict === 'allow'
    })
    .map(({ config: { host, path } }) => ({
      place: path === '/' ? host : host + path,
      address: host.startsWith('*.') ? null : `${scheme}://${host}${port}${path}`,
    }))
}
