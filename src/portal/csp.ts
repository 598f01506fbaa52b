import { createHash } from 'node:crypto'
import type { Brand } from '../config/types/portals.ts'
import { brandStyle } from './pages/brand.tsx'
import { STYLE } from './pages/style.ts'

/**
 * What a page may beyond the usual: load the icons of applications, or hold a form whose answer leads to any host (browsers
 * hold redirects against `form-action` too); or nothing at all.
 */
export type Scope = 'icons' | 'leads-anywhere' | 'nothing'

let stylePolicy: string | null = null

/** Only what a page of ours holds: its stylesheets, by hash, its drawn images, and forms to this host. No scripts. */
export function contentSecurityPolicy(brand: Brand | null, scope: Scope): string {
  stylePolicy ??= hashSource(STYLE)
  const own = brandStyle(brand)
  return [
    "default-src 'none'",
    `style-src ${stylePolicy}${own === null ? '' : ` ${hashSource(own)}`}`,
    `img-src ${scope === 'icons' ? "'self' " : ''}data:`,
    `form-action 'self'${scope === 'leads-anywhere' ? ' https: http:' : ''}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')
}

function hashSource(style: string): string {
  return `'sha256-${createHash('sha256').update(style).digest('base64')}'`
}
