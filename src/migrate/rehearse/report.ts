/** The report of a rehearsal, as the command prints it. */

import { columns } from '../../console/terminal.ts'
import { type Finding, isServed, type Kind } from './findings.ts'

/** What was read. */
export interface Reading {
  /** The logs, as they were named. */
  readonly files: readonly string[]
  readonly format: string
  readonly lines: number
  readonly requests: number
  /** Lines of other kinds, such as attempts to sign in. */
  readonly other: number
  readonly skipped: number
  readonly unreadable: number
  /** Where the first line is that could not be read; null for none. */
  readonly firstUnreadable: string | null
  /** ISO 8601; null for no request. */
  readonly from: string | null
  readonly until: string | null
  /** The host of a log that names none. */
  readonly assumedHost: string | null
}

/** All that a rehearsal found. */
export interface Rehearsal {
  readonly reading: Reading
  /** Largest first. */
  readonly findings: readonly Finding[]
}

const TITLES: readonly (readonly [kind: Exclude<Kind, 'same'>, title: string])[] = [
  ['lost', 'Served then, and not by this file'],
  ['untold', 'Served then, and not decidable from this log'],
  ['opened', 'Answered with 401 or 403 then, perhaps by the application itself, and allowed by this file'],
]

const FATES: Readonly<Record<Finding['fate'], string>> = {
  in: 'allowed',
  own: 'answered by Sallyport',
  'sign-in': 'asked to sign in',
  unclear: 'depends',
  refused: 'refused',
  invalid: 'refused as an address',
  unrouted: 'not found',
}

/** How many of each kind are shown unless all are asked for. */
const SHOWN = 20

/** How many requests came to each kind. */
export function countKinds(findings: readonly Finding[]): Readonly<Record<Kind, number>> {
  const counts = { lost: 0, untold: 0, opened: 0, same: 0 }
  for (const { kind, count } of findings) counts[kind] += count
  return counts
}

/** Whether any request was served then: of none, nothing can be learned. */
export function hasServed(findings: readonly Finding[]): boolean {
  return findings.some(isServed)
}

/** The report for people: what would go wrong first. */
export function renderRehearsal({ reading, findings }: Rehearsal, colour: boolean, showsAll: boolean): string {
  const strong = (title: string) => (colour ? `\x1b[1m${title}\x1b[0m` : title)
  const blocks = [headText(reading)]
  for (const [kind, title] of TITLES) {
    const own = findings.filter(finding => finding.kind === kind)
    if (own.length === 0) continue
    const shown = showsAll ? own : own.slice(0, SHOWN)
    const rest = own.length === shown.length ? '' : `  and ${own.length - shown.length} more places: --all shows them\n`
    blocks.push(`${strong(title)}\n\n${shown.map(findingText).join('\n')}${rest}`)
  }
  const same = sameText(findings, showsAll)
  if (same !== '') blocks.push(`${strong('As it was')}\n\n${same}`)
  blocks.push(`${conclusion(findings)}\n`)
  return blocks.join('\n')
}

function headText({
  files,
  format,
  requests,
  other,
  skipped,
  unreadable,
  firstUnreadable,
  from,
  until,
  assumedHost,
}: Reading) {
  const span = from === null || until === null ? '' : `, ${from.slice(0, 16)} to ${until.slice(0, 16)} UTC`
  const rows = [`${files.join(', ')}: ${format}, ${many(requests, 'request')}${span}`]
  if (assumedHost !== null)
    rows.push(`It names no host: all are taken for requests to ${assumedHost} (--host names another).`)
  if (skipped > 0) rows.push(`${many(skipped, 'request')} passed over by --skip.`)
  if (other > 0) rows.push(`${many(other, 'line')} about other things passed over.`)
  if (unreadable > 0) rows.push(`${many(unreadable, 'line')} could not be read, first ${firstUnreadable}.`)
  return columns(rows.map(row => [row]))
}

function findingText(finding: Finding): string {
  const { count, methods, host, path, fate, why, reason, fix, example } = finding
  const { method, status, client, at } = example
  const rows = [
    [many(count, 'request'), `${methods.join(' ')} ${host}${path}`],
    ['', `${FATES[fate]}: ${why} (${reason})`],
    ['', `as ${whoText(finding)}`],
    [
      '',
      `such as ${method} ${host}${example.path}: ${status}, ${at.slice(0, 19)}Z${client === null ? '' : ` from ${client}`}`,
    ],
    ...(fix === null ? [] : [['', `mend: ${fix}`]]),
  ]
  return columns(rows).replace(/^(?=.)/gm, '  ')
}

function whoText({ isAnonymous, users, hasMoreUsers }: Finding): string {
  return isAnonymous ? 'nobody that the log names' : users.join(', ') + (hasMoreUsers ? ' and others' : '')
}

/** One line for each route and what becomes of requests there. */
function sameText(findings: readonly Finding[], showsAll: boolean): string {
  const sums = new Map<
    string,
    { readonly place: string; readonly what: string; readonly users: Set<string>; count: number }
  >()
  for (const { kind, host, route, fate, was, count, users } of findings) {
    if (kind !== 'same') continue
    const place = route ?? host
    const what = fate === 'in' || fate === 'own' ? FATES[fate] : `${FATES[fate]}; ${WAS[was]}`
    const sum = sums.get(`${place} ${what}`) ?? { place, what, users: new Set(), count: 0 }
    sum.count += count
    for (const user of users) sum.users.add(user)
    sums.set(`${place} ${what}`, sum)
  }
  const sorted = [...sums.values()].sort((one, other) => other.count - one.count)
  const shown = showsAll ? sorted : sorted.slice(0, SHOWN)
  if (shown.length === 0) return ''
  const rest = sorted.length === shown.length ? '' : `  and ${sorted.length - shown.length} more: --all shows them\n`
  const rows = shown.map(({ place, what, users, count }) => [
    many(count, 'request'),
    place,
    what + namesText([...users]),
  ])
  return columns(rows).replace(/^(?=.)/gm, '  ') + rest
}

function namesText(users: readonly string[]): string {
  if (users.length === 0) return ''
  return `, as ${users.slice(0, SHOWN_NAMES).join(', ')}${users.length > SHOWN_NAMES ? ' and others' : ''}`
}

const SHOWN_NAMES = 5

const WAS: Readonly<Record<Finding['was'], string>> = {
  served: 'served then',
  redirected: 'sent elsewhere then',
  refused: '401 or 403 then',
  gate: 'answered by the old gate then',
  failed: 'not served then',
}

function conclusion(findings: readonly Finding[]): string {
  if (!hasServed(findings)) {
    return 'No request in it was served, so that it says nothing of those that were: take the log of what served them.'
  }
  const { lost, untold, opened } = countKinds(findings)
  const more = [
    ...(untold === 0 ? [] : [`${many(untold, 'request')} cannot be decided from this log`]),
    ...(opened === 0 ? [] : [`${many(opened, 'request')} that got 401 or 403 would be allowed`]),
  ]
  const first =
    lost === 0 ? 'Nothing that was served would be refused.' : `${many(lost, 'request')} that were served would not be.`
  return more.length === 0 ? first : `${first} ${more.join('; ')}.`
}

function many(count: number, noun: string): string {
  return `${count.toLocaleString('en').replaceAll(',', ' ')} ${noun}${count === 1 ? '' : 's'}`
}
