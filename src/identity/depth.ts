import { isDeeper } from '../base/json-depth.ts'

/** Objects and lists within each other: what a provider says has four or five. */
const DEEPEST = 16

const BLANKS_AND_MARK = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf])

/** Whether a body would be read as JSON, and is nested too deeply for that. Another one, such as a page, no parser goes into. */
export function isTooDeep(body: Uint8Array): boolean {
  const first = body.find(byte => !BLANKS_AND_MARK.has(byte))
  return (first === 0x5b || first === 0x7b) && isDeeper(body, DEEPEST)
}

/** The same of what a JWT says, in its head or its claims; nothing of it is proven yet. */
export function isTokenTooDeep(token: string): boolean {
  return token.split('.', 2).some(part => isTooDeep(Buffer.from(part, 'base64url')))
}
