/** `sallyport user`: the people of a file of users, their passwords and second factors. */

import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { parseEmail } from '../../config/values/email.ts'
import { readHtpasswd, readTotp } from '../../config/values/htpasswd.ts'
import { isUsersToml, readUsers, userNameFault } from '../../config/values/users-file.ts'
import { EXIT, failWith, parseArguments } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { columns } from '../../console/terminal.ts'
import { usageLines } from '../../console/usage.ts'
import { hashOfNone, hashPassword, isHashOfNone } from '../../identity/passwords/password.ts'
import type { ResetWish, SetWish } from './accounts.ts'
import type { InviteWish } from './invite.ts'
import { dropLines, findLine, putLine, readLines, readWhole, writeLines, writeWhole } from './lines.ts'
import { askPassword, type PasswordSource } from './password.ts'
import { addTable, changeTable, makeUserId, removeTable, usersIn } from './tables.ts'
import { giveTotp, takeTotp, totpFileOf } from './totp.ts'

export const USAGE = {
  text: `usage: sallyport user add FILE NAME [--groups a,b] [--name TEXT] [--email ADDRESS] [--no-password]
       sallyport user passwd FILE NAME [--end-tokens | --keep-tokens]
       sallyport user remove FILE NAME
       sallyport user totp FILE NAME [--issuer TEXT | --remove]
       sallyport user list FILE [--config routes.toml]
       sallyport user convert FILE NEW
       sallyport user invite NAME [--portal NAME] [--config routes.toml]
       sallyport user reset NAME [--provider NAME] [--end-tokens] [--config routes.toml]

Changes a file of users: the FILE that users of a provider, or htpasswd of a portal, names in routes.toml. In a FILE that ends in .toml,
each user has a table with an id, groups, an e-mail address, a display name (--name) and a second factor. Any other FILE has lines of NAME:HASH (htpasswd).
A running server uses a change at once: users who are removed, or have a new password, are signed out.
add and passwd ask for the password, and do not show it. Without a terminal, they read it from the first line of standard input. With
--no-password nobody knows the password: the user needs an invitation.
passwd ends the user’s sessions and the access of MCP clients. It asks whether API tokens and guest links end too, unless --end-tokens or
--keep-tokens says so. A file of lines cannot store the answer.
totp gives a user a second factor. It shows the address that an authenticator app reads, at a terminal also as a QR code. --remove removes
the second factor. For a file of lines, second factors are in a file beside it, for totp of the provider (users.totp for users.htpasswd).
convert makes a NEW .toml file from a file of lines and its second factors.
invite prints a link with which a user of routes.toml creates a passkey and is signed in. It works once, for 24 hours; a newer link
replaces it. A running server accepts it at once. If the user has passkeys, other sessions and tokens end when the link is used.
list shows the users in the file, and what users have set themselves, which is in the session store of routes.toml.
reset removes what a user has set: password, second factor, recovery codes, passkeys. Sessions, MCP clients and an invitation end, too.
After that, the password and second factor of the file are valid again.
Exit code: 0 done, 1 the file cannot be read or written, or has no such name, 2 for a wrong command line.`,
  options: {
    issuer: { type: 'string', default: 'Sallyport' },
    remove: { type: 'boolean' },
    groups: { type: 'string' },
    email: { type: 'string' },
    name: { type: 'string' },
    // As --name was called before.
    'display-name': { type: 'string' },
    'end-tokens': { type: 'boolean' },
    'keep-tokens': { type: 'boolean' },
    'no-password': { type: 'boolean' },
    portal: { type: 'string' },
    provider: { type: 'string' },
    config: { type: 'string', short: 'c' },
  },
  maxPositionals: 3,
} as const

const ACTS = ['add', 'passwd', 'remove', 'totp', 'list', 'convert', 'invite', 'reset'] as const
type Act = (typeof ACTS)[number]
/** What changes one user of a file. */
type FileAct = Exclude<Act, 'list' | 'convert' | 'invite' | 'reset'>

