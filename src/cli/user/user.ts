import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { readHtpasswd } from '../../config/values/htpasswd.ts'
import { EXIT, parseArguments } from '../../console/args.ts'
import { columns } from '../../console/columns.ts'
import type { Io } from '../../console/io.ts'
import { usageLines } from '../../console/usage.ts'
import { findLine, nameFault, putLine, readLines, writeLines } from './lines.ts'
import { askPassword, hashPassword, type PasswordSource } from './password.ts'
import { giveTotp, takeTotp, totpFileOf } from './totp.ts'

export const USAGE = {
  text: `usage: sallyport user add|passwd|remove FILE NAME
       sallyport user totp FILE NAME [--issuer TEXT | --remove]
       sallyport user list FILE

Writes a file of names and passwords (htpasswd), for users of a provider or htpasswd of a portal in routes.toml.
A running server takes it over at once: whoever has another password, or is gone, is signed out.
The password is asked for, unseen, or is the first line of standard input where that is no terminal.
totp gives somebody a second factor, for totp of the provider: it shows the address that an authenticator app reads, at a terminal as a
QR code too, and keeps its secret in a file beside FILE (users.totp for users.htpasswd); --remove takes it away.
Exit code: 0 done, 1 the file cannot be read or written, or has no such name, 2 for a wrong command line.`,
  options: {
    issuer: { type: 'string', default: 'Sallyport' },
    remove: { type: 'boolean' },
  },
  maxPositionals: 3,
} as const

const ACTS = ['add', 'passwd', 'remove', 'totp', 'list'] as const
type Act = (typeof ACTS)[number]

/** `sallyport user`: answers the exit code. No password is ever shown, or taken from the command line, where others can see it. */
export async function runUser(
  argv: readonly string[],
  io: Io,
  source: PasswordSource,
  ports: Pick<Ports, 'now' | 'random'>,
): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const [said, file, name] = parsed.positionals
  const act = ACTS.find(known => known === said)
  const { issuer, remove } = parsed.values
  if (act === undefined) return misused('what to do: add, passwd, remove, totp or list', io)
  if (file === undefined) return misused('which file', io)
  if (act === 'list')
    return name === undefined ? failing(io, () => listUsers(file, io)) : misused('list takes no name', io)
  if (name === undefined) return misused('whose name', io)
  const fault = nameFault(name)
  if (fault !== null) return misused(`the name ${fault}`, io)
  if (remove === true && act !== 'totp') return misused('--remove belongs to totp', io)
  return failing(io, () => change(act, { file, name, issuer, isRemoval: remove === true }, io, { ...source, ports }))
}

interface Asked {
  readonly file: string
  readonly name: string
  readonly issuer: string
  readonly isRemoval: boolean
}

async function change(
  act: Exclude<Act, 'list'>,
  { file, name, issuer, isRemoval }: Asked,
  io: Io,
  source: PasswordSource & { readonly ports: Pick<Ports, 'now' | 'random'> },
): Promise<number> {
  const path = resolve(io.cwd, file)
  const before = readLines(path, io)
  const isThere = findLine(before, name) !== -1
  if (act === 'add' && isThere) return failed(`${name} is in ${file} already: "passwd" gives another password`, io)
  if (act !== 'add' && !isThere) return failed(`${name} is not in ${file}`, io)
  if (act === 'totp') {
    if (!isRemoval) return giveTotp({ name, path, issuer }, io, source)
    return takeTotp({ name, path }, io) ? EXIT.ok : failed(`${name} has no second factor`, io)
  }
  if (act === 'remove') {
    writeLines(path, before.toSpliced(findLine(before, name), 1))
    // Whoever is called so next has another.
    takeTotp({ name, path }, io)
    return EXIT.ok
  }
  const password = await askPassword(source, io)
  if (password === null) return EXIT.failed
  writeLines(path, putLine(before, name, await hashPassword(password)))
  return EXIT.ok
}

function listUsers(file: string, io: Io): number {
  const path = resolve(io.cwd, file)
  if (!existsSync(path)) {
    io.stderr(`${file} does not exist: sallyport user add ${file} NAME makes it\n`)
    return EXIT.failed
  }
  const { entries, faults } = readHtpasswd(readLines(path, io).join('\n'))
  const codes = readLines(totpFileOf(path), io)
  for (const fault of faults) io.stderr(`${fault} of ${file}\n`)
  const rows = [...entries].map(([name, hash]) => [name, kindOf(hash), findLine(codes, name) === -1 ? '' : 'yes'])
  io.stdout(rows.length === 0 ? `There is nobody in ${file}.\n` : columns([['name', 'hash', 'second factor'], ...rows]))
  return faults.length === 0 ? EXIT.ok : EXIT.failed
}

function kindOf(hash: string): string {
  if (hash.startsWith('$2')) return 'bcrypt'
  return hash.startsWith('$apr1$') ? 'apr1 (old: give another password)' : (/^\$(\w+)/.exec(hash)?.[1] ?? '')
}

/** The exit code of an act, or of the file that kept it from being done. */
async function failing(io: Io, act: () => number | Promise<number>): Promise<number> {
  try {
    return await act()
  } catch (thrown) {
    if (!(thrown instanceof GateError)) throw thrown
    return failed(thrown.message, io)
  }
}

function failed(message: string, io: Io): number {
  io.stderr(`${message}\n`)
  return EXIT.failed
}

function misused(what: string, io: Io): number {
  io.stderr(`${what}?\n${usageLines(USAGE.text)}\n`)
  return EXIT.usage
}
