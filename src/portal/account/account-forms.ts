/** The forms of the page `account`: a new password, a second factor, recovery codes, passkeys. */

import { sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { creationOptions } from '../../identity/passkeys/ceremony.ts'
import { hashPassword, passwordFault } from '../../identity/passwords/password.ts'
import type { Account } from '../../session/accounts/account.ts'
import { recoveryHash } from '../../session/accounts/accounts.ts'
import { passkeyOwner } from '../../session/accounts/passkeys.ts'
import type { Session } from '../../session/session.ts'
import { sessionFacts } from '../../session/session-facts.ts'
import { stillSignedIn } from '../admins.ts'
import { parseName, readPersonalForm, requireProof } from '../form.ts'
import { wordsFor } from '../language.ts'
import { isPortalHost } from '../paths.ts'
import { askedFacts, type PortalRequest } from '../portal-request.ts'
import { beginCeremony, type CeremonyPurpose, notePasskeyRefused, resumeCeremony } from '../sign-in/passkeys.ts'
import { LONGEST_FORM } from '../sign-in/user-form.ts'
import { agentOf } from '../user-agent.ts'
import { type AccountTools, answerAccount, hasFactor, ownUser, type Told } from './account-page.tsx'
import { type AccountChange, changeAccount, type FileUser, isConfirmed } from './change-account.ts'

/**
 * Takes a form of the page. `act=password` with `new` and `again`, `act=factor` (which shows a key), `act=factor-code`
 * with the `code` of that key, `act=factor-remove`, `act=recovery`, `act=passkey` (which shows the page that creates
 * one), `act=passkey-made` with what the browser says, `act=passkey-remove` with an `id`. All but `factor-code` and
 * `passkey-made`, which come from a form that was confirmed, have the present password as `present`, or come from who
 * has just shown a passkey. `tokens=1` ends API tokens and guest links, too.
 *
 * Throws `route.none`, `access.origin`, `access.sign_in`, `limit.rate`, `target.malformed`, `session.store`.
 */
export async function takeAccount(ctx: PortalRequest, tools: AccountTools, sender: Session): Promise<Response> {
  const { person } = ownUser(ctx, sender)
  if (!isPortalHost(ctx)) throw new GateError('access.origin', 'accounts are changed on the portal’s own host')
  const form = await readPersonalForm(ctx, tools, sender, LONGEST_FORM)
  // Also where the browser calls the page our own.
  await requireProof(ctx, tools.seal, form, sender)
  // Before the session: whoever changes the account ends that first, so that here one of the two is known to be another.
  const account = await tools.sessions.accounts.of(person)
  const session = await stillSignedIn(tools.sessions, sender)
  const user = ownUser(ctx, session)
  const act = ACTS[form.get('act') ?? '']
  if (act === undefined || (!user.provider.takesPasswords && OF_PASSWORDS.has(act)))
    throw new GateError('target.malformed', 'the form says nothing that this account takes')
  if (act !== confirmFactor && act !== addPasskey && !(await isConfirmed(ctx, tools, session, user, form))) {
    return answerAccount(ctx, tools, session, { user, told: { kind: 'present', sent: sentForm(form) } })
  }
  return act({ ctx, tools, session, user, account, form })
}

function sentForm(form: URLSearchParams) {
  return { act: form.get('act') ?? '', of: form.get('id'), endsTokens: form.get('tokens') === '1' }
}

/** A form whose sender has given the present password, and the account from before that. */
interface Asked {
  readonly ctx: PortalRequest
  readonly tools: AccountTools
  readonly session: Session
  readonly user: FileUser
  readonly account: Account
  readonly form: URLSearchParams
}

const ACTS: Readonly<Record<string, ((asked: Asked) => Promise<Response>) | undefined>> = Object.assign(
  Object.create(null),
  {
    password: changePassword,
    factor: beginFactor,
    'factor-code': confirmFactor,
    'factor-remove': removeFactor,
    recovery: makeRecovery,
    passkey: beginPasskey,
    'passkey-made': addPasskey,
    'passkey-remove': removePasskey,
  },
)

/** Where there are passkeys alone, nothing is kept that would count once passwords do. */
const OF_PASSWORDS: ReadonlySet<unknown> = new Set([changePassword, beginFactor, confirmFactor, makeRecovery])

async function changePassword(asked: Asked): Promise<Response> {
  const { ctx, tools, session, user, form } = asked
  const password = form.get('new') ?? ''
  const fault = password === form.get('again') ? passwordFault(password, user.name) : 'differ'
  const sent = sentForm(form)
  if (fault !== null) return answerAccount(ctx, tools, session, { user, told: { kind: 'password', fault, sent } })
  const hash = await hashPassword(password)
  const atMs = tools.ports.now()
  return change(asked, 'password', before => ({ ...before, password: { hash, atMs } }))
}

/** How long the page with a key may lie before its code comes. */
const FACTOR_WAIT_MS = 10 * 60_000

/** Makes a key and shows it: it is sealed in the page, and kept only once a code of it has come. */
async function beginFactor({ ctx, tools, session, user, account, form }: Asked): Promise<Response> {
  const { makeTotpSecret } = await import('../../identity/passwords/totp.ts')
  const secret = makeTotpSecret(tools.ports.random)
  return showFactor({ ctx, tools, session, user, account, form }, secret, false)
}

async function showFactor(
  { ctx, tools, session, user, account, form }: Asked,
  secret: string,
  isWrong: boolean,
): Promise<Response> {
  const [{ totpAddress }, { default: encodeQr }] = await Promise.all([
    import('../../identity/passwords/totp.ts'),
    import('qr'),
  ])
  const endsTokens = form.get('tokens') === '1'
  const value = { secret, session: session.id, stamp: account.stamp, endsTokens }
  const pending = await tools.seal.seal(value, factorPurpose(ctx), tools.ports.now() + FACTOR_WAIT_MS)
  const address = totpAddress(secret, user.name, ctx.portal.title)
  const picture = encodeQr(address, 'raw', { ecc: 'low', border: 4 })
  const told = { kind: 'factor', secret, pending, picture, isWrong } as const
  return answerAccount(ctx, tools, session, { user, told })
}

/** A key that was shown in a form that was confirmed, as long as nothing else has changed. */
interface PendingFactor {
  readonly secret: string
  readonly session: string
  readonly stamp: string
  readonly endsTokens: boolean
}

async function confirmFactor(asked: Asked): Promise<Response> {
  const { ctx, tools, session, user, account, form } = asked
  const pending: unknown = await tools.seal.open(form.get('pending') ?? '', factorPurpose(ctx))
  if (!isPending(pending) || pending.session !== session.id || pending.stamp !== account.stamp) {
    return answerAccount(ctx, tools, session, { user, told: { kind: 'late' } })
  }
  const { secret, endsTokens } = pending
  try {
    await tools.confirmFactor(
      user.provider,
      { name: user.name, secret, code: form.get('code') ?? '' },
      ctx.clientAddress,
    )
  } catch (thrown) {
    if (!(thrown instanceof GateError) || thrown.code !== 'access.password') throw thrown
    return showFactor(asked, secret, true)
  }
  const codes = makeCodes(tools.ports)
  const sealed = await tools.sessions.accounts.sealFactor(user.person, secret)
  const atMs = tools.ports.now()
  const recovery = codes.map(code => recoveryHash(user.person, code))
  const decide = (before: Account) => ({ ...before, factor: { sealed, atMs }, recovery })
  return change(asked, 'second factor', decide, { codes, endsTokens })
}

/** The key of the file counts again, where it has one. */
function removeFactor(asked: Asked): Promise<Response> {
  return change(asked, 'no second factor', before => ({ ...before, factor: null, recovery: [] }))
}

async function makeRecovery(asked: Asked): Promise<Response> {
  const { tools, user, account } = asked
  if (!hasFactor(user, account))
    throw new GateError('target.malformed', 'without a second factor there is nothing to recover')
  const codes = makeCodes(tools.ports)
  const recovery = codes.map(code => recoveryHash(user.person, code))
  return change(asked, 'recovery codes', before => ({ ...before, recovery }), { codes })
}

/** What the ceremony of a passkey is bound to: this session, the account as it was confirmed for, and what is to end. */
function passkeyPurpose({ session, account, form }: Asked): CeremonyPurpose {
  return { use: 'create', of: sha256(JSON.stringify([session.id, account.stamp, form.get('tokens') === '1'])) }
}

/** The page on which a passkey is created. `isWrong`: the one before was not good. */
async function beginPasskey(asked: Asked, isWrong = false): Promise<Response> {
  const { ctx, tools, session, user, account, form } = asked
  const offered = await beginCeremony(ctx, tools, passkeyPurpose(asked))
  if (offered === null) throw new GateError('route.none', 'this portal has no passkeys')
  const displayName = user.provider.users?.entries.get(user.name)?.displayName ?? null
  const known = account.passkeys.filter(({ rpId }) => rpId === ctx.portal.rpId)
  const owner = passkeyOwner(user.person, displayName)
  const hidden = { act: 'passkey-made', ceremony: offered.sealed, tokens: form.get('tokens') === '1' ? '1' : '' }
  const options = creationOptions(offered.ceremony, ctx.portal.title, owner, known)
  const name = agentOf(ctx.request, wordsFor(ctx.request))
  return answerAccount(ctx, tools, session, { user, told: { kind: 'passkey', options, hidden, name, isWrong } })
}

async function addPasskey(asked: Asked): Promise<Response> {
  const { ctx, tools, session, user, account, form } = asked
  const { sessions, audit } = tools
  const ceremony = await resumeCeremony(ctx, tools, passkeyPurpose(asked), form.get('ceremony') ?? '')
  if (ceremony === null) return answerAccount(ctx, tools, session, { user, told: { kind: 'late' } })
  const name = parseName(form) ?? agentOf(ctx.request, wordsFor(ctx.request))
  const how = { keep: session.id, endsTokens: form.get('tokens') === '1' }
  let ended = 0
  try {
    await sessions.passkeys.add(
      user.person,
      { answer: form.get('passkey') ?? '', ceremony, name },
      {
        stamp: account.stamp,
        // As `changeAccount`: before and after, so that nothing slips through and nothing is half done.
        async mayAdd() {
          ended = (await sessions.endOthers(session.identity, how)).sessions
        },
      },
    )
  } catch (thrown) {
    if (!(thrown instanceof GateError) || thrown.code !== 'access.passkey') throw thrown
    notePasskeyRefused(ctx, audit, user.provider, thrown)
    return beginPasskey(asked, true)
  }
  try {
    ended += (await sessions.endOthers(session.identity, how)).sessions
  } finally {
    await audit.keep('passkey.added', { ...askedFacts(ctx), ...sessionFacts(session), passkey: name, number: ended })
  }
  return answerAccount(ctx, tools, session, { user, told: { kind: 'changed', others: ended, codes: null } })
}

/** Where there are passkeys alone, the last one stays: its user could not sign in any more. */
async function removePasskey(asked: Asked): Promise<Response> {
  const { ctx, user, account, form } = asked
  const id = form.get('id') ?? ''
  const removed = account.passkeys.find(passkey => passkey.id === id)
  if (removed === undefined) throw new GateError('target.malformed', 'the user has no passkey of this id')
  if (isLastPasskey(ctx, user, account, id))
    throw new GateError('access.denied', 'without this passkey its user could not sign in any more')
  return change(asked, { removed: removed.name }, before => ({
    ...before,
    passkeys: before.passkeys.filter(passkey => passkey.id !== id),
  }))
}

function isLastPasskey({ portal }: PortalRequest, { provider }: FileUser, { passkeys }: Account, id: string): boolean {
  const here = passkeys.filter(({ rpId }) => rpId === portal.rpId)
  return !provider.takesPasswords && here.length === 1 && here[0]?.id === id
}

async function change(
  { ctx, tools, session, user, account, form }: Asked,
  what: AccountChange,
  decide: (before: Account) => Account,
  {
    codes = null,
    endsTokens = form.get('tokens') === '1',
  }: { codes?: readonly string[] | null; endsTokens?: boolean } = {},
): Promise<Response> {
  const changed = await changeAccount(ctx, tools, session, user, { what, stamp: account.stamp, endsTokens, decide })
  const told: Told = changed === null ? { kind: 'late' } : { kind: 'changed', others: changed.others, codes }
  return answerAccount(ctx, tools, session, { user, told })
}

function isPending(raw: unknown): raw is PendingFactor {
  if (typeof raw !== 'object' || raw === null) return false
  const areTexts = ['secret', 'session', 'stamp'].every(field => typeof Reflect.get(raw, field) === 'string')
  return areTexts && typeof Reflect.get(raw, 'endsTokens') === 'boolean'
}

function factorPurpose({ portal, origin }: PortalRequest): string {
  return `second factor that begins at ${portal.name} on ${origin}`
}

const RECOVERY_CODES = 10

/** 32 characters of which none looks like another: sixteen of them are 80 bits. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'

function makeCodes({ random }: Pick<Ports, 'random'>): readonly string[] {
  return Array.from({ length: RECOVERY_CODES }, () =>
    Array.from(random(16), byte => ALPHABET[byte & 31])
      .join('')
      .replace(/(.{4})(?=.)/g, '$1-'),
  )
}
