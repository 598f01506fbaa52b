import { at, entriesAt, itemsAt, textAt, type Yaml } from '../yaml.ts'
import { allowText, denyText, entriesOf, peopleRules, type Row, type Rule } from './row.ts'

/** Labels of one service of a compose file. */
type Labels = ReadonlyMap<string, string>

/** What a gate in a compose file is told by variables and flags, and the labels of all services; null where it is not there. */
export function settingsOfService(
  document: Yaml | null,
  image: RegExp,
): { readonly settings: ReadonlyMap<string, string>; readonly labels: readonly Labels[] } | null {
  const services = entriesAt(document, 'services').map(([, service]) => service)
  const gate = services.find(service => image.test(textAt(service, 'image') ?? ''))
  if (gate === undefined) return null
  const flags = itemsAt(gate, 'command').flatMap(one => (one.kind === 'text' ? one.text.split(/\s+(?=--)/) : []))
  const said = flags.flatMap(flag => {
    const [, name = '', value = 'true'] = /^--([\w.-]+)(?:=(.*))?$/s.exec(flag.trim()) ?? []
    return name === '' ? [] : [[name.toUpperCase().replace(/[.-]/g, '_'), value] as const]
  })
  return {
    settings: new Map([...pairsAt(gate, 'environment'), ...said]),
    labels: services.map(one => pairsAt(one, 'labels')),
  }
}

/** `NAME: value` and `- NAME=value` alike. */
function pairsAt(service: Yaml, key: string): ReadonlyMap<string, string> {
  const list = at(service, key)
  if (list?.kind === 'map') {
    return new Map([...list.entries].flatMap(([name, one]) => (one.kind === 'text' ? [[name, one.text] as const] : [])))
  }
  return new Map(
    itemsAt(service, key).flatMap(one => {
      const [, name, value = ''] = one.kind === 'text' ? (/^([^=]+)=(.*)$/s.exec(one.text) ?? []) : []
      return name === undefined ? [] : [[name, value] as const]
    }),
  )
}

