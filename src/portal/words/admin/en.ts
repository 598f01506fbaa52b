import { type AdminWords, plural } from './words.ts'

const at = (place: string | null) => (place === null ? '' : ` at ${place}`)
const sessions = (count: number | null) => (count === null || count < 2 ? '' : ` (${count} sessions)`)

/** English. */
export const ADMIN_EN: AdminWords = {
  overview: 'Overview',
  before: 'Previous',
  after: 'Next',
  shownOf: (range, all) => `${range} of ${all}`,

  findRoute: 'Name, host, role or address',
  allRoutes: 'All routes',
  noRoute: 'No route matches.',
  apply: 'Apply',
  sortBy: 'Sort by',
  sortedBy: column => `By ${column.toLowerCase()}`,
  columns: { name: 'Route', state: 'State', access: 'Access', used: 'Last use', took: 'Response time' },
  filters: { attention: 'Needs attention', up: 'Running', unknown: 'State unknown', unused: 'Not used' },
  states: {
    up: 'Running',
    partly: 'Partly down',
    down: 'Not answering',
    unknown: 'Unknown',
    own: 'Answered by Sallyport',
    refuses: 'Refuses requests',
  },
  unknown: {
    'in front': 'Only the proxy in front knows its address.',
    unasked: 'It has not been asked yet: load this page again.',
  },
  open: { public: 'Everyone', authenticated: 'Everyone who is signed in' },
  exceptions: count => plural(count, 'with 1 deny rule', `with ${count} deny rules`),
  notUsed: 'Not since the start',

  ofAll: (some, all) => `${some} of ${all}`,
  allRun: 'All are running',
  failing: count => plural(count, '1 needs attention', `${count} need attention`),
  unknownCount: count => plural(count, '1 is unknown', `${count} are unknown`),
  peopleActive: (people, active, minutes) =>
    `${plural(people, '1 person', `${people} people`)}, ${active} active in the last ${minutes} minutes`,
  manySessions: 'Everyone who is signed in',
  bound: (bound, unbound, isAll) =>
    `${isAll ? '' : `Of the newest ${bound + unbound}: `}${bound} bound to a device, ${unbound} not`,
  waiting: count => plural(count, '1 person is waiting', `${count} people are waiting`),
  certificates: 'Certificates',
  days: count => plural(count, '1 day', `${count} days`),
  firstEnds: day => `The first one ends on ${day}`,
  awaited: names => `No certificate yet for ${names}`,
  notYet: 'Not there yet',
  certificateUntil: day => `Until ${day}`,
  certificateEnded: day => `Ended on ${day}`,
  notInForce: 'Not in use',
  since: time => `Since ${time}`,
  restart: 'Some changes need a restart',
  latestSignIns: 'Latest sign-ins',
  somebody: 'Someone',
  deniedAt: (who, route) => `${who} at ${route}`,

  needsRole: roles => `Needs the role ${roles}, which is missing.`,

  route: 'Route',
  requestCount: count => plural(count, '1 request since the start', `${count} requests since the start`),
  addresses: 'Addresses',
  answeredBy: 'Leads to',
  inLogs: 'In the log',
  explain: 'Who may open it?',
  explainLead: 'Shows what the file says about a request. Nothing is sent to the application.',
  explainWho: 'Person',
  explainAddress: 'Address',
  explainMethod: 'Method',
  explainClient: 'From (IP address)',
  explainAsk: 'Explain',
  explainNone: 'This is not an address of this portal.',
  explainOther: route => `Another route takes this address: ${route}`,
  may: who => `${who} may open it.`,
  mayAs: (who, role) => `${who} may open it: the role ${role} is enough.`,
  mayNot: who => `${who} may not open it.`,
  mayNotWithout: (who, roles) => `${who} may not open it: that needs the role ${roles}.`,
  verdicts: {
    allow: 'Allowed',
    'sign-in': 'Has to sign in',
    'step-up': 'Has to sign in again',
    deny: 'Denied',
    'no-route': 'No route',
    refused: 'Refused',
  },

  today: 'Today',
  yesterday: 'Yesterday',
  auditFind: 'Search and filter',
  auditWhat: 'What happened',
  auditEverything: 'Everything',
  auditNewest: 'Newest',
  auditOnly: 'Show only these',
  auditKinds: {
    sign_in: 'Sign-ins',
    sign_out: 'Sign-outs',
    session: 'Bound sessions',
    access: 'Refusals',
    token: 'Tokens',
    guest: 'Guest links',
    passkey: 'Passkeys',
    invitation: 'Invitations',
    role: 'Roles',
    program: 'Programs',
    account: 'Accounts',
    provider: 'Providers',
    config: 'Configuration',
    audit: 'Audit trail',
  },
  events: {
    sign_in: ({ who }) => `${who ?? 'Someone'} signed in`,
    'sign_in.failed': ({ who }) => (who === null ? 'A sign-in failed' : `A sign-in failed for ${who}`),
    'sign_in.password_wrong': ({ who }) =>
      who === null ? 'A sign-in by password was refused' : `A sign-in by password was refused for ${who}`,
    'sign_in.code_wrong': ({ who }) => `${who ?? 'Someone'} gave the right password and a wrong code`,
    sign_out: ({ who, number }) => `${who ?? 'Someone'} signed out${sessions(number)}`,
    'sign_out.replaced': ({ who }) => `${who ?? 'Someone'} was signed out: someone else signed in in the same browser`,
    'sign_out.by_admin': ({ who, by, number }) =>
      `${by ?? 'An admin'} signed ${who ?? 'someone'} out${sessions(number)}`,
    'sign_out.by_operator': ({ who }) =>
      who === null ? 'A session was ended on the command line' : `${who} was signed out on the command line`,
    'sign_out.by_provider': ({ who, number }) =>
      `The sign-in provider signed ${who ?? 'someone'} out${sessions(number)}`,
    'sign_out.refused': ({ who }) => `The sign-in provider ended the sign-in of ${who ?? 'someone'}`,
    'sign_out.inactive': ({ who, number }) =>
      `The sign-in provider says that ${who ?? 'someone'} is no longer active${sessions(number)}`,
    'sign_out.withdrawn': ({ who, number }) =>
      who === null
        ? `Sign-ins that this portal no longer accepts were ended${sessions(number)}`
        : `${who} was signed out: this portal no longer accepts the sign-in`,
    'session.unproven': ({ who }) =>
      `A request with the cookie of ${who ?? 'someone'} came without the proof of the device`,
    'session.theft': ({ who }) =>
      `Another device signed for a session of ${who ?? 'someone'}, and the session was ended`,
    'access.refused': ({ who, at: place }) => `${who ?? 'Someone'} was refused${at(place)}`,
    'access.page_refused': ({ who }) => `${who ?? 'Someone'} was refused at a page of the portal`,
    'access.step_up': ({ who, at: place }) => `${who ?? 'Someone'} was asked to sign in again${at(place)}`,
    'access.unjudged': ({ who, at: place }) =>
      `${who ?? 'Someone'} was refused${at(place)}, because a rule could not be judged`,
    'access.token_wrong': ({ at: place }) => `A token was refused${at(place)}`,
    'access.password_wrong': ({ who, at: place }) =>
      `A password was refused${who === null ? '' : ` for ${who}`}${at(place)}`,
    'token.made': ({ who, isOperator }) =>
      isOperator ? `A token was made for ${who ?? 'someone'} on the command line` : `${who ?? 'Someone'} made a token`,
    'token.first_used': ({ who }) => `${who ?? 'Someone'} used a token for the first time`,
    'token.revoked': ({ who, isOperator }) =>
      isOperator
        ? `A token of ${who ?? 'someone'} was revoked on the command line`
        : `A token of ${who ?? 'someone'} was revoked`,
    'token.repeated': () => 'A token was revoked, because its refresh token was used twice',
    'guest.made': ({ who, at: place, isOperator }) =>
      isOperator
        ? 'A guest link was made on the command line'
        : `${who ?? 'Someone'} made a guest link${place === null ? '' : ` for ${place}`}`,
    'guest.opened': ({ at: place }) => `A guest link was opened${place === null ? '' : ` for ${place}`}`,
    'guest.refused': () => 'A guest link was refused',
    'guest.revoked': ({ who, isOperator }) =>
      isOperator
        ? 'A guest link was revoked on the command line'
        : who === null
          ? 'A guest link was revoked'
          : `A guest link was revoked for ${who}`,
    'passkey.added': ({ who }) => `${who ?? 'Someone'} added a passkey`,
    'passkey.removed': ({ who }) => `${who ?? 'Someone'} removed a passkey`,
    'passkey.cloned': ({ who }) => `A passkey of ${who ?? 'someone'} may have been copied`,
    'sign_in.passkey_wrong': ({ who }) => `A passkey was refused${who === null ? '' : ` for ${who}`}`,
    'invitation.made': ({ who, by }) =>
      by === null
        ? `An invitation was made for ${who ?? 'someone'} on the command line`
        : `${by} made an invitation for ${who ?? 'someone'}`,
    'invitation.used': ({ who }) => `${who ?? 'Someone'} accepted an invitation`,
    'invitation.refused': () => 'An invitation was refused',
    'role.asked': ({ who, role, at: place }) => `${who ?? 'Someone'} asked for the role ${role}${at(place)}`,
    'role.granted': ({ who, by, role }) => `${by ?? 'An operator'} granted ${who ?? 'someone'} the role ${role}`,
    'role.declined': ({ who, by, role }) => `${by ?? 'An operator'} declined the role ${role} for ${who ?? 'someone'}`,
    'role.revoked': ({ who, by, role, number }) =>
      role === ''
        ? plural(number ?? 0, 'A granted role was revoked', `${number ?? 0} granted roles were revoked`)
        : `${by ?? 'An operator'} revoked the role ${role} of ${who ?? 'someone'}`,
    'program.allowed': ({ who, program, at: place }) =>
      `${who ?? 'Someone'} let ${program} use ${place ?? 'an application'}`,
    'program.declined': ({ who, program, at: place }) =>
      `${who ?? 'Someone'} did not let ${program} use ${place ?? 'an application'}`,
    'account.changed': ({ who }) => `${who ?? 'Someone'} changed how they sign in`,
    'account.reset': ({ who, by }) =>
      by === null
        ? `The sign-in of ${who ?? 'someone'} was reset on the command line`
        : `${by} reset the sign-in of ${who ?? 'someone'}`,
    'account.recovery_used': ({ who }) => `${who ?? 'Someone'} signed in with a recovery code`,
    'account.confirm_refused': ({ who }) =>
      `${who ?? 'Someone'} could not change how they sign in, because the current password was wrong`,
    'provider.logout_refused': () => 'A sign-out by the sign-in provider was refused',
    'provider.push_refused': () => 'A list of users was refused, because it came without the right token',
    'config.loaded': () => 'The changed file is in use',
    'config.refused': ({ number }) =>
      `The changed file has ${number === null ? 'errors' : plural(number, '1 error', `${number} errors`)}, so the previous one stays in use`,
    'config.saved': ({ who }) => `${who ?? 'An admin'} saved the file`,
    'config.save_refused': ({ who }) => `${who ?? 'An admin'} could not save the file`,
    'audit.exported': ({ who }) => `${who ?? 'An admin'} exported the audit trail`,
    'audit.erased': ({ number }) =>
      `Someone was erased from the audit trail (${plural(number ?? 0, '1 entry', `${number ?? 0} entries`)})`,
    'audit.emptied': () => 'All entries of the audit trail were old enough to be removed',
    'audit.lost': ({ number }) =>
      `${plural(number ?? 0, '1 entry', `${number ?? 0} entries`)} could not be written, and ${plural(number ?? 0, 'is', 'are')} lost`,
  },

  editSaved: 'Saved',
  editUnsaved: 'Not saved yet',
  problems: (errors, warnings) =>
    [
      ...(errors === 0 ? [] : [plural(errors, '1 error', `${errors} errors`)]),
      ...(warnings === 0 ? [] : [plural(warnings, '1 warning', `${warnings} warnings`)]),
    ].join(', '),
  line: number => `line ${number}`,
  editKeys: 'Press Escape, then Tab, to leave the text. Ctrl and space completes a key.',
}
