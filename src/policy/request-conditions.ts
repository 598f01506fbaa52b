/** Conditions about the request: client, method, path, fields, query and time. */

import { compileNetworks } from '../base/net.ts'
import { openWallClock } from '../base/time-zone.ts'
import { compileStars } from '../base/wildcard.ts'
import { type AccessRule, type Instant, NO_CONDITION, type RequestRule, type Schedule } from '../config/keys/rules.ts'
import { decodeOnce } from '../route/readings.ts'
import type { Target } from '../route/target.ts'
import { type Facts, NO_FACTS, NOTHING, type RequestCondition } from './condition.ts'
import { describeSchedule } from './describe.ts'
import { compileExpressions, compilePaths, type PathJudge } from './path-patterns.ts'
import type { Missing, Reason, When } from './reasons.ts'
import { all, type Truth } from './truth.ts'

/** The conditions of a rule about the request: its client, its method and path, and its time. */
export function compileRequest(rule: AccessRule): readonly RequestCondition[] {
  const conditions: RequestCondition[] = []
  if (rule.networks !== null) conditions.push(compileClient(rule.networks))
  if (rule.methods !== null) conditions.push(compileMethods(rule.methods))
  if (rule.paths !== null) conditions.push(askedPath(compilePaths(rule.paths, rule.ignoresCase)))
  for (const [name, patterns] of rule.headers ?? []) conditions.push(compileField(name, patterns))
  for (const [name, patterns] of rule.query ?? []) conditions.push(compileQuery(name, patterns))
  if (rule.schedule !== null) conditions.push(compileSchedule(rule.schedule))
  if (rule.from !== null) conditions.push(compileStart(rule.from))
  if (rule.until !== null) conditions.push(compileEnd(rule.until))
  // Last, as the dearest: what came before may have decided.
  if (rule.pathRegexp !== null) conditions.push(askedPath(compileExpressions(rule.pathRegexp, rule.ignoresCase)))
  return conditions
}

/** `when` of a route, of a request by whomever. */
export function compileWhen(when: RequestRule): (target: Target) => Truth {
  const conditions = compileRequest({ ...NO_CONDITION, ...when })
  return target => all(conditions, condition => condition.judge({ ...NO_FACTS, method: target.method, target }))
}

/** The fields that a rule looks at, in lower case. */
export function fieldsOf({ headers, any, all, not }: AccessRule): readonly string[] {
  const parts = [...(any ?? []), ...(all ?? []), ...(not === null ? [] : [not])]
  return [...[...(headers?.keys() ?? [])].map(name => name.toLowerCase()), ...parts.flatMap(fieldsOf)]
}

function compileClient(networks: readonly string[]): RequestCondition {
  const set = compileNetworks(networks)
  const judge = ({ client }: Facts): boolean | null => (client === null ? null : set.judge(client))
  return {
    kind: 'request',
    needs: { ...NOTHING, client: true },
    judge(facts) {
      const isInside = judge(facts)
      return isInside === null ? 'unknown' : isInside ? 'yes' : 'no'
    },
    missing: facts => missing(judge(facts) === null ? 'network.unreadable' : 'network.outside'),
  }
}

function compileMethods(methods: readonly string[]): RequestCondition {
  const accepted = new Set(methods)
  return {
    kind: 'request',
    needs: { ...NOTHING, method: true },
    judge: ({ method }) => (method === null ? 'unknown' : accepted.has(method) ? 'yes' : 'no'),
    missing: () => missing('method.other'),
  }
}

function askedPath(judge: PathJudge): RequestCondition {
  return {
    kind: 'request',
    needs: { ...NOTHING, path: true },
    judge: ({ target }) => (target === null ? 'unknown' : judge(target)),
    missing: () => missing('path.other'),
  }
}

function compileField(name: string, patterns: readonly string[]): RequestCondition {
  const judge = compileFieldValue(patterns)
  const lower = name.toLowerCase()
  return {
    kind: 'request',
    needs: { ...NOTHING, fields: true },
    judge({ sent }) {
      if (sent === null) return 'unknown'
      const value = Object.hasOwn(sent, lower) ? sent[lower] : undefined
      return value === undefined ? 'no' : judge(value)
    },
    missing: () => missing('header.other'),
  }
}

function compileQuery(name: string, patterns: readonly string[]): RequestCondition {
  const judge = compileValues(patterns)
  return {
    kind: 'request',
    needs: { ...NOTHING, fields: true },
    judge: ({ target }) => (target === null ? 'unknown' : judge(queryReadings(target.query, name))),
    missing: () => missing('query.other'),
  }
}

function compileSchedule(schedule: Schedule): RequestCondition {
  const { timezone } = schedule
  const clock = openWallClock(timezone)
  const spans = schedule.spans ?? [{ fromMinute: 0, untilMinute: DAY_MINUTES }]
  const days = schedule.days === null ? null : new Set(schedule.days)
  return {
    kind: 'request',
    needs: { ...NOTHING, time: true },
    judge({ nowMs }) {
      const { weekday, minute } = clock(nowMs)
      for (const { fromMinute, untilMinute } of spans) {
        if (minute >= fromMinute && minute < untilMinute && (days === null || days.has(weekday))) return 'yes'
        // What began yesterday and went over midnight.
        if (minute < untilMinute - DAY_MINUTES && (days === null || days.has((weekday + 6) % 7))) return 'yes'
      }
      return 'no'
    },
    missing: () => missing('hours.outside', describeSchedule(schedule), { kind: 'schedule', schedule }),
  }
}

