import { toBase64Url } from '../../../src/base/bytes.ts'

/** Shorter ones are words that a log may say for itself. */
export const LEAST_LENGTH = 8

/** What no log may hold, with what it is. */
export interface Planted {
  add(secret: string, what: string): void
  has(secret: string): boolean
  /** Those that begin as a line does at this place. */
  startingAt(line: string, at: number): ReadonlyMap<string, string> | null
}

const BITS = 20

export function createPlanted(): Planted {
  const byStart = new Map<string, Map<string, string>>()
  // At nearly no place of a line does a secret begin, and a mark tells that without a text being made of the place.
  const marks = new Uint8Array(1 << BITS)
  const markAt = (text: string, at: number) => {
    let mark = 0
    for (let index = at; index < at + LEAST_LENGTH; index++) mark = Math.imul(mark, 0x01000193) ^ text.charCodeAt(index)
    return Math.imul(mark, 0x9e3779b1) >>> (32 - BITS)
  }
  const startOf = (text: string, at: number) => text.slice(at, at + LEAST_LENGTH)
  return {
    add(secret, what) {
      marks[markAt(secret, 0)] = 1
      const alike = byStart.get(startOf(secret, 0))
      if (alike === undefined) byStart.set(startOf(secret, 0), new Map([[secret, what]]))
      else alike.set(secret, what)
    },
    has: secret => byStart.get(startOf(secret, 0))?.has(secret) === true,
    startingAt: (line, at) => (marks[markAt(line, at)] === 1 ? (byStart.get(startOf(line, at)) ?? null) : null),
  }
}

/** What no log of the run may hold; filled by whoever makes or sends it. */
const planted = createPlanted()
let isSearched = false

/** Says that the logs of this run are searched at its end; until then nothing is kept for that. */
export function beginSearch(): void {
  isSearched = true
}

export function isRunSearched(): boolean {
  return isSearched
}

/** Notes what no log may ever hold; one word of plain letters is not looked for, which a log may say for itself. */
export function plant(secret: string, what: string): void {
  if (isSearched && secret.length >= LEAST_LENGTH && !/^[a-z]+$/.test(secret)) planted.add(secret, what)
}

export function plantedSecrets(): Planted {
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
