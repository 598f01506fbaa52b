import { compileNetworks } from '../base/net.ts'
import { openWallClock } from '../base/zone.ts'
import { NO_CONDITION } from '../config/resolve/rules.ts'
import type { AccessRule, Instant, RequestRule, Schedule } from '../config/types/rules.ts'
import type { Target } from '../route/target.ts'
import { type Facts, NO_FACTS, NOTHING, type RequestCondition } from './condition.ts'
import { describeSchedule } from './describe.ts'
import { compileExpressions, compilePaths, type PathJudge } from './path.ts'
import type { Missing, Reason, When } from './reasons.ts'
import { all, type Truth } from './truth.ts'
import { compileFieldValue, compileValues, queryReadings } from './values.ts'

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
