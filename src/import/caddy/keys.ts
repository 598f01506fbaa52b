import { type Table, tableOf, textOf, textsOf, wordsOf } from './json.ts'

/** The keys of a portal or a policy; none: one is made at its start, for all that have none. */
export type Keys = readonly string[]

/** The secrets by which tokens are signed and verified: what they are called does not count. */
export function keysOf(owner: Table): Keys {
  return [
    ...textsOf(owner.raw_crypto_key_store_config),
    ...textsOf(tableOf(owner.crypto_key_store_config).raw_key_configs),
  ]
    .map(wordsOf)
    .filter(([first, second]) => first === 'crypto' && second === 'key')
    .map(secretOf)
}

/** `crypto key [ID] sign-verify SECRET`, `… verify from file PATH`: all that is behind what it is for. */
function secretOf(words: readonly string[]): string {
  const at = words.findIndex(word => /^(?:sign-verify|sign|verify|token)$/.test(word))
  return words.slice(at === -1 ? 2 : at + 1).join(' ')
}

/** The name of the cookie in which a portal keeps its token. */
export function tokenCookieOf(portal: Table): string {
  return textOf(tableOf(portal.cookie_config).access_token_cookie_name) ?? DEFAULT_COOKIE
}

export const DEFAULT_COOKIE = 'AUTHP_ACCESS_TOKEN'

/** Whether a policy takes the sessions of a portal: one of its keys is the portal's too, and it looks into the portal's cookie. */
export function takes(
  policy: { readonly keys: Keys; readonly cookies: readonly string[] },
  portal: { readonly keys: Keys; readonly cookie: string },
): boolean {
  const cookies = policy.cookies.length === 0 ? [DEFAULT_COOKIE] : policy.cookies
  if (!cookies.includes(portal.cookie)) return false
  if (policy.keys.length === 0 || portal.keys.length === 0) return policy.keys.length === portal.keys.length
  return policy.keys.some(key => portal.keys.includes(key))
}
