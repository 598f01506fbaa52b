/** `sallyport tokens`: makes, lists and revokes API tokens on the command line. */

import type { Config } from '../config/resolve/config.ts'
import type { PortalConfig } from '../config/resolve/portals.ts'
import type { UsersConfig } from '../config/resolve/providers.ts'
import type { Parsed } from '../config/text/diagnostic.ts'
import { parseDuration } from '../config/values/duration.ts'
import { parseMethod } from '../config/values/headers.ts'
import { parseHost } from '../config/values/host.ts'
import { HTPASSWD } from '../config/values/htpasswd.ts'
import { parseNetwork } from '../config/values/listen.ts'
import { parsePath } from '../config/values/path.ts'
import { parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { type Identity, makeIdentity } from '../identity/identity.ts'
import { isOwnSubject, OWN_SUBJECTS } from '../identity/own-subjects.ts'
import { passwordUsers, userNameOf, vouchedBy } from '../identity/passwords/users.ts'
import { dateOf } from '../portal/layout/time.tsx'
import type { ApiTokenLimits, HeldApiToken } from '../session/credentials/api-tokens.ts'
import type { OpenSessions } from '../session/open.ts'
import { type CredentialCommand, Mistake, runCredentials } from './credentials.ts'
import type { StorePorts } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport tokens create --name N --portal P (--service NAME | --subject SUB) [options]
       sallyport tokens list [--json]
       sallyport tokens revoke ID

Makes, lists and revokes API tokens for scripts and apps, on routes with tokens = true. On a running server they work at once, and
stop at once when they are revoked.
An argument with a dot or a slash is the file, as with --config.
Exit code: 0 done, 1 the file or the store could not be read or there is no such portal, role or token, 2 for a wrong command line.

  create            makes a token, and shows it once
  --name N          the token's name, for lists
  --portal P        the portal whose routes it is for
  --service NAME    a token for a service: its subject is token:NAME
  --subject SUB     a token for the user with this subject at the portal's provider
  --provider NAME   the provider, if the portal has several
  --roles a,b       the roles of the token, whatever roles the user has; without this, none
  --host H          only for this host
  --path /p         only for this path and below
  --methods GET,…   only for these methods
  --networks CIDR,… only from these networks
  --expires 90d     its lifetime, at most 3650d
  list              the valid tokens, newest first
  revoke ID         ends a token
  --json            as JSON, for scripts
  --config FILE     another file than routes.toml`,
  options: {
    json: { type: 'boolean' },
    config: { type: 'string', short: 'c' },
    name: { type: 'string' },
    portal: { type: 'string' },
    service: { type: 'string' },
    subject: { type: 'string' },
    provider: { type: 'string' },
    roles: { type: 'string' },
    host: { type: 'string' },
    path: { type: 'string' },
    methods: { type: 'string' },
    networks: { type: 'string' },
    expires: { type: 'string' },
  },
  maxPositionals: 3,
} as const

type Values = Readonly<
  Partial<Record<Exclude<keyof (typeof USAGE)['options'], 'json' | 'config'>, string | undefined>>
> & {
  readonly json?: boolean | undefined
  readonly config?: string | undefined
}

/** What `create` was asked for, checked as far as it can be without the file. */
interface Wanted {
  readonly name: string
  readonly portal: string
  readonly holder: { readonly service: string } | { readonly subject: string; readonly provider: string | null }
  readonly roles: readonly string[]
  readonly limits: ApiTokenLimits
  readonly lifetimeMs: number
}

const LONGEST_MS = 3650 * 24 * 60 * 60 * 1000

const COMMAND: CredentialCommand<Values, Wanted, HeldApiToken> = {
  made: 'token.made',
  revoked: 'token.revoked',
  fact: 'token',
  usage: USAGE.text,
  one: 'token',
  many: 'tokens',
  member: 'token',
  head: ['ID', 'NAME', 'PORTAL', 'FOR', 'ROLES', 'ONLY', 'UNTIL'],
  rowOf: ({ name, session, limits, restsAtMs }) => [
    session.id,
    name,
    session.portal,
    session.identity.subject,
    session.identity.roles?.join(',') ?? 'as theirs',
    limitsText(limits),
    restsAtMs === 0 ? 'at rest' : dateOf(session.expiresAtMs),
  ],
  untilOf: ({ expiresAtMs }) => dateOf(expiresAtMs),
  describe,
  list: ({ tokens }, portal) => tokens.list(portal),
  parseWanted,
  create,
}

/** `sallyport tokens`: answers the exit code. */
export async function runTokens(argv: readonly string[], io: Io, ports: StorePorts): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  return parsed.ok ? runCredentials(COMMAND, parsed, io, ports) : parsed.exitCode
}

function parseWanted(values: Values): Wanted {
  const { name, portal, service, subject, provider, roles, host, path, methods, networks, expires = '90d' } = values
  if (!name) throw new Mistake('say --name: what you will know it by')
  if (!portal) throw new Mistake('say --portal: whose routes it is for')
  if (!service === !subject) throw new Mistake('say --service or --subject, and one of the two')
  if (provider !== undefined && !subject) throw new Mistake('--provider says whose --subject it is')
  const lifetimeMs = checked('--expires', parseDuration(expires))
  if (lifetimeMs === 0 || lifetimeMs > LONGEST_MS) throw new Mistake('--expires is from 1ms to 3650d')
  return {
    name,
    portal,
    holder: service ? { service } : { subject: subject ?? '', provider: provider ?? null },
    roles: roles === undefined ? [] : listed('--roles', roles),
    limits: {
      host: host === undefined ? null : checked('--host', parseHost(host)),
      path: path === undefined ? null : checked('--path', parsePath(path)),
      methods:
        methods === undefined ? null : listed('--methods', methods).map(one => checked('--methods', parseMethod(one))),
      networks:
        networks === undefined
          ? null
          : listed('--networks', networks).map(one => checked('--networks', parseNetwork(one))),
    },
    lifetimeMs,
  }
}

function checked<T>(option: string, parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value
  throw new Mistake(`${option}: ${parsed.message}${parsed.hint === '' ? '' : ` (${parsed.hint})`}`)
}

/** An empty list would look like no limit to a reader, and is not what its author wanted. */
function listed(option: string, text: string): readonly string[] {
  const parts = text.split(',').map(part => part.trim())
  if (parts.includes('')) throw new Mistake(`${option} has an empty entry`)
  return parts
}

async function create(
  { portals, providers }: Config,
  sessions: OpenSessions,
  wanted: Wanted,
): Promise<{ readonly held: HeldApiToken; readonly secret: string } | string> {
  const portal = portals.get(wanted.portal)
  if (portal === undefined) return `there is no portal "${wanted.portal}"`
  const unknown = wanted.roles.find(role => !portal.roles.has(role))
  if (unknown !== undefined) return `portal "${portal.name}" has no role "${unknown}"`
  const { name, limits, lifetimeMs } = wanted
  const identity = identityOf(wanted, portal, providers)
  if (typeof identity === 'string') return identity
  const { text, held } = await sessions.tokens.create({ portal: portal.name, name, lifetimeMs, limits, identity })
  return { held, secret: text }
}

/**
 * A service has no provider. A user's token says whose it is, and nothing that only a provider can confirm.
 *
 * A `sub` identifies a user at only one provider: a text where it is not clear at which, or the portal does not have
 * that provider.
 */
function identityOf(
  { holder, roles }: Wanted,
  portal: PortalConfig,
  providers: Config['providers'],
): Identity | string {
  if ('service' in holder) {
    return { ...makeIdentity('', '', `${OWN_SUBJECTS.service}${holder.service}`, { name: holder.service }), roles }
  }
  const own = portal.providers
  const file = own
    .map(name => providers.get(name))
    .find(one => one?.users != null && one.name === (holder.provider ?? one.name))
  if (file?.users != null && userNameOf(holder.subject) !== null) {
    const identity = userOf(file.users, file.name, file.issuer, holder.subject)
    return identity === null
      ? `there is no user "${holder.subject}" in the file of the provider "${file.name}"`
      : { ...identity, roles }
  }
  if (portal.passwords !== null && own.length === 0 && userNameOf(holder.subject) !== null) {
    const identity = userOf(passwordUsers(portal), HTPASSWD, '', holder.subject)
    return identity === null
      ? `there is no user "${holder.subject}" in the htpasswd of its portal`
      : { ...identity, roles }
  }
  if (isOwnSubject(holder.subject)) {
    return `no provider may use the subject "${holder.subject}": subjects that begin so are Sallyport’s own (for a service, use --service)`
  }
  if (holder.provider === null && own.length > 1) return `say --provider: portal "${portal.name}" has ${own.join(', ')}`
  const provider = holder.provider ?? own[0] ?? ''
  if (holder.provider !== null && !own.includes(provider))
    return `portal "${portal.name}" has no provider "${provider}"`
  return { ...makeIdentity(provider, providers.get(provider)?.issuer ?? '', holder.subject, {}), roles }
}

/** A user of a file by the subject, and what binds a token to their entry; null where the file does not have them. */
function userOf(users: UsersConfig, provider: string, issuer: string, subject: string): Identity | null {
  const name = userNameOf(subject)
  const entry = name === null ? undefined : users.entries.get(name)
  return name === null || entry === undefined
    ? null
    : { ...makeIdentity(provider, issuer, subject, {}), ...vouchedBy(users, name, entry) }
}

function describe({ name, session, limits, restsAtMs }: HeldApiToken): Readonly<Record<string, unknown>> {
  const { id, portal, identity, createdAtMs, expiresAtMs } = session
  return {
    id,
    name,
    portal,
    subject: identity.subject,
    /** null: a service, which comes from none. */
    provider: identity.provider === '' ? null : identity.provider,
    /** null: those that its owner has at any time. */
    roles: identity.roles ?? null,
    ...limits,
    /** Its owner has to sign in before it works again. */
    resting: restsAtMs === 0,
    created: new Date(createdAtMs).toISOString(),
    expires: new Date(expiresAtMs).toISOString(),
  }
}

function limitsText({ host, path, methods, networks }: ApiTokenLimits): string {
  const place = host === null && path === null ? [] : [`${host ?? '*'}${path ?? ''}`]
  return [...place, ...(methods ?? []), ...(networks ?? [])].join(' ') || 'anywhere'
}
