import { toBase64Url } from '../../../src/base/bytes.ts'

/** What no log of the run may hold, with what it is; filled by whoever makes or sends it. */
const planted = new Map<string, string>()
let isSearched = false

/** Says that the logs of this run are searched at its end; until then nothing is kept for that. */
export function beginSearch(): void {
  isSearched = true
}

export function isRunSearched(): boolean {
  return isSearched
}

/** Shorter ones are words that a log may say for itself. */
export const LEAST_LENGTH = 8

/** Notes what no log may ever hold; one word of plain letters is not looked for, which a log may say for itself. */
export function plant(secret: string, what: string): void {
  if (isSearched && secret.length >= LEAST_LENGTH && !/^[a-z]+$/.test(secret)) planted.set(secret, what)
}

export function plantedSecrets(): ReadonlyMap<string, string> {
  return planted
}

/** Real randomness, of which everything that is long enough to be a cookie's value, a state or a token is planted. */
export function plantingRandom(byteCount: number): Uint8Array<ArrayBuffer> {
  const bytes = crypto.getRandomValues(new Uint8Array(byteCount))
  if (byteCount === 32) plant(toBase64Url(bytes), 'random bytes of a gate')
  return bytes
}

const SECRET_KEYS = /^\s*(?:[\w.]+\s*=\s*\{.*)?\b(client_secret|key|password)\s*=\s*(?:"([^"]*)"|'([^']*)')/gm

/** Plants what a routes.toml says in the open: client secrets, the key of the sessions, passwords of stores, hashes of people's. */
export function plantSecretsOf(toml: string): void {
  for (const [, name = '', value = '', literal = ''] of toml.matchAll(SECRET_KEYS)) {
    const secret = value + literal
    if (!/^\$\{|\.(?:pem|key)$/.test(secret)) plant(secret, `${name} in a routes.toml`)
  }
  for (const [, password = ''] of toml.matchAll(/redis:\/\/[^"'\s/]*:([^"'\s/@]+)@/g))
    plant(password, 'password of a store')
  for (const [hash] of toml.matchAll(/\$(?:argon2\w*|2[aby])\$[^"'\s]+/g)) plant(hash, 'hash of a password')
}

/** Plants what an environment has under names of secrets. */
export function plantEnvironment(env: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (/SECRET|KEY|PASSWORD|TOKEN/i.test(name)) plant(value ?? '', `${name} of an environment`)
  }
}

/** Plants what an address carries and is no address itself: codes, states, tickets and tokens. */
export function plantAddress(address: URL): void {
  for (const [name, value] of address.searchParams)
    if (value.length >= 20 && !value.includes('/')) plant(value, `${name} in an address`)
}
