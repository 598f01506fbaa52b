/** @jsxImportSource hono/jsx */

/** The sign-in page, which asks at which provider to sign in or for a name and a password, and the one that asks for a code. */

import type { Child } from 'hono/jsx'
import { GateError } from '../../base/errors.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { AccountGround } from '../../identity/identity.ts'
import { requestOptions } from '../../identity/passkeys/ceremony.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import { pageAnswer } from '../answer.ts'
import { wordsFor } from '../language.ts'
import { NarrowPage } from '../layout/narrow-page.tsx'
import { PasskeyForm, type PasskeyFormView } from '../layout/passkey-form.tsx'
import { type Choice, CodeInput, Providers, type Waiting, WaitsFor } from '../layout/sign-in-parts.tsx'
import { Said, spanOf } from '../layout/time.tsx'
import { ownPath } from '../paths.ts'
import { type PortalRequest, readQuery } from '../portal-request.ts'
import { sayError, type Words } from '../words/words.ts'
import { STEP_UP_NAMES } from './ask-step-up.ts'
import type { BeginTools } from './begin.ts'
import { openDestination } from './destination.ts'
import { FRAGMENT } from './fragment.tsx'
import { lastUsedFirst } from './last-provider.ts'
import { RESTART } from './oauth-state.ts'
import { beginCeremony } from './passkeys.ts'
import { GOES_ON } from './plain-http.ts'
import { offerRemember } from './remember.ts'
import { type UserForm as OfferedForm, offerUserForm, sealPassed, usersOf } from './user-form.ts'

/** What every page of a sign-in hands on to the next. */
const CARRIED: readonly string[] = ['to', 'return', FRAGMENT, 'switch', 'again', RESTART, ...STEP_UP_NAMES, GOES_ON]

/**
 * The portal's other ways to sign in, where one provider does not answer. A file of users is among them, by the page
 * that has its form.
 */
export function otherChoices(
  ctx: PortalRequest,
  failed: string,
  words: Words,
): readonly { readonly label: string; readonly address: string }[] {
  const query = handedOn(readQuery(ctx), [...CARRIED, 'remember'])
  const users = usersOf(ctx)
  return ctx.portal.providers
    .filter(name => name !== failed)
    .map(name =>
      name === users?.name
        ? { label: words.signIn, address: ownAddress(query) }
        : {
            label: words.continueWith(ctx.providers.get(name)?.label ?? name),
            address: ownAddress({ ...query, provider: name }),
          },
    )
}

/** What somebody has just sent by the form, as the page says it again. */
interface Sent {
  readonly name: string
  readonly isWrong?: boolean
  /** Whether it was a passkey. */
  readonly isPasskey?: boolean
}

/** The page that asks where to sign in, and for how long, as far as the portal leaves it open. */
export async function choosePage(
  ctx: PortalRequest,
  tools: BeginTools,
  query: URLSearchParams,
  isOn: boolean,
  { name, isWrong = false, isPasskey = false }: Sent = { name: '' },
): Promise<Response> {
  const { rememberMs } = ctx.portal.lifetimes
  const offer = rememberMs === null ? null : await offerRemember(ctx, tools)
  const carried = handedOn(query, CARRIED)
  const made = offer === null ? {} : { remember: offer.value }
  const chosen = isOn ? made : {}
  const users = usersOf(ctx)
  const choices = lastUsedFirst(ctx)
    .filter(name => name !== users?.name)
    .map(name => ({
      label: ctx.providers.get(name)?.label ?? name,
      host: hostOf(ctx.providers.get(name)),
      address: ownAddress({ ...carried, ...chosen, provider: name }),
    }))
  const form = users === null ? null : await offerUserForm(ctx, tools)
  const other = ownAddress({ ...carried, ...(isOn ? {} : made) })
  const remember =
    rememberMs === null || offer === null
      ? {}
      : { remember: { isOn, lifetimeMs: rememberMs, address: other, value: offer.value } }
  const words = wordsFor(ctx.request)
  // A form with a password has a box for the choice, and nothing of it in its address.
  const address = ownAddress({ ...carried, ...(users?.takesPasswords === true ? {} : chosen) })
  const fields =
    form === null || users === null
      ? {}
      : {
          ...(users.takesPasswords ? { form: { ...form, name, isWrong: isWrong && !isPasskey, address } } : {}),
          ...(await passkeyFields(ctx, tools, form, { address, isWrong: isWrong && isPasskey })),
        }
  const waiting = await waitingFor(ctx, tools, query)
  const view = { words, title: ctx.portal.title, choices, waiting, ...fields, ...remember }
  const page = <SignInPage {...view} />
  const scope = form === null ? 'nothing' : 'leads-anywhere'
  const script = 'passkey' in fields ? 'passkey' : form === null ? null : 'form-fragment'
  const answer = pageAnswer({ words, brand: ctx.portal.brand, page, status: isWrong ? 403 : 200, scope, script })
  for (const setCookie of [...(form?.setCookies ?? []), ...(offer?.setCookies ?? [])])
    answer.headers.append('set-cookie', setCookie)
  return answer
}

