/**
 * Counts a hop off Max-Forwards, in place; answers whether the request ends here.
 *
 * Asked for OPTIONS alone: TRACE is not forwarded at all, and for other methods the field says nothing. A value that is no
 * number says nothing either.
 * Source: RFC 9110 §7.6.2.
 */
export function countHop(headers: Headers): boolean {
  const left = headers.get('max-forwards')
  if (left === null || !/^[0-9]{1,15}$/.test(left)) return false
  if (Number(left) === 0) return true
  headers.set('max-forwards', String(Number(left) - 1))
  return false
}
