/** @jsxImportSource hono/jsx */

/** The page that asks at which provider to sign in, and the one that asks for a code. */

import { GateError } from '../../base/errors.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { AccountGround } from '../../identity/identity.ts'
import { requestOptions } from '../../identity/passkeys/ceremony.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import { pageAnswer } from '../answer.ts'
import { wordsFor } from '../language.ts'
import { CodePage, SignInPage } from '../pages/sign-in.tsx'
import type { Waiting } from '../pages/sign-in-parts.tsx'
import { ownPath } from '../paths.ts'
import { type PortalRequest, readQuery } from '../portal.ts'
import type { Words } from '../words/words.ts'
import type { BeginTools } from './begin.ts'
import { openDestination } from './destination.ts'
import { FRAGMENT } from './fragment.tsx'
import { lastUsedFirst } from './last-provider.ts'
import { RESTART } from './oauth-state.ts'
import { beginCeremony } from './passkeys.ts'
import { GOES_ON } from './plain-http.ts'
import { offerRemember } from './remember.ts'
import { STEP_UP_NAMES } from './step-up.ts'
import { offerUserForm, sealPassed, type UserForm, usersOf } from './user-form.ts'

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
  const answer = pageAnswer(words, ctx.portal.brand, page, isWrong ? 403 : 200, {}, scope, script)
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
  { browser, proof }: Pick<UserForm, 'browser' | 'proof'>,
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
  const answer = pageAnswer(words, ctx.portal.brand, page, isWrong ? 403 : 200, {}, 'leads-anywhere', 'form-fragment')
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