/** The options that do not belong to every action. */
const OWN_OPTIONS: Readonly<Record<string, readonly Act[]>> = {
  remove: ['totp'],
  groups: ['add'],
  email: ['add'],
  name: ['add'],
  'display-name': ['add'],
  'end-tokens': ['passwd', 'reset'],
  'keep-tokens': ['passwd'],
  'no-password': ['add'],
  portal: ['invite'],
  provider: ['reset'],
  config: ['invite', 'list', 'reset'],
}

type Source = PasswordSource & { readonly ports: Pick<Ports, 'now' | 'random'> }

/** What needs the session store. */
interface StoredActs {
  readonly invite?: (wish: InviteWish) => Promise<number>
  readonly reset?: (wish: ResetWish) => Promise<number>
  /** What users have set themselves; null where that is not known. */
  readonly setByUsers?: (wish: SetWish) => Promise<ReadonlyMap<string, string> | null>
}

/** `sallyport user`: answers the exit code. No password is ever shown, or taken from the command line, where others can see it. */
export async function runUser(
  argv: readonly string[],
  io: Io,
  source: PasswordSource & StoredActs,
  ports: Pick<Ports, 'now' | 'random'>,
): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const [said, file, name] = parsed.positionals
  const { values } = parsed
  const act = ACTS.find(known => known === said)
  if (act === undefined) return misused('what to do: add, passwd, remove, totp, list, convert, invite or reset', io)
  if (file === undefined) return misused(act === 'invite' || act === 'reset' ? 'whose name' : 'which file', io)
  for (const [option, of] of Object.entries(OWN_OPTIONS)) {
    if (Object.hasOwn(values, option) && !of.includes(act))
      return misused(`--${option} belongs to ${of.join(' and ')}`, io)
  }
  if (act === 'invite') {
    if (name !== undefined) return misused('invite takes one name', io)
    const wish = { name: file, portal: values.portal ?? null, config: values.config ?? 'routes.toml' }
    return source.invite?.(wish) ?? EXIT.failed
  }
  if (act === 'reset') {
    if (name !== undefined) return misused('reset takes one name', io)
    const { provider = null, config = 'routes.toml' } = values
    const wish = { name: file, provider, endsTokens: values['end-tokens'] === true, config }
    return source.reset?.(wish) ?? EXIT.failed
  }
  if (act === 'list') {
    if (name !== undefined) return misused('list takes no name', io)
    return failing(io, () => listUsers(file, io, values.config ?? null, source))
  }
  if (act === 'convert') {
    return name === undefined
      ? misused('what the new file is called', io)
      : failing(io, () => convertUsers({ from: file, to: name }, io, ports))
  }
  if (name === undefined) return misused('whose name', io)
  const fault = userNameFault(name)
  if (fault !== null) return misused(`the name ${fault}`, io)
  const asked: Asked = {
    file,
    path: resolve(io.cwd, file),
    name,
    issuer: values.issuer,
    isRemoval: values.remove === true,
    isWithoutPassword: values['no-password'] === true,
    groups: values.groups === undefined ? null : values.groups.split(',').map(group => group.trim()),
    email: values.email ?? null,
    displayName: values.name ?? values['display-name'] ?? null,
    endsTokens: values['end-tokens'] === true ? true : values['keep-tokens'] === true ? false : null,
  }
  const mistake = mistakeOf(asked, values['end-tokens'] === true && values['keep-tokens'] === true)
  if (mistake !== null) return misused(mistake, io)
  const change = isUsersToml(file) ? changeTables : changeLines
  return failing(io, () => change(act, asked, io, { ...source, ports }))
}

interface Asked {
  /** As it was given. */
  readonly file: string
  readonly path: string
  readonly name: string
  readonly issuer: string
  readonly isRemoval: boolean
  readonly groups: readonly string[] | null
  readonly email: string | null
  readonly displayName: string | null
  /** Whether the user is to have no password that anybody knows. */
  readonly isWithoutPassword: boolean
  /** Whether API tokens and guest links end; null: it was not said. */
  readonly endsTokens: boolean | null
}

