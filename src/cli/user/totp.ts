/** Second factors (TOTP) for `sallyport user`: gives one to a user, or takes it away. */

import { basename } from 'node:path'
import encodeQr from 'qr'
import type { Ports } from '../../base/ports.ts'
import { EXIT, failWith } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import type { Terminal } from '../../console/terminal.ts'
import { makeTotpSecret, totpAddress, totpStep } from '../../identity/passwords/totp.ts'
import { dropLines, findLine, readLines, writeLines } from './lines.ts'

/** The file of second factors beside one of names and passwords. */
export function totpFileOf(path: string): string {
  return `${path.replace(/\.htpasswd$/, '')}.totp`
}

/** Whose second factor it is, and in which file. */
interface Holder {
  readonly name: string
  /** The file of users. */
  readonly path: string
  /** The file of second factors beside it; absent where the file of users holds them itself. */
  readonly beside?: string
  /** Whose sign-in it is, as the application shows it. */
  readonly issuer: string
}

/** How often a code that is not right is asked for again. */
const TRIES = 3

/**
 * Gives a user a new second factor: shows the code for their authenticator app, and at a terminal asks for a code
 * before it saves, so that a mistake locks no user out. Returns the exit code. Throws what `save` throws.
 */
export async function giveTotp(
  { name, path, beside, issuer }: Holder,
  save: (secret: string) => void,
  io: Io,
  { terminal, ports }: { readonly terminal: Terminal | null; readonly ports: Pick<Ports, 'now' | 'random'> },
): Promise<number> {
  const secret = makeTotpSecret(ports.random)
  const address = totpAddress(secret, name, issuer)
  if (io.terminal.stdout) io.stdout(drawQr(address, io.colour.stdout))
  io.stdout(`${address}\n`)
  if (terminal !== null && !(await isShown(secret, io, terminal, ports.now)))
    return failWith(io, 'Nothing was written.')
  save(secret)
  const users = basename(path)
  io.stderr(
    beside === undefined
      ? `It is asked for where routes.toml says users = "${users}".\n`
      : `It is asked for where routes.toml says totp = "${basename(beside)}" beside users = "${users}".\n`,
  )
  return EXIT.ok
}

/** Takes somebody's second factor away; false where they have none. Throws `config.unreadable`. */
export function takeTotp({ name, path }: Pick<Holder, 'name' | 'path'>, io: Io): boolean {
  const file = totpFileOf(path)
  const before = readLines(file, io)
  if (findLine(before, name) === -1) return false
  writeLines(file, dropLines(before, name))
  return true
}

async function isShown(secret: string, io: Io, terminal: Terminal, now: Ports['now']): Promise<boolean> {
  for (let left = TRIES; left > 0; left--) {
    const code = await terminal.ask('The code that the application shows now: ')
    if (code === null) return false
    if (totpStep(secret, code, now()) !== null) return true
    io.stderr('It is another one; the clocks of both may differ.\n')
  }
  return false
}

/** Light on dark, regardless of the terminal's colours: cameras expect that. */
function drawQr(text: string, hasColour: boolean): string {
  const lines = encodeQr(text, 'ascii', { ecc: 'low' }).trimEnd().split('\n')
  return lines.map(line => (hasColour ? `\u001b[97;40m${line}\u001b[0m\n` : `${line}\n`)).join('')
}
