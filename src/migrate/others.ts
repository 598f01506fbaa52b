/** Programs whose files are recognised and not imported: what to write in their place. */

import { formatToml } from '../config/keys/table.ts'
import type { Json } from '../config/text/raw.ts'
import { columns } from '../console/terminal.ts'
import { type OldText, readEnvFile } from './oauth2-proxy/old-texts.ts'
import { replaceLogins, withoutLong } from './variables-to-set.ts'
import { at, entriesAt, itemsAt, pairsAt, parseYaml, textAt, textsAt, type Yaml } from './yaml.ts'

/** A file of a program that is not imported, and its settings in Sallyport's words. */
interface Other {
  readonly program: string
  readonly rows: readonly Row[]
}

/** What is decided otherwise here than there. */
const NOTES: Readonly<Record<string, string>> = {
  Authelia:
    'There the first rule that holds decides, and resources are held to the query too; here any rule of allow is enough, and deny outranks it.',
  Pomerium: 'A route has one upstream, and its people sign in at a portal.',
  Tinyauth: 'There an application is known by its labels; here each has a route.',
  'traefik-forward-auth': 'There an application is known by its labels; here each has a route.',
}

/** What is said of a file of another gate that is not imported; null where it is none of them. */
export async function tellOther(file: OldText): Promise<string | null> {
  const other = await seeOther(file)
  if (other === null) return null
  const { program, rows } = other
  const shown = rows.map(row => Object.values<string>({ ...row }).map(withoutSecrets))
  const table = columns([['host', 'path', 'there', 'in routes.toml'], ...shown])
  return [
    `${file.shownAs} is a file of ${program}, which import does not read: nothing is written.`,
    'Its hosts and rules, in the words of routes.toml:',
    '',
    rows.length === 0 ? 'nothing' : table.trimEnd(),
    '',
    NOTES[program],
    '"sallyport init" writes a first file; "sallyport help routes-and-rules" has all words.',
  ].join('\n')
}

/** A cell of the table without a login in an address, and without long parts that let in who knows them. */
function withoutSecrets(text: string): string {
  return withoutLong(replaceLogins(text, () => '…'))
}

