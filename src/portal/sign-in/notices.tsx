/** @jsxImportSource hono/jsx */

/** What a user of a file is told at the next sign-in: that somebody got a passkey for this account with an invitation. */

import type { FilePerson } from '../../identity/passwords/users.ts'
import { prefersPage } from '../../route/page-load.ts'
import type { Accounts } from '../../session/accounts/accounts.ts'
import { pageAnswer } from '../answer.ts'
import { wordsFor } from '../language.ts'
import { Acts, NarrowPage } from '../pages/narrow-page.tsx'
import { momentOf } from '../pages/time.tsx'
import type { PortalRequest } from '../portal.ts'

/**
 * The answer to a sign-in, with a page before it that tells what there is to tell; the answer itself where that is nothing.
 *
 * `by`: the passkey of this sign-in. Whoever signs in by the new one knows of it, and is not the one to tell.
 */
export async function tellNotices(
  ctx: PortalRequest,
  { sessions }: { readonly sessions: { readonly accounts: Accounts } },
  { person, by }: { readonly person: FilePerson; readonly by: string | null },
  answer: Response,
): Promise<Response> {
  const onward = answer.headers.get('location')
  if (onward === null || !prefersPage(ctx.request)) return answer
  const { notices } = await sessions.accounts.of(person)
  const due = notices.flatMap(one =>
    one.what === 'invitation' && one.passkey !== undefined && one.passkey.id !== by ? [{ ...one, ...one.passkey }] : [],
  )
  if (due.length === 0) return answer
  const told = new Set(due.map(({ id }) => id))
  await sessions.accounts.note(person, before => ({
    ...before,
    notices: before.notices.filter(({ passkey }) => passkey === undefined || !told.has(passkey.id)),
  }))
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const { noticeTitle, notice, noticeAdvice } = words.passkeys
  const page = (
    <NarrowPage words={words} title={noticeTitle} place={ctx.portal.title}>
      <h1>{noticeTitle}</h1>
      {due.map(({ name, atMs }) => (
        <p role="alert">{notice(name, momentOf(atMs, words))}</p>
      ))}
      <p class="soft">{noticeAdvice}</p>
      <Acts acts={[{ label: words.goOn, address: onward }]} />
    </NarrowPage>
  )
  const shown = pageAnswer(words, ctx.portal.brand, page, 200)
  for (const setCookie of answer.headers.getSetCookie()) shown.headers.append('set-cookie', setCookie)
  return shown
}
