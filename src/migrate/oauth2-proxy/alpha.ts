/** The alpha configuration of oauth2-proxy (YAML): providers, upstreams and injected fields. */

import { compileExpression, isFault } from '../../base/regular-expression.ts'
import { parsePathExpression } from '../../config/values/pattern.ts'
import { entriesAt, itemsAt, textAt, textsAt, type Yaml } from '../yaml.ts'
import { type Gap, OPTIONS, optionNamed, type Stated } from './options.ts'

/** What an alpha configuration says that no option of oauth2-proxy.cfg can. */
export interface Alpha {
  readonly upstreams: readonly StatedUpstream[]
  /** Fields for the application that are not oauth2-proxy's usual ones; null where they are. */
  readonly fields: Fields | null
}

/** An entry of `upstreams`, or of `upstreamConfig.upstreams`, which has more to say. */
export interface StatedUpstream {
  /** `http://app:3000`, `file:///srv`, `static://200`; of an alpha configuration without a path. */
  readonly uri: string
  /** As an address has it: what ends in a slash is for what is below it. */
  readonly path?: string
  /** What is taken off the path, and then put before it. */
  readonly rewrite?: { readonly strip: string | null; readonly add: string | null }
  /** Which paths it is for; `to`: what they become, null where `rewrite` says that. */
  readonly expression?: { readonly from: string; readonly to: string | null; readonly stated: string }
  /** An expression that takes all of its paths, so that nothing comes to it. */
  readonly behind?: string
  /** Further options of this upstream. */
  readonly own?: readonly Stated[]
  readonly line?: number
  readonly file?: string
}

/** A field of `injectRequestHeaders` or `injectResponseHeaders`, as far as one value makes it. */
interface Header {
  readonly name: string
  /** `basic`: HTTP Basic with the user as its name; `fixed`: the same for everyone. */
  readonly kind: 'claim' | 'access token' | 'ID token' | 'basic' | 'fixed'
  readonly claim: string
  readonly prefix: string
  /** Where what is the same comes from: a variable, a file, or neither (it is written there, and not copied). */
  readonly variable: string | null
  readonly path: string | null
  readonly line: number
}

/** Fields that routes say themselves. */
export interface Fields {
  /** By name, as `headers` of a route has it; null for oauth2-proxy's usual ones. */
  readonly headers: Readonly<Record<string, string>> | null
  readonly fixed: readonly Header[]
  readonly file: string
}

const UNKNOWN = 'it is not known here, so the routes stay closed'

/**
 * The file of `--alpha-config` as options, and the rest of it. Of several providers the first one counts, as in oauth2-proxy. `fill` puts
 * in what the environment says; what is not carried over is put to the gaps.
 */
