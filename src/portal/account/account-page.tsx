/** @jsxImportSource hono/jsx */

/** The page `account`: how a user of a file signs in, with a form for each change. `account-forms.ts` takes the forms. */

import type { Child } from 'hono/jsx'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { type PasswordFault, SHORTEST_PASSWORD } from '../../identity/passwords/password.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { Account } from '../../session/accounts/account.ts'
import type { Passkeys as StoredPasskeys } from '../../session/accounts/passkeys.ts'
import type { Session } from '../../session/session.ts'
import { jsonAnswer, pageAnswer } from '../answer.ts'
import { type PersonalFormTools, proveForm } from '../form.ts'
import { wordsFor } from '../language.ts'
import { PasskeyForm, type PasskeyFormView } from '../layout/passkey-form.tsx'
import { type PICTURES, Sign } from '../layout/pictures.tsx'
import { CodeInput } from '../layout/sign-in-parts.tsx'
import { Moment, Said, SaidOf } from '../layout/time.tsx'
import { type MenuEntry, WidePage } from '../layout/wide-page.tsx'
import { ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import { stepUpAddress } from '../sign-in/ask-step-up.ts'
import { NoticeAdvice, NoticeText, noticeTitle } from '../sign-in/notices.tsx'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import type { Words } from '../words/words.ts'
import { type ChangeTools, CONFIRMED_S, type FileUser, fileUserOf, isFreshByPasskey, isNews } from './change-account.ts'
import { menuOf } from './menu.ts'

export interface AccountTools extends ChangeTools, PersonalFormTools {
  readonly ports: Pick<Ports, 'now' | 'random'>
  readonly sessions: ChangeTools['sessions'] & { readonly passkeys: StoredPasskeys }
  /** Whether a code is of this secret, and came for the first time. Throws like `confirm`. */
  confirmFactor(
    provider: ProviderConfig,
    given: { readonly name: string; readonly secret: string; readonly code: string },
    clientAddress: string,
  ): Promise<void>
}

/** The user's account. Throws `route.none` for who is in no file of this portal. */
export async function showAccount(ctx: PortalRequest, tools: AccountTools, session: Session): Promise<Response> {
  const user = ownUser(ctx, session)
  return leadToPortal(ctx, 'account') ?? answerAccount(ctx, tools, session, { user, told: null })
}

/** Throws `route.none` for who is in no file of this portal. */
export function ownUser(ctx: PortalRequest, session: Session): FileUser {
  const user = fileUserOf(ctx, session)
  if (user === null) throw new GateError('route.none', 'who is in no file of users has no account here')
  return user
}

export function hasFactor({ provider, name }: FileUser, { factor }: Account): boolean {
  return factor !== null || provider.users?.totp.has(name) === true
}

/** The page, or what it says for programs: with 403 where the present password was wrong, 422 for what is not taken. */
export async function answerAccount(
  ctx: PortalRequest,
  tools: AccountTools,
  session: Session,
  { user, told }: { readonly user: FileUser; readonly told: Told | null },
): Promise<Response> {
  const account = await tools.sessions.accounts.of(user.person)
  const status = told === null ? 200 : statusOf(told)
  if (!prefersPage(ctx.request)) return jsonAnswer(describe(user, account, told), status)
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const view: AccountView = {
    words,
    title: ctx.portal.title,
    menu: menuOf(ctx, session, words, 'account'),
    name: user.name,
    account: { ...account, notices: account.notices.filter(notice => isNews(session, notice)) },
    takesPasswords: user.provider.takesPasswords,
    rpId: ctx.portal.rpId,
    isFresh: isFreshByPasskey(session, tools.ports.now()),
    confirmAt: stepUpAddress({ ...ctx, session }, CONFIRMATION, ownPath('account')),
    isFactorOfFile: user.provider.users?.totp.has(user.name) === true,
    told,
    proof: await proveForm(ctx, session, tools.seal),
  }
  const script = told?.kind === 'passkey' ? 'passkey' : null
  return pageAnswer({ words, brand: ctx.portal.brand, page: <AccountPage {...view} />, status, script })
}

/** What a passkey shows to confirm a change. */
const CONFIRMATION = { maxAgeS: CONFIRMED_S, acr: [], amr: [] }

function statusOf(told: Told): number {
  if (told.kind === 'present' || (told.kind === 'passkey' && told.isWrong)) return 403
  if (told.kind === 'late') return 409
  return told.kind === 'password' || (told.kind === 'factor' && told.isWrong) ? 422 : 200
}

function describe(user: FileUser, account: Account, told: Told | null): object {
  const { password, factor, recovery, passkeys } = account
  return {
    password: password === null ? 'file' : 'own',
    second_factor: factor !== null ? 'own' : hasFactor(user, account) ? 'file' : 'none',
    recovery_codes: recovery.length,
    passkeys: passkeys.map(({ id, name, rpId, createdAtMs, usedAtMs, isBackedUp }) => ({
      id,
      name,
      host: rpId,
      created: new Date(createdAtMs).toISOString(),
      used: usedAtMs === null ? null : new Date(usedAtMs).toISOString(),
      synced: isBackedUp,
    })),
    ...(told === null ? {} : { outcome: told.kind }),
    ...(told?.kind === 'changed'
      ? { sessions_ended: told.others, ...(told.codes === null ? {} : { codes: told.codes }) }
      : {}),
    ...(told?.kind === 'password' ? { fault: told.fault } : {}),
    ...(told?.kind === 'passkey' ? { options: told.options, ...told.hidden } : {}),
    ...(told?.kind === 'factor' ? { secret: told.secret, pending: told.pending } : {}),
  }
}

/** A form of the page that was just sent, to be shown as its sender left it but for passwords. */
interface SentForm {
  readonly act: string
  /** The passkey that it is of; null: of none. */
  readonly of: string | null
  /** Whether API tokens and guest links were to end, too. */
  readonly endsTokens: boolean
}

/** What came of a form that was just sent. */
export type Told =
  | { readonly kind: 'late' }
  | { readonly kind: 'present'; readonly sent: SentForm }
  | { readonly kind: 'password'; readonly fault: PasswordFault | 'differ'; readonly sent: SentForm }
  /** A key that was just made: it is kept once a code of it comes. */
  | {
      readonly kind: 'factor'
      readonly secret: string
      readonly pending: string
      readonly picture: readonly (readonly boolean[])[]
      readonly isWrong: boolean
    }
  /** A passkey that is about to be made. */
  | ({ readonly kind: 'passkey'; readonly name: string; readonly isWrong: boolean } & Pick<
      PasskeyFormView,
      'options' | 'hidden'
    >)
  /** `codes`: recovery codes, which are shown this once. */
  | { readonly kind: 'changed'; readonly others: number; readonly codes: readonly string[] | null }

interface AccountView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly name: string
  readonly account: Account
  /** Whether users sign in with passwords and codes: without, there are passkeys alone. */
  readonly takesPasswords: boolean
  /** The host that passkeys are for; null: the portal has none. */
  readonly rpId: string | null
  /** Whether the user has just shown a passkey: then no password is asked for. */
  readonly isFresh: boolean
  /** Where they do. */
  readonly confirmAt: string
  /** Whether the file has a second factor for this user. */
  readonly isFactorOfFile: boolean
  readonly told: Told | null
  readonly proof: string
}

