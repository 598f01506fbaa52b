/** Whether a proxy in front asks Sallyport first (forward auth, `auth_request`), and hands on what we need: address, host, whole requests. */

import { FORWARDED_FOR } from '../../base/client-address.ts'
import { compileNetworks } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import { ownPath } from '../../portal/paths.ts'
import { bad, type Finding, good, type Section, unseen, warning } from './finding.ts'
import { answersAsSallyport, type Heard, hear, switchesProtocol } from './http.ts'

/** A name that no portal has: a proxy that makes Sallyport believe it takes the host from its client. */
const NOBODYS_HOST = 'doctor.invalid'

export interface FrontProxy {
  readonly origin: string
  /** The routes there whose application a proxy in front has; none at a portal's own address. */
  readonly asked: readonly RouteConfig[]
}

/**
 * Whether proxies in front can be relied on: who may ask for verdicts, and, asked through them as a client would, whether they hand
 * Sallyport's own pages on, keep verdicts to themselves, say which host was asked for by what they chose it by, and where the client is.
 *
 * What a proxy believes of this machine it may not believe of others: where it takes our word, that is a warning.
 */
export async function examineFronts(config: Config, ports: Pick<Ports, 'ask'>): Promise<Section> {
  const about = 'proxies in front'
  const { trustedProxies } = config.server
  if (trustedProxies.length === 0) return { about, findings: [] }
  const found = await Promise.all(placesOf(config).map(place => examinePlace(place, config, ports)))
  return { about, findings: [...examineRanges(config), ...found.flat()] }
}

function examineRanges({ server, routes }: Config): readonly Finding[] {
  if (!routes.some(({ answer }) => answer?.kind === 'verify')) return []
  return server.trustedProxies
    .filter(network => !/^(?:[0-9.]+\/32|[0-9a-f:]+\/128)$/.test(network))
    .map(network =>
      warning(
        `a client in ${network} may ask for verdicts, and state any host, path and address`,
        "name your proxy's own address in trusted_proxies, in place of the network that it is in",
      ),
    )
}

/** Where people come by a proxy, as far as the file says: portals of their own, and applications of a proxy in front. */
export function placesOf({ portals, routes }: Config): readonly FrontProxy[] {
  const places = new Map<string, FrontProxy>()
  for (const { url } of portals.values()) {
    if (url !== null) places.set(url.host, { origin: `${url.scheme}://${url.authority}`, asked: [] })
  }
  for (const route of routes) {
    const { host, answer, portal: name } = route
    const portal = name === null ? undefined : portals.get(name)
    if (answer?.kind !== 'verify' || portal === undefined || host.startsWith('*.')) continue
    const scheme = portal.url?.scheme ?? (portal.insecureCookies ? 'http' : 'https')
    const port = portal.url === null ? '' : portal.url.authority.slice(portal.url.host.length)
    const asked = [...(places.get(host)?.asked ?? []), route]
    places.set(host, { origin: `${scheme}://${host}${port}`, asked })
  }
  return [...places.values()]
}

async function examinePlace(
  { origin, asked }: FrontProxy,
  config: Config,
  ports: Pick<Ports, 'ask'>,
): Promise<readonly Finding[]> {
  const isPortal = asked.length === 0
  // Of a portal's own address this is said where portals are looked at.
  if (isPortal && !(await answersAsSallyport(origin, ports))) return []
  const [handOver, asking, addresses, misled, verdict] = await Promise.all([
    isPortal ? null : examineHandOver(origin, ports),
    examineAsking(origin, asked, ports),
    examineClientAddress(origin, config, ports),
    hear(`${origin}/.sallyport/jwks.json`, ports, { 'x-forwarded-host': NOBODYS_HOST }),
    hear(`${origin}/.sallyport/verify`, ports),
  ])
  // A field with two addresses has everything refused.
  if (handOver !== null) return addresses.length > 0 ? addresses : [handOver, ...asking]
  const findings: Finding[] = [...asking, ...addresses]
  if (verdict !== null && verdict.status !== 404) {
    findings.push(
      bad(
        `${origin} gives verdicts to clients`,
        'let the proxy in front hand /.sallyport/ on to listen of [server], not to verify: a script of a page could read them',
      ),
    )
  }
  if (misled?.isKeySet === false) {
    findings.push(
      warning(
        `${origin} believes this machine when it names another host in X-Forwarded-Host`,
        'if this machine is no proxy, let your proxy overwrite X-Forwarded-Host; it must not trust networks of clients',
      ),
    )
  }
  if (findings.some(({ grade }) => grade !== 'unseen')) return findings
  return [good(`${origin} leads to Sallyport, and names its own host`), ...findings]
}