function compileStart({ atMs, text }: Instant): RequestCondition {
  return {
    kind: 'request',
    needs: { ...NOTHING, time: true },
    judge: ({ nowMs }) => (nowMs >= atMs ? 'yes' : nowMs < atMs ? 'no' : 'unknown'),
    missing: () => missing('date.before', `from ${text}`, { kind: 'from', text }),
  }
}

function compileEnd({ atMs, text }: Instant): RequestCondition {
  return {
    kind: 'request',
    needs: { ...NOTHING, time: true },
    judge: ({ nowMs }) => (nowMs < atMs ? 'yes' : nowMs >= atMs ? 'no' : 'unknown'),
    missing: () => missing('date.after', `until ${text}`, { kind: 'until', text }),
  }
}

const DAY_MINUTES = 24 * 60

function missing(reason: Reason, detail = '', when?: When): Missing {
  return { reason, kind: 'request', roles: [], detail, ...(when === undefined ? {} : { when }) }
}

/**
 * Every way in which an application may read the values of a field or of a name in the query: each entry is one way, and holds the
 * values that are there by it. An empty way: there is none.
 */
type Readings = readonly (readonly string[])[]

/**
 * Whether values are as one of some patterns say, whole and in this letter case. `yes`: there is one by each reading, and all of them
 * are. `no`: none is, by any reading.
 */
function compileValues(patterns: readonly string[]): (readings: Readings) => Truth {
  const tests = patterns.map(compileStars)
  const isOne = (value: string) => tests.some(test => test(value))
  return readings => {
    let truth: Truth | null = null
    for (const values of readings) {
      const held = values.filter(isOne).length
      const one: Truth = held === 0 ? 'no' : held === values.length ? 'yes' : 'unknown'
      if (truth !== null && one !== truth) return 'unknown'
      truth = one
    }
    return truth ?? 'no'
  }
}

/**
 * The same of a field's value. What is parted by every comma, also by those in quotes and brackets, keeps what is not as the patterns say
 * from being certain: lines of a repeated field may open and close them.
 */
function compileFieldValue(patterns: readonly string[]): (value: string) => Truth {
  const judge = compileValues(patterns)
  return value => {
    const truth = judge(fieldReadings(value))
    if (truth !== 'no' || !value.includes(',')) return truth
    return judge([splitAtCommas(value)]) === 'no' ? 'no' : 'unknown'
  }
}

/**
 * The values of a field. Bun 1.4.5 joins the lines of a repeated field with `, `, so a value with a comma looks the
 * same. It is read in both ways: as one value, and as several. A comma in quotes or in brackets, as in `(KHTML, like
 * Gecko)`, does not separate values (RFC 9110 §5.6.4, §5.6.5).
 */
function fieldReadings(value: string): Readings {
  if (!value.includes(',')) return [[value]]
  const apart = splitList(value)
  return apart.length === 1 ? [apart] : [[value], apart]
}

function splitList(value: string): readonly string[] {
  const values: string[] = []
  let [start, depth, isQuoted] = [0, 0, false]
  for (let at = 0; at < value.length; at++) {
    const character = value[at]
    if (character === '\\' && (isQuoted || depth > 0)) at++
    else if (character === '"') isQuoted = !isQuoted
    else if (isQuoted) continue
    else if (character === '(') depth++
    else if (character === ')' && depth > 0) depth--
    else if (character === ',' && depth === 0) {
      values.push(value.slice(start, at).trim())
      start = at + 1
    }
  }
  // What is never closed parts nothing from nothing: then every comma may.
  if (isQuoted || depth > 0) return splitAtCommas(value)
  values.push(value.slice(start).trim())
  return values
}

function splitAtCommas(value: string): readonly string[] {
  return value.split(',').map(one => one.trim())
}

/**
 * The values of a name in a query, raw and decoded, a plus as itself and as a blank, and with `;` as what parts two of them too, as some
 * applications have it. And with those of the names that some applications take for this one.
 */
function queryReadings(query: string, name: string): Readings {
  if (query.length < 2) return [[]]
  const pairs = query.slice(1)
  const splits = pairs.includes(';') ? [pairs.split('&'), pairs.split(/[&;]/)] : [pairs.split('&')]
  const isPlain = !/[%+]/.test(pairs)
  const ways = isPlain ? [(text: string) => text] : [(text: string) => text, decoded, formDecoded]
  return splits.flatMap(split =>
    ways.flatMap(read => {
      const exact: string[] = []
      const taken: string[] = []
      for (const pair of split) {
        const equals = pair.indexOf('=')
        const own = read(equals === -1 ? pair : pair.slice(0, equals))
        if (own !== name && !isTakenFor(own, name)) continue
        const value = equals === -1 ? '' : read(pair.slice(equals + 1))
        taken.push(value)
        if (own === name) exact.push(value)
      }
      return taken.length === exact.length ? [exact] : [exact, taken]
    }),
  )
}

/**
 * Whether some applications find the value of `own` where they ask for `name`: in another letter case (ASP.NET), as a list or a part of
 * one, `name[]` (PHP, Rails, Express), and with what PHP drops or has as `_`.
 */
function isTakenFor(own: string, name: string): boolean {
  if (own.length < name.length) return false
  const spelled = spell(name)
  const bare = own.replace(/^[\s[\]]+/, '')
  return spell(bare.split(/[\0[\]]/, 1)[0] ?? '') === spelled || spell(bare) === spelled
}

function spell(name: string): string {
  return name.toLowerCase().replace(/[. []/g, '_')
}

function formDecoded(text: string): string {
  return decoded(text.replaceAll('+', ' '))
}

/** Malformed escapes stay as they are. */
function decoded(text: string): string {
  return Buffer.from(decodeOnce(text), 'latin1').toString('utf8')
}
