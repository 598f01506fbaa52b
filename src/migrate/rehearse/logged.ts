/** A request as a log has it: its parts, whichever format it is from. */

import { canonicalAddress } from '../../base/net.ts'

/** One request of a log, in any format. */
export interface LoggedRequest {
  readonly atMs: number
  /** As the log names it: canonical; null for what is no address. */
  readonly client: string | null
  /** Upper-case. */
  readonly method: string
  /** With its port where the client sent one; null where the log names none. */
  readonly host: string | null
  /** With its query, which is never shown; begins with `/`, or is absolute. */
  readonly address: string
  /** Null for an anonymous client, or where the log does not say. */
  readonly user: string | null
  readonly status: number
  /** Whether an application gave the answer, and not what stood before it; null where the log does not say. */
  readonly isForwarded: boolean | null
}

/** A line: a request; `other` for one of another kind, which is passed over; null for what this format does not have. */
export type ReadLine = (line: string) => LoggedRequest | 'other' | null

/** A user as logs write them; null for an anonymous client. */
export function userOf(text: unknown): string | null {
  return typeof text === 'string' && text !== '' && text !== '-' ? text : null
}

/** A client as logs write it, some with its port. */
export function clientOf(text: string): string | null {
  const bare = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  return canonicalAddress(bare)
}

/** A request by the three words of its line; `other` for a line that is not HTTP, or has no address. */
export function requestOf(line: string, rest: Omit<LoggedRequest, 'method' | 'address'>): LoggedRequest | 'other' {
  const [, method, address] = /^([A-Z][A-Z-]*) ((?:https?:\/)?\/\S*) HTTP\/[\d.]+$/.exec(line) ?? []
  return method === undefined || address === undefined ? 'other' : { ...rest, method, address }
}

/** The escapes of nginx, Apache and Go in quoted text, as an address has them. */
export function unescapeText(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(
    /\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|(.))/g,
    (_, byte?: string, unit?: string, plain = '') => {
      if (byte !== undefined) return `%${byte}`
      const character =
        unit === undefined ? (CONTROLS.get(plain) ?? plain) : String.fromCharCode(Number.parseInt(unit, 16))
      return /[A-Za-z0-9]/.test(character) ? character : encodeURIComponent(character.toWellFormed())
    },
  )
}

const CONTROLS = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['f', '\f'],
  ['b', '\b'],
  ['a', '\x07'],
])

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'

/**
 * `24/Nov/2026:19:41:48 +0100`, with or without milliseconds and the offset, or `2026/11/24 19:41:48`, in milliseconds
 * since the epoch; NaN for anything else. Without an offset it is this machine's local time, as for the program that
 * wrote it.
 */
export function logTimeMs(text: string): number {
  const common = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):([\d:]{8})(?:\.\d+)?(?: ([+-]\d{2})(\d{2}))?$/.exec(text)
  if (common !== null) {
    const [, day = '', name = '', year = '', time = '', hours, minutes = ''] = common
    const month = MONTHS.indexOf(name) / 3 + 1
    if (!Number.isInteger(month) || month < 1) return Number.NaN
    const offset = hours === undefined ? '' : `${hours}:${minutes}`
    return Date.parse(`${year}-${String(month).padStart(2, '0')}-${day}T${time}${offset}`)
  }
  const plain = /^(\d{4})\/(\d{2})\/(\d{2}) ([\d:]{8})$/.exec(text)
  if (plain === null) return Number.NaN
  const [, year = '', month = '', day = '', time = ''] = plain
  return Date.parse(`${year}-${month}-${day}T${time}`)
}
