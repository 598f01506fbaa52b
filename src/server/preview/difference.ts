/** What another file changes for the people who are signed in, and in its settings. */

import { finish, type Steps } from '../../base/steps.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { Identity } from '../../identity/identity.ts'
import { restartKeys, startValues } from '../config/reload.ts'
import { createPairs, type Outcome, type Pair } from './compare-requests.ts'
import type { Grants } from './granted-roles.ts'
import type { IdentityAt } from './judge.ts'
import { canonical, type RouteChanges, routeChanges } from './route-changes.ts'
import { createSessionStates, groupPeople, type Person, type SessionStates, type SignedIn } from './signed-in-people.ts'

/** Who is signed in, and what is known of it. */
export interface Present {
  readonly entries: Iterable<SignedIn>
  readonly grants: Grants
  readonly nowMs: number
}

/** A request with a different result. */
export interface Turn {
  /** The id of the route that it is about. */
  readonly route: string
  /** Host and path that were judged. */
  readonly address: string
  readonly method: string
  readonly before: Outcome
  readonly after: Outcome
}

/** What somebody may open now and could not, and the other way round. */
export interface Turns {
  readonly gains: readonly Turn[]
  readonly loses: readonly Turn[]
  /** Still allowed after a new sign-in. */
  readonly again: readonly Turn[]
}

/** Somebody for whom something changes. */
export interface PersonChange extends Turns {
  readonly portal: string
  readonly provider: string
  readonly subject: string
  readonly name: string | null
  readonly email: string | null
  readonly sessions: number
  /** How many of these end. */
  readonly ended: number
}

/** What a new file changes. Its names are those of `--json`. */
export interface Difference {
  readonly routes: RouteChanges
  /** What else differs, by name. */
  readonly settings: readonly SettingChange[]
  /** Keys among it that take a restart. */
  readonly restart: readonly string[]
  /** For an anonymous client. */
  readonly anybody: Turns
  /** Those for whom something changes. */
  readonly people: readonly PersonChange[]
  /** How many were looked at. */
  readonly judged: number
}

const PEOPLE_A_STEP = 20

/**
 * What a new file changes for routes, and for those who are signed in, by the functions that decide requests.
 *
 * Judged is a request of each route's own address, and of the paths and methods that its rules name, made now, from where each signed
 * in. Pure. Absent on purpose: tokens, passwords and guest links, which have no session.
 */
export function difference(before: Config, after: Config, present: Present): Difference {
  return finish(differenceSteps(before, after, present))
}

/** The same in steps, for many people. */
export function* differenceSteps(
  before: Config,
  after: Config,
  { entries, grants, nowMs }: Present,
): Steps<Difference> {
  const pairs = createPairs(before, after)
  yield
  const [old, next] = [createSessionStates(before, grants, nowMs), createSessionStates(after, grants, nowMs)]
  const persons = groupPeople(entries)
  const people: PersonChange[] = []
  for (const [index, person] of persons.entries()) {
    if (index % PEOPLE_A_STEP === PEOPLE_A_STEP - 1) yield
    const change = changeFor(person, pairs, [old, next], nowMs)
    if (change !== null) people.push(change)
  }
  return {
    routes: routeChanges(before, after),
    settings: settingChanges(before, after),
    restart: restartNeeds(before, after),
    anybody: turnsOf(
      pairs,
      pair => {
        const facts = { client: null, nowMs, signedInAtMs: null }
        return [pair.before(NOBODY, facts), pair.after(NOBODY, facts)]
      },
      isOpenToAll,
    ),
    people,
    judged: persons.length,
  }
}

const NOBODY: IdentityAt = () => null

type Both = readonly [before: Outcome, after: Outcome]

