/** @jsxImportSource hono/jsx */

/** The page `people`: the users of the portal's file, for admins, who make invitations for them. */

import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { type FilePerson, peopleOf, personOf, userSubject } from '../../identity/passwords/users.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { Account } from '../../session/accounts/account.ts'
import type { Accounts } from '../../session/accounts/accounts.ts'
import type { Invitations } from '../../session/accounts/invitations.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { menuOf } from '../account/menu.ts'
import { adminUntilMs, admitAdmin, hasPeople, stillSignedIn } from '../admins.ts'
import { jsonAnswer, pageAnswer, redirectAnswer } from '../answer.ts'
import { type PersonalFormTools, proveForm, readPersonalForm, requireProof } from '../form.ts'
import { wordsFor } from '../language.ts'
import { AdminTabs, type Tabs } from '../layout/admin-tabs.tsx'
import { Made } from '../layout/credentials.tsx'
import { Initials } from '../layout/pictures.tsx'
import { Said, Time } from '../layout/time.tsx'
import { Facts, SearchField, WidePage } from '../layout/wide-page.tsx'
import { isPortalHost, ownPath } from '../paths.ts'
import { type AuditTools, type PortalRequest, readQuery } from '../portal-request.ts'
import { stepUpAddress, stepUpProblem } from '../sign-in/ask-step-up.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import { usersOf } from '../sign-in/user-form.ts'
import type { Words } from '../words/words.ts'
import { displayNameOf, invitePerson, isRecent, type MadeInvitation, missingRoles, RECENT } from './invite-person.ts'

export interface PeopleTools extends PersonalFormTools, AuditTools {
  readonly trail: { isOfOnePortal(): boolean }
  readonly ports: Pick<Ports, 'now'>
  readonly sessions: Pick<Sessions, 'describe' | 'list'> & {
    readonly grants: Pick<Grants, 'of' | 'list'>
    readonly accounts: Accounts
    readonly invitations: Invitations
  }
}

/** So many users are shown at a time; the search finds the others. */
const SHOWN = 100

/** So many of the latest sign-ins say when somebody was here last. */
const LATEST = 500

/** The users of the file, with a search. Throws `route.none` where there are none, `access.denied`, `session.store`. */
export async function showPeople(ctx: PortalRequest, tools: PeopleTools, session: Session): Promise<Response> {
  requireUsers(ctx)
  const away = leadToPortal(ctx, 'people')
  if (away !== null) return away
  admitAdmin(ctx, session)
  return peopleAnswer(ctx, tools, session, null)
}

/**
 * Takes a form of the page: `act=invite` with the `name` of a user. The answer has the link, this once.
 *
 * Throws `route.none`, `access.origin`, `access.sign_in`, `access.denied`, `limit.rate`, `target.malformed`, `session.store`.
 */
export async function takePeople(ctx: PortalRequest, tools: PeopleTools, sender: Session): Promise<Response> {
  const provider = requireUsers(ctx)
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'invitations are made on the portal’s own host')
  const form = await readPersonalForm(ctx, tools, sender)
  await requireProof(ctx, tools.seal, form, sender)
  const session = await stillSignedIn(tools.sessions, sender)
  admitAdmin(ctx, session)
  if (form.get('act') !== 'invite') throw new GateError('target.malformed', 'the form does not say invite')
  const person = personOf(provider, form.get('name') ?? '')
  if (person === null) throw new GateError('target.malformed', 'the file has no user of this name')
  const nowMs = tools.ports.now()
  if (!isRecent(session, nowMs)) {
    if (!prefersPage(ctx.request)) return stepUpProblem({ ...ctx, session }, RECENT)
    return redirectAnswer(303, stepUpAddress({ ...ctx, session }, RECENT, ownPath('people')))
  }
  const made = await invitePerson(ctx, tools, session, { provider, person, nowMs })
  if (prefersPage(ctx.request)) return peopleAnswer(ctx, tools, session, made)
  return jsonAnswer({ link: made.address, expires: new Date(made.expiresAtMs).toISOString() })
}

function requireUsers(ctx: PortalRequest): ProviderConfig {
  const provider = hasPeople(ctx) ? usersOf(ctx) : null
  if (provider === null) throw new GateError('route.none', 'this portal has no users with passkeys, or no admin_role')
  return provider
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
  const isLasting = (await adminUntilMs(ctx, tools.sessions.grants, session)) === null
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
      mayInvite={isLasting && isRecent(session, nowMs)}
      again={
        isLasting && !isRecent(session, nowMs) ? stepUpAddress({ ...ctx, session }, RECENT, ownPath('people')) : null
      }
      proof={await proveForm(ctx, session, tools.seal)}
    />
  )
  return pageAnswer({ words, brand: ctx.portal.brand, page, sheet: 'admin' })
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
  /** Where to sign in again, where that is missing to invite somebody; else null. */
  readonly again: string | null
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
      {again === null ? null : (
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
              <h2>{name}</h2>
              <Facts
                facts={[
                  <bdi>{person.name}</bdi>,
                  own.count(passkeys),
                  lastMs === 0 ? (
                    own.notSeen
                  ) : (
                    <Said say={own.lastSignIn}>
                      <Time words={words} atMs={lastMs} nowMs={nowMs} />
                    </Said>
                  ),
                ]}
              />
              {isStronger ? <p class="soft small">{own.stronger}</p> : null}
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
