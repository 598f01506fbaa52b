/** The table of words on pages: which texts there are, and helpers that choose among them. */

import { CODES, type Code } from '../../base/errors.ts'
import type { PasswordFault } from '../../identity/passwords/password.ts'
import type { ProviderState } from '../../identity/provider.ts'
import { REASONS, type Reason } from '../../policy/reasons.ts'
import type { AdminWords } from './admin/words.ts'
import type { DeviceWords } from './device.ts'
import type { PasskeyWords } from './passkeys.ts'

/** Reasons that a user may read. */
type ToldReason = {
  [R in Reason]: (typeof REASONS)[R]['say'] extends string ? R : never
}[Reason]

/** Words before and after something that stands between them. */
type Around = readonly [before: string, after: string]

/** The words around what a sentence says: for what is more than text there. */
export function around(say: (what: string) => string): Around {
  const [before = '', after = ''] = say('\0').split('\0')
  return [before, after]
}

/** What is said of how somebody signs in, and of changing it. */
interface OwnAccountWords {
  readonly title: string
  readonly lead: string
  /** What ends with each change. */
  readonly ends: string
  readonly present: string
  readonly presentWrong: string
  /** The box by which API tokens and guest links end as well. */
  readonly alsoTokens: string
  changed(others: number): string
  readonly passwordOfFile: string
  passwordSince(date: string): string
  readonly newPassword: string
  readonly newPasswordAgain: string
  passwordRules(shortest: number): string
  readonly changePassword: string
  readonly passwordFaults: Readonly<Record<PasswordFault | 'differ', string>>
  readonly factor: string
  readonly factorLead: string
  /** Whether there is one. */
  readonly on: string
  readonly off: string
  readonly factorOfFile: string
  factorSince(date: string): string
  readonly factorSetUp: string
  readonly factorReplace: string
  readonly factorRemove: string
  /** Beside the picture that an authenticator app scans, and what it is called for who does not see it. */
  readonly factorScan: string
  readonly factorPicture: string
  readonly factorKey: string
  readonly factorConfirm: string
  /** The form has lain too long, or something else was changed meanwhile. */
  readonly tooLate: string
  readonly recovery: string
  recoveryLeft(left: number): string
  readonly recoveryLead: string
  readonly recoveryMake: string
  /** On the page that asks for a code, and the field there. */
  readonly recoveryUse: string
  readonly recoveryCode: string
  /** From a step of a change to the page. */
  readonly back: string
  /** Told at a sign-in, once, and on the page. */
  readonly noticeTitle: string
  recoveryUsed(when: string): string
  readonly noticeAdvice: string
}

/**
 * Every word of our pages in one language. A table that lacks one does not compile.
 *
 * Plain text: the pages escape it. Times and spans come from the language's own rules (Intl), not from here.
 */
export interface Words {
  /** Language tag: the `lang` of the page, and its Content-Language. */
  readonly lang: string
  /** The time zone of shown times: an IANA name. */
  readonly timeZone: string
  /** `say` of every error; null in English, where it is the error's own. */
  readonly say: Readonly<Record<Code, string>> | null
  /** Sentences of denials, with `{detail}` where one is filled in; null in English. */
  readonly reasons: Readonly<Record<ToldReason, string>> | null

  readonly signIn: string
  readonly userName: string
  readonly password: string
  /** On a tab of a session that is over. */
  readonly waitsToBeSeen: string
  signingInAs(name: string): string
  readonly codeTitle: string
  readonly code: string
  /** Under the field for a code. */
  readonly codeNote: string
  readonly codeWrong: string
  /** Between a form and other ways to sign in. */
  readonly or: string
  /** Which application waits, below "Sign in". */
  toOpen(name: string): string
  continueWith(label: string): string
  readonly remembered: Around
  readonly rememberOff: string
  readonly rememberOn: string

  readonly passkeys: PasskeyWords
  readonly device: DeviceWords

  /** The button that opens the entries below, on a narrow screen. */
  readonly menu: string
  readonly accountMenu: string
  readonly applications: string
  readonly yourApplications: string
  readonly yourSessions: string
  readonly yourTokens: string
  readonly allSessions: string
  /** Who did what; its fields; before the line of the file that would keep it. */
  readonly auditTrail: string
  readonly auditWho: string
  readonly auditSince: string
  readonly auditOff: string
  readonly auditNothing: string
  readonly auditOlder: string
  auditExport(format: string): string
  readonly switchAccount: string
  readonly signOut: string
  /** Of a number in the menu, for who cannot see it. */
  requestsWait(count: number): string
  hello(name: string): string
  readonly nothingOpen: string
  readonly nothingOpenAdvice: string
  /** The heading of what is in no group, below those that are. */
  readonly otherApplications: string
  readonly findApplication: string
  readonly noApplicationFits: string
  /** Whether an application answers, as far as is known. */
  readonly health: Readonly<Record<'up' | 'down' | 'unknown', string>>

  /** The page of a user of a file: how they sign in. */
  readonly ownAccount: OwnAccountWords

