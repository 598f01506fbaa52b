import type { Json } from '../../../config/raw.ts'
import type { Entry } from '../draft.ts'
import { type Desk, note } from './desk.ts'
import { claimOfEmail, claimOfGroups } from './people.ts'

/** How the application learned who is there, or the proxy in front where that asked about each request. */
export function identityEntries(desk: Desk, isAsked: boolean): readonly Entry[] {
  const { options } = desk
  const isNamed = options.flag('pass_basic_auth') !== false || options.flag('pass_user_headers') !== false
  if (!isAsked) {
    note(
      desk,
      'left',
      'set_xauthrequest',
      'answers to people carry no X-Auth-Request-*; headers = "x-auth-request" sends them to the application',
    )
    note(desk, 'left', ['set_authorization_header', 'set_basic_auth'], 'answers to people carry no credentials')
    note(
      desk,
      'kept',
      ['pass_user_headers', 'pass_basic_auth'],
      isNamed ? 'headers of the routes' : 'no headers say who is there',
    )
    note(
      desk,
      'changed',
      'skip_auth_strip_headers',
      'nothing to write: what a client sends in these fields is removed on every route',
    )
    return [
      ...(isNamed ? [fieldsFor(desk, 'x-forwarded', 'X-Forwarded')] : []),
      ...tokens(desk, 'X-Forwarded-Access-Token', 'pass_authorization_header'),
    ]
  }
  const isTold = options.flag('set_xauthrequest') === true
  note(desk, isTold ? 'kept' : 'changed', 'set_xauthrequest', 'headers of the route, in the answer to your proxy')
  note(desk, 'left', 'set_basic_auth', 'the answer to your proxy carries no Basic credentials')
  note(
    desk,
    'left',
    ['pass_user_headers', 'pass_basic_auth', 'skip_auth_strip_headers'],
    'your proxy has the application: what it sends there is its own',
  )
  return [
    ...(isTold ? [fieldsFor(desk, 'x-auth-request', 'X-Auth-Request')] : []),
    ...tokens(desk, 'X-Auth-Request-Access-Token', 'set_authorization_header'),
  ]
}

function fieldsFor(desk: Desk, preset: string, prefix: string): Entry {
  const { options } = desk
  const groups = claimOfGroups(desk)
  const email = claimOfEmail(desk)
  const isEmailFirst = options.flag('prefer_email_to_user') === true
  note(
    desk,
    'kept',
    'prefer_email_to_user',
    isEmailFirst ? `${prefix}-User is the e-mail address` : `${prefix}-User is the subject`,
  )
  note(desk, 'changed', 'oidc_groups_claim', 'the claim is named where groups are asked for or passed on')
  note(
    desk,
    email === 'email' ? 'kept' : 'decide',
    'oidc_email_claim',
    'emails and domains look at the claim email; the header names this one',
  )
  const claim = (name: string, known: string) => (name === known ? known : `claims.${name}`)
  if (!isEmailFirst && groups === 'groups' && email === 'email')
    return { key: 'headers', value: preset, comment: `the ${prefix}-* of oauth2-proxy` }
  const fields: Record<string, Json> = {
    [`${prefix}-User`]: isEmailFirst ? claim(email, 'email') : 'sub',
    ...(isEmailFirst ? {} : { [`${prefix}-Email`]: claim(email, 'email') }),
    [`${prefix}-Groups`]: claim(groups, 'groups'),
    [`${prefix}-Preferred-Username`]: 'preferred_username',
  }
  return { key: 'headers', value: fields }
}

function tokens(desk: Desk, accessField: string, authorizationOption: string): readonly Entry[] {
  const { options } = desk
  const hasAccess = options.flag('pass_access_token') === true
  const hasId = options.flag(authorizationOption) === true
  note(desk, 'kept', 'pass_access_token', hasAccess ? `pass_token: ${accessField}` : 'no access token is passed on')
  note(desk, 'kept', authorizationOption, hasId ? 'pass_token: the ID token, as Bearer' : 'no ID token is passed on')
  if (!hasAccess && !hasId) return []
  const value: Json = !hasAccess ? 'id' : hasId ? { access: accessField, id: 'Authorization' } : { access: accessField }
  return [{ key: 'pass_token', value }]
}