/** A rule without what it asks of fields and parameters: whoever sends that passes. */
function withoutAsked(rule: string): string {
  return rule.replace(/\b((?:Headers?|Query)\w*\()(?:\s*(?:`[^`]*`|"[^"]*"|'[^']*')\s*,?)*/g, '$1…')
}

/** The program that a file belongs to, and its settings; null for none of these programs. */
export async function seeOther({ text, path }: OldText): Promise<Other | null> {
  if (/\.(?:ya?ml|json)$/i.test(path) || /^(?:access_control|services|routes|policy)\s*:/m.test(text)) {
    const parsed = await parseYaml(text)
    const [first = null] = parsed.ok ? parsed.documents : []
    if (at(first, 'access_control') !== null) return { program: 'Authelia', rows: autheliaRows(first) }
    const pomerium = pomeriumRows(first)
    if (pomerium.length > 0) return { program: 'Pomerium', rows: pomerium }
    const services = parsed.ok ? parsed.documents.flatMap(servicesOf) : []
    const gate = (image: RegExp) => services.find(one => image.test(one.image))
    const [tinyauth, forward] = [gate(/(?:^|\/)tinyauth(?::|@|$)/), gate(/(?:^|\/)traefik-forward-auth(?::|@|$)/)]
    if (gate(/oauth2[-_]proxy/) !== undefined) return null
    if (tinyauth !== undefined) return { program: 'Tinyauth', rows: tinyauthRows(tinyauth.settings, services) }
    if (forward === undefined) return null
    return { program: 'traefik-forward-auth', rows: traefikForwardAuthRows(forward.settings, services) }
  }
  // `rule.1.action =` is the variable RULE_1_ACTION.
  const spelled = text.replace(/^\s*([\w.-]+)\s*=/gm, (_, name) => `${name.toUpperCase().replace(/[.-]/g, '_')}=`)
  const settings = settingsOf(readEnvFile(spelled, path))
  const names = [...settings.keys()]
  if (
    names.some(name => name.startsWith('TINYAUTH_')) ||
    (settings.has('APP_URL') && settings.has('OAUTH_WHITELIST'))
  ) {
    return { program: 'Tinyauth', rows: tinyauthRows(settings, []) }
  }
  if (!names.some(name => /^(?:PROVIDERS_(?:GOOGLE|OIDC|GENERIC_OAUTH)_|RULE_\w+_ACTION$)/.test(name))) return null
  return { program: 'traefik-forward-auth', rows: traefikForwardAuthRows(settings, []) }
}

/** A service of a compose file, or a container of Kubernetes. */
interface Service {
  readonly image: string
  /** Its settings from variables and flags, by the names of variables; a repeated one is a list with commas. */
  readonly settings: ReadonlyMap<string, string>
  readonly labels: ReadonlyMap<string, string>
}

/** What is set several times adds up. */
function settingsOf(
  pairs: readonly { readonly name: string; readonly value?: string | undefined }[],
): ReadonlyMap<string, string> {
  const all = Map.groupBy(pairs, ({ name }) => name)
  return new Map([...all].map(([name, own]) => [name, own.map(({ value = '' }) => value).join(',')]))
}

/** The services of a compose file, and the containers of a manifest. */
function servicesOf(document: Yaml): readonly Service[] {
  const containers = itemsAt(document, 'spec', 'template', 'spec', 'containers')
  return [...entriesAt(document, 'services').map(([, service]) => service), ...containers].map(service => {
    const flags = ['command', 'args'].flatMap(key => textsAt(service, key)).flatMap(text => text.split(/\s+(?=--)/))
    const said = flags.flatMap(flag => {
      const [, name = '', value = 'true'] = /^--([\w.-]+)(?:=(.*))?$/s.exec(flag.trim()) ?? []
      const quoted = /^"(.*)"$/s.exec(value)?.[1]
      return name === '' ? [] : [{ name: name.toUpperCase().replace(/[.-]/g, '_'), value: quoted ?? value }]
    })
    const env = itemsAt(service, 'env').map(one => ({
      name: textAt(one, 'name') ?? '',
      value: textAt(one, 'value') ?? '',
    }))
    return {
      image: textAt(service, 'image') ?? textAt(service, 'build') ?? '',
      settings: settingsOf([...pairsAt(service, 'environment'), ...env, ...said]),
      labels: settingsOf([...pairsAt(service, 'labels'), ...pairsAt(at(service, 'deploy'), 'labels')]),
    }
  })
}

/** Entries of a text with commas; an expression between slashes is one entry. */
function entriesOf(text: string | undefined): readonly string[] {
  if (/^\/.*\/$/.test(text ?? '')) return [text ?? '']
  return (text ?? '').split(',').flatMap(one => one.trim() || [])
}

/** Hosts of Traefik's rules, of its first version (`Host:a.example`) too. */
function hostsOf(rule: string): readonly string[] {
  const [, old] = /^Host:([^;]+)/.exec(rule) ?? []
  if (old !== undefined) return entriesOf(old)
  const quoted = [...rule.matchAll(/Host(?:SNI)?\(([^)]*)\)/g)].flatMap(([, list = '']) => [
    ...list.matchAll(/[`"']([^`"']+)[`"']/g),
  ])
  return quoted.map(([, host = '']) => host)
}

/** The hosts that Traefik leads to a service. */
function routedHosts(labels: Service['labels']): readonly string[] {
  const isRule = /^traefik\.(?:http\.routers\.[^.]+|frontend)\.rule$/
  return [...labels].flatMap(([name, value]) => (isRule.test(name) ? hostsOf(value) : []))
}

/** Whether one of a service's routers asks a gate, by a middleware that is called so. */
function asks(labels: Service['labels'], gate: RegExp): boolean {
  return [...labels].some(([name, value]) => /\.middlewares$|\.auth\.forward\.address$/.test(name) && gate.test(value))
}

function portalRow(address: string | undefined): readonly Row[] {
  const host = URL.parse(address ?? '')?.host ?? ''
  return host === ''
    ? []
    : [{ host, path: '', there: 'where people sign in', here: `url = "https://${host}" of [portals.home]` }]
}

const OLD_LABELS: Readonly<Record<string, string>> = {
  domain: 'config.domain',
  users: 'users.allow',
  allowed: 'path.allow',
}

