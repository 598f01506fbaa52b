import { passwordFaults } from '../../config/values/htpasswd.ts'
import type { Section } from '../draft.ts'
import { type Context, note } from './context.ts'

/** The name in the new file of the provider that is a file of passwords. */
export const USERS = 'users'

/** What is said of names with a password, with a form or without. */
export const BY_PASSWORD =
  'HTTP Basic (Authorization) goes on, but does not reach the application; people are known as htpasswd:NAME, and by their name as X-…-Preferred-Username, and a wrong password is 401 for who is signed in, too'

/** The file with passwords; null where there is none, or one that protects them too little to be taken (`{SHA}`). */
export function passwordFile(context: Context): string | null {
  const path = context.options.text('htpasswd_file')
  if (path === null) return null
  let text: string
  try {
    text = context.readText(path)
  } catch {
    return path
  }
  const [fault] = passwordFaults(text)
  if (fault === undefined) return path
  const say = `not carried over, so that nobody comes in by a password: ${fault}; no hash becomes another, so give each of them a new password (sallyport user passwd ${path} NAME, or htpasswd -B ${path} NAME), and import again`
  note(context, 'decide', 'htpasswd_file', say)
  return null
}

/** Whether people with a password had a form for it, as they have unless the file says otherwise. */
export function hasForm(context: Context): boolean {
  return passwordFile(context) !== null && context.options.flag('display_htpasswd_form') !== false
}

/**
 * Whether people with a password pass where groups are asked for: oauth2-proxy asks that of every session, and they have the file's
 * groups alone. What a provider asks for may take the place of `allowed_groups` (Google, GitLab, Keycloak), so that each has to hold.
 */
export function passesByPassword(context: Context): boolean {
  const { options } = context
  const theirs = groupsByPassword(context)
  const stated = (...names: readonly string[]) => names.flatMap(name => options.list(name))
  const roles = stated('allowed_roles').map(role => `role:${role}`)
  const projects = stated('gitlab_projects').map(project => `project:${project.replace(/=.*$/, '')}`)
  const asked = [
    [...stated('allowed_groups'), ...roles],
    [...stated('gitlab_group', 'gitlab_groups'), ...projects],
    stated('google_group', 'google_groups'),
    stated('keycloak_group', 'keycloak_groups'),
  ]
  return asked.every(groups => groups.length === 0 || groups.some(group => theirs.includes(group)))
}

/** The groups of everyone who has a password. */
function groupsByPassword({ options }: Context): readonly string[] {
  return [...new Set([...options.list('htpasswd_user_groups'), ...options.list('htpasswd_user_group')])]
}

/** `[providers.users]`: the form of the sign-in page; nothing where there was none. */
export function usersSections(context: Context): readonly Section[] {
  const { blanks } = context
  const path = passwordFile(context)
  const names = ['htpasswd_user_groups', 'htpasswd_user_group']
  if (path === null || !hasForm(context)) {
    note(context, 'kept', 'display_htpasswd_form', 'there is no form for passwords')
    const isRefused = path === null && context.options.text('htpasswd_file') !== null
    const say = isRefused
      ? 'nobody has a password until htpasswd_file is mended'
      : 'there is no provider with users whose groups they could be: { provider = "htpasswd" } in a role names them'
    note(context, 'changed', names, say)
    return []
  }
  note(context, 'kept', 'display_htpasswd_form', 'users of a provider: its form is on the sign-in page')
  note(context, 'kept', names, 'groups of everyone in the file, by the form and by HTTP Basic')
  note(context, 'people', 'htpasswd_file', `the sign-in page has a form for them, and ${BY_PASSWORD}`)
  const groups = groupsByPassword(context).map(blanks.literal)
  return [
    {
      title: `[providers.${USERS}]`,
      entries: [
        { key: 'users', value: blanks.literal(path), comment: 'htpasswd_file, with its form' },
        ...(groups.length === 0 ? [] : [{ key: 'groups', value: groups, comment: 'htpasswd_user_groups' }]),
      ],
    },
  ]
}
