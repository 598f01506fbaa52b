import type { Json } from '../../../config/raw.ts'
import { spellDuration } from '../durations.ts'
import { allOf, type Conditions, readCondition } from './conditions.ts'
import { type Desk, nameFor } from './desk.ts'
import type { Directive } from './parse.ts'
import type { Provider } from './provider.ts'

/** An `authentication portal`, before it is known where it is and what roles policies ask for. */
export interface Portal {
  readonly name: string
  readonly was: string
  readonly line: number
  readonly providers: readonly Provider[]
  readonly lifetime: string | null
  readonly isInsecure: boolean
  /** Who may not pass anywhere. */
  readonly denied: readonly Json[]
  /** Whether it shut out people whom no rule can name. */
  readonly isClosed: boolean
  /** By role, rules of which any is enough. */
  readonly roles: ReadonlyMap<string, readonly Json[]>
}

const COOKIES =
  'each host has a __Host- cookie of its own, HttpOnly and SameSite=Lax; none is shared, and none holds a token'
const LOOK =
  'the pages are Sallyport’s own; title, logo and colour in the portal make them yours, and routes are the list of applications'

/** `authentication portal NAME { … }`. */
export function readPortal(desk: Desk, { args, line, block }: Directive, providers: readonly Provider[]): Portal {
  const was = args[0] ?? 'portal'
  const own: Provider[] = []
  const made: Made = { roles: new Map(), denied: [], isClosed: false }
  let lifetime: string | null = null
  let isInsecure = false
  for (const directive of block ?? []) {
    const words = [directive.name, ...directive.args]
    const said = (outcome: 'decide' | 'left' | 'changed' | 'kept', say: string) =>
      desk.notes.add(outcome, words.slice(0, 4).join(' '), directive.line, say)
    if (starts(words, 'enable', 'identity', 'provider') || starts(words, 'enable', 'identity', 'providers')) {
      const named = words.slice(3).map(name => providers.find(provider => provider.was === name))
      own.push(...named.filter(provider => provider !== undefined))
      said(named.includes(undefined) ? 'decide' : 'kept', 'providers of the portal')
    } else if (starts(words, 'crypto', 'default', 'token', 'lifetime')) {
      const seconds = Number(words[4])
      lifetime = seconds >= 60 ? spellDuration(seconds * 1000) : null
      said(
        'changed',
        'lifetime of the portal; the session is kept here, so that a restart signs nobody out and signing out is at once',
      )
    } else if (starts(words, 'crypto')) {
      // Its last word may be the key itself.
      desk.notes.add(
        'changed',
        words.slice(0, 2).join(' '),
        directive.line,
        'no longer needed: a key is made at the first start and kept as sallyport.key beside the database',
      )
    } else if (starts(words, 'cookie', 'insecure')) {
      isInsecure = words[2] === 'on'
      said(
        isInsecure ? 'decide' : 'kept',
        isInsecure
          ? 'insecure_cookies = true: take it out as soon as people come by https'
          : 'cookies are Secure and HttpOnly',
      )
    } else if (words[0] === 'cookie') said('left', COOKIES)
    else if (starts(words, 'transform')) readTransform(desk, directive, providers, made)
    else if (words[0] === 'ui') said('left', LOOK)
    else if (starts(words, 'enable', 'identity', 'store') || starts(words, 'enable', 'identity', 'stores')) {
      said(
        'decide',
        'people with passwords of their own: htpasswd in the portal, or better a provider such as Pocket ID',
      )
    } else if (starts(words, 'enable', 'admin', 'api'))
      said('changed', 'admin_role in the portal opens /.sallyport/admin and everyone’s sessions')
    else if (starts(words, 'trust', 'login') || starts(words, 'trust', 'logout'))
      said('left', 'people return to hosts of this file’s routes, and nowhere else')
    else if (words[0] === 'validate' || starts(words, 'enable', 'source'))
      said('left', 'sessions are not bound to an address; networks in a rule of allow asks for one')
    else desk.notes.add('left', directive.name, directive.line, 'not a directive that is known here')
  }
  return { name: nameFor(was), was, line, providers: own.length > 0 ? own : providers, lifetime, isInsecure, ...made }
}

/** What transforms make of people. */
interface Made {
  readonly roles: Map<string, Json[]>
  readonly denied: Json[]
  isClosed: boolean
}

function readTransform(desk: Desk, { block, line }: Directive, providers: readonly Provider[], made: Made): void {
  const { notes } = desk
  const matches = (block ?? []).filter(({ name, args }) => [name, ...args].includes('match'))
  const actions = (block ?? []).filter(directive => !matches.includes(directive))
  const realm = (name: string) => providers.find(provider => provider.realm === name)?.name ?? null
  const read = matches.map(({ name, args }) => readCondition(desk, [name, ...args], 'provider', realm))
  const known = read.filter(condition => condition !== null)
  const rule = known.length === read.length ? allOf(known) : null
  for (const { name, args, line: at } of actions) {
    const [verb = '', object = '', ...stated] = name === 'action' ? args : [name, ...args]
    const shown = `${verb} ${object}`.trimEnd()
    if (verb === 'ui')
      notes.add('left', shown, at, 'routes are the list of applications: name = "…" and app = { … } in a route')
    else if (verb === 'require') {
      notes.add(
        'decide',
        shown,
        at,
        'amr = ["mfa"] or acr = ["…"] in a rule of allow asks the provider for it, and checks that it was so',
      )
    } else if (verb === 'block' || verb === 'deny') {
      if (rule !== null && Object.keys(rule).length > 0) {
        made.denied.push(rule)
        notes.add('kept', shown, at, 'deny of the routes')
      } else {
        made.isClosed = true
        notes.add(
          'decide',
          shown,
          at,
          'no rule says whom this shuts out: the routes let nobody in until their allow is written by hand',
        )
      }
    } else if (verb === 'add' && /^roles?$/.test(object) && rule !== null) {
      const roles = stated.map(nameFor)
      notes.add('kept', 'transform user', line, `the role ${roles.join(', ')}`)
      for (const role of roles) made.roles.set(role, [...(made.roles.get(role) ?? []), spellRule(rule, providers)])
    } else if (verb === 'add') {
      notes.add(
        'decide',
        'transform user',
        line,
        `no rule says when this is added (${stated.join(', ')}): write the role by hand`,
      )
    } else {
      made.isClosed = true
      notes.add(
        'decide',
        shown,
        at,
        'what takes a role away cannot be told: the routes let nobody in until their allow is written by hand',
      )
    }
  }
}

/** A rule for everyone of the only provider is a rule for everyone. */
function spellRule(rule: Conditions, providers: readonly Provider[]): Json {
  const keys = Object.keys(rule)
  if (keys.length === 0) return { any: true }
  return keys.length === 1 && keys[0] === 'providers' && providers.length === 1 ? { any: true } : rule
}

function starts(words: readonly string[], ...first: readonly string[]): boolean {
  return first.every((word, index) => words[index] === word)
}
