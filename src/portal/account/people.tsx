/** @jsxImportSource hono/jsx */

/** The page `people`: the users of the portal's file, for admins, who make invitations for them. */

import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { GRANTED, type Identity } from '../../identity/identity.ts'
import {
  type FilePerson,
  passkeyAmr,
  peopleOf,
  personOf,
  userIdentity,
  userSubject,
} from '../../identity/passwords/users.ts'
import { authenticationAgeMs } from '../../identity/step-up.ts'
import { prefersPage } from '../../route/page-load.ts'
import { type Account, EMPTY } from '../../session/accounts/account.ts'
import { type Accounts, groundOf } from '../../session/accounts/accounts.ts'
import type { Invitations } from '../../session/accounts/invitations.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { jsonAnswer, pageAnswer, redirectAnswer } from '../answer.ts'
import { type PersonalFormTools, proveForm, readPersonalForm, requireProof } from '../form.ts'
import { wordsFor } from '../language.ts'
import { AdminTabs, type Tabs } from '../pages/admin-tabs.tsx'
import { Made } from '../pages/credentials.tsx'
import { Initials } from '../pages/person-mark.tsx'
import { Said, Time } from '../pages/time.tsx'
import { SearchField, WidePage } from '../pages/wide-page.tsx'
import { isPortalHost, ownPath, portalOrigin } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import { stepUpProblem, stepUpQuery } from '../sign-in/step-up.ts'
import { usersOf } from '../sign-in/user-form.ts'
import type { Words } from '../words/words.ts'
import { isAdmin, stillSignedIn } from './admins.ts'
import { menuOf } from './menu.ts'

export interface PeopleTools extends PersonalFormTools, AuditTools {
  readonly trail: { isOfOnePortal(): boolean }
  readonly ports: Pick<Ports, 'now'>
  readonly sessions: Pick<Sessions, 'describe' | 'list'> & {
    readonly grants: Pick<Grants, 'of'>
    readonly accounts: Accounts
    readonly invitations: Invitations
  }
}

/** An invitation may take over an account: its maker has signed in this lately. */
const RECENT_S = 30 * 60

/** So many users are shown at a time; the search finds the others. */
const SHOWN = 100

/** So many of the latest sign-ins say when somebody was here last. */
const LATEST = 500

/** What was made a moment ago. */
interface MadeInvitation {
  readonly name: string
  readonly address: string
  readonly expiresAtMs: number
}

/**
 * Whether the portal has a page of users: people of a file, who have passkeys. Only for admins: users of the portal with its admin
 * role.
 */
export function hasPeople(ctx: PortalRequest): boolean {
  return ctx.portal.rpId !== null && ctx.portal.adminRole !== null && usersOf(ctx) !== null
}

/** The users of the file, with a search. Throws `route.none` where there are none, `access.denied`, `session.store`. */
export async function showPeople(ctx: PortalRequest, tools: PeopleTools, session: Session): Promise<Response> {
  requireUsers(ctx)
  const away = leadToPortal(ctx, 'people')
  if (away !== null) return away
  requireAdmin(ctx, session)
  return peopleAnswer(ctx, tools, session, null)
}

/**
 * Takes a form of the page: `act=invite` with the `name` of a user. The answer has the link, this once.
 *
 * The link signs in whoever has it as that user. So its maker has signed in within half an hour, and has every role of that user for
 * good, at each portal with this file: by a rule of it, or by a grant that does not end.
 *
 * Throws `route.none`, `access.origin`, `access.sign_in`, `access.denied`, `limit.rate`, `target.malformed`, `session.store`.
 */
export async function invitePerson(ctx: PortalRequest, tools: PeopleTools, sender: Session): Promise<Response> {
  const provider = requireUsers(ctx)
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'invitations are made on the portal’s own host')
  const form = await readPersonalForm(ctx, tools, sender)
  await requireProof(ctx, tools.seal, form, sender)
  const session = await stillSignedIn(tools.sessions, sender)
  requireAdmin(ctx, session)
  if (form.get('act') !== 'invite') throw new GateError('target.malformed', 'the form does not say invite')
  const person = personOf(provider, form.get('name') ?? '')
  if (person === null) throw new GateError('target.malformed', 'the file has no user of this name')
  const nowMs = tools.ports.now()
  if (!isRecent(session, nowMs)) return signInFirst(ctx, session)
  const missing = missingRoles(ctx, tools, session, { provider, person, nowMs })
  if (missing.length > 0) {
    throw new GateError(
      'access.denied',
      'an admin cannot invite a user who has roles that the admin does not have permanently',
      {
        hint: 'an admin with these roles can, or: sallyport user invite',
        facts: { missing },
      },
    )
  }
  const { text, expiresAtMs } = await tools.sessions.invitations.make(person, {
    portal: ctx.portal.name,
    by: session.identity.subject,
  })
  const { subject: by } = session.identity
  const facts = { ...askedFacts(ctx), name: person.name, provider: provider.name, by }
  await tools.audit.keep('invitation.made', { ...facts, user: userSubject(person.name) })
  const address = invitationAddress(portalOrigin(ctx), text)
  if (!prefersPage(ctx.request)) return jsonAnswer({ link: address, expires: new Date(expiresAtMs).toISOString() })
  return peopleAnswer(ctx, tools, session, { name: displayNameOf(provider, person), address, expiresAtMs })
}

