import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { whyUnreadable } from '../config/text/substitute.ts'
import { readHtpasswd } from '../config/values/htpasswd.ts'
import { EXIT, parseArguments } from '../console/args.ts'
import { columns } from '../console/columns.ts'
import type { Io } from '../console/io.ts'
import type { Terminal } from '../console/terminal.ts'

export const USAGE = {
  text: `usage: sallyport user add|passwd|remove FILE NAME
       sallyport user list FILE

Writes a file of names and passwords (htpasswd), for users of a provider or htpasswd of a portal in routes.toml.
A running server takes it over at once: whoever has another password, or is gone, is signed out.
The password is asked for, unseen, or is the first line of standard input where that is no terminal.
Exit code: 0 done, 1 the file cannot be read or written, or has no such name, 2 for a wrong command line.`,
  options: {},
  maxPositionals: 3,
} as const

/** How a password comes: from someone at a terminal, or all of standard input. */
export interface PasswordSource {
  readonly terminal: Terminal | null
  readInput(): Promise<string>
}

/** What is hashed with Argon2id by these takes about 50 ms and 64 MiB (RFC 9106 §4 recommends no less for this memory). */
const ARGON2ID = { algorithm: 'argon2id', memoryCost: 64 * 1024, timeCost: 3 } as const

const SHORTEST = 8

/** `sallyport user`: answers the exit code. No password is ever shown, or taken from the command line, where others can see it. */
export async function runUser(argv: readonly string[], io: Io, source: PasswordSource): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const [act, file, name] = parsed.positionals
  const isList = act === 'list'
  if (!isList && act !== 'add' && act !== 'passwd' && act !== 'remove')
    return misused('what to do: add, passwd, remove or list', io)
  if (file === undefined) return misused('which file', io)
  if (isList ? name !== undefined : name === undefined) return misused(isList ? 'list takes no name' : 'whose name', io)
  const path = resolve(io.cwd, file)
  const before = readLines(path, io)
  if (typeof before === 'number') return before
  if (isList || name === undefined) return listUsers(file, before, io)
  const fault = nameFault(name)
  if (fault !== null) return misused(`the name ${fault}`, io)
  const at = before.findIndex(line => nameOf(line) === name)
  if (act === 'add' && at !== -1) return failed(`${name} is in ${file} already: "passwd" gives another password`, io)
  if (act !== 'add' && at === -1) return failed(`${name} is not in ${file}`, io)
  if (act === 'remove') return write(path, before.toSpliced(at, 1), io)
  const password = await askPassword(source, io)
  if (password === null) return EXIT.failed
  const line = `${name}:${await Bun.password.hash(password, ARGON2ID)}`
  return write(path, at === -1 ? [...before, line] : before.with(at, line), io)
}

/** The lines of the file as they are, without the last break; none for one that is not there yet. A number: the exit code. */
function readLines(path: string, io: Io): readonly string[] | number {
  try {
    const text = io.readText(path)
    return text === '' ? [] : text.replace(/\n$/, '').split('\n')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    return failed(`${path} ${whyUnreadable(error)}`, io)
  }
}

function nameOf(line: string): string | null {
  const colon = line.indexOf(':')
  return line.startsWith('#') || colon < 1 ? null : line.slice(0, colon)
}

function nameFault(name: string): string | null {
  if (name === '') return 'is empty'
  if (/[:\p{Cc}]/u.test(name)) return 'has a colon or a control character in it'
  return name.startsWith('#') || name !== name.trim() ? 'begins with # or has blanks at an end' : null
}

function listUsers(file: string, lines: readonly string[], io: Io): number {
  const { entries, faults } = readHtpasswd(lines.join('\n'))
  for (const fault of faults) io.stderr(`${fault} of ${file}\n`)
  const rows = [...entries].map(([name, hash]) => [name, kindOf(hash)])
  io.stdout(rows.length === 0 ? `There is nobody in ${file}.\n` : columns([['name', 'hash'], ...rows]))
  return faults.length === 0 ? EXIT.ok : EXIT.failed
}

function kindOf(hash: string): string {
  if (hash.startsWith('$2')) return 'bcrypt'
  return hash.startsWith('$apr1$') ? 'apr1 (old: give another password)' : (/^\$(\w+)/.exec(hash)?.[1] ?? '')
}

async function askPassword({ terminal, readInput }: PasswordSource, io: Io): Promise<string | null> {
  if (terminal === null) return checked(((await readInput()).split('\n')[0] ?? '').replace(/\r$/, ''), io)
  const first = await terminal.askSecret('Password: ')
  if (first === null) return null
  const second = await terminal.askSecret('Once more: ')
  if (second === null) return null
  if (first !== second) return complain('they differ', io)
  return checked(first, io)
}

function checked(password: string, io: Io): string | null {
  if ([...password].length < SHORTEST) return complain(`it has fewer than ${SHORTEST} characters`, io)
  return /\p{Cc}/u.test(password) ? complain('it has a control character in it', io) : password
}

function complain(why: string, io: Io): null {
  io.stderr(`the password is not taken: ${why}\n`)
  return null
}

/**
 * Puts the whole file in place at once, so that no server ever reads half of it. A new file is its owner's alone (0600); one that was
 * there keeps owner and mode, since the server may run as somebody else.
 */
function write(path: string, lines: readonly string[], io: Io): number {
  let temporary: string | null = null
  try {
    const { target, before } = placeOf(path)
    temporary = join(dirname(target), `.${crypto.randomUUID()}.tmp`)
    const handle = openSync(temporary, 'wx', 0o600)
    try {
      writeSync(handle, lines.map(line => `${line}\n`).join(''))
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    if (before !== null) {
      if (process.getuid?.() === 0) chownSync(temporary, before.uid, before.gid)
      chmodSync(temporary, before.mode & 0o777)
    }
    renameSync(temporary, target)
    return EXIT.ok
  } catch (error) {
    if (temporary !== null) rmSync(temporary, { force: true })
    return failed(`${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`, io)
  }
}

/** The file itself, where the path is a link to it, and what it is now; null where there is none. */
function placeOf(path: string): { readonly target: string; readonly before: Stats | null } {
  try {
    const target = realpathSync(path)
    return { target, before: statSync(target) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { target: path, before: null }
    throw error
  }
}

function failed(message: string, io: Io): number {
  io.stderr(`${message}\n`)
  return EXIT.failed
}

function misused(what: string, io: Io): number {
  io.stderr(`${what}?\n${USAGE.text.split('\n\n')[0]}\n`)
  return EXIT.usage
}