/** Where proxies say the client's address: a proxy that believes its client in one of them may say that in another. */
const FIELDS = [
  'X-Forwarded-For',
  'X-Real-IP',
  'CF-Connecting-IP',
  'True-Client-IP',
  'Fly-Client-IP',
  'X-Client-IP',
  'Forwarded',
]

/** For documentation (RFC 5737): no client has it. */
const FORGED = '192.0.2.66'

/**
 * Whether the proxy in front of a host sends the client's address in the configured field (`client_address`), and
 * whether a client can forge it, in that field or in one that the proxy believes.
 *
 * A client's own field that passes unchanged shows itself: without it there is no address at all.
 */
async function examineClientAddress(
  origin: string,
  { server: { clientAddress: counts, trustedProxies } }: Pick<Config, 'server'>,
  { ask }: Pick<Ports, 'ask'>,
): Promise<readonly Finding[]> {
  const address = origin + ownPath('address')
  const plain = await hear(address, { ask })
  if (plain === null) return []
  const { client, server } = plain
  if (plain.code === 'target.header') {
    return [
      bad(
        `the proxy in front of ${origin} says more than one address in ${counts}, which is refused`,
        `let it overwrite ${counts}, with one value; or name another field in client_address of [server]`,
      ),
    ]
  }
  // Something else answers, or a Sallyport that does not tell yet.
  if (client === undefined) return []
  const fields = [counts, ...FIELDS.filter(field => field.toLowerCase() !== counts.toLowerCase())]
  const heard = await Promise.all(fields.map(field => hear(address, { ask }, { [field]: forgedIn(field) })))
  const believed = fields.filter((_, index) => heard[index]?.client === FORGED)
  if (client !== null) {
    const isTrusted = compileNetworks(trustedProxies).has(client)
    return believed.map(field =>
      isTrusted && isList(field) && isList(counts)
        ? unseenFrom(client, address)
        : warning(
            `${origin} believes this machine when it says another address in ${field}`,
            `let your proxy overwrite ${counts} from the connection; if it trusts some clients, check that this answers no ${FORGED} from other places: curl -H "${field}: ${forgedIn(field)}" ${address}`,
          ),
    )
  }
  if (believed.length === 0) return [unsaid(origin, counts)]
  const what = `a client of ${origin} can claim any address in ${believed.join(', ')}: the proxy in front does not overwrite ${counts}`
  // Without a proxy in between, this machine is one that may say it.
  return [(server === '' ? warning : bad)(what, `${MEND}, and run doctor again`)]
}

/**
 * A list that continues after a trusted address: it looks the same whether the proxy believes its client, or Sallyport
 * believes this machine.
 */
function unseenFrom(client: string, address: string): Finding {
  return unseen(
    `whether strangers can say another address in X-Forwarded-For does not show from ${client}, which is in trusted_proxies`,
    `see from another machine that this answers no ${FORGED}: curl -H "X-Forwarded-For: ${FORGED}" ${address}`,
  )
}

function isList(field: string): boolean {
  return field.toLowerCase() === FORWARDED_FOR
}

const MEND =
  'let it set the field (nginx: proxy_set_header X-Forwarded-For $remote_addr;), or name the one that it does set in client_address of [server], as in "X-Real-IP"'

function unsaid(origin: string, counts: string): Finding {
  const what = `the proxy in front of ${origin} says no address in ${counts}: no rule with networks lets anybody in, and all its clients share one limit`
  return warning(what, MEND)
}

function forgedIn(field: string): string {
  return field === 'Forwarded' ? `for=${FORGED}` : FORGED
}

const OWN = '/.sallyport/'

/**
 * Whether what is below `/.sallyport/` of an application's host is handed on to Sallyport as it is; null where it is, else which part of
 * the proxy in front is missing.
 */
