import type { Json } from '../../../config/raw.ts'
import { allOf, readCondition } from './conditions.ts'
import type { Desk } from './desk.ts'
import { readPattern } from './matcher.ts'
import type { Directive } from './parse.ts'
import type { Provider } from './provider.ts'

/** An `authorization policy`, in the words of routes.toml. */
export interface Policy {
  readonly was: string
  readonly line: number
  readonly authUrl: string | null
  readonly allow: Json
  readonly deny: readonly Json[]
  readonly headers: Json
  /** Paths that need no sign-in. */
  readonly open: readonly string[]
  /** Every role that it asks for. */
  readonly roles: readonly string[]
}

/** Fields of `inject headers with claims`, as `x-token` names them. */
export const CLAIM_FIELDS: Readonly<Record<string, string>> = {
  'X-Token-Subject': 'sub',
  'X-Token-User-Name': 'name',
  'X-Token-User-Email': 'email',
  'X-Token-User-Roles': 'roles',
}

const KNOWN_FIELDS = ['sub', 'name', 'email', 'roles', 'groups', 'preferred_username']

const SAID: Readonly<Record<string, readonly ['left' | 'changed' | 'decide', string]>> = {
  crypto: ['changed', 'no longer needed: there is no token to verify, the session is kept here'],
  disable: ['changed', 'nothing to write: whatever is not a page load gets 401, page loads are redirected'],
  enable: ['changed', 'nothing to write: our cookies never go to an application, and no script is needed to redirect'],
  validate: ['decide', 'networks, methods and tokens = true in a route say such things'],
  with: [
    'decide',
    'tokens = true in the route, and sallyport tokens create, let scripts in; htpasswd in the portal takes passwords',
  ],
}

/** `authorization policy NAME { … }`. What cannot be said lets nobody in. */
export function readPolicy(desk: Desk, { args, line, block }: Directive, providers: readonly Provider[]): Policy {
  const allow: Json[] = []
  const deny: Json[] = []
  const open: string[] = []
  const fields: Record<string, string> = {}
  let isOpenToAll = false
  // A denial that is lost would let in more people than before.
  let isClosed = false
  let hasClaims = false
  let authUrl: string | null = null
  const realm = (name: string) => providers.find(provider => provider.realm === name)?.name ?? null
  for (const directive of block ?? []) {
    const { name, args: words, line: at } = directive
    const text = [name, ...words].join(' ')
    // The last word of `crypto` may be a key.
    const shown = name === 'crypto' ? name : text.slice(0, 60)
    const said = (outcome: 'decide' | 'left' | 'changed' | 'kept', say: string) =>
      desk.notes.add(outcome, shown, at, say)
    if (name === 'allow' || name === 'deny') {
      const list = name === 'allow' ? allow : deny
      const rule = readShortcut(desk, words, realm)
      if (rule === 'any' && name === 'allow') isOpenToAll = true
      else if (rule === null || rule === 'any') {
        said('decide', `no rule says this: write it into ${name} of the routes`)
        isClosed ||= name === 'deny'
        continue
      } else list.push(...rule)
      said('kept', `${name} of the routes`)
    } else if (name === 'acl' && words[0] === 'rule') {
      const rule = readAclRule(desk, directive, realm)
      if (rule === 'everyone denied') said('kept', 'whoever no rule allows is denied')
      else if (rule === 'everyone allowed') {
        isOpenToAll = true
        said('kept', 'allow = "authenticated"')
      } else if (rule === null) {
        isClosed ||= directive.block?.some(({ name: action }) => action === 'deny') === true
        said('decide', 'no rule says this: write it into allow or deny of the routes')
      } else {
        const list = rule.isAllowed ? allow : deny
        list.push(rule.rule)
        said('kept', 'allow and deny of the routes; deny is asked first')
      }
    } else if (name === 'acl' && words[0] === 'default') {
      isOpenToAll ||= words[1] === 'allow'
      said('kept', words[1] === 'allow' ? 'allow = "authenticated"' : 'whoever no rule allows is denied')
    } else if (name === 'bypass') {
      const path = words[0] === 'uri' && words[1] === 'prefix' ? readPattern(`${words[2] ?? ''}/*`) : null
      if (path === null) {
        said(
          'decide',
          'a path is everything below it here, so this stays closed; where that may be open, write a route with path = "…" and allow = "public"',
        )
      } else {
        open.push(path.path)
        said('kept', 'a route with allow = "public", at the segment boundary')
      }
    } else if (text === 'inject headers with claims') {
      hasClaims = true
      said('kept', 'headers = "x-token": the same fields; what a client sends in them is removed')
    } else if (name === 'inject' && words[0] === 'header' && words[2] === 'from') {
      const field = claimFor(words[3] ?? '')
      if (field !== null) fields[words[1] ?? ''] = field
      said(field === null ? 'decide' : 'kept', 'headers of the routes')
    } else if (name === 'set' && words[0] === 'auth' && words[1] === 'url') {
      authUrl = words[2] ?? null
      said(
        'changed',
        'nothing to write: a route’s portal knows where people sign in, and that they come back to where they were',
      )
    } else if (name === 'set')
      said(
        'left',
        'a route’s portal decides that: its 403 page says which role is missing, sessions come from its cookie alone',
      )
    else if (SAID[name] !== undefined) said(SAID[name][0], SAID[name][1])
    else desk.notes.add('left', name, at, 'not a directive that is known here')
  }
  const headers =
    Object.keys(fields).length === 0
      ? hasClaims
        ? 'x-token'
        : null
      : { ...(hasClaims ? CLAIM_FIELDS : {}), ...fields }
  const isKnown = !isClosed && (isOpenToAll || allow.length > 0)
  if (!isKnown) {
    desk.notes.add(
      'decide',
      `authorization policy ${args[0] ?? ''}`,
      line,
      'who may pass cannot all be told: write allow of its routes by hand, which let nobody in until then',
    )
  }
  const rules = !isKnown ? [nobody(desk)] : isOpenToAll ? 'authenticated' : allow
  return {
    was: args[0] ?? '',
    line,
    authUrl,
    allow: rules,
    deny,
    headers,
    open,
    roles: [...allow, ...deny].flatMap(rolesOf),
  }
}

