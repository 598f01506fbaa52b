import type { Json } from '../../config/text/raw.ts'
import { type AskedOfPolicy, compileAccessList, type ListedRule, readListed, readShortcut } from './access-list.ts'
import { EXPRESSION } from './conditions.ts'
import type { Context } from './context.ts'
import type { Directive } from './parse.ts'
import { bypassPatterns } from './path-patterns.ts'

/** An `authorization policy`, in the words of routes.toml. */
export interface Policy {
  readonly was: string
  readonly line: number
  readonly authUrl: string | null
  /** Null: what it asks for cannot all be told, so that nobody passes. */
  readonly allow: Json | null
  readonly deny: readonly Json[]
  readonly headers: Json
  /** The field that people are called by. */
  readonly userId: string
  /** Paths that need no sign-in, as patterns of a rule. */
  readonly open: readonly string[]
  /** Every role that it asks for, and those of them that shut people out. */
  readonly roles: readonly string[]
  readonly deniedRoles: readonly string[]
}

/** Fields of `inject headers with claims`. */
export const CLAIM_FIELDS: Readonly<Record<string, string>> = {
  'X-Token-Subject': 'sub',
  'X-Token-User-Name': 'name',
  'X-Token-User-Email': 'email',
  'X-Token-User-Roles': 'all_roles',
}

/** What a person's fields are called there, as placeholders. Roles and groups are one list there. */
const KNOWN_FIELDS: Readonly<Record<string, string>> = {
  sub: 'sub',
  name: 'name',
  email: 'email',
  roles: 'all_roles',
  groups: 'groups',
  preferred_username: 'preferred_username',
}

const SAID: Readonly<Record<string, readonly ['left' | 'kept' | 'decide', string]>> = {
  crypto: ['kept', 'no longer needed: there is no token to verify, the session is kept here'],
  disable: ['kept', 'nothing to write: whatever is not a page load gets 401, page loads are redirected'],
  enable: ['kept', 'nothing to write: our cookies never go to an application, and no script is needed to redirect'],
  set: [
    'left',
    'a route’s portal decides that: its 403 page says which role is missing, sessions come from its cookie alone',
  ],
  with: [
    'decide',
    'write tokens = true into the route, and let scripts in by sallyport tokens create; htpasswd in the portal takes passwords',
  ],
}

/** `authorization policy NAME { … }`. What cannot be said lets nobody in. */
export function readPolicy(context: Context, { args, line, block }: Directive, by: AskedOfPolicy): Policy {
  const lines = block ?? []
  const was = args[0] ?? ''
  const { headers, authUrl, userId, open } = readPassing(context, lines)
  const guards = lines.filter(one => isGuard(one))
  for (const guard of guards) {
    const shown = guard.name === 'validate' ? ['validate', ...guard.args].join(' ') : guard.name
    const say =
      INSTEAD[guard.args.join(' ')] ?? 'not known here, so it may guard something; write what it did into their rules'
    context.notes.add('closed', shown, guard.line, `the routes of this policy let nobody in: ${say}`)
  }
  const rules = readRules(context, lines, by)
  const { allow, deny, lost } = compileAccessList(rules)
  if (lost !== null) {
    context.notes.add(
      'closed',
      lost.shown,
      lost.line,
      `no rule says whom this shuts out: the routes of this policy let nobody in; write who may into their allow by hand${lost.hasExpression ? `; ${EXPRESSION}` : ''}`,
    )
  }
  const isTold = guards.length === 0 && lost === null && allow.length > 0
  if (!isTold) {
    context.notes.add(
      'closed',
      `authorization policy ${was}`,
      line,
      'who may pass cannot all be told: write allow of its routes by hand, which let nobody in until then',
    )
  }
  return {
    was,
    line,
    authUrl,
    allow: isTold ? allow : null,
    deny,
    headers,
    userId,
    open,
    roles: [...rolesIn(allow), ...rolesIn(deny)],
    // Those in what is let in before a denial count as well: whoever is wrongly taken for one of them escapes it.
    deniedRoles: rolesIn(deny),
  }
}

const INSTEAD: Readonly<Record<string, string>> = {
  'path acl': 'tokens listed the paths that their bearers may open; write rules for each path',
  'source address': 'a session held for the address that it began at alone; networks in a rule asks for one',
}

const READ = new Set(['allow', 'deny', 'acl', 'bypass', 'inject', 'comment'])

function isGuard({ name, args }: Directive): boolean {
  if (name === 'validate') return args.join(' ') !== 'bearer header'
  return !READ.has(name) && !Object.hasOwn(SAID, name)
}

/** `allow`, `deny` and `acl`, in their order. */
function readRules(context: Context, lines: readonly Directive[], by: AskedOfPolicy): readonly ListedRule[] {
  const isShort = ({ name }: Directive) => name === 'allow' || name === 'deny'
  const seesRequests = lines.some(
    one =>
      (isShort(one) && one.args.some(word => word === 'with' || word === 'to')) || one.args.join(' ') === 'path acl',
  )
  return lines.flatMap(one => {
    const { name, args, line } = one
    if (name === 'acl' && args[0] === 'default') {
      const say = 'nothing to write: whoever no rule allows is denied, there too, whatever it says'
      context.notes.add('kept', [name, ...args].join(' '), line, say)
      return []
    }
    const rule = isShort(one)
      ? readShortcut(context, one, by)
      : name === 'acl'
        ? readListed(context, one, by, seesRequests)
        : null
    if (rule === null) return []
    noteRule(context, rule)
    return [rule]
  })
}

