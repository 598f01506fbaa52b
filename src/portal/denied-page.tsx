/** @jsxImportSource hono/jsx */

/** The 403 page for users who are signed in and may not pass. */

import { parseReturnTo } from '../route/return-to.ts'
import type { RequestStanding } from '../session/grants/grants.ts'
import type { Session } from '../session/session.ts'
import { pageAnswer } from './answer.ts'
import { wordsFor } from './language.ts'
import { Help, NarrowPage, Operators, Reference } from './layout/narrow-page.tsx'
import { detailOf, nameOf } from './layout/person.ts'
import { Initials, Picture } from './layout/pictures.tsx'
import { ownPath } from './paths.ts'
import type { PortalRequest } from './portal-request.ts'
import type { Words } from './words/words.ts'

/** A role that the refused user may request, and the state of that request. */
export interface AskableRole {
  readonly role: string
  readonly standing: RequestStanding
}

/** How long the line may be that goes with a request for a role. */
export const LONGEST_ASK_TEXT = 200

/** The page for someone who is signed in but lacks the role: who they are, what is missing, and the ways on. */
export function renderDeniedPage(
  ctx: PortalRequest,
  session: Session,
  view: {
    readonly needed: readonly string[]
    readonly had: readonly string[]
    /** Sentences that say what else is missing, in the language of `ctx`. */
    readonly reasons: readonly string[]
    readonly routeName: string
    readonly asking: readonly AskableRole[]
  },
): Response {
  const { identity } = session
  const words = wordsFor(ctx.request)
  const detail = detailOf(identity)
  const here = parseReturnTo(ctx.target.path + ctx.target.query)
  const back = new URLSearchParams({ switch: '1', return: here })
  const mayAsk = view.asking.some(({ standing }) => standing === null)
  // A role that cannot be requested here: the portal's contact is asked, where it can be written to.
  const lacksRole = view.needed.length > 0 && view.asking.length === 0
  const contact = ctx.portal.contact?.address ?? ''
  const written = lacksRole && /^(?:mailto|https?):/i.test(contact) ? contact : null
  // A request with a body is not sent again by loading its page.
  const isWatched = ctx.keepsOwnAddresses && (ctx.request.method === 'GET' || ctx.request.method === 'HEAD')
  // What opens by itself is not asked for by hand.
  const hasAsked = view.asking.some(({ standing }) => standing === 'open')
  const isAwaited = isWatched && hasAsked
  const name = view.routeName === '' ? null : view.routeName
  const application = ctx.waiting(ctx.target.host, ctx.target.path)
  const again =
    canAskAgain(ctx, session) && !isAwaited ? (
      <form method="post" action={ownPath('again')}>
        <input type="hidden" name="return" value={here} />
        <button class="quiet" type="submit">
          {words.askAgain}
        </button>
      </form>
    ) : null
  const page = (
    <NarrowPage words={words} title={words.notOpenTitle} place={ctx.portal.title}>
      {isWatched ? <div data-watch={`${ownPath('ask')}?${new URLSearchParams({ return: here })}`} hidden /> : null}
      {application === null ? null : <Picture {...application} />}
      <h1>{hasAsked ? words.askedFor(name) : words.notOpen(name)}</h1>
      {view.reasons.map(reason => (
        <p>{reason}</p>
      ))}
      <div class="mine">
        <p class="person">
          <Initials name={nameOf(identity)} />
          <span>
            <strong>{nameOf(identity)}</strong>
            {detail === null ? null : <span class="soft small">{detail}</span>}
          </span>
        </p>
        <dl class="facts">
          <div>
            <dt>{words.yourRoles}</dt>
            <dd>
              {view.had.length === 0 ? (
                <span class="soft">{words.none}</span>
              ) : (
                view.had.map(role => <span class="tag">{role}</span>)
              )}
            </dd>
          </div>
          {view.needed.length === 0 ? null : (
            <div>
              <dt>{view.needed.length === 1 ? words.youNeed : words.youNeedOneOf}</dt>
              <dd>
                {view.needed.map(role => (
                  <span class="tag need">{role}</span>
                ))}
              </dd>
            </div>
          )}
        </dl>
      </div>
      <Asking words={words} here={here} asking={view.asking} isWatched={isWatched} />
      <div class="acts">
        {written === null ? null : (
          <a class="act main" href={written}>
            {words.askAccess}
          </a>
        )}
        <a class={mayAsk || written !== null ? 'act' : 'act main'} href={ownPath('')}>
          {words.yourApplications}
        </a>
      </div>
      <div class="ways">
        <a href={`${ownPath('login')}?${back}`}>{words.switchAccount}</a>
        <a href={ownPath('logout')}>{words.signOut}</a>
      </div>
      {lacksRole && written === null ? (
        <p class="note">
          <span class="advice">{words.roleAdvice}</span>
        </p>
      ) : null}
      <Operators words={words}>
        {again}
        <p>
          <Help words={words} contact={ctx.portal.contact} />
        </p>
        <Reference words={words} id={ctx.requestId} />
      </Operators>
    </NarrowPage>
  )
  // Where browsers say nothing else of whose page sends a form (plain HTTP), they say its origin only to whom they may say where they come
  // from; and they ask this page's policy about the provider that the form may lead on to.
  const fields = { 'referrer-policy': 'same-origin' }
  const { brand } = ctx.portal
  if (!isWatched) return pageAnswer({ words, brand, page, status: 403, fields, scope: 'leads-anywhere' })
  return pageAnswer({
    words,
    brand,
    page,
    status: 403,
    fields,
    scope: 'asks-and-leads-anywhere',
    script: 'watch-access',
  })
}