function changeFor(
  { portal, identity, sessions }: Person,
  pairs: readonly Pair[],
  [old, next]: readonly [SessionStates, SessionStates],
  nowMs: number,
): PersonChange | null {
  const asked = sessions.map(entry => ({
    before: old.whoAt(entry),
    after: next.whoAt(entry),
    facts: { client: entry.client || null, nowMs, signedInAtMs: entry.session.createdAtMs },
  }))
  const groups = new Map<string, Both>()
  const compare = (pair: Pair): Both => {
    const known = pair.group === null ? undefined : groups.get(pair.group)
    if (known !== undefined) return known
    const both: Both = [
      best(asked.map(({ before, facts }) => pair.before(before, facts))),
      best(asked.map(({ after, facts }) => pair.after(after, facts))),
    ]
    if (pair.group !== null) groups.set(pair.group, both)
    return both
  }
  const turns = turnsOf(
    pairs.filter(({ portals }) => portals.has(portal)),
    compare,
    isOpen,
  )
  const ended = sessions.filter(entry => old.lasts(entry) && !next.lasts(entry)).length
  if (ended === 0 && turns.gains.length + turns.loses.length + turns.again.length === 0) return null
  return { portal, ...namesOf(identity), sessions: sessions.length, ended, ...turns }
}

function namesOf({
  provider,
  subject,
  name,
  email,
}: Identity): Pick<PersonChange, 'provider' | 'subject' | 'name' | 'email'> {
  return { provider, subject, name, email }
}

function turnsOf(
  pairs: readonly Pair[],
  compare: (pair: Pair) => Both,
  isOpenFor: (outcome: Outcome) => boolean,
): Turns {
  const turns = { gains: [] as Turn[], loses: [] as Turn[], again: [] as Turn[] }
  for (const pair of pairs) {
    const [before, after] = compare(pair)
    if (before === after) continue
    const { route, url, method } = pair.probe
    const turn: Turn = { route, address: url.host + url.pathname, method, before, after }
    if (isOpenFor(before) !== isOpenFor(after)) (isOpenFor(after) ? turns.gains : turns.loses).push(turn)
    else if (after === 'step-up') turns.again.push(turn)
  }
  return turns
}

/** Open for somebody who is signed in: at worst they have to show once more who they are. */
function isOpen(outcome: Outcome): boolean {
  return outcome === 'allow' || outcome === 'step-up'
}

function isOpenToAll(outcome: Outcome): boolean {
  return outcome === 'allow'
}

const ORDER: readonly Outcome[] = ['allow', 'own', 'step-up', 'sign-in', 'deny', 'refused', 'no-route']

/** The best result among a user's sign-ins. */
function best(outcomes: readonly Outcome[]): Outcome {
  return ORDER.find(one => outcomes.includes(one)) ?? 'no-route'
}

/** A change outside the routes: `server`, `portals.home`, `portals.home.roles.admin`, `providers.id`. */
interface SettingChange {
  readonly key: string
  readonly change: 'added' | 'removed' | 'changed'
}

/** The names of changed tables outside the routes; never their values. */
function settingChanges(before: Config, after: Config): readonly SettingChange[] {
  const [old, next] = [settingsOf(before), settingsOf(after)]
  const changes = [...old].flatMap(([key, text]): SettingChange[] => {
    const now = next.get(key)
    if (now === text) return []
    return [{ key, change: now === undefined ? 'removed' : 'changed' }]
  })
  return [...changes, ...[...next.keys()].filter(key => !old.has(key)).map(key => ({ key, change: 'added' as const }))]
}

/** The keys that differ and are read at start only. */
function restartNeeds(before: Config, after: Config): readonly string[] {
  return restartKeys(startValues(after), startValues(before))
}

function settingsOf({ routes: _, expectations, providers, portals, ...whole }: Config): ReadonlyMap<string, string> {
  const settings = new Map<string, unknown>(Object.entries(whole).filter(([, value]) => value !== null))
  if (expectations.length > 0) settings.set('expect', expectations)
  for (const [name, provider] of providers) settings.set(`providers.${name}`, provider)
  for (const [name, { roles, ...portal }] of portals) {
    settings.set(`portals.${name}`, portal)
    for (const [role, rules] of roles) settings.set(`portals.${name}.roles.${role}`, rules)
  }
  return new Map([...settings].map(([key, value]) => [key, canonical(value)]))
}
