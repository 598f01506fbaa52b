/** `userinfo` and `auth` of oauth2-proxy at their old addresses. */

import { NOBODY_IN_PARTICULAR, type PersonRule } from '../../config/keys/rules.ts'
import type { Identity } from '../../identity/identity.ts'
import { compilePerson } from '../../policy/user-conditions.ts'
import { acceptedAnswer, jsonAnswer, textAnswer } from '../answer.ts'
import { portalNotFound } from '../not-found.ts'
import { type CompatRequest, type PortalRequest, readQuery } from '../portal-request.ts'
import type { CompatContext } from './old-addresses.ts'

/** oauth2-proxy's `userinfo`, for scripts of this very host: as `me`, in its words. */
export function oldUserinfo(ctx: PortalRequest): Response {
  if (!ctx.isTold) return portalNotFound(ctx)
  if (ctx.session === null) return unauthorized()
  const { subject, email, groups, preferredUsername } = ctx.told(ctx.session).identity
  return jsonAnswer({
    user: subject,
    email: email ?? '',
    ...(groups.length === 0 ? {} : { groups }),
    ...(preferredUsername === null ? {} : { preferredUsername }),
  })
}

/**
 * oauth2-proxy's `auth`: whether the sender of this very request may open what is protected on this very host, 202,
 * 401 or 403.
 *
 * It does not read what the request says about another one (`X-Original-URL`, `X-Forwarded-Uri`): only the `verify`
 * listener of `[server]` decides about those. Throws `target.malformed` where a parameter occurs twice.
 */
export function oldAuth(ctx: CompatContext): Response {
  const { session } = ctx
  if (session === null) return unauthorized()
  const { identity } = ctx.told(session)
  if (!ctx.compat.mayOpenHost(session) || !isListed(readQuery(ctx), identity, ctx.compat))
    return textAnswer(403, 'Forbidden\n')
  return acceptedAnswer(ctx.isTold ? ctx.compat.fieldsOf(session) : [])
}

function unauthorized(): Response {
  return textAnswer(401, 'Unauthorized\n')
}

/** Lists by which a request may narrow down who passes, with what their entries name. */
const LISTS = [
  ['allowed_groups', entries => ({ groups: entries })],
  ['allowed_emails', entries => ({ emails: entries.map(entry => entry.toLowerCase()) })],
  ['allowed_email_domains', entries => ({ domains: entries.map(entry => entry.toLowerCase()) })],
] as const satisfies readonly (readonly [name: string, ruleOf: (entries: readonly string[]) => Partial<PersonRule>])[]

/** Whether a user is in every given list, as rules of the file compare; an empty list contains no user. */
function isListed(query: URLSearchParams, told: Identity, { trust }: CompatRequest): boolean {
  return LISTS.every(([name, ruleOf]) => {
    const list = query.get(name)
    if (list === null) return true
    const entries = list.split(',').filter(entry => entry !== '')
    // The identity for applications holds an email address only if it counts.
    const conditions = compilePerson(
      { ...NOBODY_IN_PARTICULAR, ...ruleOf(entries) },
      { ...trust, trusted: new Set([told.provider]) },
    )
    return conditions.every(({ judge }) => judge(told) === 'yes')
  })
}
