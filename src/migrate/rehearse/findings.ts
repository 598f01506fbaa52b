/** The finding about a group of requests: lost, opened, unknown or unchanged, and what would fix it. */

import type { Group } from './groups.ts'

/** The result of a group. */
export type Kind =
  /** It was served, and would not be. */
  | 'lost'
  /** It was served, and whether it would be depends on what the log does not say. */
  | 'untold'
  /** It was refused, and would not be. */
  | 'opened'
  /** It is unchanged. */
  | 'same'

/** A group with its result. */
export interface Finding extends Group {
  readonly kind: Kind
  /** What to write, or to do, so that it would be served; null where there is nothing to fix. */
  readonly fix: string | null
}

/** What the file has, as far as it says what to write. */
export interface FileFacts {
  readonly hosts: ReadonlySet<string>
  /** Whether the log says of a host whether somebody was signed in. */
  namesUsers(host: string): boolean
}

/** The result of a group, and its fix. */
export function findingOf(group: Group, facts: FileFacts): Finding {
  const kind = kindOf(group, facts)
  const fix = kind === 'lost' || kind === 'untold' ? fixOf(group, kind, facts) : null
  return { ...group, kind, fix }
}

function kindOf(group: Group, { namesUsers }: FileFacts): Kind {
  const { fate, was, isForwarded, host } = group
  if (fate === 'in') return was === 'refused' ? 'opened' : 'same'
  if (!isServed(group)) return 'same'
  // What stood there has such pages too: only what is known to be the application's is missed.
  if (fate === 'own') return isForwarded === true ? 'lost' : 'same'
  if (fate === 'unclear') return 'untold'
  return fate === 'sign-in' && !namesUsers(host) ? 'untold' : 'lost'
}

/** Whether an application answered, as far as can be seen. */
export function isServed({ was, isAnonymous, fate }: Pick<Group, 'was' | 'isAnonymous' | 'fate'>): boolean {
  // A redirected client without a name may have been sent to the sign-in, as it would be now.
  return was === 'served' || (was === 'redirected' && !(isAnonymous && fate === 'sign-in'))
}

function fixOf(group: Group, kind: Kind, { hosts }: FileFacts): string {
  const { fate, reason, host, route, users, methods, example } = group
  const place = placeText(group)
  const ask = explainText(group)
  if (fate === 'unrouted') {
    return hosts.has(host) ? `a [[routes]] with ${place}` : `a [[routes]] with host = "${host}", or another that has it`
  }
  if (fate === 'sign-in') {
    const open = `a [[routes]] with ${place} and allow = "public"`
    return kind === 'untold'
      ? `nothing for people, who sign in; for what comes without anybody: ${open}`
      : `${open}, if no sign-in is needed there`
  }
  if (fate === 'own') return `another path at the application: Sallyport's own pages are at this one`
  if (fate === 'unclear') {
    const [user] = users
    if (reason === 'email.unverified')
      return `tell that the address is verified, where the provider says so: email_verified=true in --as or --people`
    if (reason.startsWith('network.')) return `a log that has clients' addresses`
    if (user === undefined) return `another address for it, or the same people at both; ${ask}`
    // Where a log names people by address, rules look at that more often than not.
    const address = user.includes('@') ? `email=${user},email_verified=true,` : ''
    return `tell who they are: --as ${shellWord(`${user}=sub=…,${address}groups=…`)} or --people FILE`
  }
  if (reason === 'method.not_listed')
    return `${methods.map(name => JSON.stringify(name)).join(', ')} in methods of ${route}`
  if (reason.startsWith('network.')) return `${example.client ?? 'the client'} in networks of ${route}; ${ask}`
  if (reason === 'access.denied') return `take websockets = false out of ${route}`
  if (fate === 'invalid') return `another address for it: ${ask}`
  return `allow them at ${route}; ${ask}`
}

/** Only where these requests went: one path where all went there, otherwise their common prefix. */
function placeText({ host, path, example }: Group): string {
  const common = path.replace(/\/(?:\*|…).*$/, '')
  const isOne = common === path && (path === '/' || !path.endsWith('/'))
  const fixed = common === '' ? example.path : common.replace(/(?<=.)\/$/, '')
  return `host = "${host}", path = ${JSON.stringify(isOne ? `=${fixed}` : fixed)}`
}

/** The command that tries every rule for the example. */
function explainText({ host, example: { method, path, client, at } }: Group): string {
  const ip = client === null ? [] : ['--ip', client]
  return ['sallyport', 'explain', `https://${host}${path}`, '--method', method, ...ip, '--at', at]
    .map(shellWord)
    .join(' ')
}

/** One word of a shell, safe for any content (POSIX, Shell Command Language §2.2.2). */
function shellWord(text: string): string {
  return /^[\w.,:/@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
