/** Field names, and which identity an upstream gets: a preset, or fields with templates. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { type Path, quote, type Raw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { didYouMean, suggest } from '../text/suggest.ts'
import { choice, describe, either, parsed, type Type, wrongKind } from './value.ts'

export type HeaderPreset = 'none' | 'x-token' | 'caddy-security' | 'x-forwarded' | 'x-auth-request' | 'remote'

/** Which identity the upstream gets: a preset, or fields with templates such as `{email}`. */
export type HeaderSpec =
  | { readonly kind: 'preset'; readonly preset: HeaderPreset }
  | { readonly kind: 'table'; readonly fields: readonly { readonly name: string; readonly template: string }[] }

/** What a template may name in addition to `claims.NAME`. */
export const PLACEHOLDERS = [
  'sub',
  'name',
  'email',
  'preferred_username',
  'groups',
  'roles',
  'all_roles',
  'provider',
] as const

/**
 * The claims in which providers send roles, in the order in which caddy-security passes them on: `{all_roles}` is
 * these and the groups.
 */
export const ROLE_CLAIMS = ['roles', 'role', 'group', 'app_metadata.authorization.roles', 'realm_access.roles'] as const

/** Fields that the proxy itself writes or removes, or that frame the message (RFC 9110 §7.6.1, §7.6.3; RFC 7239). */
export const OWNED =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|expect|cookie|set-cookie|via|forwarded|x-forwarded-(?:for|host|proto|port|server)|x-real-ip|max-forwards|sec-websocket-.*)$/

/** The fields of the presets. */
export const IDENTITY =
  /^(?:x-token-(?:subject|user-name|user-email|user-roles|provider)|(?:x-forwarded|x-auth-request)-(?:user|email|groups|preferred-username|provider)|remote-(?:user|name|email|groups|provider))$/

/** Fields of an answer that act on a whole host, beyond the route whose application sends them. */
export const HOST_WIDE = [
  'Clear-Site-Data',
  'Alt-Svc',
  'NEL',
  'Report-To',
  'Reporting-Endpoints',
  'Service-Worker-Allowed',
  'Secure-Session-Registration',
  'Secure-Session-Challenge',
] as const

/**
 * Names as a backend may fold them: `X_Token.Subject` and `x-token-subject` are one field to many. CGI makes `_` of a dash, and some
 * that speak it (lighttpd 1.4, PHP) make it of everything else that is no letter and no digit.
 */
export function foldFieldName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

/** RFC 9110 §5.6.2. */
export const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

/**
 * A template in its one form: literal text with `{placeholder}` in it. A value without braces is a single placeholder.
 *
 * Refused: unknown placeholders (claims are `{claims.NAME}`), braces that do not pair, anything that a field cannot
 * carry.
 */
function parseTemplate(text: string): Parsed<string> {
  if (!/^[\x20-\x7e]+$/.test(text)) return bad('header.template', `${quote(text)} cannot be in a header`, 'ASCII only')
  if (!/[{}]/.test(text)) {
    const name = parsePlaceholder(text)
    return name.ok ? good(`{${text}}`) : name
  }
  for (const [piece, inner] of text.matchAll(/\{([^{}]*)\}|[{}]/g)) {
    if (inner === undefined)
      return bad('header.template', `a brace in ${quote(text)} has no partner`, 'as in "{name} <{email}>"', piece)
    const name = parsePlaceholder(inner)
    if (!name.ok) return { ...name, mark: piece }
  }
  return good(text)
}

function parsePlaceholder(name: string): Parsed<string> {
  if (PLACEHOLDERS.some(known => known === name) || /^claims\.[^\s{}]+$/.test(name)) return good(name)
  const meant = suggest(name, PLACEHOLDERS)
  const isPlainClaim = meant === null && /^[\w.:/-]+$/.test(name) && name !== 'claims' && name !== 'claims.'
  const hint = isPlainClaim ? `a claim is written claims.${name}` : didYouMean(name, [...PLACEHOLDERS, 'claims.NAME'])
  return bad('header.template', `there is no placeholder ${quote(name)}`, hint)
}

const template = parsed(
  { label: 'template', expected: 'a placeholder such as "email", or a template such as "{name} <{email}>"' },
  parseTemplate,
)

const preset = choice(['none', 'x-token', 'caddy-security', 'x-forwarded', 'x-auth-request', 'remote'])

const presetSpec: Type<HeaderSpec> = {
  ...describe(preset),
  read(raw, report) {
    const name = preset.read(raw, report)
    return name === undefined ? undefined : { kind: 'preset', preset: name }
  },
}

const tableSpec: Type<HeaderSpec> = {
  label: 'table of templates',
  expected: 'a table of HEADER = "template"',
  schema: { type: 'object', minProperties: 1, additionalProperties: template.schema },
  read(raw, report) {
    if (raw.kind !== 'table') return wrongKind(raw, 'the name of a preset, or a table of HEADER = "template"', report)
    if (raw.entries.size === 0) {
      report.mistake(raw.at, 'list.empty', 'headers is an empty table', { hint: 'headers = "none" sends no identity' })
    }
    const seen = new Map<string, Path>()
    const fields: { name: string; template: string }[] = []
    for (const [name, entry] of raw.entries) {
      checkName(name, entry, seen, report)
      const value = template.read(entry, report)
      if (value !== undefined) fields.push({ name, template: value })
    }
    return { kind: 'table', fields }
  },
}

/** Names that a backend may fold into one count as the same name. */
function checkName(name: string, entry: Raw, seen: Map<string, Path>, report: Report): void {
  const folded = foldFieldName(name)
  const first = seen.get(folded)
  const at = entry.at
  if (!TOKEN.test(name)) {
    report.mistake(at, 'header.name', `${quote(name)} is not a header name`, {
      hint: 'letters, digits and dashes',
      part: 'key',
    })
  } else if (OWNED.test(folded)) {
    const hint = 'Sallyport writes or removes it on every request; choose another name'
    report.mistake(at, 'header.owned', `${quote(name)} cannot be set here`, { hint, part: 'key' })
  } else if (first !== undefined) {
    const hint = 'a backend may read both as one; keep one'
    report.mistake(at, 'header.repeated', `${quote(name)} is here twice, in another spelling`, {
      hint,
      part: 'key',
      first,
    })
  }
  if (first === undefined) seen.set(folded, at)
}

/** Which identity the upstream gets: a preset's name, or a table of templates. */
export const headerSpec: Type<HeaderSpec> = either(raw => raw.kind === 'text', presetSpec, tableSpec)

export const method = parsed({ label: 'method', expected: 'a method such as "GET"' }, parseMethod)

/** Methods are case-sensitive (RFC 9110 §9.1), and all that are forwarded are upper-case. */
export function parseMethod(name: string): Parsed<string> {
  const upper = name.toUpperCase()
  if (!/^[A-Z][A-Z-]*$/.test(upper))
    return bad('method.invalid', `${quote(name)} is not a method`, 'as in methods = ["GET", "HEAD"]')
  if (upper === 'TRACE' || upper === 'CONNECT') {
    return bad('method.invalid', `${upper} is never forwarded`, 'leave it out')
  }
  return good(upper)
}
