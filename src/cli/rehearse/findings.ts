import type { Group } from './groups.ts'

/** What a group comes to. */
export type Kind =
  /** It was served, and would not be. */
  | 'lost'
  /** It was served, and whether it would be depends on what the log does not say. */
  | 'untold'
  /** It was refused, and would not be. */
  | 'opened'
  /** It stays what it was. */
  | 'same'

/** A group with what it comes to. */
export interface Finding extends Group {
  readonly kind: Kind
  /** What to write, or to do, so that it would be served; null where nothing is to be mended. */
  readonly mend: string | null
}

/** What the file has, as far as it says what to write. */
export interface FileFacts {
  readonly hosts: ReadonlySet<string>
  /** Whether the log says of a host whether somebody was signed in. */
  namesUsers(host: string): boolean
}

/** What a group comes to, and what would mend it. */
export function findingOf(group: Group, facts: FileFacts): Finding {
  const kind = kindOf(group, facts)
  const mend = kind === 'lost' || kind === 'untold' ? mendOf(group, kind, facts) : null
  return { ...group, kind, mend }
}

function kindOf({ fate, was, isAnonymous, host }: Group, { namesUsers }: FileFacts): Kind {
  if (fate === 'in') return was === 'refused' ? 'opened' : 'same'
  if (fate === 'own') return 'same'
  // Whoever was sent elsewhere without a name may have been sent to sign in, as they would be now.
  const isServed = was === 'served' || (was === 'redirected' && !(isAnonymous && fate === 'sign-in'))
  if (!isServed) return 'same'
  if (fate === 'unclear') return 'untold'
  return fate === 'sign-in' && !namesUsers(host) ? 'untold' : 'lost'
}

function mendOf(group: Group, kind: Kind, { hosts }: FileFacts): string {
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
      : `${open}, if nobody is meant to sign in there`
  }
  if (fate === 'unclear') {
    const [user = 'NAME'] = users
    if (reason === 'email.unverified') return `emails = "trusted" in the provider's table, if it answers for addresses`
    if (reason.startsWith('network.')) return `a log that has clients' addresses`
    return `tell who they are: --as '${user}=sub=…,groups=…' or --people FILE`
  }
  if (reason === 'method.not_listed') return `${methods.map(name => `"${name}"`).join(', ')} in methods of ${route}`
  if (reason.startsWith('network.')) return `${example.client ?? 'the client'} in networks of ${route}; ${ask}`
  if (reason === 'access.denied') return `take websockets = false out of ${route}`
  if (fate === 'invalid') return `another address for it: ${ask}`
  return `allow them at ${route}; ${ask}`
}

function placeText({ host, path }: Group): string {
  const fixed = path.replace(/\/(?:\*|…).*$/, '')
  return fixed === '' || fixed === '/' ? `host = "${host}"` : `host = "${host}", path = "${fixed.replace(/\/$/, '')}"`
}

/** The command that tries every rule for the example. */
function explainText({ host, example: { method, path, client, at } }: Group): string {
  const address = `'https://${host}${path.replaceAll("'", '%27')}'`
  return [
    `sallyport explain ${address}`,
    `--method ${method}`,
    ...(client === null ? [] : [`--ip ${client}`]),
    `--at ${at}`,
  ].join(' ')
}
