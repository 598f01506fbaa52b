/** Checks files of users and passwords: readable, no weak hash, and in use somewhere. */

import { normalize } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { RootTable } from '../keys/keys.ts'
import type { PortalTable } from '../keys/portals.ts'
import type { ProviderTable } from '../keys/providers.ts'
import type { RouteTable } from '../keys/routes.ts'
import { quote, type Raw, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { fileHint, subjectOf } from '../text/substitute.ts'
import type { ConfigFiles } from '../values/files.ts'
import { rpIdOf } from '../values/host.ts'
import { readTotp, type Totp } from '../values/htpasswd.ts'
import { isUsersToml, readUsers, type Users } from '../values/users-file.ts'

/** A broken file has a fault in every line: this many are reported. */
const FAULTS_TOLD = 5

/** That every portal's file of passwords can be read and holds none that is easily guessed, and that it is used. */
export function checkPasswords(root: RootTable, files: ConfigFiles, report: Report): void {
  for (const { raw, values } of root.values.providers?.values() ?? []) {
    checkFile(raw.entries.get('users'), values.users, files, report)
    if (!raw.entries.has('users')) continue
    if (values.users && isUsersToml(values.users)) checkNoTotp(raw.entries.get('totp'), report)
    else checkTotp(raw.entries.get('totp'), values, files, report)
  }
  checkOtherWays(root, report)
  checkPasskeysAlone(root, report)
  checkOneProvider(root, report)
  for (const [name, portal] of root.values.portals ?? []) {
    checkFile(portal.raw.entries.get('htpasswd'), portal.values.htpasswd, files, report)
    checkOneFile(portal, root, report)
    const entry = portal.raw.entries.get('htpasswd')
    const routes = root.values.routes ?? []
    if (entry === undefined || routes.some(({ values }) => values.passwords !== false && values.portal === name))
      continue
    const hint = 'set passwords = true in the routes that take them'
    report.warn(entry.at, 'passwords.unused', `no route takes the passwords of the portal ${name}`, {
      hint,
      part: 'key',
    })
  }
  for (const { raw, values } of root.values.routes ?? []) {
    const entry = raw.entries.get('passwords')
    const portal = values.portal ? root.values.portals?.get(values.portal) : undefined
    if (portal === undefined) continue
    const hasFile = portal.raw.entries.has('htpasswd')
    if (values.passwords === false && hasFile && portal.values.providers === null) checkOnlyWay(raw, report)
    if (values.passwords !== true || entry === undefined || hasFile) continue
    const hint = `name it in the portal: htpasswd = "people.htpasswd"`
    report.mistake(entry.at, 'passwords.none', 'the portal of this route has no file of passwords', {
      hint,
      part: 'key',
    })
  }
}

/** Where a portal has no provider, a route that requires a sign-in and accepts no passwords is open to no user. */
function checkOnlyWay({ at, entries }: RouteTable['raw'], report: Report): void {
  const allow = entries.get('allow')
  if (allow === undefined || (allow.kind === 'text' && allow.text === 'public')) return
  const hint = 'set passwords = true here, or name providers in the portal'
  report.mistake(
    [...at, 'allow'],
    'passwords.needed',
    'no user can sign in for this route: its portal has passwords only',
    {
      hint,
    },
  )
}

/** Who is called `ada` in two files is two people, and no application could tell them apart by their subjects. */
function checkOneFile({ at, values }: PortalTable, root: RootTable, report: Report): void {
  const own = (values.providers ?? []).flatMap(name => root.values.providers?.get(name)?.values.users ?? [])
  const paths = new Set(values.htpasswd ? [...own, values.htpasswd] : own)
  if (own.length < 2 && paths.size < 2) return
  const hint = 'one file for all of them; htpasswd may name the same one'
  report.mistake([...at, 'providers'], 'provider.users', 'a portal has its people from one file at most', { hint })
}

/** A second factor is none where the same file lets the same people in by another way without it. */
function checkOtherWays({ values: { providers, portals } }: RootTable, report: Report): void {
  const factors = new Map<string, { readonly path: string; readonly shown: string }>()
  for (const { raw, values } of providers?.values() ?? []) {
    if (!values.users || !values.totp) continue
    factors.set(normalize(values.users), { path: normalize(values.totp), shown: showRaw(raw.entries.get('totp')) })
  }
  const warn = (
    entry: Raw | undefined,
    path: string | null | undefined,
    own: readonly (string | null | undefined)[],
  ) => {
    const wanted = path ? factors.get(normalize(path)) : undefined
    if (entry === undefined || wanted === undefined) return
    if (own.some(totp => typeof totp === 'string' && normalize(totp) === wanted.path)) return
    const hint = `another provider asks people of this file for second factors of ${wanted.shown}; so has to this`
    const message = `people of the file ${showRaw(entry)} come in here with their password alone`
    report.warn(entry.at, 'provider.totp_beside', message, { hint })
  }
  for (const { raw, values } of providers?.values() ?? []) warn(raw.entries.get('users'), values.users, [values.totp])
  for (const { raw, values } of portals?.values() ?? []) {
    const own = (values.providers ?? []).map(name => providers?.get(name)?.values.totp)
    warn(raw.entries.get('htpasswd'), values.htpasswd, own)
  }
}

/** Where a provider takes no passwords, its people need passkeys wherever they sign in, and no other way may take them. */
function checkPasskeysAlone({ values: { providers, portals } }: RootTable, report: Report): void {
  const files = new Map<string, string>()
  for (const [name, { at, values }] of providers ?? []) {
    if (values.passwords !== false || !values.users) continue
    files.set(normalize(values.users), name)
    for (const [portal, { values: own }] of portals ?? []) {
      if (own.providers?.includes(name) !== true || own.url === undefined || rpIdOf(own.url) !== null) continue
      const hint = `give [portals.${portal}] a url with https:// and a host name, or take passwords = false out`
      const why = own.url === null ? 'it has no url' : 'browsers make none for its url'
      const message = `no user of ${name} could sign in at the portal ${portal}: they have passkeys only, and ${why}`
      report.mistake([...at, 'passwords'], 'provider.passwords', message, { hint, part: 'key' })
    }
  }
  const warn = (entry: Raw | undefined, path: string | null | undefined, isClosed: boolean) => {
    const provider = path ? files.get(normalize(path)) : undefined
    if (entry === undefined || provider === undefined) return
    const [message, hint] = isClosed
      ? [`the passwords of ${showRaw(entry)} do not work: ${provider} accepts none`, 'take this key out']
      : [
          `people of the file ${showRaw(entry)} come in here with their passwords`,
          `${provider} takes none of this file; so has to this, or remove the hashes that count no more`,
        ]
    report.warn(entry.at, 'provider.passwords', message, { hint })
  }
  for (const { raw, values } of providers?.values() ?? []) {
    if (values.passwords !== false) warn(raw.entries.get('users'), values.users, false)
  }
  for (const { raw, values } of portals?.values() ?? []) {
    const isClosed = values.providers?.some(name => providers?.get(name)?.values.passwords === false) === true
    warn(raw.entries.get('htpasswd'), values.htpasswd, isClosed)
  }
}

/**
 * What users set themselves is kept for each provider apart: at the other, the password of the file goes on. Comes last,
 * since what is said of the same key already is worse.
 */
function checkOneProvider({ values: { providers } }: RootTable, report: Report): void {
  const seen = new Map<string, readonly [name: string, entry: Raw]>()
  for (const [name, { raw, values }] of providers ?? []) {
    const entry = raw.entries.get('users')
    if (entry === undefined || !values.users) continue
    const file = normalize(values.users)
    const found = seen.get(file)
    if (found === undefined) {
      seen.set(file, [name, entry])
      continue
    }
    if (report.problems.some(({ at }) => isDeepStrictEqual(at, entry.at))) continue
    const [first, { at }] = found
    const message = `${first} has the same file, and what its users set themselves does not count here: passwords, second factors, passkeys`
    const hint = `one provider for all portals: name ${quote(first)} in their providers, in place of ${quote(name)}`
    report.warn(entry.at, 'provider.users_twice', message, { hint, first: at })
  }
}

/** With two secrets for one user, it would be unknown which counts. */
function checkNoTotp(entry: Raw | undefined, report: Report): void {
  if (entry === undefined) return
  const message = 'a users.toml has its own second factors, so this file is not used'
  const hint = 'take totp out; sallyport user convert takes the secrets over into the users.toml'
  report.mistake(entry.at, 'provider.totp', message, { hint, part: 'key' })
}

/** Commands change no file that has a mistake. */
const TABLE_HINT =
  'mend that line, or name the file of users: an entry is [[users]] with id, name and hash, and sallyport user add NEW.toml NAME writes one into another file'

/**
 * A second factor must not disappear with its file: an unreadable file is a mistake, and the current configuration
 * stays.
 */
function checkTotp(
  entry: Raw | undefined,
  { users, totp }: ProviderTable['values'],
  files: ConfigFiles,
  report: Report,
): void {
  if (entry === undefined || !totp) return
  const file = files.read(totp)
  if (!file.ok) {
    const hint =
      file.why === 'does not exist' && file.near === null
        ? 'sallyport user totp FILE NAME makes it; with an empty file no user has a second factor'
        : fileHint(file)
    report.mistake(entry.at, 'provider.totp', `${subjectOf(showRaw(entry), file.why)} ${file.why}`, { hint })
    return
  }
  const hint = 'sallyport user totp FILE NAME writes a good line'
  const { entries, faults } = readTotp(file.text)
  for (const fault of faults.slice(0, FAULTS_TOLD)) {
    report.mistake(entry.at, 'provider.totp', `${fault} of the file ${showRaw(entry)}`, { hint })
  }
  const known = users ? files.read(users) : null
  if (!users || known?.ok !== true || faults.length > 0) return
  const people = readUsers(users, known.text)
  if (people.faults.length === 0) warnOfStrangers(entry, entries, people.entries, report)
}

/** A misspelt name is asked for no code, and neither is the user who was meant. */
function warnOfStrangers(entry: Raw, factors: Totp, users: Users, report: Report): void {
  const count = [...factors.keys()].filter(name => !users.has(name)).length
  if (count === 0) return
  const names = count === 1 ? 'a name that is' : `${count} names that are`
  const message = `the file ${showRaw(entry)} has ${names} no user's, so the code is asked of nobody`
  const hint = 'sallyport user list FILE shows who has a second factor; correct the name, or take the line out'
  report.warn(entry.at, 'provider.totp', message, { hint })
}

function checkFile(entry: Raw | undefined, path: string | null | undefined, files: ConfigFiles, report: Report): void {
  if (entry === undefined || !path) return
  const file = files.read(path)
  const mistake = (message: string, hint: string) => report.mistake(entry.at, 'portal.htpasswd', message, { hint })
  if (!file.ok) {
    mistake(`${subjectOf(showRaw(entry), file.why)} ${file.why}`, fileHint(file))
    return
  }
  const { entries, faults, hasWeak } = readUsers(path, file.text)
  const isToml = isUsersToml(path)
  for (const fault of faults.slice(0, FAULTS_TOLD)) {
    mistake(
      `${fault} of the file ${showRaw(entry)}`,
      isToml
        ? TABLE_HINT
        : 'sallyport user add FILE NAME writes a good line (Argon2), and so does htpasswd -B (bcrypt)',
    )
  }
  if (faults.length === 0 && entries.size === 0) {
    mistake(
      `the file ${showRaw(entry)} has no users`,
      isToml
        ? 'add one: sallyport user add FILE NAME'
        : 'sallyport user add FILE NAME adds a line, and so does htpasswd -B',
    )
  }
  if (!hasWeak || faults.length > 0) return
  const hint = isToml
    ? 'sallyport user passwd FILE NAME replaces them with Argon2, which is slow to guess'
    : 'htpasswd -B FILE NAME replaces them with bcrypt, which is slow to guess'
  report.warn(entry.at, 'portal.htpasswd_weak', `the file ${showRaw(entry)} has hashes of an old kind ($apr1$)`, {
    hint,
  })
}
