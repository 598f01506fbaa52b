import type { Json } from '../../config/text/raw.ts'
import { type Context, note } from './context.ts'

/** Options that say who of GitHub may come in. */
export const GITHUB_RESTRICTIONS = ['github_org', 'github_repo', 'github_team', 'github_users'] as const

/** Addresses of a GitHub of one's own, which the preset does not know. */
const ENDPOINTS = ['login_url', 'redeem_url', 'validate_url', 'profile_url']

const NAME = /^[A-Za-z0-9-]+$/
const TEAM = /^[\w-]+$/

/** Whether people sign in at github.com itself, which `preset = "github"` knows. */
export function isGithub({ options }: Context): boolean {
  return options.text('provider') === 'github' && ENDPOINTS.every(name => options.text(name) === null)
}

/**
 * Who of GitHub may come in, as rules of which one has to hold: named people, or members of the organization or its teams, as
 * oauth2-proxy has it. None where nothing is asked; null where no rule says exactly that.
 */
export function githubRules(context: Context): readonly Readonly<Record<string, Json>>[] | null {
  const { options, blanks } = context
  if (GITHUB_RESTRICTIONS.every(name => options.text(name) === null)) return []
  if (!isGithub(context) || options.text('github_repo') !== null) return null
  const users = options.list('github_users')
  const groups = githubGroups(options.text('github_org'), options.list('github_team'))
  if (groups === null || !users.every(user => NAME.test(user))) return null
  note(
    context,
    'kept',
    ['github_org', 'github_team'],
    'groups of the role: acme for an organization, acme/ops for a team',
  )
  note(
    context,
    'decide',
    'github_users',
    'preferred_username in the role, as there; a name can be given to somebody else, so write numbers in its place: subjects = ["583231"]',
  )
  return [
    ...(groups.length === 0 ? [] : [{ groups: groups.map(blanks.literal) }]),
    ...(users.length === 0 ? [] : [{ claims: { preferred_username: users.map(blanks.literal) } }]),
  ]
}

/** A group by the name that the preset has for it: oauth2-proxy calls a team `acme:ops`. */
export function githubGroup(group: string): string {
  return group.replace(':', '/')
}

/** Teams are `ops` beside an organization, and `acme:ops` without one; null for anything else, which not every version takes alike. */
function githubGroups(org: string | null, teams: readonly string[]): readonly string[] | null {
  if (org === null) {
    const named = teams.map(team => team.split(':'))
    const isWhole = named.every(([owner = '', slug = '', ...more]) => {
      return NAME.test(owner) && TEAM.test(slug) && more.length === 0
    })
    return isWhole ? teams.map(githubGroup) : null
  }
  if (!NAME.test(org) || !teams.every(team => TEAM.test(team))) return null
  return teams.length === 0 ? [org] : teams.map(team => `${org}/${team}`)
}
