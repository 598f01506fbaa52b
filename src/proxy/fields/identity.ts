/** The fields that say who a user is, as a preset or templates of the file. */

import { type HeaderSpec, ROLE_CLAIMS } from '../../config/values/headers.ts'
import { isOthers, toldSubject } from '../../identity/claim-bounds.ts'
import { findClaim } from '../../identity/claims.ts'
import type { Identity } from '../../identity/identity.ts'
import { PRESETS, PROVIDER_FIELDS } from './names.ts'

/**
 * Fields to add to a request: lower-case name, value ready for the wire. Not frozen: JavaScriptCore looks each entry of a frozen list up in a
 * table, and keeps compiling what reads it anew (Bun 1.4.5: 1 µs a request).
 */
export type Fields = readonly (readonly [name: string, value: string])[]

/** The identity fields of a user for an upstream. Prepared once per session and route, not per request. */
export type IdentityFields = (
  identity: Identity,
  roles: readonly string[],
  /** Called for a field that was left out because it is too long for applications. */
  onTooLong?: (name: string) => void,
) => Fields

/** No value is cut, since a part may mean something else: a longer one is left out, which few servers would take anyway. */
export const MAX_VALUE_BYTES = 16 * 1024

/** The names that a spec may write. */
export function identityFieldNames(spec: HeaderSpec): readonly string[] {
  return fieldsOf(spec, true).map(field => field.name)
}

/**
 * A header spec as a function; null for a route that sends its upstream no identity.
 *
 * Encoding: text is sent as UTF-8 bytes. Control characters, and white space at either end, are percent-encoded; in
 * `{name}` they become spaces. Groups are joined with commas and roles with spaces. A comma or a percent sign inside a
 * group's name is percent-encoded, so that a list never gains a member. A field is left out when its every placeholder
 * is absent, or when it is longer than `MAX_VALUE_BYTES`.
 *
 * Shape of a template: text with `{sub}`, `{name}`, `{email}`, `{preferred_username}`, `{groups}`, `{roles}`,
 * `{all_roles}`, `{provider}` or `{claims.NAME}`. `hasSeveral`: users come from more than one provider, and a `sub` is
 * a different user at each; a preset then names the provider.
 */
export function compileIdentityFields(spec: HeaderSpec, hasSeveral: boolean): IdentityFields | null {
  const fields = fieldsOf(spec, hasSeveral).map(field => ({
    name: field.name.toLowerCase(),
    render: compileTemplate(field.template),
  }))
  if (fields.length === 0) return null
  return (identity, roles, onTooLong) => {
    const made: [string, string][] = []
    for (const { name, render } of fields) {
      const value = render(identity, roles)
      if (value === null) continue
      const bytes = toFieldValue(value)
      if (bytes.length > MAX_VALUE_BYTES) onTooLong?.(name)
      else made.push([name, bytes])
    }
    return made
  }
}

function fieldsOf(
  spec: HeaderSpec,
  hasSeveral: boolean,
): readonly { readonly name: string; readonly template: string }[] {
  if (spec.kind === 'table') return spec.fields
  const provider = hasSeveral ? PROVIDER_FIELDS[spec.preset] : null
  return provider === null
    ? PRESETS[spec.preset]
    : [...PRESETS[spec.preset], { name: provider, template: '{provider}' }]
}

type Render = (identity: Identity, roles: readonly string[]) => string | null

function compileTemplate(template: string): Render {
  const parts = template.split(/\{([^{}]*)\}/)
  return (identity, roles) => {
    let text = ''
    let hasValue = parts.length === 1
    for (const [index, part] of parts.entries()) {
      if (index % 2 === 0) {
        text += part
        continue
      }
      const value = claimValue(part, identity, roles)
      if (value === null) continue
      text += value
      hasValue = true
    }
    return hasValue ? text : null
  }
}

/** The value of a placeholder; null where it is unknown. */
export function claimValue(name: string, identity: Identity, roles: readonly string[]): string | null {
  switch (name) {
    case 'sub':
      return exact(toldSubject(identity))
    case 'name':
      return identity.name
    case 'email':
      return identity.email === null ? null : exact(identity.email)
    case 'preferred_username':
      return identity.preferredUsername === null ? null : exact(identity.preferredUsername)
    case 'provider':
      return identity.provider === '' ? null : identity.provider
    case 'groups':
      return identity.groups.length === 0 ? null : joinList(identity.groups)
    case 'roles':
      return roles.length === 0 ? null : roles.join(' ')
    case 'all_roles':
      return joinRoles(identity, roles)
    default:
      return name.startsWith('claims.') ? claimText(identity.claims, name.slice('claims.'.length)) : null
  }
}

/** The provider's roles and groups, then the portal's roles; each once. A blank in a name is percent-encoded. */
function joinRoles(identity: Identity, roles: readonly string[]): string | null {
  const { groups, claims, prefix = '', othersPrefixes = [] } = identity
  const stated = ROLE_CLAIMS.flatMap(claim => {
    const held: unknown = findClaim(claims, claim)
    return (Array.isArray(held) ? held : [held])
      .filter(item => typeof item === 'string' && item !== '' && !isOthers(item, othersPrefixes))
      .map(item => prefix + String(item))
  })
  const all = [...groups, ...stated].map(name =>
    name.replace(/[%\s\p{Cc}]/gu, (mark: string) => encodeURIComponent(mark)),
  )
  const names = new Set([...all, ...roles])
  return names.size === 0 ? null : [...names].join(' ')
}

function claimText(claims: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = findClaim(claims, name)
  if (typeof value === 'string') return exact(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return Array.isArray(value) ? joinList(value.filter(item => typeof item === 'string')) : null
}

function joinList(items: readonly string[]): string {
  return items.map(item => exact(item.replace(/[%,]/g, mark => (mark === '%' ? '%25' : '%2C')))).join(',')
}

/**
 * An identifying name, with characters that would get lost percent-encoded: HTTP drops white space at the ends of a
 * field, readers of lists drop it at the ends of an entry, and `" admin"` must not become `admin` on the way.
 */
function exact(text: string): string {
  return text.replace(/\p{Cc}|^\s|\s$/gu, encodeURIComponent)
}

const SPACE = 0x20

/** Text as the characters of its UTF-8 bytes, which is how fetch puts bytes on the wire; no control character survives. */
export function toFieldValue(text: string): string {
  const printable = text.replace(/\p{Cc}/gu, ' ')
  let start = 0
  let end = printable.length
  while (start < end && printable.charCodeAt(start) === SPACE) start++
  while (end > start && printable.charCodeAt(end - 1) === SPACE) end--
  return Buffer.from(printable.slice(start, end), 'utf8').toString('latin1')
}
