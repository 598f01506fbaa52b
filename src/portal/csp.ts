import { createHash } from 'node:crypto'
import type { Brand } from '../config/types/portals.ts'
import { brandStyle } from './pages/brand.tsx'
import { SCRIPTS, type Script } from './pages/scripts.ts'
import { STYLE } from './pages/style.ts'

/**
 * What a page may beyond the usual: load the icons of applications, hold a form whose answer leads to any host (browsers
 * hold redirects against `form-action` too), or have its script ask this host; or nothing at all.
 */
export type Scope = 'icons' | 'leads-anywhere' | 'asks' | 'nothing'

let stylePolicy: string | null = null
const scriptPolicies = new Map<Script, string>()

/** Only what a page of ours holds: its stylesheets, by hash, its drawn images, and forms to this host; and the page's own script, by hash. */
export function contentSecurityPolicy(brand: Brand | null, scope: Scope, script: Script | null): string {
  stylePolicy ??= hashSource(STYLE)
  const own = brandStyle(brand)
  return [
    "default-src 'none'",
    `style-src ${stylePolicy}${own === null ? '' : ` ${hashSource(own)}`}`,
    ...(script === null ? [] : [`script-src ${scriptPolicy(script)}`]),
    ...(scope === 'asks' ? ["connect-src 'self'"] : []),
    `img-src ${scope === 'icons' ? "'self' " : ''}data:`,
    `form-action 'self'${scope === 'leads-anywhere' ? ' https: http:' : ''}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')
}

function scriptPolicy(script: Script): string {
  const known = scriptPolicies.get(script)
  if (known !== undefined) return known
  const hashed = hashSource(SCRIPTS[script])
  scriptPolicies.set(script, hashed)
  return hashed
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
