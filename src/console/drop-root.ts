/** A command that root runs drops root before it writes to the session store: it becomes the user who owns that. It can see what that user may read. */

import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  type Stats,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { GateError } from '../base/errors.ts'
import { serviceUserName } from './service-definition.ts'

/** A user of this machine, by number. */
export interface StoreUser {
  readonly uid: number
  readonly gid: number
  /** The other groups. */
  readonly groups: readonly number[]
}

/** The user that the service of this machine runs as. */
export interface ServiceUser extends StoreUser {
  readonly name: string
  /** The name of the first group. */
  readonly group: string
}

/** What the server that runs here, or last ran here, left for the commands beside it. */
export interface Running {
  /** Its routes.toml. */
  readonly config: string
  /** The folder that SALLYPORT_DATA named for it. */
  readonly data: string
  /** The user whose identity a command of root takes before it opens anything in that folder; null: it stays root. */
  readonly owner: StoreUser | null
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants

/** What the system allows, too. */
const MOST_LINKS = 40

const OTHERS_WRITE = 0o022
const STICKY = 0o1000

/**
 * The user whose identity a root process takes before it opens anything beside a database: the one who may put links
 * there. Null where this process is not root, or where only root may write on the whole way to the folder.
 *
 * Throws `session.store` where others may write there, and neither the folder nor the database shows who.
 */
export function storeUserOf(database: string): StoreUser | null {
  if (process.geteuid?.() !== 0) return null
  const folder = dirname(resolve(database))
  const way = wayTo(folder)
  // Somebody else may put a folder there a moment later.
  if (!way.isWhole) throw new GateError('session.store', `there is no folder ${folder}`, { hint: 'mkdir -p makes it' })
  const [last, ...before] = way.folders.toReversed()
  if (last === undefined) return null
  if (last.uid !== 0) return userOf(last.uid, last.gid)
  const isLastSafe = (last.mode & OTHERS_WRITE) === 0
  if (isLastSafe && before.every(isRootsAlone) && way.links.every(({ uid }) => uid === 0)) return null
  const file = lstatSync(join(way.target, basename(database)), { throwIfNoEntry: false })
  if (file?.isFile() === true && file.uid !== 0) {
    const user = userOf(file.uid, file.gid)
    return { ...user, groups: [...new Set([...user.groups, last.gid])] }
  }
  throw new GateError(
    'session.store',
    `${folder} is root’s, and others than root may write there or on the way to it`,
    {
      hint: `give it to the user that runs Sallyport: chown USER ${folder}`,
    },
  )
}

/**
 * Switches this process to that user for good: with only their groups, and on every thread. Throws `session.store`
 * where the system does not allow it, or would allow to switch back.
 */
export function becomeStoreUser({ uid, gid, groups }: StoreUser): void {
  try {
    process.setgroups?.([...groups])
    process.setgid?.(gid)
    process.setuid?.(uid)
  } catch (error) {
    throw notLeft(uid, error)
  }
  if (process.geteuid?.() !== uid || process.getuid?.() !== uid || mayBeRoot()) throw notLeft(uid)
}

/**
 * The user that the service's definition names, which `sallyport service` prints and the package brings. Null where there is none, for
 * root's own service, and where this process is not root's: it may not become that user.
 */
export function findServiceUser(): ServiceUser | null {
  if (process.geteuid?.() !== 0) return null
  const name = serviceUserName()
  const account = rowsOf('/etc/passwd').find(row => row[0] === name)
  if (name === null || account === undefined) return null
  const [uid, gid] = [Number(account[2]), Number(account[3])]
  const group = rowsOf('/etc/group').find(row => Number(row[2]) === gid)?.[0] ?? String(gid)
  return uid === 0 ? null : { ...userOf(uid, gid), name, group }
}

/**
 * The group for a secret file of root in this folder, so that the service can read it. It is the service's group,
 * where root owns the folder, the folder has that group, and only root may write in it and on the way to it. Otherwise
 * null.
 */
export function groupForSecrets(folder: string, service: StoreUser | null): number | null {
  if (process.geteuid?.() !== 0 || service === null) return null
  const last = wayTo(resolve(folder)).folders.at(-1)
  const isGiven = last !== undefined && (last.mode & OTHERS_WRITE) === 0 && last.gid === service.gid
  return isGiven && last.gid !== 0 && isWayOfRoot(folder) ? last.gid : null
}

/** Whether a file or folder exists, root owns it, and no other user may change it or its path. */
export function isWayOfRoot(path: string): boolean {
  const { folders, links, target, isWhole } = wayTo(resolve(path))
  const last = isWhole ? lstatSync(target, { throwIfNoEntry: false }) : undefined
  if (last === undefined || last.uid !== 0 || (last.mode & OTHERS_WRITE) !== 0) return false
  return folders.every(isRootsAlone) && links.every(({ uid }) => uid === 0)
}

/** Whether a user may change where a path leads to: a folder, or a link, on the way to it is theirs, or they may write to one. */
export function mayChangeWayTo(path: string, user: StoreUser): boolean {
  const { folders, links } = wayTo(resolve(path))
  return links.some(({ uid }) => uid === user.uid) || folders.some(folder => mayWrite(folder, user))
}

/**
 * Makes a file where nothing is, mode 0600, also not a link; answers its descriptor. Throws what the system throws, `EEXIST`
 * among it.
 */
export function createFile(path: string): number {
  return openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
}

/** Opens an existing file for reading, through links; null where it does not exist. */
export function openToRead(path: string): number | null {
  try {
    return openSync(wayTo(resolve(path)).target, O_RDONLY | O_NOFOLLOW)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

/**
 * Whether a link on the way to a file belongs neither to root nor to the file's owner: root does not follow it (as
 * `fs.protected_symlinks`).
 */
export function isForeignLink(path: string): boolean {
  if (process.geteuid?.() !== 0) return false
  const { links, target } = wayTo(resolve(path))
  const owner = lstatSync(target, { throwIfNoEntry: false })?.uid ?? 0
  return links.some(({ uid }) => uid !== 0 && uid !== owner)
}

interface Way {
  /** Every folder that is gone through but `/`, the last one among them where the path is of a folder. */
  readonly folders: readonly Stats[]
  readonly links: readonly Stats[]
  /** Where it ends, without links. */
  readonly target: string
  /** Whether there is something at its end. */
  readonly isWhole: boolean
}

/** The way that the system goes to a path, with each link on it. */
function wayTo(path: string): Way {
  const folders: Stats[] = []
  const links: Stats[] = []
  const rest = path.split('/').filter(part => part !== '')
  let at = '/'
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    const next = join(at, part)
    const stat = part === '..' ? undefined : lstatSync(next, { throwIfNoEntry: false })
    if (stat === undefined && part !== '..') return { folders, links, target: join(next, ...rest), isWhole: false }
    if (stat?.isSymbolicLink() === true) {
      links.push(stat)
      if (links.length > MOST_LINKS) throw new Error(`${path} leads through too many links`)
      const target = readlinkSync(next)
      rest.unshift(...target.split('/').filter(one => one !== '' && one !== '.'))
      if (target.startsWith('/')) at = '/'
      continue
    }
    if (stat?.isDirectory() === true) folders.push(stat)
    at = next
  }
  return { folders, links, target: at, isWhole: true }
}

/** A user with the groups that the system lists; of one that it does not list, the group of what they own, unless that is root's. */
export function userOf(uid: number, ownedBy: number): StoreUser {
  const account = rowsOf('/etc/passwd').find(row => Number(row[2]) === uid)
  if (account === undefined) return { uid, gid: ownedBy === 0 ? uid : ownedBy, groups: [] }
  const [name = '', , , gid] = account
  const listed = rowsOf('/etc/group').filter(row => (row[3] ?? '').split(',').includes(name))
  return { uid, gid: Number(gid), groups: listed.map(row => Number(row[2])) }
}

function rowsOf(path: string): readonly (readonly string[])[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .map(line => line.split(':'))
    .filter(row => row.length > 3 && /^\d+$/.test(row[2] ?? ''))
}

function mayBeRoot(): boolean {
  try {
    process.setuid?.(0)
    return true
  } catch {
    return false
  }
}

function notLeft(uid: number, cause?: unknown): GateError {
  return new GateError(
    'session.store',
    `the sessions belong to user ${uid}, and this process cannot become that user`,
    {
      ...(cause === undefined ? {} : { cause }),
      hint: `run the command as that user: setpriv --reuid=${uid} --clear-groups sallyport …`,
    },
  )
}

/** Of a sticky folder (as /tmp), what others put there is theirs, and what is root's stays. */
function isRootsAlone({ uid, mode }: Stats): boolean {
  return uid === 0 && ((mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0)
}

function mayWrite(folder: Stats, { uid, gid, groups }: StoreUser): boolean {
  if (folder.uid === uid) return true
  if ((folder.mode & STICKY) !== 0) return false
  return (folder.mode & 0o002) !== 0 || ((folder.mode & 0o020) !== 0 && [gid, ...groups].includes(folder.gid))
}

/** A file that root can read and the service cannot: its path, and how to fix it. */
export interface Unreadable {
  readonly what: string
  readonly hint: string
}

/**
 * Which of these files and folders the service cannot read, tried as its user: modes do not show access lists. Root
 * becomes that user for good; null where it has already become another user, who can check only for themselves.
 *
 * Missing files are left out: `check` reports them.
 */
export function findUnreadable(paths: readonly string[], service: ServiceUser): readonly Unreadable[] | null {
  if (process.geteuid?.() === 0) becomeStoreUser(service)
  if (process.geteuid?.() !== service.uid) return null
  return [...new Set(paths)]
    .filter(path => !mayRead(path))
    .map(path => ({
      what: `the user ${service.name}, who runs the service, cannot read ${path}`,
      hint: `chgrp ${service.group} ${path} && chmod g+r ${path}; and let that user enter the folders on the way there`,
    }))
}

function mayRead(path: string): boolean {
  try {
    const isFolder = statSync(path).isDirectory()
    accessSync(path, isFolder ? constants.R_OK | constants.X_OK : constants.R_OK)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
  }
}