/** The link of an invitation. Its secret travels in the query, which no log of Sallyport's has. */
export function invitationAddress(origin: string, text: string): string {
  return `${origin}${ownPath('invitation')}?link=${text}`
}

function requireUsers(ctx: PortalRequest): ProviderConfig {
  const provider = hasPeople(ctx) ? usersOf(ctx) : null
  if (provider === null) throw new GateError('route.none', 'this portal has no users with passkeys, or no admin_role')
  return provider
}

function requireAdmin(ctx: PortalRequest, session: Session): void {
  if (!isAdmin(ctx, session)) throw new GateError('access.denied', 'the portal’s admin role is missing')
}

function isRecent({ identity, createdAtMs }: Session, nowMs: number): boolean {
  const ageMs = authenticationAgeMs(identity.claims, createdAtMs, nowMs)
  return ageMs !== null && ageMs <= RECENT_S * 1000
}

function signInFirst(ctx: PortalRequest, session: Session): Response {
  const demand = { maxAgeS: RECENT_S, acr: [], amr: [] }
  const asked = { ...ctx, session }
  if (!prefersPage(ctx.request)) return stepUpProblem(asked, demand)
  const query = new URLSearchParams({ ...stepUpQuery(asked, demand), return: ownPath('people') })
  return redirectAnswer(303, `${ownPath('login')}?${query}`)
}

/** A user of the file, who is looked at by an admin. */
interface Looked {
  readonly provider: ProviderConfig
  readonly person: FilePerson
  readonly nowMs: number
}

/** A user of the file as they would be signed in by a passkey. */
function asSignedIn({ provider, person, nowMs }: Looked): Identity | null {
  const how = { account: groundOf(person, EMPTY), amr: passkeyAmr({ isBackupEligible: true }) }
  return userIdentity(provider, person.name, nowMs, how)
}

/**
 * The roles of a user that this admin does not have, or has for a time alone. Also of other portals with this file: whoever
 * is signed in by an invitation may set a password, which counts there, too.
 */
function missingRoles(
  ctx: PortalRequest,
  { sessions: { grants } }: PeopleTools,
  { identity: own }: Session,
  whose: Looked,
): readonly string[] {
  const theirs = asSignedIn(whose)
  if (theirs === null) return []
  return [...ctx.rolesByPortal(whose.provider.name)].flatMap(([portal, rolesOf]) => {
    const granted = (identity: Identity) => grants.of({ portal, identity }).grants
    const lasting = granted(own).filter(({ untilMs }) => untilMs === null)
    const has = new Set(rolesOf({ ...own, [GRANTED]: lasting.map(({ role }) => role) }))
    return rolesOf({ ...theirs, [GRANTED]: granted(theirs).map(({ role }) => role) })
      .filter(role => !has.has(role))
      .map(role => (portal === ctx.portal.name ? role : `${role} of ${portal}`))
  })
}

function displayNameOf({ users }: ProviderConfig, { name }: FilePerson): string {
  return users?.entries.get(name)?.displayName ?? name
}

async function peopleAnswer(
  ctx: PortalRequest,
  tools: PeopleTools,
  session: Session,
  made: MadeInvitation | null,
): Promise<Response> {
  const provider = requireUsers(ctx)
  const nowMs = tools.ports.now()
  const search = (readQuery(ctx).get('q') ?? '').slice(0, 200)
  const wanted = search.trim().toLowerCase()
  const all = peopleOf(provider).filter(person =>
    `${person.name} ${displayNameOf(provider, person)}`.toLowerCase().includes(wanted),
  )
  const signedIn = await latestSignIns(ctx, tools, provider)
  const shown = await Promise.all(
    all.slice(0, SHOWN).map(async person => {
      const account = await tools.sessions.accounts.of(person)
      const times = [signedIn.get(userSubject(person.name)), ...account.passkeys.map(({ usedAtMs }) => usedAtMs)]
      return {
        person,
        name: displayNameOf(provider, person),
        passkeys: countHere(ctx, account),
        lastMs: Math.max(...times.map(atMs => atMs ?? 0)),
        isStronger: missingRoles(ctx, tools, session, { provider, person, nowMs }).length > 0,
      }
    }),
  )
  if (!prefersPage(ctx.request)) {
    return jsonAnswer({ users: shown.map(({ person, passkeys }) => ({ name: person.name, passkeys })) })
  }
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const page = (
    <PeoplePage
      words={words}
      title={ctx.portal.title}
      menu={menuOf(ctx, session, words, 'admin')}
      shown={shown}
      more={all.length - shown.length}
      nowMs={nowMs}
      search={search}
      made={made}
      tabs={{ here: 'people', hasFile: tools.trail.isOfOnePortal(), hasPeople: true }}
      mayInvite={isRecent(session, nowMs)}
      again={`${ownPath('login')}?${new URLSearchParams({ ...stepUpQuery({ ...ctx, session }, { maxAgeS: RECENT_S, acr: [], amr: [] }), return: ownPath('people') })}`}
      proof={await proveForm(ctx, session, tools.seal)}
    />
  )
  return pageAnswer(words, ctx.portal.brand, page, 200, {}, 'nothing', null, 'admin')
}