function mistakeOf({ groups, email, displayName }: Asked, areBoth: boolean): string | null {
  if (areBoth) return '--end-tokens or --keep-tokens, and one of the two'
  if (groups?.includes('') === true) return '--groups has an empty entry'
  if (displayName !== null && (displayName.trim() === '' || /\p{Cc}/u.test(displayName)))
    return '--name is empty or has a control character'
  return email !== null && !parseEmail(email).ok ? '--email is no e-mail address' : null
}

/** A file with a table for each user. */
async function changeTables(act: FileAct, asked: Asked, io: Io, source: Source): Promise<number> {
  const { file, path, name } = asked
  const { ports, terminal } = source
  const before = readWhole(path, io)
  const known = usersIn(path, before).get(name)
  if (act === 'add' && known !== undefined) return isThere(asked, io)
  if (act !== 'add' && known === undefined) return isNotThere(asked, io)
  if (act === 'remove') {
    writeWhole(path, removeTable(path, before, name))
    return told(`${name} is no more in ${file}, and is signed out as soon as the server has read it.`, io)
  }
  if (act === 'totp') {
    if (asked.isRemoval) {
      if (known?.totp == null) return failWith(io, `${name} has no second factor`)
      writeWhole(path, changeTable(path, before, name, { totp: null }))
      return told(`${name} has no second factor any more, and signs in with the password alone.`, io)
    }
    const save = (secret: string) => writeWhole(path, changeTable(path, before, name, { totp: secret }))
    return giveTotp(asked, save, io, source)
  }
  if (act === 'passwd' && asked.endsTokens === null && terminal === null) {
    return misused('say --end-tokens or --keep-tokens: whether API tokens and guest links end with the password', io)
  }
  const hash = await hashFor(asked, source, io)
  if (hash === null) return EXIT.failed
  const now = new Date(ports.now())
  if (act === 'add') {
    const { groups, email, displayName } = asked
    const said = { ...(groups === null ? {} : { groups }), ...(email === null ? {} : { email }) }
    const fields = {
      id: makeUserId(ports),
      hash,
      ...said,
      ...(displayName === null ? {} : { display_name: displayName }),
    }
    writeWhole(path, addTable(path, before, name, { ...fields, created: now }))
    const inGroups =
      groups === null ? '' : `, in ${groups.length === 1 ? 'the group' : 'the groups'} ${groups.join(', ')}`
    return told(added(asked, source, inGroups), io)
  }
  const endsTokens = asked.endsTokens ?? (await askWhetherTokensEnd(terminal, name))
  if (endsTokens === null) return failWith(io, 'Nothing was written.')
  const epoch = endsTokens ? { token_epoch: (known?.tokenEpoch ?? 0) + 1 } : {}
  writeWhole(path, changeTable(path, before, name, { hash, password_changed: now, ...epoch }))
  const others = endsTokens
    ? 'API tokens and guest links end, too.'
    : `API tokens and guest links rest until ${name} signs in with the new password.`
  io.stderr(`Sessions and MCP clients of ${name} end as soon as the server has read ${file}. ${others}\n`)
  return EXIT.ok
}

/** The hash of a user's password, or of none. Null where none was given. */
async function hashFor({ isWithoutPassword }: Asked, source: Source, io: Io): Promise<string | null> {
  if (isWithoutPassword) return hashOfNone(source.ports.random)
  const password = await askPassword(source, io)
  return password === null ? null : hashPassword(password)
}

/** How often an answer that is neither is asked for again. */
const TRIES = 3

async function askWhetherTokensEnd(terminal: PasswordSource['terminal'], name: string): Promise<boolean | null> {
  for (let left = TRIES; left > 0; left--) {
    const answer = await terminal?.ask(
      `End the API tokens and guest links of ${name}, too? Yes if another person knew the old password (yes/no): `,
    )
    if (answer == null) return null
    if (/^y(?:es)?$/i.test(answer)) return true
    if (/^no?$/i.test(answer)) return false
  }
  return null
}