/** Applications of Tinyauth: by labels `tinyauth.apps.NAME.*`, by `tinyauth.*` as they were before, and by variables. */
function tinyauthRows(settings: Service['settings'], services: readonly Service[]): readonly Row[] {
  const apps = new Map<string, Map<string, string>>()
  const put = (app: string, key: string, value: string) => apps.set(app, (apps.get(app) ?? new Map()).set(key, value))
  for (const { labels } of services) {
    const [host = ''] = routedHosts(labels)
    for (const [name, value] of labels) {
      const [, app, key = ''] = /^tinyauth\.apps\.([^.]+)\.(.+)$/i.exec(name) ?? []
      const [, old] = /^tinyauth\.(domain|users|allowed|oauth\.whitelist|oauth\.groups)$/i.exec(name) ?? []
      if (app !== undefined) put(app, key.toLowerCase(), value)
      if (old !== undefined) put(host, OLD_LABELS[old.toLowerCase()] ?? old.toLowerCase(), value)
      if (app !== undefined && host !== '' && !labels.has(`tinyauth.apps.${app}.config.domain`))
        put(app, 'config.domain', host)
    }
    const isNamed = [...labels.keys()].some(name => /^tinyauth\./i.test(name))
    if (asks(labels, /tinyauth/) && !isNamed) for (const one of routedHosts(labels)) put(one, 'config.domain', one)
  }
  for (const [name, value] of settings) {
    const [, app, key] = /^TINYAUTH_APPS_([A-Z0-9]+)_([A-Z_]+)$/.exec(name) ?? []
    if (app !== undefined && key !== undefined && value !== '')
      put(app.toLowerCase(), key.toLowerCase().replace('_', '.'), value)
  }
  const everybody = peopleRules(entriesOf(settings.get('TINYAUTH_OAUTH_WHITELIST') ?? settings.get('OAUTH_WHITELIST')))
  const open = (rule: Rule) => `and in allow: ${allowText([rule], true).replace(/^allow = \[|\]$/g, '')}`
  const rows = [...apps].map(([app, own]): Row => {
    const list = (key: string) => entriesOf(own.get(key))
    const networks = (key: string) => [
      ...entriesOf(settings.get(`TINYAUTH_AUTH_IP_${key.toUpperCase()}`)),
      ...list(`ip.${key}`),
    ]
    const people = [...peopleRules(list('oauth.whitelist')), ...peopleRules(list('users.allow'))]
    // A user who is not on the list of all cannot sign in at all.
    const both =
      people.length === 0
        ? everybody
        : people.map(one => (everybody.length === 0 ? one : { ...one, any: [...everybody] }))
    const groups = [...list('oauth.groups'), ...list('ldap.groups')]
    const asked = groups.length === 0 ? both : (both.length === 0 ? [{}] : both).map(one => ({ ...one, groups }))
    const [path = '', closed] = [own.get('path.allow'), own.get('path.block')]
    const [allow, block, bypass] = [networks('allow'), networks('block'), list('ip.bypass')]
    const deny: readonly Rule[] = [
      ...(block.length === 0 ? [] : [{ networks: block }]),
      ...(allow.length === 0 ? [] : [{ not: { networks: allow } }]),
      ...peopleRules(list('users.block')),
    ]
    const here = [
      allowText(asked, false),
      ...(path === '' ? [] : [open({ path_regexp: path })]),
      ...(closed === undefined ? [] : [open({ not: { path_regexp: closed } })]),
      ...(bypass.length === 0 ? [] : [open({ networks: bypass })]),
      ...(deny.length === 0 ? [] : [denyText(deny)]),
    ]
    const said = [...own].flatMap(([key, value]) =>
      /^(?:oauth|users|path|ip|ldap)\./.test(key) ? [`${key} ${value}`] : [],
    )
    const host = own.get('config.domain') ?? (app === '' ? '(its host)' : `${app}.…`)
    return { host, path, there: said.join(', ') || 'signed in', here: here.join('; ') }
  })
  const names = ['TINYAUTH_APPURL', 'TINYAUTH_APP_URL', 'APP_URL']
  return [...rows, ...portalRow(names.map(name => settings.get(name)).find(one => one !== undefined))]
}