function AccountPage(view: AccountView) {
  const { words, title, menu, told, account } = view
  const say = words.ownAccount
  return (
    <WidePage
      words={words}
      title={title}
      heading={say.title}
      menu={menu}
      isSlim
      lead={
        told?.kind === 'factor' || told?.kind === 'passkey' ? undefined : (
          <p class="soft">{view.isFresh ? say.ends : view.takesPasswords ? say.lead : words.passkeys.confirmLead}</p>
        )
      }
    >
      {told?.kind === 'factor' ? (
        <NewFactor {...view} {...told} />
      ) : told?.kind === 'passkey' ? (
        <NewPasskey {...view} {...told} />
      ) : (
        <>
          <Outcome {...view} />
          <Notices words={words} notices={account.notices} />
          {view.takesPasswords ? <Password {...view} /> : null}
          {view.takesPasswords ? <Factor {...view} /> : null}
          {view.rpId === null && account.passkeys.length === 0 ? null : <Passkeys {...view} />}
        </>
      )}
    </WidePage>
  )
}

/** What is not said beside a field. */
function Outcome(view: AccountView) {
  const { words, told } = view
  const say = words.ownAccount
  if (told === null || told.kind === 'factor' || told.kind === 'passkey') return null
  if (told.kind !== 'changed' && told.kind !== 'late' && isOffered(view, told.sent)) return null
  if (told.kind === 'changed') {
    return (
      <div class="made" role="status">
        <p>{say.changed(told.others)}</p>
        {told.codes === null ? null : (
          <>
            <h2>{say.recovery}</h2>
            <p>{say.recoveryLead}</p>
            <p>
              <code class="codes">{told.codes.join('\n')}</code>
            </p>
          </>
        )}
      </div>
    )
  }
  const text =
    told.kind === 'password' ? say.passwordFaults[told.fault] : told.kind === 'late' ? say.tooLate : say.presentWrong
  return (
    <p class="wrong" role="alert">
      {text}
    </p>
  )
}