function noteRule(context: Context, { isAllowed, whom, line, shown, hasExpression }: ListedRule): void {
  const hint = hasExpression ? `; ${EXPRESSION}` : ''
  if (whom === 'unclear') {
    if (isAllowed)
      context.notes.add('decide', shown, line, `no rule says this: write it into allow of the routes${hint}`)
  } else if (whom === 'nobody') {
    context.notes.add('kept', shown, line, 'nothing to write: there it held for nobody')
  } else if (whom === 'everyone' && isAllowed) context.notes.add('kept', shown, line, 'allow = "authenticated"')
  else context.notes.add('kept', shown, line, `${isAllowed ? 'allow' : 'deny'} of the routes, which asks deny first`)
}

/** What `set user identity` may name; it is the e-mail address otherwise. */
const USER_IDS: Readonly<Record<string, string>> = { sub: 'sub', subject: 'sub', id: 'claims.jti' }

/** What of a policy is not about who may pass. */
function readPassing(
  context: Context,
  lines: readonly Directive[],
): Pick<Policy, 'headers' | 'authUrl' | 'userId' | 'open'> {
  const open: string[] = []
  const fields: Record<string, string> = {}
  let hasClaims = false
  let authUrl: string | null = null
  let userId = 'email'
  for (const { name, args: words, line: at } of lines) {
    const text = [name, ...words].join(' ')
    // The last word of `crypto` may be a key.
    const shown = name === 'crypto' ? name : text.slice(0, 60)
    const said = (outcome: 'decide' | 'left' | 'changed' | 'kept', say: string) =>
      context.notes.add(outcome, shown, at, say)
    if (name === 'bypass') {
      const [what, manner = '', ...rest] = words
      const patterns = what === 'uri' && rest.length === 1 ? bypassPatterns(manner, rest[0] ?? '') : null
      if (patterns !== null) open.push(...patterns)
      said(
        patterns === null ? 'decide' : 'kept',
        patterns === null
          ? 'no pattern of paths says this, so it stays closed; where that may be open, write { paths = ["…"], anonymous = true } into allow'
          : 'paths in a rule with anonymous = true; whoever is signed in is told to the application there too',
      )
    } else if (text === 'inject headers with claims') {
      hasClaims = true
      said(
        'kept',
        'headers = "caddy-security": the same fields; a blank in the name of a role is percent-encoded, since blanks part them',
      )
    } else if (name === 'inject' && words[0] === 'header' && words[2] === 'from') {
      const field = claimFor(words[3] ?? '')
      if (field !== null) fields[words[1] ?? ''] = field
      said(field === null ? 'decide' : 'kept', 'headers of the routes')
    } else if (name === 'set' && words[0] === 'auth' && words[1] === 'url') {
      authUrl = words[2] ?? null
      said(
        'kept',
        'nothing to write: a route’s portal knows where people sign in, and that they come back to where they were',
      )
    } else if (name === 'set' && words[0] === 'user' && words[1] === 'identity') {
      userId = USER_IDS[words[2] ?? ''] ?? 'email'
      said('kept', `{http.auth.user.id} is ${userId}`)
    } else if (name === 'validate' && text === 'validate bearer header') said('kept', 'nothing to write')
    else if (SAID[name] !== undefined) said(SAID[name][0], SAID[name][1])
  }
  const own = hasClaims ? { ...CLAIM_FIELDS, ...fields } : fields
  const headers = Object.keys(fields).length > 0 ? own : hasClaims ? 'caddy-security' : null
  return { headers, authUrl, userId, open }
}

/** A rule that holds for nobody until it is filled in. */
export function nobody({ blanks }: Context): Json {
  return {
    subjects: [blanks.add('WHO_MAY', 'a sub of somebody who is meant; better, a rule in its place', 'somebody')],
  }
}

/** Every role that rules name, in their parts too. */
function rolesIn(rule: Json): readonly string[] {
  if (typeof rule === 'string') return rule === 'authenticated' ? [] : [rule]
  if (Array.isArray(rule)) return rule.flatMap(rolesIn)
  if (typeof rule !== 'object' || rule === null) return []
  return ['roles', 'any', 'all', 'not'].flatMap(key =>
    rolesIn(Object.entries(rule).find(([name]) => name === key)?.[1] ?? null),
  )
}

/** A field of go-authcrunch as a placeholder of `headers`; null for one that is inside of another. */
export function claimFor(field: string): string | null {
  const plain = field.replace(/^userinfo\|/, '')
  const known = Object.hasOwn(KNOWN_FIELDS, plain) ? KNOWN_FIELDS[plain] : undefined
  if (known !== undefined) return known
  return /^[A-Za-z0-9_-]+$/.test(plain) ? `claims.${plain}` : null
}
