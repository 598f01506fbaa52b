/** @jsxImportSource hono/jsx */
import { GateError } from '../../base/errors.ts'
import type { Session } from '../../session/session.ts'
import { menuOf } from '../account/menu.ts'
import { pageAnswer } from '../answer.ts'
import type { Desk } from '../desk.ts'
import { wordsFor } from '../language.ts'
import type { PortalRequest } from '../portal.ts'
import { leadToPortal } from '../sign-in/to-portal.ts'
import { admitAdmin } from './admins-only.ts'
import { FilePage } from './file-page.tsx'

export interface FileTools {
  readonly desk: Desk
}

/**
 * The file in force, the one on disk and what `check` says of it, for those with the admin role of the only portal in it.
 *
 * Only on the host where people sign in: elsewhere, an application's own scripts could read it. Loading it changes nothing.
 * Throws `route.none` where the portal has no admins, or is not the only one, and `access.denied`.
 */
export async function showFile(ctx: PortalRequest, { desk }: FileTools, session: Session): Promise<Response> {
  const away = leadToPortal(ctx, 'file')
  if (away !== null) return away
  admitAdmin(ctx, session)
  const view = await desk.look(ctx.portal.name)
  if (view === null) throw new GateError('route.none', 'the file has other portals, whose admins are others')
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const menu = menuOf(ctx, session, words, 'admin')
  const page = <FilePage words={words} title={ctx.portal.title} menu={menu} view={view} />
  return pageAnswer(words, ctx.portal.brand, page, 200)
}