/** Whether a form is on the page: what it was about may be gone by now. */
function isOffered({ account, isFactorOfFile, takesPasswords, rpId }: AccountView, { act, of }: SentForm): boolean {
  if (act === 'passkey-remove') return account.passkeys.some(({ id }) => id === of)
  if (act === 'passkey') return rpId !== null
  return (
    takesPasswords &&
    (act !== 'recovery' || account.factor !== null || isFactorOfFile) &&
    (act !== 'factor-remove' || account.factor !== null)
  )
}

/** What the user was not told yet, since this session is older. */
function Notices({ words, notices }: Pick<AccountView, 'words'> & Pick<Account, 'notices'>) {
  if (notices.length === 0) return null
  return (
    <div class="made" role="status">
      <h2>{noticeTitle(words, notices)}</h2>
      {notices.map(one => (
        <p>
          <NoticeText words={words} notice={one} />
        </p>
      ))}
      <NoticeAdvice words={words} notices={notices} />
    </div>
  )
}

/** Since which day something is so. */
function Since(props: { readonly words: Words; readonly say: (day: string) => string; readonly atMs: number }) {
  return (
    <Said say={props.say}>
      <Moment words={props.words} atMs={props.atMs} show="day" />
    </Said>
  )
}

function Password(view: AccountView) {
  const { words, account, name, told } = view
  const say = words.ownAccount
  const { password } = account
  const fault = told?.kind === 'password' ? told.fault : null
  const wrong = fault === null ? null : say.passwordFaults[fault]
  return (
    <section class="card way">
      <Change
        {...view}
        act="password"
        label={say.changePassword}
        sign="lock"
        heading={<h2>{words.password}</h2>}
        about={
          password === null ? say.passwordOfFile : <Since words={words} say={say.passwordSince} atMs={password.atMs} />
        }
      >
        {/* A password manager keeps the new password under this name. */}
        <input type="text" name="username" value={name} autocomplete="username" hidden />
        <Secret
          id="new"
          label={say.newPassword}
          autocomplete="new-password"
          describedBy="password-rules"
          wrong={fault === 'differ' ? null : wrong}
          isFirst={fault !== null && view.isFresh}
        />
        <Secret
          id="again"
          label={say.newPasswordAgain}
          autocomplete="new-password"
          wrong={fault === 'differ' ? wrong : null}
        />
        <p class="small soft wide" id="password-rules">
          {say.passwordRules(SHORTEST_PASSWORD)}
        </p>
      </Change>
    </section>
  )
}

function Factor(view: AccountView) {
  const { words, account, isFactorOfFile } = view
  const say = words.ownAccount
  const { factor, recovery } = account
  const isOn = factor !== null || isFactorOfFile
  return (
    <section class="card way">
      <Change
        {...view}
        act="factor"
        label={isOn ? say.factorReplace : say.factorSetUp}
        sign="phone"
        heading={
          <h2>
            {say.factor} <span class="tag">{isOn ? say.on : say.off}</span>
          </h2>
        }
        about={
          factor !== null ? (
            <Since words={words} say={say.factorSince} atMs={factor.atMs} />
          ) : isFactorOfFile ? (
            say.factorOfFile
          ) : (
            say.factorLead
          )
        }
      />
      {isOn ? (
        <Change
          {...view}
          act="recovery"
          label={say.recoveryMake}
          heading={<h3>{say.recovery}</h3>}
          about={say.recoveryLeft(recovery.length)}
        />
      ) : null}
      {factor === null ? null : <Change {...view} act="factor-remove" label={say.factorRemove} isEnd />}
    </section>
  )
}

