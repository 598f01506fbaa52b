/** All sections of a first routes.toml, from the answers to the questions of `init`. */

import type { OutgoingConfig } from '../../base/outgoing.ts'
import type { Json } from '../../config/text/raw.ts'
import type { Entry, Section } from '../../migrate/draft.ts'
import {
  type Coming,
  comingEntries,
  listenerSections,
  originBy,
  type ProviderPlace,
  portalOf,
  usualPort,
} from './https.ts'
import type { Preset } from './members.ts'
import { USERS_FILE } from './people.ts'
import { type Front, isHere } from './proxy-in-front.ts'

/** Everything that a first routes.toml says. */
export interface Plan {
  /** The provider's table. */
  readonly provider: string
  /** Null: there is none, and users are in a file. */
  readonly issuer: string | null
  /** Where it is asked in a network of one's own; null: at the issuer. */
  readonly internalUrl: string | null
  /** The proxy by which the internet is reached; null: none. */
  readonly outgoing: OutgoingConfig | null
  /** Where Sallyport leads to it; null: somebody else does. */
  readonly providerPlace: ProviderPlace | null
  /** Whether its route is a recipe's, which comes behind all of this. */
  readonly hasProviderRecipe: boolean
  /** The file with its authorities, as the new file names it; null: those of the machine. */
  readonly caFile: string | null
  /** Whether the provider knows where to come back to from signing out. */
  readonly hasSignedOut: boolean
  readonly clientId: string
  /** The file with the client's secret, as the new file names it; null: a public client. */
  readonly secretFile: string | null
  /** Whether the client has to push authorization requests. */
  readonly isPushed: boolean
  /** The portal's own address; null: it is on the application's host. */
  readonly portal: string | null
  readonly host: string
  readonly upstream: string
  /** Who has the application and asks; null: Sallyport leads to it. */
  readonly front: Front | null
  /** How browsers reach Sallyport, without a proxy in front. */
  readonly coming: Coming
  /** Whether its routes are a recipe's, which comes behind all of this. */
  readonly hasRecipe: boolean
  /** Whose members may; null: everyone who can sign in. */
  readonly group: string | null
  /** The first user of the file, who is an admin; null: none is named. */
  readonly admin: string | null
  /** Who may have a session, as the portal says it; null: that is not said. */
  readonly members: Json | null
  /** By which the provider is known that has no discovery; null: it has. */
  readonly preset: Preset | null
}

/** The address that has to be registered at the provider. */
export function callbackOf(plan: Pick<Plan, 'portal' | 'host' | 'coming' | 'preset'>): string {
  // Such a provider's answer does not name the provider: each table has a separate callback address.
  return `${placeOf(plan)}/.sallyport/callback${plan.preset === null ? '' : `/${plan.preset}`}`
}

/** Where the provider redirects after a sign-out. */
export function signedOutOf(plan: Pick<Plan, 'portal' | 'host' | 'coming'>): string {
  return `${placeOf(plan)}/.sallyport/signed-out`
}

/** Where people sign in, as the start of every address there. */
export function placeOf({ portal, host, coming }: Pick<Plan, 'portal' | 'host' | 'coming'>): string {
  return portal ?? originBy(coming, host)
}

/** The sections of the new file. */
export function planSections(plan: Plan): readonly Section[] {
  const who: Json = plan.group === null ? { any: true } : { groups: [plan.group] }
  return [
    ...planServer(plan),
    {
      about:
        'Sign-ins are kept in sallyport.db beside this file (in the container in /data), with a key in sallyport.key: keep both.',
      title: '[sessions]',
      entries: [
        { key: 'lifetime', value: '12h' },
        { key: 'idle', value: '2h' },
      ],
      also: ['store = "sqlite:/var/lib/sallyport/sallyport.db"   # elsewhere; or "redis://…", for several machines'],
    },
    planProvider(plan),
    {
      about:
        plan.issuer === null
          ? 'Where people sign in.'
          : `Where people sign in. Registered at the provider: ${callbackOf(plan)}`,
      title: '[portals.home]',
      entries: [
        { key: 'url', value: plan.portal },
        { key: 'providers', value: [plan.provider] },
        {
          key: 'members',
          value: plan.members,
          comment: 'who may have a session: everybody in the world can have an account at this provider',
        },
        {
          key: 'provider_logout',
          value: plan.hasSignedOut ? true : null,
          comment: 'signing out here signs out there too: else the next visit is signed in again at once',
        },
        {
          key: 'admin_role',
          value: plan.admin === null ? null : 'admin',
          comment: 'who sees the admin page, /.sallyport/admin',
        },
        ...comingEntries(plan.coming),
      ],
      also: [
        ...(plan.portal === null
          ? [`url = "${portalOf(plan)}"   # a separate host: one sign-in for many hosts, an admin page, passkeys`]
          : []),
        ...(plan.hasSignedOut || plan.issuer === null
          ? []
          : [
              `provider_logout = true     # once ${signedOutOf(plan)} is registered there: signing out here signs out there`,
            ]),
      ],
    },
    {
      about:
        plan.issuer === null
          ? 'Role = who has it: users, groups, or any = true for everyone who can sign in.'
          : 'Role = who has it: groups, emails, domains, claims, or any = true for everyone who can sign in.',
      title: '[portals.home.roles]',
      entries: [
        { key: 'user', value: who },
        { key: 'admin', value: plan.admin === null ? null : { users: [plan.admin] } },
      ],
      also:
        plan.issuer !== null
          ? ['admin = { groups = ["admins"] }']
          : plan.admin === null
            ? ['admin = { users = ["ada"] }   # with admin_role = "admin" in the portal, ada sees the admin page']
            : [],
    },
    ...(plan.providerPlace === null || plan.hasProviderRecipe ? [] : [planProviderRoute(plan.providerPlace)]),
    ...(plan.hasRecipe ? [] : [planRoute(plan)]),
  ]
}