/** A rule that holds for nobody until it is filled in. */
export function nobody({ blanks }: Desk): Json {
  return {
    subjects: [blanks.add('WHO_MAY', 'a sub of somebody who is meant; better, a rule in its place', 'somebody')],
  }
}

type Shortcut = readonly Json[] | 'any' | null

/** `roles admin editor [with get] [to /path]`. */
function readShortcut(desk: Desk, words: readonly string[], realm: (name: string) => string | null): Shortcut {
  const end = words.findIndex(word => word === 'with' || word === 'to')
  const [field = '', ...values] = end === -1 ? words : words.slice(0, end)
  const tail = end === -1 ? [] : words.slice(end)
  if (tail.includes('to') || tail.length > 2) return null
  const method = tail[0] === 'with' ? tail[1] : undefined
  if (values.includes('*') || values.includes('any')) return method === undefined ? 'any' : null
  const condition = readCondition(desk, ['match', field, ...values], 'gate', realm)
  if (condition === null) return null
  const { roles } = condition
  if (method === undefined) return Array.isArray(roles) ? roles : [condition]
  return [{ ...condition, methods: [method.toUpperCase()] }]
}

function readAclRule(
  desk: Desk,
  { block }: Directive,
  realm: (name: string) => string | null,
): { readonly rule: Json; readonly isAllowed: boolean } | 'everyone allowed' | 'everyone denied' | null {
  const lines = (block ?? []).filter(({ name }) => name !== 'comment')
  const action = lines.find(({ name }) => name === 'allow' || name === 'deny')
  const conditions = lines
    .filter(line => line !== action)
    .map(({ name, args }) => readCondition(desk, [name, ...args], 'gate', realm))
  const known = conditions.filter(condition => condition !== null)
  const rule = known.length === conditions.length && known.length > 0 ? allOf(known) : null
  if (rule === null || action === undefined) return null
  if (Object.keys(rule).length === 0) return action.name === 'allow' ? 'everyone allowed' : 'everyone denied'
  const { roles } = rule
  const isOneRole = Object.keys(rule).length === 1 && Array.isArray(roles) && roles.length === 1
  return { rule: isOneRole ? (roles[0] ?? rule) : rule, isAllowed: action.name === 'allow' }
}

function rolesOf(rule: Json): readonly string[] {
  if (typeof rule === 'string') return [rule]
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule) || !('roles' in rule)) return []
  return Array.isArray(rule.roles) ? rule.roles.filter(role => typeof role === 'string') : []
}

/** A field of go-authcrunch as a placeholder of `headers`; null for one that is inside of another. */
export function claimFor(field: string): string | null {
  const plain = field.replace(/^userinfo\|/, '')
  if (KNOWN_FIELDS.includes(plain)) return plain
  return /^[A-Za-z0-9_-]+$/.test(plain) ? `claims.${plain}` : null
}
