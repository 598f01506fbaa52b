import type { Json } from '../../config/text/raw.ts'
import { parseRoutePath } from '../../config/values/path.ts'
import type { Entry } from '../draft.ts'
import { type Context, note } from './context.ts'

const PROGRAM = 'oauth2-proxy'
const DEFAULTS = { proxy_prefix: '/oauth2', ping_path: '/ping', ready_path: '/ready' } as const

/** `compat` of the portal: oauth2-proxy's own addresses, which applications and people have links to. */
export function compatEntry(context: Context): Entry {
  const { options, blanks, notes } = context
  const prefix = pathOf(context, 'proxy_prefix')
  const ping = pathOf(context, 'ping_path')
  const ready = pathOf(context, 'ready_path')
  const tells = options.flag('set_xauthrequest') === true
  const userAgent = options.text('ping_user_agent')
  const below = prefix ?? DEFAULTS.proxy_prefix
  const say = `${below}/sign_out and the rest keep answering (sallyport help moving-in)`
  notes.add('changed', 'its own addresses', null, say)
  note(
    context,
    'changed',
    'ping_user_agent',
    'ping_user_agent in compat: at / alone, where an application is; no user agent gets past a rule',
  )
  const more: Record<string, Json> = {
    ...(prefix === null ? {} : { prefix }),
    ...(tells ? { headers: 'x-auth-request' } : {}),
    ...(ping === null ? {} : { ping_path: ping }),
    ...(ready === null ? {} : { ready_path: ready }),
    ...(userAgent === null ? {} : { ping_user_agent: blanks.literal(userAgent) }),
  }
  const value = Object.keys(more).length === 0 ? PROGRAM : { program: PROGRAM, ...more }
  return { key: 'compat', value, comment: 'its own addresses keep answering' }
}

/** Where something was; null where it was where it usually is, or in a place that no request is sure to mean. */
function pathOf(context: Context, option: keyof typeof DEFAULTS): string | null {
  const stated = context.options.text(option)
  if (stated === null) return null
  const path = parseRoutePath(stated.startsWith('/') ? stated : `/${stated}`)
  if (!path.ok || path.value === '/') {
    note(context, 'decide', option, `no path of its own, so that it is ${DEFAULTS[option]} in compat: choose another`)
    return null
  }
  note(context, 'kept', option, 'in compat of the portal')
  return path.value === DEFAULTS[option] ? null : context.blanks.literal(path.value)
}
