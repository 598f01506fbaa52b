import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { parsed } from './value.ts'

/** A method that may be forwarded, in upper case. */
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
