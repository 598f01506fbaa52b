/**
 * Basic credentials as an Authorization field, with UTF-8 for what is not ASCII; null for what cannot be said in it: a colon in the
 * name, which would end it early, and control characters in either.
 *
 * Source: RFC 7617 §2.
 */
export function basicField(user: string, password: string): string | null {
  if (user.includes(':') || /\p{Cc}/u.test(user + password)) return null
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`
}
