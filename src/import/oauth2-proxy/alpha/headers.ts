import type { Gap, Stated } from '../inputs/stated.ts'
import { at, itemsAt, type Yaml } from '../inputs/yaml.ts'
import { leavesOf, textOf } from './tree.ts'

/** A field of `injectRequestHeaders` or `injectResponseHeaders`, as far as one value makes it. */
export interface AlphaHeader {
  readonly name: string
  readonly value:
    | { readonly kind: 'claim'; readonly claim: string; readonly prefix: string }
    /** HTTP Basic with the claim as the name. */
    | { readonly kind: 'basic'; readonly claim: string }
    /** From a variable, from a file, or written there (null: it is not copied). */
    | { readonly kind: 'fixed'; readonly variable: string | null; readonly file: string | null }
  readonly line: number
}

/** Fields that routes say themselves. */
export interface Fields {
  /** By name, as `headers` of a route has it; null for oauth2-proxy's usual ones. */
  readonly headers: Readonly<Record<string, string>> | null
  readonly fixed: readonly AlphaHeader[]
  readonly file: string
}

/** The fields of a list; one that no route can say is a gap where its application would get it from its client instead. */
export function readHeaders(tree: Yaml, list: string, file: string, gaps: Gap[]): readonly AlphaHeader[] {
  const refuse = (line: number, say: string) => gaps.push({ option: list, line, file, say })
  return itemsAt(tree, list).flatMap((entry): readonly AlphaHeader[] => {
    const name = textOf(entry, 'name')
    const values = itemsAt(entry, 'values')
    const [value, ...others] = values
    const known = /^(?:name|values|preserverequestvalue|insecureskipheadernormalization)$/
    const odd = leavesOf(entry, ['values']).find(([path]) => !known.test(path))
    if (odd !== undefined) refuse(odd[1].line, `nothing is known of ${odd[0]}`)
    if (textOf(entry, 'preserverequestvalue') === 'true') {
      refuse(entry.line, `${name}: what a client sends there is removed, on every route; take preserveRequestValue out`)
    }
    if (name === null || value === undefined || others.length > 0) {
      refuse(entry.line, `${name}: a field has one value here`)
      return []
    }
    const made = sourceOf(value)
    const header = made === null ? null : { name, value: made, line: entry.line }
    if (header !== null && isSayable(header)) return [header]
    refuse(value.line, `${name}: no route says this value`)
    return []
  })
}

/** Whether a route can say it: any claim, and tokens and passwords where oauth2-proxy has them by itself. */
function isSayable(header: AlphaHeader): boolean {
  const { value } = header
  if (value.kind === 'fixed') return true
  if (value.kind === 'basic') return value.claim === 'user' && /^authorization$/i.test(header.name)
  return !TOKENS.test(value.claim) || isAccessToken(header) || isIdToken(header)
}

function sourceOf(value: Yaml): AlphaHeader['value'] | null {
  const source = at(value, 'claimsource') ?? at(value, 'secretsource') ?? value
  const keys = leavesOf(source, []).map(([path]) => path)
  const claim = textOf(source, 'claim')
  if (claim !== null && /^[A-Za-z0-9_.:/-]+$/.test(claim)) {
    if (at(source, 'basicauthpassword') !== null) return { kind: 'basic', claim }
    const prefix = textOf(source, 'prefix') ?? ''
    const isPlain = keys.every(key => key === 'claim' || key === 'prefix') && !/[{}]/.test(prefix)
    return isPlain ? { kind: 'claim', claim, prefix } : null
  }
  if (keys.length !== 1 || !['value', 'fromenv', 'fromfile'].includes(keys[0] ?? '')) return null
  return { kind: 'fixed', variable: textOf(source, 'fromenv'), file: textOf(source, 'fromfile') }
}

/** What the usual fields hold. */
const USUAL: Readonly<Record<string, string>> = {
  user: 'user',
  email: 'email',
  groups: 'groups',
  'preferred-username': 'preferred_username',
}

/** Values of a session that no field of a route can say, but for the usual ones of tokens. */
const TOKENS = /^(?:access_token|id_token|refresh_token|created_at|expires_on)$/

/** The fields as options of the file, where oauth2-proxy's usual ones are meant; the rest as routes say it. */
export function statedByHeaders(
  request: readonly AlphaHeader[],
  response: readonly AlphaHeader[],
  isAsked: boolean,
  file: string,
): { readonly stated: readonly Stated[]; readonly fields: Fields | null } {
  const stated: Stated[] = []
  const say = (name: string, line: number | null, value = 'true') =>
    stated.push({ name, values: [value], isList: false, line, file })
  const all = isAsked ? response : request
  for (const header of all) {
    const { value, line } = header
    if (value.kind === 'basic') say('basic_auth_password', line, 'set')
    if (isAccessToken(header)) say('pass_access_token', line)
    if (isIdToken(header)) say(isAsked ? 'set_authorization_header' : 'pass_authorization_header', line)
  }
  const told = response.find(header => isUsual(header, 'x-auth-request-'))
  if (told !== undefined && !isAsked) say('set_xauthrequest', told.line)
  const other = response.find(header => !isUsual(header, 'x-auth-request-') && !isIdToken(header))
  if (other !== undefined && !isAsked) say('inject_response_headers', other.line)

  const people = all.filter(({ value }) => value.kind === 'claim' && !TOKENS.test(value.claim))
  const fixed = all.filter(({ value }) => value.kind === 'fixed')
  const prefix = isAsked ? 'x-auth-request-' : 'x-forwarded-'
  const isPreset = people.length === Object.keys(USUAL).length && people.every(one => isUsual(one, prefix))
  if (isAsked && isPreset) say('set_xauthrequest', people[0]?.line ?? null)
  if (isPreset && fixed.length === 0) return { stated, fields: null }
  if (!isAsked) {
    const basic = all.find(({ value }) => value.kind === 'basic')
    say('pass_user_headers', people[0]?.line ?? null, String(isPreset))
    say('pass_basic_auth', basic?.line ?? null, String(basic !== undefined))
  }
  return { stated, fields: { headers: isPreset ? null : Object.fromEntries(people.flatMap(templateOf)), fixed, file } }
}

function isAccessToken({ name, value }: AlphaHeader): boolean {
  const isNamed = /^x-(?:forwarded|auth-request)-access-token$/i.test(name)
  return isNamed && value.kind === 'claim' && value.claim === 'access_token' && value.prefix === ''
}

function isIdToken({ name, value }: AlphaHeader): boolean {
  const isNamed = /^authorization$/i.test(name)
  return isNamed && value.kind === 'claim' && value.claim === 'id_token' && value.prefix === 'Bearer '
}

function isUsual({ name, value }: AlphaHeader, prefix: string): boolean {
  const rest = name.toLowerCase().startsWith(prefix) ? name.slice(prefix.length).toLowerCase() : ''
  return value.kind === 'claim' && value.prefix === '' && USUAL[rest] === value.claim
}

function templateOf({ name, value }: AlphaHeader): readonly (readonly [string, string])[] {
  if (value.kind !== 'claim') return []
  const claim = claimOf(value.claim)
  return [[name, value.prefix === '' ? claim : `${value.prefix}{${claim}}`]]
}

/** A claim of oauth2-proxy's session in the words of routes.toml. */
function claimOf(claim: string): string {
  if (claim === 'user') return 'sub'
  return ['email', 'groups', 'preferred_username'].includes(claim) ? claim : `claims.${claim}`
}
