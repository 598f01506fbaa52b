import { foldFieldName, IDENTITY, OWNED } from '../../config/values/headers.ts'
import type { Entry } from '../draft.ts'
import { type Context, spell } from './context.ts'
import { claimFor } from './policy.ts'

/** The placeholder for `{http.auth.user.id}`, until the policy of the users is known. */
export const USER_ID = 'auth.id'

/** Where its changes go. */
interface UpFields {
  readonly headers: Record<string, string>
  readonly set: Record<string, string>
  readonly append: Record<string, string>
  readonly removed: string[]
  readonly entries: Entry[]
}

/** Fields that Sallyport writes itself, as Caddy does. */
export const FORWARDING = /^(?:x-forwarded-(?:for|proto|host|port)|x-real-ip|forwarded|via|connection|upgrade)$/i
export const FORWARDED = 'nothing to write: Sallyport says it itself, and believes only trusted_proxies'
/** Fields whose values are not copied. */
export const SECRET = /auth|token|key|secret|cookie|password/i

/** A field of what goes to an application, with a sign for how, and its values; a second value is what the first is replaced by, which is said as little as a placeholder. */
export function readHeaderUp(
  context: Context,
  name: string,
  stated: readonly string[],
  where: string,
  to: UpFields,
): void {
  const field = name.replace(/^[+?-]/, '')
  const value = stated.length > 1 ? '{replaced}' : (stated[0] ?? '')
  const said = (outcome: 'decide' | 'left' | 'kept' | 'changed', say: string) =>
    context.notes.add(outcome, `${name} in ${where}`, null, say)
  const changed = name.startsWith('+') ? to.append : to.set
  const user = /^\{http\.auth\.user\.([^}]+)\}$/.exec(value)?.[1]
  const claim = user === undefined ? null : user === 'id' ? USER_ID : claimFor(user)
  if (/^host$/i.test(name)) {
    const isUpstreams = /^\{(?:upstream_hostport|http\.reverse_proxy\.upstream\.hostport)\}$/.test(value)
    if (isUpstreams) to.entries.push({ key: 'host_header', value: 'upstream' })
    else if (!value.includes('{')) to.entries.push({ key: 'host_header', value })
    said('kept', isUpstreams || !value.includes('{') ? 'host_header' : 'the Host that the client asked for')
  } else if (/^x-real-ip$/i.test(field))
    said('changed', 'not sent, and a client’s neither: X-Forwarded-For says where a client comes from')
  else if (FORWARDING.test(field)) said('kept', FORWARDED)
  else if (claim !== null) {
    to.headers[field] = claim
    said('kept', 'headers of the route')
  } else if (isOwn(field)) {
    const isRemoval = name.startsWith('-')
    said(isRemoval ? 'kept' : 'decide', isRemoval ? OWN : 'name it in headers of the route: only headers send the user')
  } else if (name.startsWith('-')) {
    to.removed.push(field)
    said('kept', 'request_headers')
  } else if (value.includes('{') && !/^\{env\.\w+\}$/.test(value)) {
    // The route overwrote this field, so a client could set it now.
    to.removed.push(field)
    said(
      'decide',
      'write it as request_headers = { set = … }, with {host}, {path}, {email} and the like; a client’s is removed',
    )
  } else if (SECRET.test(name) && !value.includes('{')) {
    changed[field] = context.blanks.add(`HEADER_${field}`, `what ${where} says for it`, 'fill-in')
    said('kept', 'request_headers, from the environment: it may be a secret')
  } else {
    changed[field] = spell(context, value)
    said('kept', 'request_headers')
  }
}

/** Fields that say who the user is, or that a connection needs: a route changes none of them. */
export function isOwn(field: string): boolean {
  const folded = foldFieldName(field)
  return OWNED.test(folded) || IDENTITY.test(folded)
}

export const OWN = 'nothing to write: no client may send it, and only headers send the user to an application'

/** Whether it takes out several fields by one pattern, which may be what an application relies on. */
export function isGuarding([name = '']: readonly string[]): boolean {
  return name.startsWith('-') && name.includes('*')
}