export function readAlpha(
  document: Yaml,
  file: string,
  fill: (text: string) => string,
  gaps: Gap[],
): { readonly alpha: Alpha; readonly stated: readonly Stated[] } {
  const tree = lowered(document, fill)
  const stated: Stated[] = []
  const refuse: Refuse = (option, line, say = UNKNOWN, path) =>
    void gaps.push({ option, line, file, say, ...(path === undefined ? {} : { path }) })
  const state = (name: string, node: Yaml) =>
    stated.push({ name, values: textsAt(node), isList: node.kind === 'list', line: node.line, file })
  const switchOn = (name: string, line: number | null, value = 'true') =>
    stated.push({ name, values: [value], isList: false, line, file })

  const apart = ['providers', 'injectrequestheaders', 'injectresponseheaders', 'upstreamconfig.upstreams']
  for (const [path, node] of leavesOf(tree, apart)) {
    if (OPTIONS.has(optionNamed(path)) && path.includes('.')) state(optionNamed(path), node)
    else refuse(path, node.line)
  }
  const [provider = null, ...others] = itemsAt(tree, 'providers')
  for (const other of others) {
    const way =
      'take the others out, and import again; where people shall have several, name them in providers of the portal afterwards'
    refuse('providers', other.line, `only the first provider counted there, and is in the new file: ${way}`)
  }
  for (const [path, node] of provider === null ? [] : leavesOf(provider, ['loginurlparameters'])) {
    const name = optionNamed(`providers.${path}`)
    if (OPTIONS.has(name)) state(name, node)
    else if (path !== 'id') refuse(name, node.line)
  }
  for (const parameter of itemsAt(provider, 'loginurlparameters')) {
    // Any other may keep people out at the provider.
    const name = optionNamed(`providers.loginurlparameters.${textAt(parameter, 'name')}`)
    if (OPTIONS.has(name)) switchOn(name, parameter.line, textAt(parameter, 'default') || 'set')
    else refuse('providers.loginURLParameters', parameter.line)
  }
  const stood = itemsAt(tree, 'upstreamconfig', 'upstreams').flatMap(entry => readUpstream(entry, file, refuse))
  const upstreams = inOrder(stood, refuse)
  const request = itemsAt(tree, 'injectrequestheaders').flatMap(one => readHeader(one, 'injectrequestheaders', refuse))
  const response = itemsAt(tree, 'injectresponseheaders').flatMap(one =>
    readHeader(one, 'injectresponseheaders', refuse),
  )
  const isAsked = upstreams.every(isStandIn)
  const all = isAsked ? response : request
  for (const { kind, line } of all) {
    if (kind === 'basic') switchOn('basic_auth_password', line, 'set')
    if (kind === 'access token') switchOn('pass_access_token', line)
    if (kind === 'ID token') switchOn(isAsked ? 'set_authorization_header' : 'pass_authorization_header', line)
  }
  const told = response.find(header => isUsual(header, 'x-auth-request-'))
  const odd = response.find(header => !isUsual(header, 'x-auth-request-') && header.kind !== 'ID token')
  if (told !== undefined && !isAsked) switchOn('set_xauthrequest', told.line)
  if (odd !== undefined && !isAsked) switchOn('inject_response_headers', odd.line)

  const people = all.filter(({ kind }) => kind === 'claim')
  const fixed = all.filter(({ kind }) => kind === 'fixed')
  const isPreset =
    people.length === 4 && people.every(one => isUsual(one, isAsked ? 'x-auth-request-' : 'x-forwarded-'))
  if (isAsked && isPreset) switchOn('set_xauthrequest', people[0]?.line ?? null)
  if (isPreset && fixed.length === 0) return { alpha: { upstreams, fields: null }, stated }
  if (!isAsked) {
    const basic = all.find(({ kind }) => kind === 'basic')
    switchOn('pass_user_headers', people[0]?.line ?? null, String(isPreset))
    switchOn('pass_basic_auth', basic?.line ?? null, String(basic !== undefined))
  }
  const headers = isPreset
    ? null
    : Object.fromEntries(people.map(({ name, claim, prefix }) => [name, template(claim, prefix)]))
  return { alpha: { upstreams, fields: { headers, fixed, file } }, stated }
}

type Refuse = (option: string, line: number, say?: string, path?: string) => void