  readonly tokensLead: string
  readonly tokenMade: string
  readonly tokenPurpose: string
  readonly tokenLifetime: string
  /** Of what was made a moment ago. */
  readonly madeUntil: string
  readonly madeAt: string
  /** Opens the form for one. */
  readonly newToken: string
  readonly makeToken: string
  readonly tokenWithoutRoles: string
  tokenWithRoles(roles: string): string
  tokenSince(made: string): string
  readonly tokenUnused: string
  readonly tokenRests: string
  /** Where tokens are taken: `git.example.com, app.example.com/api`. */
  tokenPlaces(places: string): string
  tokenPlaceCount(count: number): string
  readonly tokenNowhere: string
  readonly tokenUse: string
  readonly tokenUser: string
  readonly tokenPassword: string
  readonly revoke: string
  revokeNamed(name: string): string

  readonly copy: string
  readonly copied: string
  readonly share: string
  readonly noTokens: string
  readonly noLinks: string
  readonly noGuestPlaces: string
  readonly linkApplication: string
  readonly linkOtherAddress: string
  readonly guestLinks: string
  readonly guestLinksLead: string
  readonly linkMade: string
  readonly linkRefused: string
  /** Under a link that is for a part of a host. */
  readonly linkCoversPath: string
  readonly linkAddress: string
  readonly linkFor: string
  readonly linkUses: string
  /** Opens the form for one. */
  readonly newLink: string
  readonly makeLink: string
  linkUsed(used: number, uses: number): string
  linkUntil(until: string): string
  readonly invited: string
  invitedTo(name: string): string
  invitation(maker: string, until: string): string
  openNamed(name: string): string
  readonly invitationNote: string
  /** The page on which a person lets a program use an MCP server. */
  readonly consent: string
  consentQuestion(client: string, name: string): string
  consentMeaning(who: string, address: string): string
  consentPublisher(host: string): string
  consentWhere(host: string): string
  readonly consentAllow: string
  readonly consentDeny: string
  readonly consentNote: string
  readonly linkGone: string
  readonly linkGoneWhy: string

  readonly sessionsLead: string
  readonly nobodyFits: string
  readonly unknownDevice: string
  /** Between a browser and its system: "Firefox on Linux". */
  readonly on: string
  readonly thisDevice: string
  /** Before the names of applications that a session has opened. */
  readonly signedInTime: string
  readonly lastUsedTime: string
  readonly justNow: string
  readonly lessThanMinute: string
  signOutOf(what: string): string
  readonly signOutEverywhere: string
  readonly signOutEverywhereLead: string
  readonly searchLabel: string
  readonly search: string
  readonly olderSessions: string

  /** The pages for admins. */
  readonly admin: AdminWords
  readonly administration: string
  readonly needsAttention: string
  /** In its place where nothing does. */
  readonly allAnswers: string
  /** Of several processes, so many answered. */
  heardOf(heard: number, all: number): string
  readonly sessions: string
  readonly people: string
  /** How many addresses of applications do not answer. */
  readonly accessRequests: string
  readonly nobodyAsks: string
  readonly grantedRoles: string
  /** In the place of the button that grants, beside one's own request. */
  readonly ownRequest: string
  /** For how long a role is granted: what a choice is called. */
  readonly grantFor: string
  readonly forGood: string
  readonly grant: string
  grantNamed(role: string, name: string): string
  readonly decline: string
  declineNamed(role: string, name: string): string
  readonly turnedAway: string
  readonly nobodyTurnedAway: string
  readonly notSignedIn: string
  /** How often something happened, more than once. */
  times(count: number): string
  readonly routes: string
  /** Below a list that ends early. */
  andMore(count: number): string
  readonly open: Readonly<Record<'public' | 'authenticated', string>>
  /** Before the rules of `deny`. */
  readonly shutOut: string
  underWay(count: number): string
  failedInRow(count: number): string
  /** What an application refuses, and with which status; its own words follow. `sent` is a Host or an Origin. */
  readonly refuses: Readonly<Record<'page' | 'websocket', (sent: string, status: number) => string>>
  /** Keys of the file follow. */
  readonly helps: string
  readonly providers: string
  readonly providerStates: Readonly<Record<ProviderState['kind'], string>>
  readonly configuration: string
  readonly inForceSince: string
  saveRefused(mistakes: number): string
  /** The file on disk, compared with the current one. */
  readonly onDisk: Readonly<Record<'in force' | 'unread' | 'lost', string>>
  /** Another gate, by its name. */
  otherFile(gate: string): string
  /** Before keys of the file. */
  readonly needsRestart: string
  /** The page of the file, and its note about secrets; the note that the file on disk has mistakes. */
  readonly fileShow: string
  readonly fileHidden: string
  readonly fileRefused: string
  readonly fileDifference: string
  readonly fileInForce: string
  readonly fileOnDisk: string
  readonly fileNotInForce: string
  readonly fileNotThere: string
  /** The form in which it is changed, and what came of what was sent. */
  readonly editFile: string
  readonly editHidden: string
  readonly editText: string
  readonly editReview: string
  readonly editCheck: string
  readonly editLeave: string
  readonly editOthers: string
  readonly editGood: string
  readonly editWrong: string
  readonly editChanged: string
  readonly editTooOld: string
  /** Before the reason, which is in English. */
  readonly editUnwritten: string
  /** What would change, before it is saved; then what somebody gains, loses, or has to sign in again for. */
  readonly reviewTitle: string
  readonly reviewChanges: string
  readonly reviewNothing: string
  readonly reviewAnybody: string
  reviewPeople(changed: number, all: number): string
  readonly reviewLines: string
  readonly reviewCut: string
  reviewEnded(sessions: number): string
  readonly reviewGains: string
  readonly reviewLoses: string
  readonly reviewAgain: string
  readonly reviewLockouts: Readonly<Record<'role' | 'session' | 'edit', string>>
  readonly reviewSure: string
  readonly reviewSave: string
  readonly reviewBack: string