/** Hosts of Traefik's rules. */
function hostsOf(rule: string): readonly string[] {
  return [...rule.matchAll(/Host(?:SNI)?\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    [...list.matchAll(/[`"']([^`"']+)[`"']/g)].map(([, host = '']) => host),
  )
}

/** The hosts that Traefik leads to a service. */
function routedHosts(labels: Labels): readonly string[] {
  return [...labels].flatMap(([name, value]) =>
    /^traefik\.http\.routers\.[^.]+\.rule$/.test(name) ? hostsOf(value) : [],
  )
}

/** Applications of Tinyauth: by labels `tinyauth.apps.NAME.*`, by `tinyauth.*` as they were before, and by variables. */
export function tinyauthRows(settings: ReadonlyMap<string, string>, labels: readonly Labels[]): readonly Row[] {
  const everybody = entriesOf(settings.get('TINYAUTH_OAUTH_WHITELIST') ?? settings.get('OAUTH_WHITELIST'))
  const apps = new Map<string, Map<string, string>>()
  const put = (app: string, key: string, value: string) => apps.set(app, (apps.get(app) ?? new Map()).set(key, value))
  for (const own of labels) {
    for (const [name, value] of own) {
      const [, app, key = ''] = /^tinyauth\.apps\.([^.]+)\.(.+)$/i.exec(name) ?? []
      const [, old] = /^tinyauth\.(domain|users|allowed|oauth\.whitelist|oauth\.groups)$/i.exec(name) ?? []
      const [host = ''] = routedHosts(own)
      if (app !== undefined) put(app, key.toLowerCase(), value)
      if (old !== undefined) put(host, OLD_LABELS[old.toLowerCase()] ?? old, value)
      if (app !== undefined && host !== '' && !own.has(`tinyauth.apps.${app}.config.domain`))
        put(app, 'config.domain', host)
    }
    const isAsked = [...own].some(([name, value]) => /\.middlewares$/.test(name) && value.includes('tinyauth'))
    const isNamed = [...own.keys()].some(name => /^tinyauth\./i.test(name))
    if (isAsked && !isNamed) for (const host of routedHosts(own)) put(host, 'config.domain', host)
  }
  for (const [name, value] of settings) {
    const [, app, key] = /^TINYAUTH_APPS_([A-Z0-9]+)_([A-Z_]+)$/.exec(name) ?? []
    if (app !== undefined && key !== undefined) put(app.toLowerCase(), key.toLowerCase().replace('_', '.'), value)
  }
  const rows = [...apps].map(([app, own]): Row => {
    const say = (key: string) => own.get(key) ?? ''
    const people: Rule[] = [
      ...peopleRules(entriesOf(say('oauth.whitelist'))),
      ...peopleRules(entriesOf(say('users.allow'))),
    ]
    const groups = entriesOf(say('oauth.groups'))
    const asked = people.length > 0 ? people : peopleRules(everybody)
    const inGroups =
      groups.length === 0 ? asked : asked.length === 0 ? [{ groups }] : asked.map(one => ({ ...one, groups }))
    const open = say('path.allow')
    const onlyAt = say('path.block')
    const texts = [
      allowText(inGroups, false),
      ...(open === '' ? [] : [`and in allow: ${ruleText({ path_regexp: open })}`]),
      ...(onlyAt === '' ? [] : [`and in allow: ${ruleText({ not: { path_regexp: onlyAt } })}`]),
      ...networkTexts(own),
      ...(say('users.block') === '' ? [] : [denyText(peopleRules(entriesOf(say('users.block'))))]),
    ]
    const said = [...own]
      .filter(([key]) => /^(?:oauth|users|path|ip)\./.test(key))
      .map(([key, value]) => `${key} ${value}`)
    return {
      host: own.get('config.domain') ?? (app || '(its host)'),
      path: open,
      there: said.join(', ') || 'signed in',
      here: texts.join('; '),
    }
  })
  return [
    ...rows,
    ...portalRow(settings.get('TINYAUTH_APPURL') ?? settings.get('TINYAUTH_APP_URL') ?? settings.get('APP_URL')),
  ]
}

const OLD_LABELS: Readonly<Record<string, string>> = {
  domain: 'config.domain',
  users: 'users.allow',
  allowed: 'path.allow',
}

function ruleText(rule: Rule): string {
  return allowText([rule], true).replace(/^allow = \[|\]$/g, '')
}

function networkTexts(own: ReadonlyMap<string, string>): readonly string[] {
  const networks = (key: string) => entriesOf(own.get(key))
  return [
    ...(networks('ip.bypass').length === 0 ? [] : [`and in allow: ${ruleText({ networks: networks('ip.bypass') })}`]),
    ...(networks('ip.block').length === 0 ? [] : [denyText([{ networks: networks('ip.block') }])]),
    ...(networks('ip.allow').length === 0 ? [] : [denyText([{ not: { networks: networks('ip.allow') } }])]),
  ]
}

function portalRow(address: string | undefined): readonly Row[] {
  const host = URL.parse(address ?? '')?.host ?? ''
  if (host === '') return []
  return [{ host, path: '', there: 'where people sign in', here: `url = "https://${host}" of [portals.home]` }]
}

/** Rules of traefik-forward-auth, the hosts that ask it, and who may. */
export function traefikForwardAuthRows(
  settings: ReadonlyMap<string, string>,
  labels: readonly Labels[],
): readonly Row[] {
  const get = (name: string) => settings.get(name)
  const usual = peopleRules([
    ...entriesOf(get('WHITELIST')),
    ...entriesOf(get('DOMAIN') ?? get('DOMAINS')).map(one => `@${one}`),
  ])
  const said = [...entriesOf(get('WHITELIST')), ...entriesOf(get('DOMAIN') ?? get('DOMAINS')).map(one => `@${one}`)]
  const rules = [
    ...new Set(
      [...settings.keys()].flatMap(name => /^RULE_(\w+)_(?:ACTION|RULE|WHITELIST|DOMAINS)$/.exec(name)?.[1] ?? []),
    ),
  ]
  const rows = rules.map((name): Row => {
    const rule = get(`RULE_${name}_RULE`) ?? ''
    const isOpen = (get(`RULE_${name}_ACTION`) ?? 'auth') === 'allow'
    const [path = ''] = [...rule.matchAll(/Path(?:Prefix|Regexp)?\([`"']([^`"']+)[`"']/g)].map(([, one = '']) => one)
    const isExpression = /PathRegexp|[{]/.test(rule)
    const where: Rule =
      path === '' ? {} : isExpression ? { path_regexp: path } : { paths: /PathPrefix/.test(rule) ? `${path}*` : path }
    const own = peopleRules([
      ...entriesOf(get(`RULE_${name}_WHITELIST`)),
      ...entriesOf(get(`RULE_${name}_DOMAINS`)).map(one => `@${one}`),
    ])
    const people = own.length > 0 ? own : usual
    const here = isOpen
      ? allowText([where], true)
      : allowText(people.length === 0 ? [where] : people.map(one => ({ ...where, ...one })), false)
    return {
      host: hostsOf(rule).join(' ') || '(each)',
      path,
      there: `${isOpen ? 'allow' : 'auth'} ${rule}`.trim(),
      here,
    }
  })
  const hosts = new Set(
    labels.flatMap(own => {
      const isAsked = [...own].some(
        ([name, value]) => /\.middlewares$/.test(name) && /forward-?auth|-auth\b/i.test(value),
      )
      return isAsked ? routedHosts(own) : []
    }),
  )
  const asked = [...hosts].map(host => ({
    host,
    path: '',
    there: said.join(', ') || 'signed in',
    here: allowText(usual, false),
  }))
  const rest = { host: '(any other)', path: '', there: said.join(', ') || 'signed in', here: allowText(usual, false) }
  const portal = portalRow(get('AUTH_HOST') === undefined ? undefined : `https://${get('AUTH_HOST')}`)
  return [...rows, ...(asked.length > 0 ? asked : [rest]), ...portal]
}
