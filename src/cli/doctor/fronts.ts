import type { Ports } from '../../base/ports.ts'
import type { Config } from '../../config/types/config.ts'
import type { RouteConfig } from '../../config/types/routes.ts'
import { examineAsking } from './asking.ts'
import { examineClientAddress } from './client-address.ts'
import { bad, type Finding, good, type Section, warning } from './finding.ts'
import { examineHandOver } from './hand-over.ts'
import { answersAsSallyport, hear } from './hear.ts'

/** A name that no portal has: whoever makes Sallyport believe it takes the host from its client. */
const NOBODYS_HOST = 'doctor.invalid'

export interface Place {
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
        `whoever is in ${network} may ask for verdicts, and state any host, path and address`,
        "name your proxy's own address in trusted_proxies, in place of the network that it is in",
      ),
    )
}

/** Where people come by a proxy, as far as the file says: portals of their own, and applications of a proxy in front. */
export function placesOf({ portals, routes }: Config): readonly Place[] {
  const places = new Map<string, Place>()
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
  { origin, asked }: Place,
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
        'where this machine is no proxy, let yours write X-Forwarded-Host anew; what it trusts must not hold clients',
      ),
    )
  }
  if (findings.some(({ grade }) => grade !== 'unseen')) return findings
  return [good(`${origin} leads to Sallyport, and names its own host`), ...findings]
}