/** The application to which a sign-in leads, as far as the page may tell it; null: none. */
async function waitingFor(ctx: PortalRequest, { seal }: BeginTools, query: URLSearchParams): Promise<Waiting | null> {
  const away = await openDestination(ctx, seal, query.get('to'))
  if (away?.kind === 'away') return ctx.waiting(away.host, away.path)
  return query.has('to') ? null : ctx.waiting(ctx.target.host, parseReturnTo(query.get('return')))
}

/** The form for a passkey, where the portal has any. */
async function passkeyFields(
  ctx: PortalRequest,
  tools: BeginTools,
  { browser, proof }: Pick<OfferedForm, 'browser' | 'proof'>,
  { address, isWrong }: { readonly address: string; readonly isWrong: boolean },
) {
  const offered = await beginCeremony(ctx, tools, { use: 'sign-in', of: browser })
  if (offered === null) return {}
  const hidden = { browser, proof, ceremony: offered.sealed, keep: '' }
  return { passkey: { address, options: requestOptions(offered.ceremony), hidden, isWrong } }
}

/** The page that asks for the code of a second factor, after the password of this user was right. */
export async function codePage(
  ctx: PortalRequest,
  tools: BeginTools,
  query: URLSearchParams,
  isOn: boolean,
  {
    provider,
    name,
    account,
    isWrong = false,
  }: Sent & { readonly provider: ProviderConfig; readonly account: AccountGround },
): Promise<Response> {
  const offer = isOn ? await offerRemember(ctx, tools) : null
  const carried = handedOn(query, CARRIED)
  const address = ownAddress({ ...carried, ...(offer === null ? {} : { remember: offer.value }) })
  const form = await offerUserForm(ctx, tools)
  const passed = await sealPassed(ctx, tools, provider, { name, account, browser: form.browser })
  const words = wordsFor(ctx.request)
  const page = <CodePage words={words} title={ctx.portal.title} form={{ ...form, name, passed, isWrong, address }} />
  const answer = pageAnswer({
    words,
    brand: ctx.portal.brand,
    page,
    status: isWrong ? 403 : 200,
    scope: 'leads-anywhere',
    script: 'form-fragment',
  })
  for (const setCookie of [...form.setCookies, ...(offer?.setCookies ?? [])])
    answer.headers.append('set-cookie', setCookie)
  return answer
}

function ownAddress(query: Record<string, string>): string {
  return `${ownPath('login')}?${new URLSearchParams(query)}`
}

/** The host of a provider's issuer; null where it has none. */
export function hostOf(provider: Pick<ProviderConfig, 'issuer'> | undefined): string | null {
  return URL.parse(provider?.issuer ?? '')?.hostname ?? null
}

/** These parameters of one of Sallyport's addresses, for another of its addresses. */
export function handedOn(query: URLSearchParams, names: readonly string[]): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of names) {
    const value = query.get(name)
    if (value !== null) kept[name] = value
  }
  return kept
}

/** The provider that was asked for, or the only one; null where there is a choice to make. Throws `route.none` for a stranger. */
export function chooseProvider({ portal, providers }: PortalRequest, name: string | null): ProviderConfig | null {
  const [only, ...others] = portal.providers
  const chosen = name ?? (others.length === 0 ? only : undefined)
  if (chosen === undefined) return null
  const provider = portal.providers.includes(chosen) ? providers.get(chosen) : undefined
  if (provider === undefined) throw new GateError('route.none', 'this portal has no such provider')
  return provider
}

/** For people of a file of our own: what shows that a form is from this page, and where it goes. */
interface OwnForm {
  readonly browser: string
  readonly proof: string
  readonly address: string
  readonly isWrong: boolean
  /** The user name that was just sent; empty before. */
  readonly name: string
}

/** Whether the sign-in is to outlive the browser's window: `value` says so in an address, and `address` is this page with the other choice. */
interface Remembering {
  readonly isOn: boolean
  readonly lifetimeMs: number
  readonly address: string
  readonly value: string
}

/** What a form for a passkey needs. */
type OwnPasskey = Pick<PasskeyFormView, 'address' | 'options' | 'hidden' | 'isWrong'>

