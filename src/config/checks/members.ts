import type { RootTable } from '../keys/keys.ts'
import type { PortalTable } from '../keys/portals.ts'
import { isEverybodys } from '../keys/provider/presets.ts'
import { ACCESS, type AccessTable, PERSON } from '../keys/rules.ts'
import type { Report } from '../text/report.ts'
import { createIssuerCheck } from './issuers.ts'
import { checkRoleNames, checkRule, partsOf, portalCheck, tablesOf } from './rules.ts'

/** `members` of a portal: about people alone, as they are judged once and not at each request. */
export function checkMembers(name: string, portal: PortalTable, root: RootTable, report: Report): void {
  const { members } = portal.values
  if (members?.kind === 'authenticated') adviseMembers(name, portal, root, report)
  if (members?.kind !== 'list') return
  const check = { ...portalCheck(portal, root, report), portalName: name, shown: name, served: null }
  checkRoleNames(portal.raw.entries.get('members'), check)
  const issuers = createIssuerCheck(portal, root, report)
  for (const rule of tablesOf(members)) {
    refuseBesidesPeople(rule, report)
    checkRule(rule, check)
    issuers.check(rule, true)
  }
  const roles = members.entries.filter(entry => typeof entry === 'string')
  if (roles.length === members.entries.length) warnOfCircle(roles, portal, report)
}

const ABOUT_PEOPLE = new Set<string>(['roles', ...Object.keys(PERSON), 'any', 'all', 'not'])
const ABOUT_SIGN_IN = new Set(['max_age', 'acr', 'amr'])

function refuseBesidesPeople(rule: AccessTable, report: Report, isPart = false): void {
  for (const [key, raw] of rule.raw.entries) {
    if (ABOUT_PEOPLE.has(key) || !Object.hasOwn(ACCESS, key)) continue
    const isWhole = key === 'anonymous' || key === 'guest_link'
    // In a part of a rule they have no place anywhere, and that is reported.
    if (isWhole && isPart) continue
    const [why, hint] = ABOUT_SIGN_IN.has(key)
      ? ['who is a member does not depend on how they signed in', 'in allow of a route it has people sign in again']
      : isWhole
        ? ['a member is somebody who signs in', 'it belongs to allow of a route; guests are no members, and pass']
        : ['who is a member does not depend on the request', 'write it in allow or deny of the routes']
    report.mistake(raw.at, 'members.request', `${why}: ${key} has no place here`, { hint, part: 'key' })
  }
  for (const part of partsOf(rule)) refuseBesidesPeople(part, report, true)
}

/** Whoever asks for a role needs a session, which they would have by that role. */
function warnOfCircle(members: readonly string[], portal: PortalTable, report: Report): void {
  const { requests, admin_role: admin } = portal.values
  if (!requests) return
  const { roles: asked } = requests.values
  const isAskable = (role: string) => (asked ? asked.includes(role) : role !== admin)
  if (!members.every(isAskable)) return
  const hint = 'let members name all who may ask, such as a group or a domain'
  const message = 'whoever has none of these roles has no session, and so cannot ask for one of them'
  report.warn([...portal.at, 'members'], 'portal.requests', message, { hint, part: 'key' })
}

/** Where everybody in the world may sign in, that is hardly meant: what is open to all who did is open to all. */
function adviseMembers(name: string, portal: PortalTable, root: RootTable, report: Report): void {
  if (portal.raw.entries.has('members')) return
  const open = (portal.values.providers ?? []).find(one => {
    const provider = root.values.providers?.get(one)
    return provider !== undefined && isEverybodys(provider.values)
  })
  if (open === undefined || !isOpenToAll(name, portal, root)) return
  const hint =
    'say who may have a session: members = [{ emails = ["ada@example.org"] }]; or members = "authenticated" if everybody may'
  const message = `everybody in the world can have an account at ${open}, and so a session here`
  report.warn(portal.at, 'portal.members', message, { hint, part: 'key' })
}

/** Whether anything is open to all who signed in. */
function isOpenToAll(name: string, portal: PortalTable, { values: { routes = [] } }: RootTable): boolean {
  const hasWideRole = [...(portal.values.roles?.values() ?? [])].some(rules =>
    rules.some(({ values }) => values.any === true),
  )
  return hasWideRole || routes.some(({ values }) => values.portal === name && values.allow?.kind === 'authenticated')
}