/** A file of lines of `NAME:HASH`, which other programs read, too. */
async function changeLines(act: FileAct, asked: Asked, io: Io, source: Source): Promise<number> {
  const { file, path, name } = asked
  const before = readLines(path, io)
  const isKnown = findLine(before, name) !== -1
  if (act === 'add' && isKnown) return isThere(asked, io)
  if (act !== 'add' && !isKnown) return isNotThere(asked, io)
  if (act === 'totp') {
    if (!asked.isRemoval) return giveTotpBeside(asked, io, source)
    return takeTotp(asked, io)
      ? told(`${name} has no second factor any more, and signs in with the password alone.`, io)
      : failWith(io, `${name} has no second factor`)
  }
  if (act === 'remove') {
    const left = dropLines(before, name)
    writeLines(path, left)
    // The next user of that name has another one.
    takeTotp(asked, io)
    io.stderr(
      `${name} is no more in ${file}. Before ${name} is somebody else's name, let the server see ${file} without it: ${WITHOUT_IDS}\n`,
    )
    return sayUntaken(asked, left, io)
  }
  const unheld = [
    ...(asked.groups === null ? [] : ['groups']),
    ...(asked.email === null ? [] : ['an e-mail address']),
    ...(asked.displayName === null ? [] : ['a display name']),
    ...(asked.endsTokens === true ? ['that tokens end'] : []),
  ]
  if (unheld.length > 0) {
    return failWith(io, `${file} has lines of NAME:HASH, which cannot hold ${unheld.join(', ')}: ${convertHint(file)}`)
  }
  const hash = await hashFor(asked, source, io)
  if (hash === null) return EXIT.failed
  const after = putLine(before, name, hash)
  writeLines(path, after)
  io.stderr(
    act === 'add'
      ? `${added(asked, source)}\n${file} has lines of NAME:HASH, which hold no id, groups, e-mail address and display name: ${convertHint(file)}\n`
      : `Sessions and MCP clients of ${name} end as soon as the server has read ${file}. API tokens and guest links rest until ${name} signs in with the new password: ${file} cannot hold that they end, "sallyport tokens revoke" and "sallyport guests revoke" end them (${convertHint(file)}).\n`,
  )
  return sayUntaken(asked, after, io)
}

/** Whether a server uses these lines, as the exit code: it refuses a file with a mistake, and goes on with what it had. */
function sayUntaken({ file }: Asked, lines: readonly string[], io: Io): number {
  const { faults } = readHtpasswd(lines.join('\n'))
  if (faults.length === 0) return EXIT.ok
  const mistakes = faults.map(fault => `${fault} of ${file}`).join(', and ')
  return failWith(io, `It is written, but a server uses ${file} only once this is right: ${mistakes}`)
}

const WITHOUT_IDS = 'it has no ids, so that only then tokens, guest links and roles of the one before end.'

function convertHint(file: string): string {
  return `"sallyport user convert ${file} users.toml" makes a file that can`
}

function giveTotpBeside(asked: Asked, io: Io, source: Source): Promise<number> {
  const { path, name } = asked
  const beside = totpFileOf(path)
  const before = readLines(beside, io)
  const save = (secret: string) => writeLines(beside, putLine(before, name, secret), path)
  return giveTotp({ ...asked, beside }, save, io, source)
}

async function listUsers(file: string, io: Io, config: string | null, { setByUsers }: StoredActs): Promise<number> {
  const path = resolve(io.cwd, file)
  if (!existsSync(path)) return failWith(io, `${file} does not exist: sallyport user add ${file} NAME makes it`)
  const isToml = isUsersToml(file)
  const { entries, faults } = readUsers(path, readWhole(path, io))
  const codes = isToml ? [] : readLines(totpFileOf(path), io)
  for (const fault of faults) io.stderr(`${fault} of ${file}\n`)
  const set = entries.size === 0 ? null : ((await setByUsers?.({ entries, config })) ?? null)
  const rows = [...entries].map(([name, { id, hash, totp, groups, email, displayName }]) => [
    name,
    kindOf(hash),
    totp === null && findLine(codes, name) === -1 ? '' : 'yes',
    ...(set === null ? [] : [set.get(name) ?? '']),
    ...(isToml ? [groups.join(','), email ?? '', displayName ?? '', id ?? ''] : []),
  ])
  const own = set === null ? [] : ['set by the user']
  const head = [
    'name',
    'password',
    'second factor',
    ...own,
    ...(isToml ? ['groups', 'e-mail', 'display name', 'id'] : []),
  ]
  io.stdout(rows.length === 0 ? `There are no users in ${file}.\n` : columns([head, ...rows]))
  const isUnseen = config !== null && set === null && entries.size > 0
  return faults.length === 0 && !isUnseen ? EXIT.ok : EXIT.failed
}

