/** @jsxImportSource hono/jsx */

/** The page of a user of a file: password, second factor and recovery codes, each with a form that changes it. */

import type { Child } from 'hono/jsx'
import { type PasswordFault, SHORTEST_PASSWORD } from '../../identity/passwords/password.ts'
import type { Account, Notice } from '../../session/accounts/account.ts'
import { ownPath } from '../paths.ts'
import type { Words } from '../words/words.ts'
import { PasskeyForm, type PasskeyFormView } from './passkeys.tsx'
import { CodeInput } from './sign-in-parts.tsx'
import { Moment, Said, SaidOf } from './time.tsx'
import { type MenuEntry, WidePage } from './wide-page.tsx'

/** What came of a form that was just sent. */
export type Told =
  | { readonly kind: 'present' | 'late' }
  | { readonly kind: 'password'; readonly fault: PasswordFault | 'differ' }
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

export interface AccountView {
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

export function AccountPage(view: AccountView) {
  const { words, title, menu, told, account } = view
  const say = words.ownAccount
  return (
    <WidePage words={words} title={title} heading={say.title} menu={menu}>
      {told?.kind === 'factor' ? (
        <NewFactor {...view} {...told} />
      ) : told?.kind === 'passkey' ? (
        <NewPasskey {...view} {...told} />
      ) : (
        <>
          <p class="soft">{view.isFresh ? say.ends : view.takesPasswords ? say.lead : words.passkeys.confirmLead}</p>
          <Outcome words={words} told={told} />
          <Notices words={words} notices={account.notices} />
          {view.takesPasswords ? <Password {...view} /> : null}
          {view.takesPasswords ? <Factor {...view} /> : null}
          {view.rpId === null && account.passkeys.length === 0 ? null : <Passkeys {...view} />}
        </>
      )}
    </WidePage>
  )
}

function Outcome({ words, told }: Pick<AccountView, 'words' | 'told'>) {
  const say = words.ownAccount
  if (told === null || told.kind === 'factor' || told.kind === 'passkey') return null
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

export function noticeTitle(words: Words, notices: readonly Notice[]): string {
  return notices.every(isOfPasskey) ? words.passkeys.noticeTitle : words.ownAccount.noticeTitle
}

export function NoticeText({ words, notice: { passkey, atMs } }: { readonly words: Words; readonly notice: Notice }) {
  const say = (when: string) =>
    passkey === undefined ? words.ownAccount.recoveryUsed(when) : words.passkeys.notice(passkey.name, when)
  return (
    <Said say={say}>
      <Moment words={words} atMs={atMs} />
    </Said>
  )
}

/** What to do about it. */
export function NoticeAdvice({ words, notices }: Pick<AccountView, 'words'> & Pick<Account, 'notices'>) {
  return (
    <>
      {notices.some(isOfPasskey) ? <p class="soft">{words.passkeys.noticeAdvice}</p> : null}
      {notices.every(isOfPasskey) ? null : <p class="soft">{words.ownAccount.noticeAdvice}</p>}
    </>
  )
}

function isOfPasskey({ passkey }: Notice): boolean {
  return passkey !== undefined
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
  const { words, account, name } = view
  const say = words.ownAccount
  const { password } = account
  return (
    <section class="card way">
      <Change
        {...view}
        act="password"
        label={say.changePassword}
        title={<h2>{words.password}</h2>}
        about={
          password === null ? say.passwordOfFile : <Since words={words} say={say.passwordSince} atMs={password.atMs} />
        }
      >
        {/* A password manager keeps the new password under this name. */}
        <input type="text" name="username" value={name} autocomplete="username" hidden />
        <Secret id="new" label={say.newPassword} autocomplete="new-password" describedBy="password-rules" />
        <Secret id="again" label={say.newPasswordAgain} autocomplete="new-password" />
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
        title={<h2>{say.factor}</h2>}
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
          title={<h3>{say.recovery}</h3>}
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
        <Change {...view} act="passkey" label={say.add} title={<h2>{say.heading}</h2>} about={say.lead} />
      ) : (
        <div class="head">
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
                  {telling(view, passkey).title}
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
    title: (
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
    <section>
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
    <section>
      {isWrong ? (
        <p class="wrong" role="alert">
          {words.codeWrong}
        </p>
      ) : null}
      <p>{say.factorScan}</p>
      <QrCode picture={picture} label={say.factorPicture} />
      <dl class="facts">
        <div>
          <dt>{say.factorKey}</dt>
          <dd>
            <code>{secret.replace(/(.{4})(?=.)/g, '$1 ')}</code>
          </dd>
        </div>
      </dl>
      <form class="fields short" method="post" action={ownPath('account')}>
        <input type="hidden" name="proof" value={proof} />
        <input type="hidden" name="act" value="factor-code" />
        <input type="hidden" name="pending" value={pending} />
        <div>
          <CodeInput words={words} isRequired />
        </div>
        <button class="act main" type="submit">
          {say.factorConfirm}
        </button>
      </form>
      <BackToAccount words={words} />
    </section>
  )
}

function BackToAccount({ words }: Pick<AccountView, 'words'>) {
  return (
    <p class="more">
      <a class="act" href={ownPath('account')}>
        {words.ownAccount.back}
      </a>
    </p>
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
export function Change(
  props: Omit<ConfirmView, 'isAlone'> & {
    readonly proof: string
    readonly act: string
    readonly label: string
    /** What it changes, and how that is now. */
    readonly title?: Child
    readonly about?: Child
    /** One of several that it may be of. */
    readonly of?: Pick<Account['passkeys'][number], 'id' | 'name'>
    readonly isEnd?: boolean
    readonly children?: Child
  },
) {
  const { words, proof, act, label, title, about, of, isFresh, isEnd = false } = props
  const say = words.ownAccount
  const id = of === undefined ? act : `${act}-${of.id}`
  return (
    <details>
      <summary class="head">
        <span>
          {title}
          {about === undefined ? null : <span class={of === undefined ? 'soft' : 'soft small'}>{about}</span>}
        </span>
        <span class="pick">{label}</span>
      </summary>
      <form class="fields" method="post" action={ownPath('account')}>
        <input type="hidden" name="proof" value={proof} />
        <input type="hidden" name="act" value={act} />
        {isFresh ? null : (
          <Secret id={`present-${id}`} name="present" label={say.present} autocomplete="current-password" />
        )}
        {props.children}
        <label class="check wide" for={`tokens-${id}`}>
          <input id={`tokens-${id}`} type="checkbox" name="tokens" value="1" />
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
}) {
  const { id, name = id, label, autocomplete, describedBy } = props
  return (
    <div>
      <label for={id}>{label}</label>
      <input id={id} name={name} type="password" autocomplete={autocomplete} aria-describedby={describedBy} required />
    </div>
  )
}
