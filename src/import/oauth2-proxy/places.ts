import { parseHostPattern } from '../../config/values/host.ts'
import { STAND_IN_HOST } from '../blanks.ts'
import { type Context, note } from './context.ts'
import { readUpstreams, type Service } from './upstreams.ts'

/** Where the routes of the new file are, before their rules are known. */
export interface Places {
  /** One, unless a proxy in front has the applications: then those that the file names. */
  readonly hosts: readonly string[]
  /** The portal's own address, where it served other hosts, or has a port of its own; null: it is on the application's host. */
  readonly portalUrl: string | null
  readonly services: readonly Service[]
  /** Whether a proxy in front asked about each request, and has the application itself. */
  readonly isAsked: boolean
}

/** Options that name hosts to which people were led back, or with which a session was shared. */
const COOKIES = ['cookie_domains', 'cookie_domain']
const SHARED = ['whitelist_domains', ...COOKIES]

/** What was protected, and on which host: the file says the first, and sometimes the second. */
export function findPlaces(context: Context): Places {
  const { options, blanks, host: stated } = context
  const services = readUpstreams(context)
  const isAsked = services.every(({ kind }) => kind === 'none')
  const [, scheme, redirectHost, port = ''] =
    /^(https?):\/\/([^/:?#]+)(:\d+)?/.exec(options.text('redirect_url') ?? '') ?? []
  const own = redirectHost === undefined ? null : blanks.literal(redirectHost)
  // One oauth2-proxy before many hosts shares its cookie; where a proxy asked, it was enough that people were led back.
  const isShared = own !== null && (isAsked ? SHARED : COOKIES).some(options.has)
  const hasUrl = isShared || (isAsked && own !== null && port !== '' && port !== USUAL_PORTS[scheme ?? ''])
  note(
    context,
    'kept',
    'redirect_url',
    hasUrl ? 'url and callback_path of the portal' : 'the host of the routes, and callback_path',
  )
  if (own === null && !isAsked) {
    const say = 'any host was served there; here one that no route names is 404'
    context.notes.add('changed', 'redirect_url', null, say)
  }
  const known = stated !== null ? [stated] : isShared ? namedHosts(context, own) : own === null ? [] : [own]
  return {
    hosts:
      known.length > 0
        ? known
        : [blanks.add('APP_HOST', 'the host by which people reach the application; --host writes it', STAND_IN_HOST)],
    portalUrl: hasUrl ? `${scheme}://${own}${port}` : null,
    services,
    isAsked,
  }
}

const USUAL_PORTS: Readonly<Record<string, string>> = { http: ':80', https: ':443' }

/**
 * Hosts that `whitelist_domains` and `cookie_domains` name; a domain with a dot before it is every host below it. The portal's own one
 * is named beside that: no wildcard is for it, and an application may be there too.
 */
function namedHosts(context: Context, own: string): readonly string[] {
  const found = new Set<string>()
  for (const option of SHARED) {
    for (const entry of context.options.list(option)) {
      // A cookie is for every host below its domain, with a dot before it or without.
      const isBelow = /^\*?\./.test(entry) || option !== 'whitelist_domains'
      const name = entry.replace(/^\*?\./, '').replace(/:(?:\d+|\*)$/, '')
      const host = parseHostPattern(isBelow ? `*.${name}` : name)
      if (host.ok) found.add(host.value)
    }
  }
  const names = [...found]
  const isCovered = (name: string) => names.some(other => other.startsWith('*.') && name.endsWith(other.slice(1)))
  const hosts = names.filter(name => name.startsWith('*.') || !isCovered(name)).sort()
  if (isCovered(own)) hosts.push(own)
  if (hosts.some(name => name.startsWith('*.'))) {
    const say = `a route each for ${hosts.join(' and ')}: name the hosts one by one where not all of them were protected`
    note(context, 'changed', 'whitelist_domains', say)
  }
  return hosts
}