/** Confirms changes without a password: in place of it in each form, and in place of the forms where there are no passwords. */
function Confirm({ words, account, rpId, isFresh, confirmAt, isAlone = false }: ConfirmView) {
  if (isFresh || !account.passkeys.some(passkey => passkey.rpId === rpId)) return null
  return (
    <a class={isAlone ? 'act' : 'quiet'} href={confirmAt}>
      {words.passkeys.confirm}
    </a>
  )
}

type ConfirmView = Pick<AccountView, 'words' | 'account' | 'rpId' | 'isFresh' | 'confirmAt'> & {
  readonly isAlone?: boolean
}

function Passkeys(view: AccountView) {
  const { words, account, rpId, takesPasswords, isFresh } = view
  const say = words.passkeys
  const here = account.passkeys.filter(passkey => passkey.rpId === rpId)
  const mayChange = takesPasswords || isFresh
  return (
    <section class="card way">
      {mayChange && rpId !== null ? (
        <Change
          {...view}
          act="passkey"
          label={say.add}
          sign="passkey"
          heading={<h2>{say.heading}</h2>}
          about={say.lead}
        />
      ) : (
        <div class="head">
          <Sign of="passkey" />
          <span>
            <h2>{say.heading}</h2>
            <span class="soft">{say.lead}</span>
          </span>
          <Confirm {...view} isAlone />
        </div>
      )}
      <ul class="rows">
        {account.passkeys.map(passkey => (
          <li>
            {mayChange && (takesPasswords || here.length > 1 || passkey.rpId !== rpId) ? (
              <Change {...view} act="passkey-remove" label={say.remove} of={passkey} isEnd {...telling(view, passkey)}>
                <input type="hidden" name="id" value={passkey.id} />
              </Change>
            ) : (
              <div class="head">
                <span>
                  {telling(view, passkey).heading}
                  <span class="soft small">{telling(view, passkey).about}</span>
                </span>
              </div>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** What there is to say of a passkey. */
function telling({ words, rpId }: AccountView, passkey: Account['passkeys'][number]) {
  const say = words.passkeys
  return {
    heading: (
      <h3>
        {passkey.name} {passkey.isBackedUp ? <span class="tag">{say.synced}</span> : null}
      </h3>
    ),
    about: (
      <>
        {passkey.rpId === rpId ? null : `${passkey.rpId} · `}
        <SaidOf
          say={([made = '', used = null]) => say.times(made, used)}
          each={[passkey.createdAtMs, passkey.usedAtMs].flatMap(atMs =>
            atMs === null ? [] : [<Moment words={words} atMs={atMs} show="day" />],
          )}
        />
      </>
    ),
  }
}

/** The page on which the browser makes a passkey. */
function NewPasskey(view: AccountView & Extract<Told, { kind: 'passkey' }>) {
  const { words, options, hidden, name, isWrong, proof } = view
  const say = words.passkeys
  return (
    <section class="card">
      <p class="soft">{say.lead}</p>
      <PasskeyForm
        words={words}
        address={ownPath('account')}
        options={options}
        hidden={{ ...hidden, proof }}
        label={say.create}
        isWrong={isWrong}
        isMain
      >
        <div class="fields">
          <div>
            <label for="name">{say.name}</label>
            <input id="name" name="name" value={name} required maxlength={100} autocomplete="off" />
          </div>
        </div>
      </PasskeyForm>
      <BackToAccount words={words} />
    </section>
  )
}

/** A key that was just made: its picture, the key itself, and the field for a code. */
function NewFactor(view: AccountView & Extract<Told, { kind: 'factor' }>) {
  const { words, secret, pending, picture, isWrong, proof } = view
  const say = words.ownAccount
  return (
    <section class="card">
      {isWrong ? (
        <p class="wrong" role="alert">
          {words.codeWrong}
        </p>
      ) : null}
      <p>{say.factorScan}</p>
      <div class="scan">
        <QrCode picture={picture} label={say.factorPicture} />
        <form class="fields" method="post" action={ownPath('account')}>
          <input type="hidden" name="proof" value={proof} />
          <input type="hidden" name="act" value="factor-code" />
          <input type="hidden" name="pending" value={pending} />
          <dl class="facts wide">
            <div>
              <dt>{say.factorKey}</dt>
              <dd>
                <code>{secret.replace(/(.{4})(?=.)/g, '$1 ')}</code>
              </dd>
            </div>
          </dl>
          <div class="wide">
            <CodeInput words={words} isRequired />
          </div>
          <div class="buttons wide">
            <button class="act main" type="submit">
              {say.factorConfirm}
            </button>
            <BackToAccount words={words} />
          </div>
        </form>
      </div>
    </section>
  )
}

function BackToAccount({ words }: Pick<AccountView, 'words'>) {
  return (
    <a class="quiet" href={ownPath('account')}>
      {words.ownAccount.back}
    </a>
  )
}

/** A QR code, as rows of its dark modules with the quiet zone around them: dark on light in any colour scheme, as cameras expect. */
function QrCode({ picture, label }: { readonly picture: readonly (readonly boolean[])[]; readonly label: string }) {
  const size = picture.length
  const path = picture.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : []))).join('')
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  )
}

/** A form that changes something, under what it changes: closed until it is wanted, since each asks for the present password. */
function Change(
  props: Omit<ConfirmView, 'isAlone'> & {
    readonly told: Told | null
    readonly proof: string
    readonly act: string
    readonly label: string
    /** What it changes, and how that is now. */
    readonly sign?: keyof typeof PICTURES
    readonly heading?: Child
    readonly about?: Child
    /** One of several that it may be of. */
    readonly of?: Pick<Account['passkeys'][number], 'id' | 'name'>
    readonly isEnd?: boolean
    readonly children?: Child
  },
) {
  const { words, told, proof, act, label, sign, heading, about, of, isFresh, isEnd = false } = props
  const say = words.ownAccount
  const id = of === undefined ? act : `${act}-${of.id}`
  // Open from the start where what was just typed into it was refused.
  const refused = told?.kind === 'present' || told?.kind === 'password' ? told : null
  const sent = refused?.sent.act === act && (of === undefined || refused.sent.of === of.id) ? refused.sent : null
  const isWrong = sent !== null && told?.kind === 'present'
  return (
    <details open={sent !== null}>
      <summary class="head">
        {sign === undefined ? null : <Sign of={sign} />}
        <span>
          {heading}
          {about === undefined ? null : <span class={of === undefined ? 'soft' : 'soft small'}>{about}</span>}
        </span>
        <span class={`${of === undefined ? 'act' : 'quiet end'} to-open`}>{label}</span>
        <span class={`${of === undefined ? 'act' : 'quiet'} to-close`}>{words.editLeave}</span>
      </summary>
      <form class="fields" method="post" action={ownPath('account')}>
        <input type="hidden" name="proof" value={proof} />
        <input type="hidden" name="act" value={act} />
        {isFresh ? null : (
          <Secret
            id={`present-${id}`}
            name="present"
            label={say.present}
            autocomplete="current-password"
            wrong={isWrong ? say.presentWrong : null}
            isFirst={sent !== null}
          />
        )}
        {props.children}
        <label class="check wide" for={`tokens-${id}`}>
          <input id={`tokens-${id}`} type="checkbox" name="tokens" value="1" checked={sent?.endsTokens === true} />
          <span>{say.alsoTokens}</span>
        </label>
        <p class="small soft wide">{say.ends}</p>
        <div class="buttons wide">
          <button
            class={isEnd ? 'act end' : 'act main'}
            type="submit"
            aria-label={of === undefined ? undefined : words.passkeys.removeNamed(of.name)}
          >
            {label}
          </button>
          <Confirm {...props} />
        </div>
      </form>
    </details>
  )
}

function Secret(props: {
  readonly id: string
  readonly name?: string
  readonly label: string
  readonly autocomplete: 'current-password' | 'new-password'
  readonly describedBy?: string
  /** What is wrong with what was just typed there; null: nothing. */
  readonly wrong?: string | null
  /** Whether to type here first. */
  readonly isFirst?: boolean
}) {
  const { id, name = id, label, autocomplete, describedBy, wrong = null, isFirst = false } = props
  return (
    <div>
      <label for={id}>{label}</label>
      {wrong === null ? null : (
        <p class="wrong" role="alert" id={`wrong-${id}`}>
          {wrong}
        </p>
      )}
      <input
        id={id}
        name={name}
        type="password"
        autocomplete={autocomplete}
        aria-describedby={
          [describedBy, wrong === null ? undefined : `wrong-${id}`].filter(Boolean).join(' ') || undefined
        }
        aria-invalid={wrong === null ? undefined : 'true'}
        autofocus={isFirst}
        required
      />
    </div>
  )
}