function kindOf(hash: string): string {
  if (isHashOfNone(hash)) return 'none'
  if (hash.startsWith('$2')) return 'bcrypt'
  return hash.startsWith('$apr1$') ? 'apr1 (old: give another password)' : (/^\$(\w+)/.exec(hash)?.[1] ?? '')
}

/** The exit code of an act, or of the file that kept it from being done. */
async function failing(io: Io, act: () => number | Promise<number>): Promise<number> {
  try {
    return await act()
  } catch (thrown) {
    if (!(thrown instanceof GateError)) throw thrown
    return failWith(io, thrown.message)
  }
}

/** That somebody is in the file now; where nobody was asked, also where the password is from. */
function added({ name, file, isWithoutPassword }: Asked, { terminal }: Source, more = ''): string {
  if (isWithoutPassword)
    return `${name} is in ${file} now${more}, and has no password: "sallyport user invite ${name}" prints the link of an invitation. That needs a url in [portals.NAME] of routes.toml, such as url = "https://auth.example.com"; for a try on this machine url = "http://auth.localhost:8080".`
  const password = terminal === null ? ', with the password that came by standard input' : ''
  return `${name} is in ${file} now${more}${password}, and can sign in as soon as the server has read it.`
}

function told(message: string, io: Io): number {
  io.stderr(`${message}\n`)
  return EXIT.ok
}

function isThere({ name, file }: Asked, io: Io): number {
  return failWith(
    io,
    `${name} is in ${file} already: "passwd" gives another password, and groups, name and address are changed in the file`,
  )
}

function isNotThere({ name, file }: Asked, io: Io): number {
  return failWith(io, `${name} is not in ${file}`)
}

function misused(what: string, io: Io): number {
  return failWith(io, `${what}?\n${usageLines(USAGE.text)}`, EXIT.usage)
}

/**
 * Makes a users.toml of a file of lines and of the second factors beside it, which stay as they are. Answers the exit code. Throws
 * `config.unreadable`.
 */
function convertUsers(
  { from, to }: { readonly from: string; readonly to: string },
  io: Io,
  ports: Pick<Ports, 'now' | 'random'>,
): number {
  const [source, target] = [resolve(io.cwd, from), resolve(io.cwd, to)]
  const whyNot =
    !isUsersToml(to) || isUsersToml(from)
      ? 'convert makes a file that ends in .toml of one that does not'
      : !existsSync(source)
        ? `${from} does not exist`
        : existsSync(target)
          ? `${to} exists already, and is left as it is`
          : null
  if (whyNot !== null) return failWith(io, whyNot)
  const users = readHtpasswd(readWhole(source, io))
  const factors = readTotp(readWhole(totpFileOf(source), io))
  const faults = [
    ...users.faults.map(fault => `${fault} of ${from}`),
    ...factors.faults.map(fault => `${fault} of ${totpFileOf(from)}`),
    ...[...users.entries.keys()].flatMap(name => {
      const fault = userNameFault(name)
      return fault === null ? [] : [`a name of ${from} ${fault}`]
    }),
  ]
  if (faults.length > 0) return failWith(io, faults.join('\n'))
  const created = new Date(ports.now())
  let text = ''
  for (const [name, hash] of users.entries) {
    const totp = factors.entries.get(name)
    const second = totp === undefined ? {} : { totp }
    text = addTable(target, text, name, { id: makeUserId(ports), hash, ...second, created })
  }
  // The server that reads the old one has to be able to read the new one.
  writeWhole(target, text, source)
  const factorsHint = factors.entries.size === 0 ? '' : ', and take totp out'
  io.stderr(
    `Written: ${to}, with ${users.entries.size} users. Name it in routes.toml in place of ${basename(from)}${factorsHint}. All users then sign in again; their API tokens, guest links, MCP clients and granted roles end, and have to be made again.\n`,
  )
  return EXIT.ok
}
