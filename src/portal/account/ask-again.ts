import type { ProviderPool } from '../../identity/provider.ts'
import { parseReturnTo } from '../../route/return-to.ts'
import type { Session, Sessions } from '../../session/session.ts'
import { redirectAnswer } from '../answer.ts'
import { type FormTools, readOwnForm } from '../form.ts'
import { ownPath } from '../place.ts'
import type { PortalRequest } from '../portal.ts'

export interface AskAgainTools extends FormTools {
  readonly sessions: Pick<Sessions, 'renew'>
  readonly pool: ProviderPool
  /** Counts what is asked of a provider. Throws `limit.rate` where one client asks too often. */
  noteStart(clientAddress: string): void
}

/**
 * Takes the form of the page of a refusal: asks the provider now who this is, and leads back to what was refused, as `return` says.
 *
 * A role that was granted a moment ago would count only once the provider is asked anyway. Where it cannot be asked behind the scenes,
 * the browser goes there, and comes back at once if it is still signed in there. Throws `access.origin`, `limit.rate`.
 */
export async function askAgain(ctx: PortalRequest, tools: AskAgainTools, session: Session): Promise<Response> {
  const back = parseReturnTo((await readOwnForm(ctx, tools)).get('return'))
  tools.noteStart(ctx.clientAddress)
  if (await tools.sessions.renew(session.id)) return redirectAnswer(303, back)
  return redirectAnswer(303, `${ownPath('login')}?${new URLSearchParams({ again: '1', return: back })}`)
}
