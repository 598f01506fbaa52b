/** @jsxImportSource hono/jsx */

/** What a user of a file is told at the next sign-in: that a recovery code was used, or a passkey came by an invitation. */

import type { FilePerson } from '../../identity/passwords/users.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { Account, Notice } from '../../session/accounts/account.ts'
import type { Accounts } from '../../session/accounts/accounts.ts'
import { pageAnswer, pageBefore } from '../answer.ts'
import { wordsFor } from '../language.ts'
import { Acts, NarrowPage } from '../layout/narrow-page.tsx'
import { Moment, Said } from '../layout/time.tsx'
import { ownPath } from '../paths.ts'
import type { PortalRequest } from '../portal-request.ts'
import type { Words } from '../words/words.ts'

/**
 * The answer to a sign-in, with a page before it that tells what there is to tell; the answer itself where that is nothing.
 *
 * `by`: the passkey of this sign-in. Whoever signs in by the new one knows of it, and is not the one to tell.
 */
export async function tellNotices(
  ctx: PortalRequest,
  { sessions }: { readonly sessions: { readonly accounts: Pick<Accounts, 'of' | 'note'> } },
  { person, by }: { readonly person: FilePerson; readonly by: string | null },
  answer: Response,
): Promise<Response> {
  const onward = answer.headers.get('location')
  if (onward === null || !prefersPage(ctx.request)) return answer
  const { notices } = await sessions.accounts.of(person)
  const due = notices.filter(({ passkey }) => passkey === undefined || passkey.id !== by)
  if (due.length === 0) return answer
  // What comes meanwhile is told at the next one.
  const told = new Set(due.map(keyOf))
  await sessions.accounts.note(person, before => ({
    ...before,
    notices: before.notices.filter(one => !told.has(keyOf(one))),
  }))
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const title = noticeTitle(words, due)
  const page = (
    <NarrowPage words={words} title={title} place={ctx.portal.title}>
      <h1>{title}</h1>
      {due.map(one => (
        <p role="alert">
          <NoticeText words={words} notice={one} />
        </p>
      ))}
      <NoticeAdvice words={words} notices={due} />
      <Acts
        acts={[
          { label: words.goOn, address: onward },
          { label: words.ownAccount.title, address: ownPath('account') },
        ]}
      />
    </NarrowPage>
  )
  return pageBefore(answer, pageAnswer({ words, brand: ctx.portal.brand, page }))
}

function keyOf({ what, atMs, passkey }: Notice): string {
  return `${what} ${atMs} ${passkey?.id}`
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
export function NoticeAdvice({ words, notices }: { readonly words: Words } & Pick<Account, 'notices'>) {
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
