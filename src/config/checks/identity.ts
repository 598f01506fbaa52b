/** Checks which identity a route sends its application: each field is written by one key alone. */

import type { RootTable } from '../keys/keys.ts'
import type { RouteTable } from '../keys/routes.ts'
import { itemsOf, type Path, showValue } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { foldFieldName } from '../values/headers.ts'
import type { FieldTemplate, TemplatePart } from '../values/template.ts'
import { createIssuerCheck } from './several-providers.ts'

/** A field that a key of a route writes, and where the file says so. */
interface Writer {
  readonly name: string
  /** As diagnostics show it. */
  readonly shown: string
  readonly key: string
  readonly at: Path
}

/**
 * What a route sends its application about a user: each field written by one key, and an `iss` that is known
 * beforehand.
 */
export function checkIdentity(route: RouteTable, root: RootTable, report: Report): void {
  const seen = new Map<string, Writer>()
  for (const writer of [...writersOf(route, root), ...ruleWriters(route)]) {
    const folded = foldFieldName(writer.name)
    const first = seen.get(folded)
    if (first === undefined) seen.set(folded, writer)
    else if (first.key !== writer.key || writer.key === 'pass_token') {
      const hint = `${first.key} writes it already; keep one`
      const message = `${writer.shown} is in ${first.key} and in ${writer.key}`
      report.mistake(writer.at, 'header.repeated', message, { hint, part: 'key' })
    }
  }
  checkIssuer(route, root, report)
  checkTold(route, root, report)
}

/** What each preset sends in any case: enough to mistake one user for another. */
const OF_A_PRESET = ['sub', 'preferred_username', 'groups', 'email']

/** Checks that an application can distinguish users of several providers, by everything that it gets about them. */
function checkTold(route: RouteTable, root: RootTable, report: Report): void {
  const { values, raw } = route
  const portal = root.values.portals?.get(values.portal ?? '')
  const issuers = createIssuerCheck(portal, root, report)
  const at = (key: string): Path => raw.entries.get(key)?.at ?? raw.at
  const { headers, assertion, request_headers: rules, upstream } = values
  if (headers?.kind === 'preset' && headers.preset !== 'none') issuers.told(route, at('headers'), OF_A_PRESET)
  if (headers?.kind === 'table')
    issuers.told(
      route,
      at('headers'),
      headers.fields.flatMap(({ template }) =>
        unnamed([...template.matchAll(/\{([^{}]*)\}/g)].map(([, name]) => name ?? '')),
      ),
    )
  if (assertion) issuers.told(route, at('assertion'), OF_A_PRESET)
  const fields = [...(rules?.values.set ?? []), ...(rules?.values.append ?? [])]
  issuers.told(
    route,
    at('request_headers'),
    fields.flatMap(({ parts }) => unnamed(placeholdersIn(parts))),
  )
  const table = upstream?.kind === 'own' ? upstream.table : root.values.upstreams?.get(upstream?.name ?? '')
  const user = table?.values.basic_auth?.values.user
  if (user) issuers.told(route, at('upstream'), unnamed(placeholdersIn(user)))
}

function placeholdersIn(parts: readonly TemplatePart[]): readonly string[] {
  return parts.flatMap(part => (part.kind === 'identity' ? [part.name] : []))
}

/** Those of one field, unless it says whose they are. */
function unnamed(placeholders: readonly string[]): readonly string[] {
  return placeholders.includes('provider') ? [] : placeholders
}

function writersOf({ values, raw }: RouteTable, root: RootTable): readonly Writer[] {
  const { headers, assertion, pass_token: tokens, upstream } = values
  const at = (key: string): Path => raw.entries.get(key)?.at ?? raw.at
  const writers: Writer[] = []
  if (headers?.kind === 'table') {
    for (const { name } of headers.fields) writers.push({ name, shown: name, key: 'headers', at: at('headers') })
  }
  const table = upstream?.kind === 'own' ? upstream.table : root.values.upstreams?.get(upstream?.name ?? '')
  if (table?.values.basic_auth) {
    writers.push({ name: 'Authorization', shown: 'Authorization', key: 'basic_auth', at: at('upstream') })
  }
  if (assertion?.values.header !== undefined) {
    const { header: name } = assertion.values
    const shown = showValue(name, assertion.raw.entries.get('header'))
    writers.push({ name, shown, key: 'assertion', at: at('assertion') })
  }
  const stated = raw.entries.get('pass_token')
  for (const [kind, name] of tokens ?? []) {
    const shown = showValue(name, stated?.kind === 'table' ? stated.entries.get(kind) : undefined)
    writers.push({ name, shown, key: 'pass_token', at: at('pass_token') })
  }
  return writers
}

/** The fields in which a route sends its application the user's identity, except those of a preset. */
export function fieldsAbout({ values }: RouteTable): readonly string[] {
  const { headers, assertion, pass_token: tokens, request_headers: rules } = values
  const isAbout = ({ parts }: FieldTemplate) => parts.some(({ kind }) => kind === 'identity')
  return [
    ...(headers?.kind === 'table' ? headers.fields : []).map(({ name }) => name),
    ...(assertion?.values.header === undefined ? [] : [assertion.values.header]),
    ...(tokens?.values() ?? []),
    ...[...(rules?.values.set ?? []), ...(rules?.values.append ?? [])].filter(isAbout).map(({ name }) => name),
  ]
}

function ruleWriters({ values, raw }: RouteTable): readonly Writer[] {
  const rules = values.request_headers
  if (!rules) return []
  const { set, append, remove } = rules.values
  const at = raw.entries.get('request_headers')?.at ?? raw.at
  const removed = itemsOf(rules.raw.entries.get('remove'))
  return [
    ...[...(set ?? []), ...(append ?? [])].map(({ name }) => ({ name, shown: name })),
    ...(remove ?? []).map((name, index) => ({ name, shown: showValue(name, removed[index]) })),
  ].map(writer => ({ ...writer, key: 'request_headers', at }))
}

/** A portal without its own address is on each host, and the host behind a wildcard is only known with a request. */
function checkIssuer({ values, raw }: RouteTable, root: RootTable, report: Report): void {
  const portal = root.values.portals?.get(values.portal ?? '')
  const entry = raw.entries.get('assertion')
  if (!values.assertion || entry === undefined || values.assertion.raw.entries.has('issuer')) return
  if (values.host?.some(host => host.startsWith('*.')) !== true || portal?.values.url !== null) return
  const hint = 'add issuer = "https://…" to it, or give the portal a url'
  report.mistake(entry.at, 'assertion.issuer', 'on many hosts at once, an assertion has no address to come from', {
    hint,
    part: 'key',
  })
}