/** Rules of traefik-forward-auth, the hosts that ask it, and who may. */
function traefikForwardAuthRows(settings: Service['settings'], services: readonly Service[]): readonly Row[] {
  const peopleOf = (whitelist: string | undefined, domain: string | undefined) => {
    // Of the two, only the list of addresses counts, unless the file says otherwise.
    const isEither = whitelist === undefined || settings.get('MATCH_WHITELIST_OR_DOMAIN') === 'true'
    return [...entriesOf(whitelist), ...(isEither ? entriesOf(domain).map(one => `@${one}`) : [])]
  }
  const usual = peopleOf(settings.get('WHITELIST'), settings.get('DOMAIN') ?? settings.get('DOMAINS'))
  const isRule = /^RULE_(\w+)_(?:ACTION|RULE|WHITELIST|DOMAINS)$/
  const names = new Set([...settings.keys()].flatMap(name => isRule.exec(name)?.[1] ?? []))
  const rows = [...names].map((name): Row => {
    const get = (key: string) => settings.get(`RULE_${name}_${key}`)
    const rule = get('RULE') ?? ''
    const parts = [...rule.matchAll(/\b(\w+)\(\s*[`"']?([^)]*?)[`"']?\s*\)/g)].map(
      ([, kind = '', text = '']) => [kind, text] as const,
    )
    const [path = ''] = parts.flatMap(([kind, text]) => (/^Path/.test(kind) ? [text] : []))
    const isOdd =
      /\|\||!/.test(rule) ||
      /[{*]|[`"'],/.test(path) ||
      parts.filter(([kind]) => /^Path/.test(kind)).length > 1 ||
      parts.some(([kind]) => !/^(?:Host|Path|PathPrefix)$/.test(kind))
    const where: Rule = path === '' ? {} : { paths: rule.includes('PathPrefix') ? `${path}*` : path }
    const own = peopleOf(get('WHITELIST'), get('DOMAINS'))
    const people = peopleRules(own.length > 0 ? own : usual)
    const isOpen = (get('ACTION') ?? 'auth') === 'allow'
    const asked = people.length === 0 ? [where] : people.map(one => ({ ...where, ...one }))
    const said = isOpen ? allowText([where], true) : allowText(asked, false)
    const here = isOdd ? `nothing: write what ${withoutAsked(rule)} means` : said
    return {
      host: hostsOf(rule).join(' ') || '(each)',
      path,
      there: `${isOpen ? 'allow' : 'auth'} ${withoutAsked(rule)}`.trim(),
      here,
    }
  })
  const isAllowed = settings.get('DEFAULT_ACTION') === 'allow'
  const there = isAllowed ? 'allow' : usual.join(', ') || 'signed in'
  const here = isAllowed ? allowText([], true) : allowText(peopleRules(usual), false)
  const hosts = services.flatMap(({ labels }) => (asks(labels, /forward-?auth|-auth\b/i) ? routedHosts(labels) : []))
  const asked = hosts.length === 0 ? ['(any other)'] : new Set(hosts)
  const portal = settings.get('AUTH_HOST')
  return [
    ...rows,
    ...[...asked].map(host => ({ host, path: '', there, here })),
    ...portalRow(portal === undefined ? undefined : `https://${portal}`),
  ]
}

/** One rule of another gate: its place, its text there, and its counterpart here. */
interface Row {
  readonly host: string
  readonly path: string
  readonly there: string
  readonly here: string
}

/** A rule of a route, in the order of its keys. */
type Rule = Readonly<Record<string, Json>>

/** The rule for users that no rule describes: no user, until the operator writes it. */
const UNKNOWN: Rule = { subjects: ['write-who-may'] }

/** Whether a rule, or any in it, is for users that no rule describes. */
function isUnknown(rule: Json): boolean {
  if (typeof rule !== 'object' || rule === null) return rule === 'write-who-may'
  return Object.values(rule).some(isUnknown)
}

/** `allow` of a route; without a condition everybody, or everybody who is signed in, is meant. */
function allowText(rules: readonly Rule[], isOpen: boolean): string {
  const whole = rules.length === 0 || rules.some(rule => Object.keys(rule).length === 0)
  if (whole) return `allow = "${isOpen ? 'public' : 'authenticated'}"`
  return `allow = ${formatToml(isOpen ? rules.map(rule => ({ ...rule, anonymous: true })) : [...rules])}`
}

/** `deny` of a route; without a condition everybody is, and where it is not known who: nobody comes in by what is left out. */
function denyText(rules: readonly Rule[]): string {
  const whole = rules.length === 0 || rules.some(rule => Object.keys(rule).length === 0 || isUnknown(rule))
  return `deny = ${formatToml(whole ? [{ networks: ['0.0.0.0/0', '::/0'] }] : [...rules])}`
}

/** People as other gates write them: an address, `@domain`, an expression between slashes, a name. */
function peopleRules(entries: readonly string[]): readonly Rule[] {
  const kindOf = (one: string) =>
    /^\/.*\/$/.test(one) ? 'odd' : one.startsWith('@') ? 'domain' : one.includes('@') ? 'email' : 'name'
  const all = Map.groupBy(entries, kindOf)
  const [emails, domains, names] = [all.get('email'), all.get('domain')?.map(one => one.slice(1)), all.get('name')]
  const addresses = { ...(emails && { emails }), ...(domains && { domains }) }
  return [
    ...(Object.keys(addresses).length === 0 ? [] : [addresses]),
    ...(names ? [{ claims: { preferred_username: names } }] : []),
    // An expression has no word here: it is what is shown beside this.
    ...(all.has('odd') ? [UNKNOWN] : []),
  ]
}

/** The rules of Authelia's `access_control`, and what holds where none of them does. */
function autheliaRows(document: Yaml | null): readonly Row[] {
  const named = new Map<string | null, readonly string[]>([
    ...itemsAt(document, 'access_control', 'networks').map(
      one => [textAt(one, 'name'), textsAt(one, 'networks')] as const,
    ),
    ...entriesAt(document, 'definitions', 'network').map(([name, networks]) => [name, textsAt(networks)] as const),
  ])
  const known = ['domain', 'domain_regex', 'policy', 'subject', 'networks', 'resources', 'methods']
  const rows = itemsAt(document, 'access_control', 'rules').flatMap(rule => {
    const hosts = [...textsAt(rule, 'domain'), ...textsAt(rule, 'domain_regex').map(text => `~ ${text}`)]
    const resources = textsAt(rule, 'resources')
    const methods = textsAt(rule, 'methods')
    const networks = textsAt(rule, 'networks').flatMap(name => named.get(name) ?? [name])
    const policy = textAt(rule, 'policy') ?? 'deny'
    // A list of which one has to hold; one that is a list itself holds as a whole.
    const people = itemsAt(rule, 'subject').map(one => textsAt(one))
    const odd = entriesAt(rule).find(([key]) => !known.includes(key))?.[0]
    const where: Rule = {
      ...(resources.length === 0
        ? {}
        : { path_regexp: resources.length === 1 ? (resources[0] ?? '') : [...resources] }),
      ...(methods.length === 0 ? {} : { methods }),
      ...(networks.length === 0 ? {} : { networks }),
    }
    const rules = people.length === 0 ? [where] : people.map(words => ({ ...where, ...subject(words) }))
    const here = odd === undefined ? policyText(policy, rules) : `nothing: no rule says ${odd} as there`
    const there = [policy, ...people.map(words => words.join(' and '))].join(', ')
    return hosts.map(host => ({ host, path: resources.join(' '), there, here: noHost(host) ?? here }))
  })
  const fallback = textAt(document, 'access_control', 'default_policy') ?? 'deny'
  const rest = fallback === 'deny' ? 'nothing: what no rule of allow says is refused' : policyText(fallback, [{}])
  return [...rows, { host: '(any other)', path: '', there: fallback, here: rest }]
}

/** Where the host is none that a route can have. */
function noHost(host: string): string | null {
  if (host.startsWith('~ ')) return 'a route for each host: none has an expression'
  return /[{}]/.test(host) ? 'a route for each person’s host' : null
}

function policyText(policy: string, rules: readonly Rule[]): string {
  if (policy === 'bypass') return allowText(rules, true)
  if (policy === 'deny') return denyText(rules)
  return allowText(policy === 'two_factor' ? rules.map(rule => ({ ...rule, amr: 'mfa' })) : rules, false)
}

/** `group:admins`, `user:john`, `oauth2:client:x`: all of them. */
function subject(words: readonly string[]): Rule {
  const named = (kind: string) => words.flatMap(word => (word.startsWith(kind) ? [word.slice(kind.length)] : []))
  const parts: readonly Rule[] = [
    ...named('group:').map(group => ({ groups: [group] })),
    ...named('user:').map(user => ({ claims: { preferred_username: [user] } })),
    ...named('oauth2:client:').map(client => ({ subjects: [client] })),
  ]
  const [only = UNKNOWN, ...more] = parts
  return more.length === 0 && words.length === 1 ? only : parts.length < words.length ? UNKNOWN : { all: [...parts] }
}

/**
 * Pomerium's `routes`, or `policy` by its earlier name, or a file of only routes; none for a file without any that
 * have a `from`.
 */
function pomeriumRows(document: Yaml | null): readonly Row[] {
  const places = [[], ['routes'], ['policy'], ['config', 'routes'], ['config', 'policy']]
  const routes = places.flatMap(path => itemsAt(document, ...path)).filter(one => at(one, 'from') !== null)
  return routes.map(route => {
    const [, scheme = '', host = ''] = /^(?:([a-z0-9+]+):\/\/)?([^/]*)/i.exec(textAt(route, 'from') ?? '') ?? []
    const [path = ''] = ['prefix', 'path', 'regex'].flatMap(key => textAt(route, key) ?? [])
    const to = textsAt(route, 'to')
    const target = to.length === 0 ? [] : [`upstream = ${formatToml(to.length === 1 ? (to[0] ?? '') : [...to])}`]
    const { said, texts } = whoMay(route)
    const here = /^(?:tcp|udp|ssh)/.test(scheme)
      ? 'nothing: HTTP alone is served here'
      : [...target, ...texts].join('; ')
    return { host, path, there: said.join(', ') || 'nobody', here }
  })
}

function whoMay(route: Yaml): { readonly said: readonly string[]; readonly texts: readonly string[] } {
  const isOn = (key: string) => textAt(route, key) === 'true'
  const [open, any] = ['allow_public_unauthenticated_access', 'allow_any_authenticated_user']
  if (isOn(open)) return { said: [open], texts: [allowText([], true)] }
  if (isOn(any)) return { said: [any], texts: [allowText([], false)] }
  const people = [...textsAt(route, 'allowed_users'), ...textsAt(route, 'allowed_domains').map(domain => `@${domain}`)]
  const groups = textsAt(route, 'allowed_groups')
  const claims = entriesAt(route, 'allowed_idp_claims').map(([name, value]) => ({ claims: { [name]: textsAt(value) } }))
  const found: readonly Rule[] = [...peopleRules(people), ...(groups.length === 0 ? [] : [{ groups }]), ...claims]
  const said = [...people, ...groups, ...claims.map(one => Object.keys(one.claims).join())]
  const texts = found.length === 0 ? [] : [allowText(found, false)]
  for (const policy of itemsAt(route, 'policy')) {
    for (const action of ['allow', 'deny'] as const) {
      const lists = entriesAt(policy, action)
      if (lists.length === 0) continue
      said.push(...lists.flatMap(([, list]) => itemsAt(list).map(one => `${action} ${tell(one)}`)))
      const rules = lists.map(([operator, list]) => joined(operator, itemsAt(list).map(criterionOf)))
      const own = rules.flatMap(rule => rule ?? [])
      texts.push(
        action === 'deny'
          ? denyText(own)
          : allowText(
              own,
              rules.every(rule => rule === null),
            ),
      )
    }
  }
  return { said, texts }
}

/** Rules of which one has to hold; null where everybody passes. */
function joined(operator: string, all: readonly (Rule | 'accept')[]): readonly Rule[] | null {
  const rules = all.filter(one => one !== 'accept')
  const isNegated = operator !== 'or' && operator !== 'and'
  // What holds for nobody would be for everybody, and so would all but those who are not known.
  if (isNegated && (rules.length < all.length || isUnknown([...rules]))) return [UNKNOWN]
  if (rules.length < all.length && (operator === 'or' || rules.length === 0)) return null
  if (operator === 'or') return rules
  const whole = { and: { all: rules }, not: { not: { any: rules } }, nor: { not: { all: rules } } }[operator]
  return [whole ?? UNKNOWN]
}

/** A criterion of a policy, such as `email: { is: ada@example.com }`. */
function criterionOf(node: Yaml): Rule | 'accept' {
  const [[name = '', value = null] = []] = entriesAt(node)
  const [[operator = 'is', operand = value] = []] = entriesAt(value)
  const texts = textsAt(operand)
  if (name === 'accept') return 'accept'
  if (name === 'authenticated_user') return {}
  if (name === 'groups') return { groups: texts }
  if (name.startsWith('claim/')) return { claims: { [name.slice('claim/'.length)]: texts } }
  const key = { email: 'emails', domain: 'domains', user: 'subjects', http_method: 'methods' }[name]
  return key === undefined || operator !== 'is' || value === null ? UNKNOWN : { [key]: texts }
}

function tell(node: Yaml): string {
  const [[name = '?', value = null] = []] = entriesAt(node)
  return [name, ...entriesAt(value).map(([key, one]) => `${key} ${textsAt(one)}`)].join(' ')
}
