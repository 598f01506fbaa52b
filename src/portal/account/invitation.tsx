/** @jsxImportSource hono/jsx */

/** The page `invitation`: what a user sees who opens the link of one, and the passkey by which they then sign in. */

import { sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { Identity } from '../../identity/identity.ts'
import { creationOptions } from '../../identity/passkeys/ceremony.ts'
import { type FilePerson, passkeyAmr, userIdentity } from '../../identity/passwords/users.ts'
import { type Accounts, groundOf } from '../../session/accounts/accounts.ts'
import type { EndOthers } from '../../session/accounts/end-others.ts'
import type { Invitation, Invitations } from '../../session/accounts/invitations.ts'
import { type Passkeys, passkeyOwner, personOfAccount } from '../../session/accounts/passkeys.ts'
import { pageAnswer } from '../answer.ts'
import { pageNotFound } from '../error-page.tsx'
import { type FormTools, parseName, readOwnForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { NarrowPage } from '../layout/narrow-page.tsx'
import { PasskeyForm } from '../layout/passkey-form.tsx'
import { Moment, Said } from '../layout/time.tsx'
import { browserKey } from '../login-csrf-cookie.ts'
import { ownPath } from '../paths.ts'
import { type AuditTools, askedFacts, type PortalRequest, readQuery } from '../portal-request.ts'
import type { BeginTools } from '../sign-in/begin.ts'
import { beginCeremony, resumeCeremony } from '../sign-in/passkeys.ts'
import { startSession } from '../sign-in/start-session.ts'
import { browserOfForm, LONGEST_FORM, offerUserForm } from '../sign-in/user-form.ts'
import { agentOf } from '../user-agent.ts'

export interface InvitationTools extends BeginTools, FormTools, AuditTools {
  readonly seal: BeginTools['seal']
  readonly sessions: BeginTools['sessions'] & {
    readonly accounts: Accounts
    readonly passkeys: Passkeys
    readonly invitations: Invitations
    readonly endOthers: EndOthers
  }
}

/** Somebody who is invited, by the current file. */
interface Invited {
  readonly text: string
  readonly invitation: Invitation
  readonly provider: ProviderConfig
  readonly person: FilePerson
  /** What people call them. */
  readonly name: string
}

/**
 * The page that an invitation leads to: who is invited, and a button. Loading it uses nothing, so that previews and mail scanners burn
 * no link. Throws `limit.rate` for a client that guesses.
 */
export async function showInvitation(ctx: PortalRequest, tools: InvitationTools): Promise<Response> {
  const invited = await findInvited(ctx, tools, readQuery(ctx).get('link') ?? '')
  if (invited === null) return refuse(ctx, tools)
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const { browser, proof, setCookies } = await offerUserForm(ctx, tools)
  const { welcome, invitation, accept } = words.passkeys
  const page = (
    <NarrowPage words={words} title={welcome(invited.name)} place={ctx.portal.title}>
      <h1>{welcome(invited.name)}</h1>
      <p class="soft">
        <Said say={until => invitation(ctx.portal.title, until)}>
          <Moment words={words} atMs={invited.invitation.expiresAtMs} />
        </Said>
      </p>
      <form method="post" action={ownPath('invitation')}>
        <Hidden fields={{ link: invited.text, browser, proof }} />
        <div class="acts">
          <button class="act main" type="submit">
            {accept}
          </button>
        </div>
      </form>
    </NarrowPage>
  )
  return withCookies(pageAnswer({ words, brand: ctx.portal.brand, page }), setCookies)
}

/**
 * Takes the form of that page, and shows the one on which a passkey is created; then takes that one: uses the invitation, adds the
 * passkey, ends the user's other sign-ins and signs them in. A form whose passkey is not good uses nothing.
 *
 * Throws `access.origin`, `limit.rate`, `session.store`, and what a sign-in throws.
 */
export async function takeInvitation(ctx: PortalRequest, tools: InvitationTools): Promise<Response> {
  const form = await readOwnForm(ctx, tools, sent => browserOfForm(ctx, sent), LONGEST_FORM)
  tools.noteStart(ctx.clientAddress)
  // Also where the browser says that the form is from our page: the link may be somebody else's, sent to sign this browser in as them.
  const browser = browserOfForm(ctx, form)
  if (browser === null) throw new GateError('access.origin', 'the form is not from a page in this browser')
  const invited = await findInvited(ctx, tools, form.get('link') ?? '')
  if (invited === null) return refuse(ctx, tools)
  const answer = form.get('passkey') ?? ''
  if (answer === '') return createPage(ctx, tools, invited)
  const purpose = { use: 'invitation', of: sha256(`${invited.text} ${browser}`) } as const
  const ceremony = await resumeCeremony(ctx, tools, purpose, form.get('ceremony') ?? '')
  if (ceremony === null) return createPage(ctx, tools, invited, true)
  const name = parseName(form) ?? agentOf(ctx.request, wordsFor(ctx.request))
  try {
    return await accept(ctx, tools, invited, { answer, ceremony, name })
  } catch (thrown) {
    if (!(thrown instanceof GateError) || thrown.code !== 'access.passkey') throw thrown
    note(ctx, tools, invited, thrown)
    return (await findInvited(ctx, tools, invited.text)) === null
      ? goneAnswer(ctx)
      : createPage(ctx, tools, invited, true)
  }
}

async function accept(
  ctx: PortalRequest,
  tools: InvitationTools,
  { text, invitation, provider, person }: Invited,
  made: Parameters<Passkeys['add']>[1],
): Promise<Response> {
  const { sessions, ports, audit } = tools
  const before = await sessions.accounts.of(person)
  const whose = signedInBy({ account: groundOf(person, before), amr: [] })
  let isTakeover = false
  const { account, passkey } = await sessions.passkeys.add(person, made, {
    stamp: invitation.stamp,
    // As `changeAccount`: before and after. Where the store fails at that, the link is as good as it was.
    async mayAdd() {
      await sessions.endOthers(whose, { keep: null, endsTokens: before.passkeys.length > 0 })
      if ((await sessions.invitations.use(text)) === null)
        throw new GateError('access.passkey', 'the invitation was used meanwhile')
    },
    also(after, { id, name }) {
      isTakeover = after.passkeys.length > 1
      const notice = { what: 'invitation', atMs: ports.now(), passkey: { id, name } } as const
      // Whoever has come by a password may have to hear of it, too.
      return isTakeover || provider.takesPasswords ? { ...after, notices: [...after.notices, notice] } : after
    },
  })
  const identity = signedInBy({ account: groundOf(person, account), amr: passkeyAmr(passkey) })
  try {
    await sessions.endOthers(identity, { keep: null, endsTokens: isTakeover })
  } finally {
    const facts = { ...askedFacts(ctx), user: identity.subject, name: person.name, provider: provider.name }
    await audit.keep('invitation.used', { ...facts, by: invitation.by || 'operator', passkey: passkey.name })
  }
  return startSession(ctx, tools, {
    identity,
    secrets: { idToken: '', refreshToken: null, access: null },
    destination: { kind: 'here', path: ownPath(isTakeover ? 'account' : '') },
    isRemembered: false,
    browser: browserKey(ctx, 'login'),
  })

  function signedInBy(how: Parameters<typeof userIdentity>[3]): Identity {
    const identity = userIdentity(provider, person.name, ports.now(), how)
    if (identity === null) throw new GateError('access.passkey', 'the user left the file meanwhile')
    return identity
  }
}

/** The page on which the passkey is created. `isWrong`: the one before was not good. */
async function createPage(
  ctx: PortalRequest,
  tools: InvitationTools,
  { text, person, name }: Invited,
  isWrong = false,
): Promise<Response> {
  const { browser, proof, setCookies } = await offerUserForm(ctx, tools)
  const offered = await beginCeremony(ctx, tools, { use: 'invitation', of: sha256(`${text} ${browser}`) })
  if (offered === null) return goneAnswer(ctx)
  const { passkeys } = await tools.sessions.accounts.of(person)
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const { title, brand } = ctx.portal
  const own = words.passkeys
  const here = passkeys.filter(({ rpId }) => rpId === ctx.portal.rpId)
  const page = (
    <NarrowPage words={words} title={own.create} place={title}>
      <h1>{own.create}</h1>
      <p class="soft">{own.createLead(name)}</p>
      {passkeys.length === 0 ? null : <p class="soft">{own.createTakeover}</p>}
      <PasskeyForm
        words={words}
        address={ownPath('invitation')}
        options={creationOptions(offered.ceremony, title, passkeyOwner(person, name), here)}
        hidden={{ link: text, browser, proof, ceremony: offered.sealed }}
        label={own.create}
        isWrong={isWrong}
        isMain
      >
        <div class="fields">
          <div class="wide">
            <label for="name">{own.name}</label>
            <input
              id="name"
              name="name"
              value={agentOf(ctx.request, words)}
              required
              maxlength={100}
              autocomplete="off"
            />
          </div>
        </div>
      </PasskeyForm>
    </NarrowPage>
  )
  const answer = pageAnswer({
    words,
    brand,
    page,
    status: isWrong ? 403 : 200,
    scope: 'leads-anywhere',
    script: 'passkey',
  })
  return withCookies(answer, setCookies)
}

/** Whom a link invites to this very portal, by the current file; null: nobody. */
async function findInvited(ctx: PortalRequest, { sessions }: InvitationTools, text: string): Promise<Invited | null> {
  const invitation = ctx.portal.rpId === null ? null : await sessions.invitations.find(text)
  if (invitation === null || invitation.portal !== ctx.portal.name) return null
  const provider = ctx.portal.providers.includes(invitation.provider)
    ? ctx.providers.get(invitation.provider)
    : undefined
  const person = provider === undefined ? null : personOfAccount(provider, invitation.account)
  if (provider === undefined || person === null || person.over !== invitation.over) return null
  if ((await sessions.accounts.of(person)).stamp !== invitation.stamp) return null
  const name = provider.users?.entries.get(person.name)?.displayName ?? person.name
  return { text, invitation, provider, person, name }
}

/** The answer to a link that invites nobody, which counts as a guess. Throws `limit.rate`. */
function refuse(ctx: PortalRequest, tools: InvitationTools): Response {
  tools.noteStart(ctx.clientAddress)
  tools.audit.note('invitation.refused', askedFacts(ctx))
  return goneAnswer(ctx)
}

function note(ctx: PortalRequest, { audit }: InvitationTools, { person, provider }: Invited, error: GateError): void {
  const { reason } = error.facts
  const facts = { ...askedFacts(ctx), name: person.name, provider: provider.name }
  const why = { error: error.message, cause: error.cause instanceof Error ? error.cause.message : undefined }
  audit.note('invitation.refused', { ...facts, ...(typeof reason === 'string' ? { reason } : {}) }, { facts: why })
}

function goneAnswer(ctx: PortalRequest): Response {
  return pageNotFound(ctx, ({ passkeys }) => ({ title: passkeys.gone, detail: passkeys.goneWhy }))
}

function Hidden({ fields }: { readonly fields: Readonly<Record<string, string>> }) {
  return (
    <>
      {Object.entries(fields).map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
    </>
  )
}

function withCookies(answer: Response, setCookies: readonly string[]): Response {
  for (const setCookie of setCookies) answer.headers.append('set-cookie', setCookie)
  return answer
}
