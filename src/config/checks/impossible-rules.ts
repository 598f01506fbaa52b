/** Checks rules for what nobody can have: names, groups and addresses that no provider of the portal states. */

import type { RootTable } from '../keys/keys.ts'
import type { PortalTable, RuleTable } from '../keys/portals.ts'
import type { AccessTable } from '../keys/rules.ts'
import { itemsOf, quote, type Raw, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import type { ConfigFiles } from '../values/files.ts'
import { HTPASSWD } from '../values/htpasswd.ts'
import { readUsers, type Users } from '../values/users-file.ts'
import { partsOf, tablesOf } from './rules.ts'
import { namedBy } from './several-providers.ts'

/** What is known of who can sign in at a portal. */
interface Portal {
  readonly name: string
  /** The providers that it has, `htpasswd` among them. */
  readonly providers: readonly string[]
  /** Those of them that are its file of users, with the groups that routes.toml gives all of its users. */
  readonly ofFile: ReadonlyMap<string, readonly string[]>
  /** The file; null where there is none, undefined where it is not known. */
  readonly file: { readonly shown: string; readonly users: Users } | null | undefined
}

/** One rule, and where it is. */
interface Asked {
  readonly rule: RuleTable | AccessTable
  /** The providers that the rules around it name; null: none. */
  readonly among: readonly string[] | null
  /** The role that it gives; null where it gives none. */
  readonly role: string | null
}

/**
 * Warns of every group, subject, user and address of a rule that no provider of its portal can state. Only a file of
 * users says beforehand what it states, so a rule that is for anybody else is left alone.
 */
export function checkStated(root: RootTable, files: ConfigFiles, report: Report): void {
  for (const [name, table] of root.values.portals ?? []) {
    const portal = portalOf(name, table, root, files)
    for (const [role, rules] of table.values.roles ?? []) {
      for (const rule of rules) checkRule({ rule, among: null, role }, portal, report)
    }
    const { members } = table.values
    const routes = (root.values.routes ?? []).filter(({ values }) => values.portal === name)
    const lists = [members, ...routes.flatMap(({ values: { allow, deny } }) => [allow, deny])]
    for (const list of lists) {
      if (list?.kind !== 'list') continue
      for (const rule of tablesOf(list)) checkRule({ rule, among: null, role: null }, portal, report)
    }
  }
}

function portalOf(name: string, { raw, values }: PortalTable, root: RootTable, files: ConfigFiles): Portal {
  const ofFile = new Map<string, readonly string[]>()
  const own = values.providers ?? []
  let at: { readonly entry: Raw | undefined; readonly path: string } | null = null
  for (const provider of own) {
    const table = root.values.providers?.get(provider)
    if (table?.raw.entries.has('users') !== true) continue
    ofFile.set(provider, table.values.groups ?? [])
    if (table.values.users) at = { entry: table.raw.entries.get('users'), path: table.values.users }
  }
  if (raw.entries.has(HTPASSWD)) {
    ofFile.set(HTPASSWD, [...ofFile.values()].flat())
    if (values.htpasswd) at ??= { entry: raw.entries.get(HTPASSWD), path: values.htpasswd }
  }
  const read = at === null ? null : files.read(at.path)
  const users = at === null || read?.ok !== true ? null : readUsers(at.path, read.text)
  const isKnown = values.providers !== undefined && own.every(provider => root.values.providers?.has(provider) === true)
  const file =
    users !== null && users.faults.length === 0
      ? { shown: showRaw(at?.entry), users: users.entries }
      : ofFile.size === 0 && isKnown
        ? null
        : undefined
  return { name, providers: ofFile.has(HTPASSWD) ? [...own, HTPASSWD] : own, ofFile, file }
}

function checkRule(asked: Asked, portal: Portal, report: Report): void {
  const { rule } = asked
  const { entries } = rule.raw
  const among = namedBy(rule) ?? asked.among
  checkUsers(entries.get('users'), asked, portal, report)
  checkSubjects(entries.get('subjects'), among, portal, report)
  const { file, ofFile, providers } = portal
  if (file) {
    const whose = among ?? providers
    const isFileAlone = whose.length > 0 && whose.every(name => ofFile.has(name))
    const tell = (item: Raw, what: string, hint: string) => {
      const role = asked.role === null ? '' : `: no user can have the role ${quote(asked.role)} by it`
      report.warn(item.at, 'rule.unstated', `${what}${role}`, { hint })
    }
    const common = new Set(whose.flatMap(name => ofFile.get(name) ?? []))
    const users = [...file.users.values()]
    const groups = new Set([...common, ...users.flatMap(user => user.groups)])
    for (const item of itemsOf(entries.get('groups'))) {
      if (item.kind !== 'text' || item.text === null) continue
      if (isFileAlone && !groups.has(item.text)) {
        const hint = `groups in the user's table of ${file.shown} has it, or "sallyport user add ${OF_FILE} --groups"`
        tell(item, `no user of ${file.shown} is in the group ${showRaw(item)}`, hint)
      } else if (!isFileAlone && among === null && groups.has(item.text) && !common.has(item.text)) {
        const [provider = ''] = [...ofFile.keys()]
        const message = `users of ${file.shown} are in the group ${showRaw(item)}, and this rule is not for them`
        const hint = `beside another provider, groups of a user's own count in rules that name theirs: one more rule with provider = ${quote(provider)}`
        report.warn(item.at, 'rule.unstated', message, { hint })
      }
    }
    if (isFileAlone)
      checkAddresses(
        entries,
        users.flatMap(({ email }) => email?.toLowerCase() ?? []),
        file.shown,
        tell,
      )
  }
  if (!('not' in rule.values)) return
  for (const part of partsOf({ ...rule, values: rule.values }))
    checkRule({ rule: part, among, role: null }, portal, report)
}

/** What stands for the name of a file, and a user, in the hints: the path may come from elsewhere. */
const OF_FILE = 'FILE NAME'

function checkUsers(raw: Raw | undefined, { rule }: Asked, { name, file }: Portal, report: Report): void {
  if (raw === undefined || file === undefined) return
  if (file === null) {
    const hint = 'users are those of a file; for a provider write subjects, emails or groups'
    const at = rule.raw.entries.get('users')?.at ?? rule.at
    report.mistake(at, 'rule.users', `the portal ${name} has no file of users`, { hint, part: 'key' })
    return
  }
  for (const item of itemsOf(raw)) {
    if (item.kind !== 'text' || item.text === null || file.users.has(item.text)) continue
    const hint = `sallyport user list shows who is, and "sallyport user add ${OF_FILE}" adds somebody`
    report.warn(item.at, 'rule.unstated', `there is no user ${showRaw(item)} in ${file.shown}`, { hint })
  }
}

function checkSubjects(
  raw: Raw | undefined,
  among: readonly string[] | null,
  { file, ofFile, providers }: Portal,
  report: Report,
): void {
  const whose = among ?? providers
  const isFileAlone = whose.length > 0 && whose.every(name => ofFile.has(name))
  for (const item of itemsOf(raw)) {
    if (item.kind !== 'text' || item.text === null) continue
    const own = item.text.startsWith(`${HTPASSWD}:`) ? item.text.slice(HTPASSWD.length + 1) : null
    if (own !== null && file !== undefined && file?.users.has(own) !== true) {
      const message = file === null ? 'this portal has no file of users' : `no user in ${file.shown} has this subject`
      const hint = `users = ["NAME"] names a user of a file, whose subject is ${HTPASSWD}:NAME`
      report.warn(item.at, 'rule.unstated', message, { hint })
    } else if (own === null && isFileAlone && file) {
      const isName = file.users.has(item.text) && !(item.kind === 'text' && item.isFilled)
      const hint = isName ? `write users = [${showRaw(item)}]` : `users = ["NAME"] names a user of ${file.shown}`
      report.warn(item.at, 'rule.unstated', `no user of ${file.shown} has the subject ${showRaw(item)}`, { hint })
    }
  }
}

function checkAddresses(
  entries: ReadonlyMap<string, Raw>,
  emails: readonly string[],
  shown: string,
  tell: (item: Raw, what: string, hint: string) => void,
): void {
  for (const key of ['emails', 'domains'] as const) {
    for (const item of itemsOf(entries.get(key))) {
      if (item.kind !== 'text' || item.text === null) continue
      const wanted = item.text.toLowerCase()
      if (emails.some(email => (key === 'emails' ? email === wanted : email.endsWith(`@${wanted}`)))) continue
      const what = key === 'emails' ? 'has the address' : 'has an address of the domain'
      tell(item, `no user of ${shown} ${what} ${showRaw(item)}`, "email in the user's table there says it")
    }
  }
}