/** Whether it stands for an application that a proxy in front has: an answer that only means yes, or an empty file. */
export function isStandIn({ uri }: StatedUpstream): boolean {
  return /^static:\/\/2\d\d\/?$/i.test(uri) || /^file:\/\/\/dev\/null\/?(?:#.*)?$/i.test(uri)
}

/** One whose path or target no route can say is put to the gaps, since another upstream would answer there. */
function readUpstream(entry: Yaml, file: string, refuse: Refuse): readonly StatedUpstream[] {
  const own: Stated[] = []
  for (const [path, node] of leavesOf(entry, [])) {
    const name = optionNamed(`upstreams.${path}`)
    if (OPTIONS.has(name)) own.push({ name, values: textsAt(node), isList: false, line: node.line, file })
    else if (!['id', 'path', 'uri', 'rewritetarget', 'static', 'staticcode'].includes(path)) refuse(name, node.line)
  }
  const [path, stated] = [textAt(entry, 'path') || '/', textAt(entry, 'rewritetarget') || null]
  const isStatic = textAt(entry, 'static') === 'true'
  const uri = isStatic ? `static://${textAt(entry, 'staticcode') || '200'}` : (textAt(entry, 'uri') ?? '')
  const made = { uri, own, line: entry.line, file, rewrite: { strip: null, add: null } }
  if (stated === null && path.startsWith('/')) return [{ ...made, path }]
  // oauth2-proxy 7.15.3 reads each $2, and any other number, as $1: `normalizeSubstitution` in pkg/apis/options/load.go.
  const to = (stated ?? '').replace(/\$\d+/g, () => '$1')
  // `^/api/(.*)$` with what becomes of it: `/$1`, `/v2/$1`, `/api/$1`.
  const [, base] = /^\^(\/(?:[A-Za-z0-9_~/-]*\/)?)\(\.[*]\)\$?$/.exec(path) ?? []
  const [, before] = /^(\/(?:[A-Za-z0-9_~./-]*\/)?)\$1$/.exec(to) ?? []
  if (base !== undefined && before !== undefined) {
    const bare = (text: string) => (text === '/' ? null : text.replace(/\/$/, ''))
    const rewrite = base === before ? made.rewrite : { strip: bare(base), add: bare(before) }
    return [{ ...made, path: base, rewrite, expression: { from: path, to: null, stated: stated ?? '' } }]
  }
  const line = entriesAt(entry).find(([key]) => key === 'path')?.[1].line ?? entry.line
  const compiled = compileExpression(path)
  const isExpression = stated !== null && parsePathExpression(path).ok && !isFault(compiled)
  if (!isExpression) {
    refuse('upstreams.path', line, `no route says this path with this rewriteTarget: ${WRITE}`)
    return []
  }
  const isSaid = /^\/(?:[\w.~/-]|\$1(?!\w))*$/.test(to) && (compiled.groups > 0 || !to.includes('$'))
  if (isSaid && !/^file:/i.test(uri))
    return [{ ...made, path: folderOf(path), expression: { from: path, to, stated }, line }]
  const said = `no route can say this with its rewriteTarget, so this path stays closed: ${WRITE}`
  refuse('upstreams.path', line, `${path}: ${said}`, path)
  return []
}

const WRITE = 'write a route with path, strip_prefix and add_prefix'

/** The folder that each path is in that an expression matches, as far as it is spelled out. */
function folderOf(expression: string): string {
  const outside = expression.replace(/\\.|\[[^\]]*\]/g, '').replace(/\((?!\?)[^()]*\)/g, '')
  return /\||\(\?/.test(outside) ? '/' : (/^\^(\/(?:[\w~-]+\/)*)(?![?*{])/.exec(expression)?.[1] ?? '/')
}

/**
 * Expressions come first there, and of these the longest; here a route of a longer path does. So an expression that leaves paths to
 * another upstream below its folder is put to the gaps.
 */
function inOrder(all: readonly StatedUpstream[], refuse: Refuse): readonly StatedUpstream[] {
  const lengthOf = ({ expression }: StatedUpstream) => expression?.from.length ?? 0
  const after = (one: StatedUpstream) =>
    all.filter(other => lengthOf(other) < lengthOf(one) && other.path?.startsWith(one.path ?? '/') === true)
  const whole = all.filter(({ expression }) => expression?.to === null)
  const behind = new Map(whole.flatMap(one => after(one).map(other => [other, one.expression?.from] as const)))
  return all
    .toSorted((one, other) => lengthOf(other) - lengthOf(one))
    .flatMap((one): readonly StatedUpstream[] => {
      const by = behind.get(one)
      if (by !== undefined) return [{ ...one, behind: by }]
      const { expression, path, line = 0 } = one
      if (expression === undefined || expression.to === null) return [one]
      if (after(one).every(other => other.path === path || behind.has(other))) return [one]
      const say = `${expression.from}: it comes before other upstreams in ${path}, which no route says, so this path stays closed: ${WRITE}`
      refuse('upstreams.path', line, say, expression.from)
      return []
    })
}

/** A field; one that no route can say is refused, where its application would get it from its client instead. */
function readHeader(entry: Yaml, list: string, refuse: Refuse): readonly Header[] {
  const name = textAt(entry, 'name') || null
  const [value, ...others] = itemsAt(entry, 'values')
  const known = ['name', 'values', 'preserverequestvalue', 'insecureskipheadernormalization']
  const odd = entriesAt(entry).find(([key]) => !known.includes(key))
  if (odd !== undefined) refuse(list, odd[1].line, `nothing is known of ${odd[0]}`)
  const kept = `${name}: what a client sends there is removed, on every route; take preserveRequestValue out`
  if (textAt(entry, 'preserverequestvalue') === 'true') refuse(list, entry.line, kept)
  if (name === null || value === undefined || others.length > 0) {
    refuse(list, entry.line, `${name}: a field has one value here`)
    return []
  }
  const [source = value] = ['claimsource', 'secretsource'].flatMap(key => itemsAt(value, key))
  const [claim, prefix] = [textAt(source, 'claim') || '', textAt(source, 'prefix') ?? '']
  const kind = kindOf(name, claim, prefix, source)
  if (kind === null) refuse(list, value.line, `${name}: no route says this value`)
  const [variable, path] = [textAt(source, 'fromenv'), textAt(source, 'fromfile')]
  return kind === null ? [] : [{ name, kind, claim, prefix, variable, path, line: entry.line }]
}

/** Null for a value that no route says. */
function kindOf(name: string, claim: string, prefix: string, source: Yaml): Header['kind'] | null {
  const keys = leavesOf(source, []).map(([path]) => path)
  const isAuthorization = /^authorization$/i.test(name)
  if (keys.some(key => key.startsWith('basicauthpassword'))) return claim === 'user' && isAuthorization ? 'basic' : null
  if (claim === '') return /^(?:value|fromenv|fromfile)$/.test(keys.join()) ? 'fixed' : null
  if (keys.some(key => key !== 'claim' && key !== 'prefix') || /[{}]/.test(prefix)) return null
  if (!TOKENS.test(claim)) return /^[A-Za-z0-9_.:/-]+$/.test(claim) ? 'claim' : null
  if (isAuthorization && claim === 'id_token' && prefix === 'Bearer ') return 'ID token'
  const isAccess = /^x-(?:forwarded|auth-request)-access-token$/i.test(name) && claim === 'access_token'
  return isAccess && prefix === '' ? 'access token' : null
}

/** Values of a session that no field of a route can say, but for the usual ones of tokens. */
const TOKENS = /^(?:access_token|id_token|refresh_token|created_at|expires_on)$/

/** Whether it is one of oauth2-proxy's default headers: `X-Forwarded-Email` with the claim `email`. */
function isUsual({ name, kind, claim, prefix }: Header, begin: string): boolean {
  const isNamed = ['user', 'email', 'groups', 'preferred_username'].includes(claim) && prefix === '' && kind === 'claim'
  return isNamed && name.toLowerCase() === begin + claim.replace('_', '-')
}

/** A claim of oauth2-proxy's session in the words of routes.toml. */
function template(claim: string, prefix: string): string {
  const known =
    claim === 'user' ? 'sub' : /^(?:email|groups|preferred_username)$/.test(claim) ? claim : `claims.${claim}`
  return prefix === '' ? known : `${prefix}{${known}}`
}

/** The same document with lower-case keys, and with what the environment says filled in. */
function lowered(node: Yaml, fill: (text: string) => string): Yaml {
  if (node.kind === 'text') return { ...node, text: fill(node.text) }
  if (node.kind === 'list') return { ...node, items: node.items.map(item => lowered(item, fill)) }
  return {
    ...node,
    entries: new Map([...node.entries].map(([key, value]) => [key.toLowerCase(), lowered(value, fill)])),
  }
}

/** Every value below a node by its path (`a.b`); lists are values, and those among `apart` are left out. */
function leavesOf(node: Yaml, apart: readonly string[], above = ''): readonly (readonly [path: string, node: Yaml])[] {
  if (node.kind !== 'map') return [[above, node]]
  return [...node.entries].flatMap(([key, value]) => {
    const path = above === '' ? key : `${above}.${key}`
    return apart.includes(path) ? [] : leavesOf(value, apart, path)
  })
}
