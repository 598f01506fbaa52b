/** `sallyport guests`: makes, lists and revokes guest links on the command line. */

import type { GuestLinksConfig } from '../config/keys/portals.ts'
import type { Config } from '../config/resolve/config.ts'
import type { RouteConfig } from '../config/resolve/routes.ts'
import { parseDuration } from '../config/values/duration.ts'
import { parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { compileWhen } from '../policy/request-conditions.ts'
import { describeLink, type LinkPlace, linkAddress, parseLinkPlace } from '../portal/account/guest-link-address.ts'
import { momentOf } from '../portal/layout/time.tsx'
import { EN } from '../portal/words/en.ts'
import { compileRouteTable } from '../route/table.ts'
import { parseTarget } from '../route/target.ts'
import { takesGuests } from '../server/config/compile.ts'
import type { HeldGuestLink } from '../session/credentials/guest-links.ts'
import type { OpenSessions } from '../session/open.ts'
import { type CredentialCommand, Mistake, runCredentials } from './credentials.ts'
import type { StorePorts } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport guests create --url ADDRESS --name N [--uses 1] [--expires 1d]
       sallyport guests list [--json]
       sallyport guests revoke ID

Makes, lists and revokes guest links. A guest link opens one host and path without a sign-in, if a rule of routes.toml has
guest_link = true. On a running server links work at once, and close within a second when they are revoked.
An argument with a dot or a slash is the file, as with --config.
Exit code: 0 done, 1 the file or the store could not be read or no guest may go there, 2 for a wrong command line.

  create           makes a link, and shows it once
  --url ADDRESS    what it opens: this path and below
  --name N         the guest's name, for lists
  --uses 1         how many browsers can open it; at most max_uses of the portal
  --expires 1d     its lifetime; at most max_lifetime of the portal
  list             the valid links, newest first
  revoke ID        ends a link
  --json           as JSON, for scripts
  --config FILE    another file than routes.toml`,
  options: {
    json: { type: 'boolean' },
    config: { type: 'string', short: 'c' },
    url: { type: 'string' },
    name: { type: 'string' },
    uses: { type: 'string' },
    expires: { type: 'string' },
  },
  maxPositionals: 3,
} as const

/** What `create` was asked for, checked as far as it can be without the file. */
interface Wanted {
  readonly place: LinkPlace
  readonly name: string
  readonly uses: number
  readonly lifetimeMs: number
}

const COMMAND: CredentialCommand<Values, Wanted, HeldGuestLink> = {
  made: 'guest.made',
  revoked: 'guest.revoked',
  fact: 'link',
  usage: USAGE.text,
  one: 'guest link',
  many: 'guest links',
  member: 'link',
  head: ['ID', 'FOR', 'OPENS', 'MADE BY', 'USED', 'UNTIL'],
  rowOf: ({ session, grant, uses, used }) => [
    session.id,
    grant.name,
    `${grant.host}${grant.path}`,
    grant.maker.name,
    `${used} of ${uses}`,
    momentOf(session.expiresAtMs, EN),
  ],
  untilOf: ({ expiresAtMs }) => momentOf(expiresAtMs, EN),
  describe: describeLink,
  list: ({ links }, portal) => links.list(portal),
  parseWanted,
  create,
}

/** `sallyport guests`: answers the exit code. */
export async function runGuests(argv: readonly string[], io: Io, ports: StorePorts): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  return parsed.ok ? runCredentials(COMMAND, parsed, io, ports) : parsed.exitCode
}

interface Values {
  readonly config?: string | undefined
  readonly json?: boolean | undefined
  readonly url?: string | undefined
  readonly name?: string | undefined
  readonly uses?: string | undefined
  readonly expires?: string | undefined
}

function parseWanted({ url, name, uses: stated = '1', expires = '1d' }: Values): Wanted {
  if (!url) throw new Mistake('set --url: the address that the link opens')
  if (!name) throw new Mistake('say --name: who it is for')
  const place = parseLinkPlace(url)
  if (place === null) throw new Mistake(`--url: ${url} is no address of a page, or cannot be read in one way only`)
  const uses = Number(stated)
  if (!Number.isInteger(uses) || uses < 1) throw new Mistake('--uses is a number from 1')
  const lifetime = parseDuration(expires)
  if (!lifetime.ok) throw new Mistake(`--expires: ${lifetime.message} (${lifetime.hint})`)
  if (lifetime.value === 0) throw new Mistake('--expires is more than nothing')
  return { place, name, uses, lifetimeMs: lifetime.value }
}

async function create(
  config: Config,
  sessions: OpenSessions,
  { place, name, uses, lifetimeMs }: Wanted,
): Promise<{ readonly held: HeldGuestLink; readonly secret: string } | string> {
  const { host, path, landing } = place
  const route = routeAt(config, place)
  const limits = route === null ? null : linksAt(config, route)
  if (route === null || route.portal === null || limits === null) {
    const hint = 'a rule of the route has to say so: allow = ["user", { guest_link = true }]'
    return `no guest may go to ${host}${path}: ${hint}`
  }
  if (uses > limits.maxUses) return `the portal lets a link be used ${limits.maxUses} times at most: max_uses`
  if (lifetimeMs > limits.maxLifetimeMs) return 'the portal lets no link last so long: max_lifetime'
  const { portal } = route
  const { text, held } = await sessions.links.create({ portal, name, host, path, landing, uses, lifetimeMs, by: null })
  return { held, secret: linkAddress(place.origin, text) }
}

/** The one route that an address is of, by every reading of its path. */
function routeAt({ routes }: Config, { host, path }: LinkPlace): RouteConfig | null {
  const table = compileRouteTable(
    routes.map(route => {
      const { isExact, isOneLabel, ignoresCase, when: asked } = route
      const when = asked === null ? null : compileWhen(asked)
      return { host: route.host, path: route.path, isExact, isOneLabel, ignoresCase, when, value: route }
    }),
  )
  const match = table.match(parseTarget('GET', `http://host${path}`, host))
  return match === null || match.also.length > 0 ? null : match.value
}

function linksAt({ portals }: Config, route: RouteConfig): GuestLinksConfig | null {
  return takesGuests(route) ? (portals.get(route.portal ?? '')?.guestLinks ?? null) : null
}