function planProvider(plan: Plan): Section {
  const title = `[providers.${plan.provider}]`
  if (plan.issuer === null) {
    return {
      about: `Users of a file beside this one: "sallyport user add ${USERS_FILE} bob" adds one, "user totp" gives a second factor.`,
      title,
      entries: [{ key: 'users', value: USERS_FILE }],
      also: [
        'issuer = "https://id.example.com"   # a provider can take the place of the file later: docs/providers.md',
      ],
    }
  }
  return {
    title,
    entries: [
      plan.preset === null ? { key: 'issuer', value: plan.issuer } : { key: 'preset', value: plan.preset },
      { key: 'internal_url', value: plan.internalUrl },
      { key: 'ca', value: plan.caFile },
      { key: 'client_id', value: plan.clientId },
      {
        key: 'client_secret',
        value: plan.secretFile === null ? null : `\${file:${plan.secretFile}}`,
        comment: 'a file beside this one; ${NAME} would be a variable',
      },
      {
        key: 'par',
        value: plan.isPushed ? 'always' : null,
        comment: 'this client has to push its requests: its settings at the provider say so',
      },
    ],
  }
}

function planProviderRoute({ host, upstream }: ProviderPlace): Section {
  return {
    about: 'The provider itself, which guards itself: let it trust the X-Forwarded-* of Sallyport alone.',
    title: '[[routes]]',
    entries: [
      { key: 'host', value: host },
      { key: 'upstream', value: upstream },
      { key: 'allow', value: 'public', comment: 'a user who comes to sign in has no session yet' },
    ],
  }
}

function planRoute(plan: Plan): Section {
  return {
    about: 'One table for each host (and path). "sallyport explain https://HOST/" says who may pass, and why.',
    title: '[[routes]]',
    entries: [
      { key: 'host', value: plan.host },
      plan.front === null
        ? { key: 'upstream', value: plan.upstream }
        : { key: 'verify', value: true, comment: `${plan.front.kind} has it, and asks` },
      { key: 'portal', value: 'home' },
      { key: 'allow', value: ['user'] },
      {
        key: 'headers',
        value: plan.front === null ? 'x-forwarded' : 'remote',
        comment: 'sends the user to the application; or x-auth-request, remote, x-token, none',
      },
    ],
  }
}

/** `outgoing` of `[server]`, as text of a file. */
function planOutgoing(outgoing: OutgoingConfig | null): Entry {
  const except = outgoing?.except.hosts ?? []
  const value = outgoing === null ? null : { proxy: outgoing.proxy, ...(except.length === 0 ? {} : { except }) }
  return {
    key: 'outgoing',
    value,
    comment: 'providers, certificates and webhooks are asked through it, applications never',
  }
}

/** The port that a proxy in front hands requests on to. */
export function plainPort(coming: Coming): number {
  return coming.kind === 'acme' ? usualPort('proxy') : coming.port
}

function planServer({ front, coming, outgoing }: Plan): readonly Section[] {
  const at = (port: number) => `${front !== null && isHere(front) ? '127.0.0.1' : '0.0.0.0'}:${port}`
  const admin: Entry = {
    key: 'admin',
    value: '127.0.0.1:9464',
    comment: '/healthz, /readyz, /metrics and /config, for this machine',
  }
  const more = [admin, planOutgoing(outgoing)]
  if (front === null) return listenerSections(coming, more)
  return [
    {
      title: '[server]',
      entries: [
        {
          key: 'listen',
          value: [at(plainPort(coming))],
          comment: `where ${front.kind} hands Sallyport's own pages on`,
        },
        { key: 'verify', value: at(9080), comment: 'where it asks: let none of its clients reach this' },
        { key: 'trusted_proxies', value: [front.network], comment: 'where it comes from: it alone may ask' },
        ...more,
      ],
    },
  ]
}
