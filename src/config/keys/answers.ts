/** The keys of a route that answer without an upstream: `redirect`, `verify`, `respond`. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { parseParts, type TemplatePart } from '../values/template.ts'
import { boolean, describe, integer, parsed, type Type, text, wrongKind } from '../values/value.ts'
import { defaulted, type Keys, table } from './table.ts'

/** A whole address up to its path, or a path on the same host that no browser takes for another host. */
const DESTINATION =
  /^(?:https?:\/\/(?:\{host\}|[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:[/?#]|\{path\}|\{query\}|$)|\/(?![/\\{]))/i

function parseRedirect(address: string): Parsed<readonly TemplatePart[]> {
  if (/[\s\\]/.test(address)) return bad('redirect.invalid', `${quote(address)} is not an address`, 'no space, no \\')
  const parts = parseParts(address)
  if (!parts.ok) return bad('redirect.invalid', parts.message, parts.hint, parts.mark)
  const odd = parts.value.find(part => part.kind !== 'text' && !['host', 'path', 'query'].includes(part.name))
  if (odd !== undefined && odd.kind !== 'text') {
    const hint = 'only {host}, {path} and {query}'
    return bad('redirect.invalid', `{${odd.name}} cannot be in a redirect`, hint, `{${odd.name}}`)
  }
  if (DESTINATION.test(address)) return good(parts.value)
  const hint = 'it begins with a host or a path of its own, as in "https://new.example.com{path}{query}" or "/new/"'
  return bad('redirect.invalid', `${quote(address)} does not say where to`, hint)
}

/** `redirect` of a route. */
export const redirect = parsed(
  { label: 'address', expected: 'an address such as "https://new.example.com{path}{query}"' },
  parseRedirect,
)

/** `verify` of a route: the word is all that it says. */
export const verify: Type<true> = {
  ...describe(boolean),
  expected: 'true',
  schema: { const: true },
  read(raw, report) {
    if (raw.kind === 'boolean' && raw.value) return true
    return wrongKind(raw, 'true', report, 'remove it if the route has a destination')
  },
}

const REDIRECTS = [301, 302, 303, 307, 308]
const anyStatus = integer(300, 399)

export const redirectStatus: Type<number> = {
  ...describe(anyStatus),
  expected: `one of ${REDIRECTS.join(', ')}`,
  schema: { enum: REDIRECTS },
  read(raw, report) {
    if (raw.kind !== 'integer') return wrongKind(raw, this.expected, report, 'numbers are written without quotes')
    if (REDIRECTS.includes(raw.value)) return raw.value
    report.mistake(raw.at, 'number.range', `status must be ${this.expected}`)
    return undefined
  },
}

/** Text with line breaks. */
const body: Type<string> = {
  ...describe(text()),
  read(raw, report) {
    if (raw.kind !== 'text') return wrongKind(raw, 'text', report, 'text goes in double quotes')
    return raw.text ?? undefined
  },
}

const contentType = parsed(
  { label: 'media type', expected: 'a media type such as "text/html; charset=utf-8"' },
  type =>
    /^[!#$%&'*+.^_`|~0-9a-z-]+\/[!#$%&'*+.^_`|~0-9a-z-]+(?:[ \t]*;[\x20-\x7e]+)?$/i.test(type)
      ? good(type)
      : bad('choice.unknown', `${quote(type)} is not a media type`, 'as in "text/plain; charset=utf-8"'),
)

/** `respond` of a route: the same answer for everyone who may pass. */
export const RESPOND = {
  status: defaulted(integer(200, 599), 200, 503, 'The status of the answer.'),
  body: defaulted(body, '', 'Back at noon.', 'What is answered; 204 and 304 have none.'),
  content_type: defaulted(contentType, 'text/plain; charset=utf-8', 'text/html; charset=utf-8', 'What `body` is.'),
} as const satisfies Keys

export const respond = table(RESPOND, { title: '[routes.respond]' })