/** When users of the file signed in last, by subject, as far as live sessions say it. */
async function latestSignIns(
  { portal }: PortalRequest,
  { sessions }: PeopleTools,
  provider: ProviderConfig,
): Promise<ReadonlyMap<string, number>> {
  const { entries } = await sessions.list(portal.name, { after: null, limit: LATEST })
  const own = entries.filter(({ session }) => session.identity.provider === provider.name)
  // The newest come first, and stay.
  return new Map(own.toReversed().map(({ session }) => [session.identity.subject, session.createdAtMs]))
}

function countHere({ portal }: PortalRequest, { passkeys }: Account): number {
  return passkeys.filter(({ rpId }) => rpId === portal.rpId).length
}

interface PeopleView {
  readonly words: Words
  readonly title: string
  readonly menu: Parameters<typeof WidePage>[0]['menu']
  readonly shown: readonly {
    readonly person: FilePerson
    readonly name: string
    readonly passkeys: number
    /** The last sign-in; 0 where none is known. */
    readonly lastMs: number
    readonly isStronger: boolean
  }[]
  readonly nowMs: number
  /** How many more there are. */
  readonly more: number
  readonly search: string
  readonly made: MadeInvitation | null
  readonly tabs: Tabs
  readonly mayInvite: boolean
  /** Where to sign in again. */
  readonly again: string
  readonly proof: string
}

function PeoplePage(props: PeopleView) {
  const { words, title, menu, shown, more, search, made, mayInvite, again, proof, nowMs } = props
  const own = words.passkeys
  return (
    <WidePage words={words} title={title} heading={own.people} menu={menu}>
      <AdminTabs words={words} tabs={props.tabs} />
      <p class="soft">{own.peopleLead}</p>
      {made === null ? null : (
        <Made
          words={words}
          lead={own.made(made.name)}
          text={made.address}
          label={words.userName}
          name={made.name}
          untilMs={made.expiresAtMs}
          place={null}
        />
      )}
      {mayInvite ? null : (
        <p>
          <a class="act" href={again}>
            {own.signInFirst}
          </a>
        </p>
      )}
      {shown.length + more > SHOWN || search !== '' ? (
        <search>
          <form class="filters" method="get" action={ownPath('people')}>
            <SearchField name="q" value={search} label={words.searchLabel} />
            <button class="act" type="submit">
              {words.search}
            </button>
          </form>
        </search>
      ) : null}
      {shown.length === 0 ? <p class="soft">{search === '' ? own.peopleEmpty : words.nobodyFits}</p> : null}
      <ul class="rows">
        {shown.map(({ person, name, passkeys, lastMs, isStronger }) => (
          <li class="row">
            <Initials name={name} />
            <div>
              <h2>{name}</h2> <span class={passkeys === 0 ? 'tag soft' : 'tag'}>{own.count(passkeys)}</span>
              <p class="soft small">
                {name === person.name ? null : `${person.name} · `}
                {lastMs === 0 ? (
                  own.notSeen
                ) : (
                  <Said say={own.lastSignIn}>
                    <Time words={words} atMs={lastMs} nowMs={nowMs} />
                  </Said>
                )}
                {isStronger ? ` · ${own.stronger}` : ''}
              </p>
            </div>
            {isStronger || !mayInvite ? null : (
              <form method="post" action={ownPath('people')}>
                <input type="hidden" name="proof" value={proof} />
                <input type="hidden" name="act" value="invite" />
                <input type="hidden" name="name" value={person.name} />
                <button class="quiet" type="submit" aria-label={own.inviteNamed(name)}>
                  {own.invite}
                </button>
              </form>
            )}
          </li>
        ))}
      </ul>
      {more === 0 ? null : <p class="soft">{words.andMore(more)}</p>}
    </WidePage>
  )
}
