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

/** `crypto key [ID] sign-verify SECRET`, `… verify from file PATH`: everything after the key's use. */
function secretOf(words: readonly string[]): string {
  const at = words.findIndex(word => /^(?:sign-verify|sign|verify|token)$/.test(word))
  return words.slice(at === -1 ? 2 : at + 1).join(' ')
}

/** The name of the cookie in which a portal keeps its token. */
export function tokenCookieOf(portal: Table): string {
  return textOf(tableOf(portal.cookie_config).access_token_cookie_name) ?? DEFAULT_COOKIE
}

const DEFAULT_COOKIE = 'AUTHP_ACCESS_TOKEN'

/** A portal, by how it makes tokens. */
export interface TokenMaker {
  readonly keys: Keys
  readonly cookie: string
}

/** Whether a policy takes the sessions of a portal: one of its keys is the portal's too, and it looks into the portal's cookie. */
export function takes(policy: Table, portal: TokenMaker): boolean {
  const named = textsOf(policy.access_token_cookie_names)
  if (!(named.length === 0 ? [DEFAULT_COOKIE] : named).includes(portal.cookie)) return false
  const keys = keysOf(policy)
  if (keys.length === 0 || portal.keys.length === 0) return keys.length === portal.keys.length
  return keys.some(key => portal.keys.includes(key))
}
