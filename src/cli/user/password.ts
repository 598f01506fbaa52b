/** Passwords for `sallyport user`: asked at a terminal, read from standard input, or made. */

import type { Ports } from '../../base/ports.ts'
import type { Io } from '../../console/io.ts'
import type { Terminal } from '../../console/terminal.ts'
import {
  LONGEST_PASSWORD,
  type PasswordFault,
  passwordFault,
  SHORTEST_PASSWORD,
} from '../../identity/passwords/password.ts'

/** How a password comes: from someone at a terminal, or all of standard input. */
export interface PasswordSource {
  readonly terminal: Terminal | null
  readInput(): Promise<string>
}

/** A strong password: 100 bits, in four groups that can be typed from a screen. */
export function makePassword(random: Ports['random']): string {
  return Array.from(random(20), byte => ALPHABET[byte & 31])
    .join('')
    .replace(/(.{5})(?=.)/g, '$1-')
}

/** 32 characters of which none looks like another. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'

/** Asks twice without echo, or reads the first line; null, with a message, where there is no valid one. */
export async function askPassword({ terminal, readInput }: PasswordSource, io: Io): Promise<string | null> {
  if (terminal === null) return checked(((await readInput()).split('\n')[0] ?? '').replace(/\r$/, ''), io)
  const first = await terminal.askSecret('Password: ')
  if (first === null) return null
  const second = await terminal.askSecret('Once more: ')
  if (second === null) return null
  if (first !== second) return complain('they differ', io)
  return checked(first, io)
}

function checked(password: string, io: Io): string | null {
  const fault = sayPasswordFault(password)
  return fault === null ? password : complain(fault, io)
}

const FAULTS: Readonly<Record<PasswordFault, string>> = {
  short: `it has fewer than ${SHORTEST_PASSWORD} characters`,
  long: `it has more than ${LONGEST_PASSWORD} characters`,
  control: 'it has a control character in it',
  name: 'it is hardly more than the name',
}

/** What keeps a password from being taken; null for a good one. */
export function sayPasswordFault(password: string): string | null {
  const fault = passwordFault(password, '')
  return fault === null ? null : FAULTS[fault]
}

function complain(why: string, io: Io): null {
  io.stderr(`the password is not taken: ${why}\n`)
  return null
}
