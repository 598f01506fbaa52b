/** The events of the audit trail: their names, and how severe each is. */

import type { LogLevel } from '../base/log.ts'

interface EventKind {
  /** The sentence of its line in the log. */
  readonly says: string
  readonly level: Exclude<LogLevel, 'debug'>
  /**
   * Whether strangers, or programs that repeat themselves, can bring it about without end: its rows are counted together, and there is
   * a bound to how many are kept.
   */
  readonly isFrequent: boolean
}

/** Every event of the audit trail: a closed list. The names are an API, like error codes. */
export const EVENTS = {
  sign_in: act('Somebody signed in'),
  'sign_in.failed': frequent('A sign-in step failed', 'warn'),
  'sign_in.password_wrong': frequent('A sign-in by the form was refused'),
  'sign_in.code_wrong': frequent('The password of a user was right, and the code was not', 'warn'),
  'sign_in.passkey_wrong': frequent('A passkey was refused'),
  sign_out: act('Somebody signed out'),
  'sign_out.replaced': act('Another user signed in in the same browser'),
  'sign_out.by_admin': act('An admin ended a session'),
  'sign_out.by_operator': act('An operator ended a session'),
  'sign_out.by_provider': act('A provider signed a user out'),
  'sign_out.refused': act('The provider has ended a sign-in'),
  'sign_out.inactive': act('A provider deactivated a user'),
  'sign_out.withdrawn': act(
    'Sessions were ended: their provider was removed from the portal, their user from the file, or the user is no longer a member',
  ),
  'session.unproven': frequent(
    'A request brought the cookie of a bound session without the proof of its device',
    'warn',
  ),
  'session.theft': act('The proof of a bound session was signed by another device: the session was ended', 'warn'),
  'access.refused': frequent('A request was denied'),
  'access.page_refused': frequent('A page of the portal was refused', 'warn'),
  'access.step_up': frequent('A new sign-in is asked for'),
  'access.unjudged': frequent('A rule could not be judged, and so the request was denied', 'error'),
  'access.token_wrong': frequent('A token was refused'),
  'access.password_wrong': frequent('A password was refused'),
  'token.made': act('A token was made'),
  'token.first_used': act('A token was used for the first time'),
  'token.revoked': act('A token was revoked'),
  'token.repeated': act('A one-time code or refresh token was used twice, and its token was revoked', 'warn'),
  'guest.made': act('A guest link was made'),
  'guest.opened': act('A guest link was used'),
  'guest.refused': frequent('A guest link was refused'),
  'guest.revoked': act('A guest link was revoked'),
  'passkey.added': act('A user added a passkey'),
  'passkey.removed': act('A user removed a passkey'),
  'passkey.cloned': act(
    'The counter of a passkey went backwards, so the passkey may have been copied: it was removed',
    'warn',
  ),
  'invitation.made': act('An invitation was made for a user'),
  'invitation.used': act('A user accepted an invitation'),
  'invitation.refused': frequent('An invitation was refused'),
  'role.asked': act('Access was asked for'),
  'role.granted': act('A role was granted'),
  'role.declined': act('A request for access was declined'),
  'role.revoked': act('A granted role was revoked'),
  'program.allowed': act('A user let a program use an MCP server in their name'),
  'program.declined': act('A user did not let a program use an MCP server in their name'),
  'account.changed': act('A user changed how they sign in'),
  'account.reset': act('What a user had set (password, second factor, passkeys) was removed'),
  'account.recovery_used': act('A recovery code was used', 'warn'),
  'account.confirm_refused': frequent('A change to an account came without the current password', 'warn'),
  'provider.logout_refused': frequent('A logout token was refused', 'warn'),
  'provider.push_refused': frequent('A request to push people came without the right token', 'warn'),
  'config.loaded': act('The changed file is in use'),
  'config.refused': act('The changed file has errors; the previous one stays in use', 'error'),
  'config.saved': act('An admin saved the file'),
  'config.save_refused': act('The editor refused what an admin wanted to save', 'warn'),
  'audit.exported': act('An admin exported the audit trail'),
  'audit.erased': act('A user was erased from the audit trail'),
  'audit.emptied': act('The audit trail has no rows any more', 'warn'),
  'audit.lost': act('Rows of the audit trail could not be written, and are lost', 'error'),
} as const satisfies Readonly<Record<string, EventKind>>

export type AuditEvent = keyof typeof EVENTS

export const EVENT_NAMES: readonly string[] = Object.keys(EVENTS)

/** Whether the trail has an event of this very name. */
export function isAuditEvent(name: string): name is AuditEvent {
  return Object.hasOwn(EVENTS, name)
}

function act(says: string, level: EventKind['level'] = 'info'): EventKind {
  return { says, level, isFrequent: false }
}

function frequent(says: string, level: EventKind['level'] = 'info'): EventKind {
  return { says, level, isFrequent: true }
}
