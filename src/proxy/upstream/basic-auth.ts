import { basicField } from '../../base/basic.ts'
import type { BasicTemplates } from '../../config/resolve/upstreams.ts'
import type { TemplatePart } from '../../config/values/template.ts'
import { claimValue } from '../fields/identity.ts'
import type { Person } from '../fields/rules.ts'

/**
 * What someone is called at an application, as an Authorization field; null where the file speaks of what is not known of them, or
 * where their name cannot be said (a colon, control characters): nobody is then called anything.
 */
export function personalBasic({ user, password }: BasicTemplates, person: Person): string | null {
  const name = fill(user, person)
  const secret = fill(password, person)
  return name === null || name === '' || secret === null ? null : basicField(name, secret)
}

function fill(parts: readonly TemplatePart[], { identity, roles }: Person): string | null {
  let text = ''
  for (const part of parts) {
    if (part.kind === 'request') return null
    const piece = part.kind === 'text' ? part.text : identity && claimValue(part.name, identity, roles)
    if (piece === null) return null
    text += piece
  }
  return text
}