  readonly signOutQuestion: string
  readonly signOutWho: Around
  readonly signOutMeaning: string
  readonly staySignedIn: string
  readonly signedOut: string
  readonly signedOutHere: string
  readonly signingOutAtProvider: string
  readonly goOn: string
  readonly youAreSignedOut: string
  readonly sharedComputer: string
  hereAndAt(provider: string): string
  readonly signInAgain: string

  error(status: number): string
  readonly reference: string
  readonly details: string
  readonly inTheLog: string
  /** Of a failure of a provider: one that may be over soon, and one that somebody has to mend. */
  readonly providerPasses: string
  readonly providerLasts: string
  readonly startingAgain: string
  /** Around a number of seconds that is counted down. */
  /** An application that is named could not be reached. */
  unreached(name: string): string
  readonly unreachedAdvice: string
  /** Of a provider: what it is for, and what may be done meanwhile. */
  unreachedProvider(name: string, hasOthers: boolean): string
  readonly stopTrying: string
  /** Before what the log has of a failure, in English. */
  readonly causeForAdmins: string
  readonly tryAgain: string
  /** About a form's data: no browser sends it twice without asking the user. */
  readonly notRepeated: string
  readonly startAgain: string
  readonly useOtherAccount: string

  readonly notOpenTitle: string
  /** null: the address has no name. */
  notOpen(name: string | null): string
  emailUnverified(email: string, provider: string): string
  readonly yourRoles: string
  readonly none: string
  readonly youNeed: string
  readonly youNeedOneOf: string
  readonly roleAdvice: string
  /** The button by which the provider authenticates the user again. */
  readonly askAgain: string
  readonly askRole: string
  readonly askText: string
  readonly askAccess: string
  /** Of a request that waits for an answer. */
  readonly asked: string
  askedFor(name: string | null): string
  readonly opensByItself: string
  /** Where no script does it. */
  readonly loadAgain: string
  askDeclined(roles: string): string
  /** Before whom to ask. */
  readonly help: string

  formKept(span: string): string
  readonly formLost: string
  readonly sendQuestion: string
  sendLead(name: string): string
  readonly sendTo: string
  readonly sendSize: string
  readonly sendKept: string
  readonly sendNow: string
  readonly sendDiscard: string
  readonly nothingKept: string
  readonly nothingKeptWhy: string

  /** Between two times of day, and between two weekdays. */
  hoursSpan(from: string, until: string): string
  daysSpan(first: string, last: string): string
  readonly dates: Readonly<Record<'from' | 'until', (date: string) => string>>

  /** `account`: which one it was. */
  memberAdvice(account: string): string
  readonly subjectAdvice: string
  readonly refusedAdvice: string
  readonly declinedAdvice: string
  refusedBy(provider: string): string
  nothingAt(address: string | null): string
  readonly browserAdvice: string
  /** Why a new sign-in was not enough: trying the same at once would only lead here again. */
  readonly stepUp: Readonly<Record<'auth_time' | 'acr' | 'amr', string>>
  /**
   * For the operator: the claim that the provider's ID token lacks, and which part of the rule would work instead, if
   * any.
   */
  stepUpAbsent(claim: string, instead: string | null): string
  /** For a user who came by plain HTTP where signing in needs HTTPS, and for the operator. */
  readonly plainHttp: {
    readonly why: string
    readonly toOperators: string
    readonly ways: readonly string[]
    readonly open: string
    readonly goOn: string
  }
  /** What can be seen of why a sign-in does not last, and what to do. */
  readonly causes: Readonly<Record<'cookie' | 'plain_http' | 'session' | 'rule', string>>
}

/** The one sentence of an error. */
export function sayError(words: Words, code: Code): string {
  return words.say === null ? CODES[code].say : words.say[code]
}

/** The sentence of a denial's reason, with its detail; null for a reason that users may not read. */
export function sayReason(words: Words, code: Reason, detail: string): string | null {
  const say = words.reasons !== null && isTold(code) ? words.reasons[code] : REASONS[code].say
  return say === null ? null : say.replace('{detail}', () => detail)
}

function isTold(code: Reason): code is ToldReason {
  return REASONS[code].say !== null
}
