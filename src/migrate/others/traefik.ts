/** Settings of traefik-forward-auth and tinyauth in the words of routes.toml. */

import { at, entriesAt, itemsAt, pairsAt, textAt, textsAt, type Yaml } from '../yaml.ts'
import { allowText, denyText, peopleRules, type Row, type Rule } from './policies.ts'

/** A service of a compose file, or a container of Kubernetes. */
export interface Service {
  readonly image: string
  /** Its settings from variables and flags, by the names of variables; a repeated one is a list with commas. */
  readonly settings: ReadonlyMap<string, string>
  readonly labels: ReadonlyMap<string, string>
}

/** What is set several times adds up. */
export function settingsOf(
  pairs: readonly { readonly name: string; readonly value?: string | undefined }[],
): ReadonlyMap<string, string> {
  const all = Map.groupBy(pairs, ({ name }) => name)
  return new Map([...all].map(([name, own]) => [name, own.map(({ value = '' }) => value).join(',')]))
}

/** The services of a compose file, and the containers of a manifest. */
export function servicesOf(document: Yaml): readonly Service[] {
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
export function tinyauthRows(settings: Service['settings'], services: readonly Service[]): readonly Row[] {
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
export function traefikForwardAuthRows(settings: Service['settings'], services: readonly Service[]): readonly Row[] {
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
      /\|\||!/.test(rule) || /[{]|[`"'],/.test(path) || parts.some(([kind]) => !/^(?:Host|Path|PathPrefix)$/.test(kind))
    const where: Rule = path === '' ? {} : { paths: rule.includes('PathPrefix') ? `${path}*` : path }
    const own = peopleOf(get('WHITELIST'), get('DOMAINS'))
    const people = peopleRules(own.length > 0 ? own : usual)
    const isOpen = (get('ACTION') ?? 'auth') === 'allow'
    const asked = people.length === 0 ? [where] : people.map(one => ({ ...where, ...one }))
    const said = isOpen ? allowText([where], true) : allowText(asked, false)
    const here = isOdd ? `nothing: write what ${rule} means` : said
    return {
      host: hostsOf(rule).join(' ') || '(each)',
      path,
      there: `${isOpen ? 'allow' : 'auth'} ${rule}`.trim(),
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
