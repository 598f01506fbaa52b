import { ROLE_CLAIMS } from '../values/headers.ts'

/**
 * The claims that rules, fields and templates name, in all that is built of a file. They are found by their form wherever they stand, so
 * that a new place for a rule or a template needs nothing here.
 */
export function namedClaims(...built: readonly unknown[]): readonly string[] {
  const names = new Set<string>()
  const seen = new Set<object>()

  function nameIn(placeholder: unknown): void {
    if (placeholder === 'all_roles') for (const claim of ROLE_CLAIMS) names.add(claim)
    else if (typeof placeholder === 'string' && placeholder.startsWith('claims.')) names.add(placeholder.slice(7))
  }

  function walk(value: unknown): void {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (value instanceof Map) {
      for (const entry of value.values()) walk(entry)
      return
    }
    for (const [key, entry] of Object.entries(value)) {
      const isOfRule = (key === 'claims' || key === 'like') && entry instanceof Map
      if (isOfRule) for (const claim of entry.keys()) names.add(String(claim))
      else if (key === 'template') for (const [, inner] of String(entry).matchAll(/\{([^{}]*)\}/g)) nameIn(inner)
      else if (key === 'name' && 'kind' in value && value.kind === 'identity') nameIn(entry)
      else if (key === 'preset' && entry === 'caddy-security') nameIn('all_roles')
      walk(entry)
    }
  }

  for (const one of built) walk(one)
  return [...names].sort()
}