async function examineHandOver(origin: string, ports: Pick<Ports, 'ask'>): Promise<Finding | null> {
  const heard = await hear(`${origin}${OWN}jwks.json`, ports)
  if (heard?.isKeySet === true) return null
  const what = `no Sallyport answers below ${origin}${OWN}`
  if (heard === null) {
    return warning(`${what}: nothing answers at all`, 'start the proxy in front, and check its name and port')
  }
  switch (heard.code) {
    case 'route.own':
      return bad(
        `${origin}${OWN} comes to verify of [server], as a question or handed on, and not to listen`,
        `${rule(heard)}, before the part that asks`,
      )
    case 'route.none':
      return bad(
        `Sallyport is reached below ${origin}${OWN}, but by another host: Host does not arrive`,
        'let the proxy in front pass Host on as its client sent it (nginx: proxy_set_header Host), or write it into X-Forwarded-Host',
      )
    case null:
      return bad(`${what}: something else answers, with ${heard.status}`, `${rule(heard)}, before anything else`)
    default:
      return bad(`${what}, but a refusal (${heard.code})`, `"sallyport help ${heard.code}" says what it means`)
  }
}

/** What hands Sallyport's own pages on, in the words of the server that answered. */
function rule({ server }: Heard): string {
  if (server.includes('nginx')) return 'add location /.sallyport/ with proxy_pass to listen of [server]'
  if (server.includes('caddy')) return 'add handle /.sallyport/* with reverse_proxy to listen of [server]'
  if (server.includes('envoy'))
    return 'add a route with prefix /.sallyport/ to listen of [server], where ext_authz is off'
  return 'hand /.sallyport/ on to listen of [server] (HAProxy: use_backend with path_beg; Traefik: a router with a priority above all others)'
}

/**
 * Whether the proxy in front asks about a host's pages as it should, seen by someone who is not signed in: one page that is closed to them,
 * and one that is open, of those that the file has.
 */
async function examineAsking(
  origin: string,
  routes: readonly RouteConfig[],
  ports: Pick<Ports, 'ask'>,
): Promise<readonly Finding[]> {
  const closed = routes.find(isClosed)
  const open = routes.find(({ allow }) => allow.kind === 'public')
  const found = await Promise.all(
    [closed, open].map(async route => {
      if (route === undefined) return null
      const address = origin + route.path
      const heard = await hear(address, ports)
      if (heard === null) return null
      return whatIsWrong(address, heard) ?? (route === closed ? unasked(address, heard) : null)
    }),
  )
  // One cause shows on both.
  const [first] = found.filter(finding => finding !== null)
  if (first !== undefined) return [first]
  return open !== undefined && (await switchesProtocol(origin + open.path, ports))
    ? [unheldBack(origin + open.path)]
    : []
}

/** The proxy in front lets a client open HTTP/2 to an application by Upgrade. */
export function unheldBack(address: string): Finding {
  return bad(
    `${address} lets a client open another protocol to the application (Upgrade: h2c): the proxy does not ask about requests inside it`,
    'let the proxy in front pass Upgrade on for WebSockets alone, by the lines about Upgrade in its file of docs/recipes',
  )
}

/** Whether an anonymous client is refused. */
function isClosed({ allow }: RouteConfig): boolean {
  if (allow.kind === 'public') return false
  return allow.kind !== 'rules' || !allow.rules.some(({ isAnonymous }) => isAnonymous)
}

/** What Sallyport's own refusals say of the question. */
function whatIsWrong(address: string, { code, status }: Heard): Finding | null {
  switch (code) {
    case 'route.none':
    case 'target.host':
      return bad(
        `the proxy in front asks about another host or path than ${address}: the one asked for does not arrive`,
        'let it state the host by which it chose the application (nginx: X-Original-URL with $host; others: X-Forwarded-Host), and the path as it came',
      )
    case 'target.malformed':
      return bad(
        `the proxy in front does not state the request when it asks about ${address}`,
        'let it send X-Forwarded-Method and X-Forwarded-Uri (nginx: X-Original-Method and X-Original-URL)',
      )
    case 'access.proxy':
      return bad(
        `the proxy in front may not ask about ${address}`,
        'name the address that it comes from in trusted_proxies of [server]',
      )
    default:
      return status < 500
        ? null
        : bad(
            `${address} answers ${status}`,
            'see that the proxy in front reaches verify of [server], and that the application runs; its own log says which it is',
          )
  }
}

/** What is wrong where a closed page is answered by something that had no verdict. */
function unasked(address: string, { code, status, location }: Heard): Finding | null {
  const hint =
    'let the proxy in front ask for everything below the host (auth_request, forward_auth, http-request lua.sallyport)'
  if (code !== null || status === 401 || status === 403 || location !== '') return null
  return status < 300
    ? bad(`${address} is open to everybody: the application answers without a verdict`, hint)
    : warning(`${address} answers ${status}, which is no verdict of Sallyport`, hint)
}
