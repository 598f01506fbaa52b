/** The doctor's question to each application: does it accept the Host and the Origin that it will get? */

import type { Ports } from '../../base/ports.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import type { RefusalView } from '../../portal/admin/overview.ts'
import { entrances } from '../../server/applications/known-refusals.ts'
import { FORWARDED_FOR, findRefusal, speaksGrpc } from '../../server/applications/refusal.ts'
import { type Finding, good, type Section, warning } from './finding.ts'

/** So many are asked at a time. */
const AT_ONCE = 16

/**
 * Whether applications take the Host and Origin that their routes send: each is asked once for every host by which people come, where its
 * route is the widest.
 */
export async function examineApplications(config: Config, ports: Pick<Ports, 'ask' | 'random'>): Promise<Section> {
  const routes = entrances(config.routes)
  const findings: Finding[] = []
  let taken = 0
  for (let start = 0; start < routes.length; start += AT_ONCE) {
    const some = routes.slice(start, start + AT_ONCE)
    const found = await Promise.all(some.map(route => findRefusal(route, config, ports, { isUnsafe: true })))
    const calls = await Promise.all(some.map(route => speaksGrpc(route, ports)))
    for (const [index, route] of some.entries()) {
      const one = found[index]
      if (calls[index]) findings.push(carriesNoGrpc(route))
      else if (one?.kind === 'taken') taken++
      else if (one !== undefined && one.kind !== 'silent') findings.push(refused(route, one))
    }
  }
  if (taken > 0) {
    const what =
      taken === 1
        ? 'one application refuses neither the Host nor the Origin of its route'
        : `${taken} applications refuse neither the Host nor the Origin of their routes`
    findings.unshift(good(what))
  }
  return { about: 'applications', findings }
}

function carriesNoGrpc({ id }: RouteConfig): Finding {
  return warning(
    `the application of "${id}" speaks gRPC, which does not pass`,
    'let a proxy in front carry gRPC and ask here who may call (verify in [server]), or call by gRPC-Web; pages and other requests pass',
  )
}

const TRUSTS_NO_PROXY =
  'name the address that Sallyport comes from among the proxies that it trusts, in its own settings (Home Assistant: use_x_forwarded_for and trusted_proxies of http); it answers without that field'

function refused({ id }: RouteConfig, { kind, status, words, sent, keys }: RefusalView): Finding {
  const said = words === '' ? '' : `: “${words}”`
  const what = kind === 'page' ? `${sent} with ${status}` : `a WebSocket with ${sent}, with ${status}`
  if (sent === FORWARDED_FOR) return warning(`the application of "${id}" refuses ${what}${said}`, TRUSTS_NO_PROXY)
  const hint =
    keys.length > 0
      ? `name it in its own settings, or write ${keys.join(' and ')} into the route, which it takes`
      : 'if the answer is about the user, nothing is wrong: this test is not signed in. Otherwise look at the application’s settings for hosts and trusted proxies, and at host_header and origin of the route'
  return warning(`the application of "${id}" refuses ${what}${said}`, hint)
}