/** How to ask for a role that would do; what is asked for already is said, and so is what was declined. */
function Asking(props: {
  readonly words: Words
  readonly here: string
  readonly asking: readonly AskableRole[]
  readonly isWatched: boolean
}) {
  const { words, here, asking, isWatched } = props
  const isAt = (standing: RequestStanding) => asking.filter(one => one.standing === standing).map(({ role }) => role)
  const [open, declined, rest] = [isAt('open'), isAt('declined'), isAt(null)]
  const list = (roles: readonly string[]) => new Intl.ListFormat(words.lang).format(roles)
  return (
    <>
      {open.length === 0 ? null : (
        <div class="asked">
          <p role="status">{words.asked}</p>
          {isWatched ? (
            <p class="soft small dotted" data-watched hidden>
              <span class="wait" aria-hidden="true" />
              <span>{words.opensByItself}</span>
            </p>
          ) : null}
          <noscript>
            <p class="soft small">{words.loadAgain}</p>
          </noscript>
        </div>
      )}
      {declined.length === 0 ? null : <p class="asked">{words.askDeclined(list(declined))}</p>}
      {rest.length === 0 ? null : (
        <form class="fields" method="post" action={ownPath('ask')}>
          <input type="hidden" name="return" value={here} />
          {rest.length === 1 ? (
            <input type="hidden" name="role" value={rest[0]} />
          ) : (
            <div class="wide">
              <label for="role">{words.askRole}</label>
              <select id="role" name="role">
                {rest.map(role => (
                  <option value={role}>{role}</option>
                ))}
              </select>
            </div>
          )}
          <div class="wide">
            <label for="text">{words.askText}</label>
            <input id="text" name="text" type="text" maxlength={LONGEST_ASK_TEXT} autocomplete="off" />
          </div>
          <button class="act main wide" type="submit">
            {words.askAccess}
          </button>
        </form>
      )}
    </>
  )
}

/** A guest, or somebody of a file, has no provider that could say anything new. */
function canAskAgain({ providers, portal }: PortalRequest, { identity: { provider } }: Session): boolean {
  return portal.providers.includes(provider) && providers.get(provider)?.users === null
}
