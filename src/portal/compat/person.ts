import { NOBODY_IN_PARTICULAR, type PersonRule } from '../../config/resolve/rules.ts'
import type { Identity } from '../../identity/identity.ts'
import { compilePerson } from '../../policy/person.ts'
import { acceptedAnswer, jsonAnswer, textAnswer } from '../answer.ts'
import { portalNotFound } from '../not-found.ts'
import type { PortalRequest } from '../portal.ts'
import { readQuery } from '../query.ts'
import type { CompatContext } from './onward.ts'

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
 * oauth2-proxy's `auth`: whether whoever sends this very request may open what is protected on this very host, 202, 401 or 403.
 *
 * What the request says of another one (`X-Original-URL`, `X-Forwarded-Uri`) is not read: verdicts about those are given where
 * `verify` of `[server]` listens, and nowhere else. Throws `target.malformed` where a parameter occurs twice.
 */
export function oldAuth(ctx: CompatContext): Response {
  const { session } = ctx
  if (session === null) return unauthorized()
  const { identity } = ctx.told(session)
  if (!ctx.compat.mayOpenHost(session) || !isListed(readQuery(ctx), identity)) return textAnswer(403, 'Forbidden\n')
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

/** Whether someone is in every list that is there, as rules of the file compare; in an empty one nobody is. */
function isListed(query: URLSearchParams, told: Identity): boolean {
  return LISTS.every(([name, ruleOf]) => {
    const list = query.get(name)
    if (list === null) return true
    const entries = list.split(',').filter(entry => entry !== '')
    // What is told of someone holds no address but one that counts.
    const conditions = compilePerson({ ...NOBODY_IN_PARTICULAR, ...ruleOf(entries) }, new Set([told.provider]))
    return conditions.every(({ judge }) => judge(told) === 'yes')
  })
}
