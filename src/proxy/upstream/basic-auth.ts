/** `basic_auth` of an upstream with the user's own name and password. */

import { basicField } from '../../base/basic-auth.ts'
import type { BasicTemplates } from '../../config/keys/upstreams.ts'
import type { TemplatePart } from '../../config/values/template.ts'
import { claimValue } from '../fields/identity.ts'
import type { Person } from '../fields/rules.ts'

/**
 * A user's credentials for an application, as an Authorization field; null where the file uses an unknown claim, or
 * where the name is not possible there (a colon, control characters).
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
