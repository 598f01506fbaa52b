/** Which claims a session keeps, and how much of them. */

import { GateError } from '../base/errors.ts'
import { isJsonObject } from '../base/json.ts'

/** Of a text, in characters. */
const LONGEST_TEXT = 1000

/** Of what is kept of somebody without their groups, as JSON. */
const MAX_BYTES = 32 * 1024

const MOST_GROUPS = 5000
const MAX_GROUP_BYTES = 128 * 1024

/** How to stay below. */
export const LIMITS_HINT = `let the provider state less: a text has up to ${LONGEST_TEXT} characters, there are up to ${MOST_GROUPS} groups of ${MAX_GROUP_BYTES / 1024} kB in all, and ${MAX_BYTES / 1024} kB of all other claims`

/** How many names of claims are logged. */
const MOST_TOLD = 100

/** What each session keeps, whether or not a file names it: standard claims about somebody, and how they signed in. */
const ALWAYS = 'sub email email_verified name preferred_username auth_time acr amr sid'.split(' ')

type Claims = Readonly<Record<string, unknown>>

/** What is kept of a provider's statement, with the names of what is not. */
export interface Kept {
  readonly claims: Record<string, unknown>
  /** Nothing in the file names them. */
  readonly unnamed: readonly string[]
  /** They are longer, or more, than is kept. */
  readonly tooLarge: readonly string[]
}

/**
 * The claims of a user that can matter: those that the file names, as strings, numbers, booleans and lists of these.
 *
 * A claim that was stated and not kept is null (unknown). A rule that names it after a reload allows no user by it,
 * and `deny` refuses them, until their provider is asked again. A list that is too long is null, too, since half a
 * list would mean something else.
 *
 * Throws `provider.userinfo` where not even the names can be kept.
 */
export function keepClaims(stated: Claims, named: readonly string[]): Kept {
  const names = [...ALWAYS, ...named]
  const unnamed: string[] = []
  const tooLarge = new Set<string>()
  const { groups, ...others } = stated

  function pick(value: unknown, name: string, wanted: readonly string[], path: string): unknown {
    const inner = wanted.filter(one => one.startsWith(`${name}.`)).map(one => one.slice(name.length + 1))
    if (inner.length > 0 && isJsonObject(value)) {
      const table: Record<string, unknown> = {}
      for (const [key, held] of Object.entries(value)) {
        if (key !== '__proto__') table[key] = pick(held, key, inner, `${path}.${key}`)
      }
      return table
    }
    if (wanted.includes(name)) return leafOf(value, () => tooLarge.add(path))
    if (unnamed.length < MOST_TOLD) unnamed.push(path)
    return null
  }

  const claims: Record<string, unknown> = {}
  let room = MAX_BYTES
  for (const name of Object.keys(others)) {
    room -= bytesOf(name) + bytesOf(null)
    if (room < 0) throw tooMany()
    claims[name] = null
  }
  const first = ALWAYS.filter(name => Object.hasOwn(others, name))
  for (const name of new Set([...first, ...Object.keys(others)])) {
    const value = pick(others[name], name, names, name)
    const bytes = value === null ? 0 : bytesOf(value)
    if (bytes > room) tooLarge.add(name)
    else {
      room -= bytes
      claims[name] = value
    }
  }
  if (groups !== undefined) {
    claims.groups = Array.isArray(groups)
      ? listOf(groups, MOST_GROUPS, MAX_GROUP_BYTES, () => tooLarge.add('groups'))
      : pick(groups, 'groups', [...names, 'groups'], 'groups')
  }
  return { claims, unnamed, tooLarge: [...tooLarge].slice(0, MOST_TOLD) }
}

/** A value as rules and fields look at it; null for a table, and for a text that is too long. */
function leafOf(value: unknown, tell: () => void): unknown {
  if (Array.isArray(value)) return listOf(value, Number.POSITIVE_INFINITY, MAX_BYTES, tell)
  if (typeof value === 'string' && value.length > LONGEST_TEXT) {
    tell()
    return null
  }
  return isJsonObject(value) ? null : value
}

/** A list with one null for all entries of which nothing can be said. */
function listOf(list: readonly unknown[], most: number, maxBytes: number, tell: () => void): unknown {
  const kept: unknown[] = []
  let bytes = 0
  let isWhole = true
  for (const entry of list) {
    const isPlain = !isJsonObject(entry) && !Array.isArray(entry) && entry !== null
    const leaf = isPlain ? leafOf(entry, tell) : null
    if (leaf === null) {
      isWhole = false
      continue
    }
    kept.push(leaf)
    bytes += bytesOf(leaf)
    if (kept.length > most || bytes > maxBytes) {
      tell()
      return null
    }
  }
  return isWhole ? kept : [...kept, null]
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value)) + 1
}

function tooMany(): GateError {
  return new GateError('provider.userinfo', 'the provider states more claims than can be kept', {
    hint: `the names alone are longer than ${MAX_BYTES} bytes: let it state those that this client needs`,
    facts: { check: 'claims' },
  })
}