/** Where to sign in, when a portal leaves the choice, and for how long, when it leaves that. */
export function SignInPage(props: {
  readonly words: Words
  readonly title: string
  readonly choices: readonly Choice[]
  /** What opens after the sign-in; null where that is the portal itself, or not to be told. */
  readonly waiting: Waiting | null
  readonly form?: OwnForm
  readonly passkey?: OwnPasskey
  readonly remember?: Remembering
}) {
  const { words, choices, form, passkey, remember } = props
  // Where there is a form it is a box in it, which a script hands on to the other ways; else a link to this page with the choice.
  const keep = form === undefined ? undefined : remember
  const isBelowForm = form !== undefined || passkey !== undefined
  // All that is not the form is the other way: a passkey too, where there is a form for a password.
  const or = isBelowForm && choices.length > 0 ? <p class="or">{words.or}</p> : null
  return (
    <NarrowPage words={words} title={words.signIn} place={props.title} isShort>
      <h1>{words.signIn}</h1>
      {props.waiting === null ? null : <WaitsFor words={words} waiting={props.waiting} />}
      {form === undefined ? null : <PasswordForm words={words} {...form} keep={keep} />}
      {form === undefined ? null : or}
      {passkey === undefined ? null : (
        <>
          {form === undefined ? <p class="soft">{words.passkeys.signInLead}</p> : null}
          <PasskeyForm words={words} {...passkey} label={words.passkeys.signIn} isMain={form === undefined} />
        </>
      )}
      {form === undefined ? or : null}
      <Providers words={words} choices={choices} isBelowForm={isBelowForm} />
      {remember === undefined ? null : keep === undefined ? (
        <Remember words={words} {...remember} />
      ) : choices.length === 0 ? null : (
        <noscript>
          <Remember words={words} {...remember} />
        </noscript>
      )}
    </NarrowPage>
  )
}

/**
 * Asks for the code of a second factor, once the password was right: only who has both sees that this user has one.
 * `passed` shows that in the next step.
 */
function CodePage(props: {
  readonly words: Words
  readonly title: string
  readonly form: OwnForm & { readonly passed: string }
}) {
  const { words, form } = props
  return (
    <NarrowPage words={words} title={words.codeTitle} place={props.title} isShort>
      <h1>{words.codeTitle}</h1>
      <p class="soft">
        <Said say={words.signingInAs}>
          <bdi>{form.name}</bdi>
        </Said>
      </p>
      <UserForm {...form} words={words} wrong={words.codeWrong} below={<RecoveryCode words={words} />}>
        <input type="hidden" name="name" value={form.name} />
        <input type="hidden" name="passed" value={form.passed} />
        <div class="wide">
          <CodeInput words={words} note="code-note" />
        </div>
        <p class="small soft wide" id="code-note">
          {words.codeNote}
        </p>
      </UserForm>
      <p class="note">
        <a class="quiet" href={form.address}>
          {words.useOtherAccount}
        </a>
      </p>
    </NarrowPage>
  )
}

/** In place of a code of the app. */
function RecoveryCode({ words }: { readonly words: Words }) {
  return (
    <details class="operators">
      <summary>{words.ownAccount.recoveryUse}</summary>
      <div class="fields">
        <div class="wide">
          <label for="recovery">{words.ownAccount.recoveryCode}</label>
          <input
            id="recovery"
            name="recovery"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            maxlength={32}
          />
        </div>
      </div>
    </details>
  )
}

function PasswordForm(props: OwnForm & { readonly words: Words; readonly keep: Remembering | undefined }) {
  const { words, name, keep } = props
  return (
    <UserForm {...props} wrong={sayError(words, 'access.password')}>
      <div class="wide">
        <label for="name">{words.userName}</label>
        <input
          id="name"
          name="name"
          value={name}
          autocomplete="username webauthn"
          autocapitalize="none"
          spellcheck={false}
          required
          autofocus={name === ''}
        />
      </div>
      <div class="wide">
        <label for="password">{words.password}</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="current-password"
          required
          autofocus={name !== ''}
        />
      </div>
      {keep === undefined ? null : (
        <label class="check wide">
          <input type="checkbox" name="keep" value="1" checked={keep.isOn} data-offer={keep.value} />
          <span>{words.rememberOn}</span>
        </label>
      )}
    </UserForm>
  )
}

/** `wrong`: what is said of a form that was just sent and is wrong. */
function UserForm(
  props: OwnForm & {
    readonly words: Words
    readonly wrong: string
    readonly children: Child
    /** Below its button. */
    readonly below?: Child
  },
) {
  const { words, browser, proof, address, isWrong, wrong, children } = props
  return (
    <form method="post" action={address}>
      <input type="hidden" name="browser" value={browser} />
      <input type="hidden" name="proof" value={proof} />
      {isWrong ? (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      ) : null}
      <div class="fields">{children}</div>
      <div class="acts">
        <button class="act main" type="submit">
          {words.signIn}
        </button>
      </div>
      {props.below}
    </form>
  )
}

function Remember({ words, isOn, lifetimeMs, address }: { readonly words: Words } & Remembering) {
  const [before, after] = words.remembered
  return isOn ? (
    <p class="keep">
      <span class="tick on">
        {before}
        {spanOf(lifetimeMs, words)}
        {after}
      </span>
      <a class="quiet" href={address}>
        {words.rememberOff}
      </a>
    </p>
  ) : (
    <p class="keep">
      <a class="quiet tick" href={address}>
        {words.rememberOn}
      </a>
    </p>
  )
}
