import type { Json } from '../../config/text/raw.ts'
import type { Entry } from '../draft.ts'
import { type Context, note } from './context.ts'

/** How the application learned who is there, or the proxy in front where that asked about each request. */
export function identityEntries(context: Context, isAsked: boolean): readonly Entry[] {
  const { options } = context
  const own = context.alpha?.fields ?? null
  const isUsual = options.flag('pass_basic_auth') !== false || options.flag('pass_user_headers') !== false
  const isNamed = own === null ? isUsual : own.headers === null
  if (!isAsked) {
    const isSaid = options.flag('set_xauthrequest') === true
    note(
      context,
      'kept',
      'set_xauthrequest',
      isSaid ? 'headers in compat of the portal: answers carry X-Auth-Request-*' : 'answers carry no X-Auth-Request-*',
    )
    note(context, 'left', ['set_authorization_header', 'set_basic_auth'], 'answers to people carry no credentials')
    note(
      context,
      'kept',
      ['pass_user_headers', 'pass_basic_auth'],
      isNamed ? 'headers of the routes' : 'no headers say who is there',
    )
    note(
      context,
      'kept',
      'skip_auth_strip_headers',
      'nothing to write: what a client sends in these fields is removed on every route',
    )
    return [
      ...(isNamed ? [fieldsFor(context, 'x-forwarded', 'X-Forwarded')] : []),
      ...ownFields(context),
      ...tokens(context, 'X-Forwarded-Access-Token', 'pass_authorization_header'),
    ]
  }
  const isTold = options.flag('set_xauthrequest') === true
  note(context, isTold ? 'kept' : 'changed', 'set_xauthrequest', 'headers of the route, in the answer to your proxy')
  note(context, 'left', 'set_basic_auth', 'the answer to your proxy carries no Basic credentials')
  note(
    context,
    'left',
    ['pass_user_headers', 'pass_basic_auth', 'skip_auth_strip_headers'],
    'your proxy has the application: what it sends there is its own',
  )
  return [
    ...(isTold ? [fieldsFor(context, 'x-auth-request', 'X-Auth-Request')] : []),
    ...ownFields(context),
    ...tokens(context, 'X-Auth-Request-Access-Token', 'set_authorization_header'),
  ]
}

function fieldsFor(context: Context, preset: string, prefix: string): Entry {
  const { options } = context
  const isEmailFirst = options.flag('prefer_email_to_user') === true
  note(
    context,
    'kept',
    'prefer_email_to_user',
    isEmailFirst ? `${prefix}-User is the e-mail address` : `${prefix}-User is the subject`,
  )
  if (!isEmailFirst) return { key: 'headers', value: preset, comment: `the ${prefix}-* of oauth2-proxy` }
  return {
    key: 'headers',
    value: {
      [`${prefix}-User`]: 'email',
      [`${prefix}-Groups`]: 'groups',
      [`${prefix}-Preferred-Username`]: 'preferred_username',
    },
  }
}

/** Fields of an alpha configuration that are not the usual ones. */
function ownFields({ alpha, blanks, notes }: Context): readonly Entry[] {
  const { headers = null, fixed = [], file = null } = alpha?.fields ?? {}
  for (const { name, value, line } of fixed) {
    const say = `${name}: what is written there is not copied, as it may be a secret: it is taken from the environment`
    if (value.kind === 'fixed' && value.file === null) notes.addFrom(file, 'decide', 'injectRequestHeaders', line, say)
  }
  const set = fixed.flatMap(({ name, value }) => {
    if (value.kind !== 'fixed') return []
    const meaning = `what the field ${name} holds for everyone`
    const reference = value.variable ?? null
    if (value.file !== null) return [[name, `\${file:${value.file}}`] as const]
    return [
      [
        name,
        reference === null ? blanks.add(name, meaning, 'fill-in') : blanks.variable(reference, meaning, 'fill-in'),
      ] as const,
    ]
  })
  return [
    ...(headers !== null && Object.keys(headers).length > 0 ? [{ key: 'headers', value: headers }] : []),
    ...(set.length > 0 ? [{ key: 'request_headers', value: { set: Object.fromEntries(set) } }] : []),
  ]
}

function tokens(context: Context, accessField: string, authorizationOption: string): readonly Entry[] {
  const { options } = context
  const hasAccess = options.flag('pass_access_token') === true
  const hasId = options.flag(authorizationOption) === true
  note(context, 'kept', 'pass_access_token', hasAccess ? `pass_token: ${accessField}` : 'no access token is passed on')
  note(context, 'kept', authorizationOption, hasId ? 'pass_token: the ID token, as Bearer' : 'no ID token is passed on')
  if (!hasAccess && !hasId) return []
  const value: Json = !hasAccess ? 'id' : hasId ? { access: accessField, id: 'Authorization' } : { access: accessField }
  return [{ key: 'pass_token', value }]
}
