/** The audit trail in Redis, as a stream. */

import type { AuditRow, AuditStore } from '../../audit/store.ts'
import type { RedisPartition } from './partitions.ts'
import { CLOCK, script } from './script.ts'

const STREAMS = { others: 'audit', frequent: 'audit-frequent' } as const

type Kind = keyof typeof STREAMS

/** A row and where it stands in its stream: `MILLISECONDS-NUMBER`, as the server numbers them. */
interface Entry extends AuditRow {
  readonly kind: Kind
  readonly place: string
}

/** The audit trail on a server: a stream for each kind, so that many of the one push out none of the other. */
export function auditOver({ prefix, send, run }: RedisPartition): AuditStore {
  async function latest(kind: Kind, before: string, limit: number): Promise<readonly Entry[]> {
    const from = before === START ? '+' : `(${before}`
    const rows = await send('XREVRANGE', [prefix + STREAMS[kind], from, '-', 'COUNT', `${limit}`])
    if (!Array.isArray(rows)) return []
    return rows.map(([place, [, record]]) => ({ kind, place, id: `${kind} ${place}`, record: String(record) }))
  }

  return {
    async appendAudit(rows, keepMs) {
      const args = rows.flatMap(({ isFrequent, record }) => [isFrequent ? 'audit-frequent' : 'audit', record])
      await run(APPEND_AUDIT, [keepMs, ...args])
    },
    async listAudit({ after, limit }) {
      const [ofOthers = START, ofFrequent = START] = after?.split(' ') ?? []
      const [others, frequent] = await Promise.all([
        latest('others', ofOthers, limit),
        latest('frequent', ofFrequent, limit),
      ])
      const rows = [...others, ...frequent].sort((one, other) => comparePlaces(other.place, one.place)).slice(0, limit)
      const placeOf = (kind: Kind, before: string) => rows.findLast(row => row.kind === kind)?.place ?? before
      const next = `${placeOf('others', ofOthers)} ${placeOf('frequent', ofFrequent)}`
      return { rows: rows.map(({ id, record }) => ({ id, record })), next: rows.length < limit ? null : next }
    },
    async removeAudit(ids) {
      for (const kind of ['others', 'frequent'] as const) {
        const places = ids.filter(id => id.startsWith(`${kind} `)).map(id => id.slice(kind.length + 1))
        if (places.length > 0) await send('XDEL', [prefix + STREAMS[kind], ...places])
      }
    },
    async announceKeep(processId, keepMs, _nowMs, heardMs) {
      return Number(await run(ANNOUNCE_KEEP, [processId, keepMs, heardMs]))
    },
    async trimAudit(keepMs, _nowMs, { others, frequent }) {
      return Number(await run(TRIM_AUDIT, [keepMs, others, frequent]))
    },
  }
}

/** Before anything was read. */
const START = '+'

function comparePlaces(one: string, other: string): number {
  const [oneMs = 0, oneNumber = 0] = one.split('-').map(Number)
  const [otherMs = 0, otherNumber = 0] = other.split('-').map(Number)
  return oneMs - otherMs || oneNumber - otherNumber
}

/** how long, then for each row its stream and its text. */
const APPEND_AUDIT = script(`
for at = 2, #ARGV, 2 do
  redis.call('XADD', p .. ARGV[at], '*', 'record', ARGV[at + 1])
  live(p .. ARGV[at], ARGV[1])
end
return 1
`)

/** a process, how long it keeps rows, for how long what a process says counts → the longest that any says. */
const ANNOUNCE_KEEP = script(`${CLOCK}
local key, now, longest = p .. 'audit-keeps', clock(), tonumber(ARGV[2])
redis.call('HSET', key, ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now))
local said = redis.call('HGETALL', key)
for i = 1, #said, 2 do
  local keep, at = string.match(said[i + 1], '^(%S+) (%S+)$')
  if now - at > tonumber(ARGV[3]) then redis.call('HDEL', key, said[i]) else longest = math.max(longest, tonumber(keep)) end
end
redis.call('PEXPIRE', key, ARGV[3])
return string.format('%.0f', longest)
`)

/** how long (0: nothing), rows of `audit` and of `audit-frequent` at most → how many rows went. */
const TRIM_AUDIT = script(`${CLOCK}
local gone = 0
for at, stream in ipairs({ 'audit', 'audit-frequent' }) do
  local key = p .. stream
  if ARGV[1] == '0' then
    gone = gone + redis.call('XLEN', key)
    redis.call('DEL', key)
  else
    local from = string.format('%.0f', math.max(0, clock() - ARGV[1]))
    gone = gone + redis.call('XTRIM', key, 'MINID', from) + redis.call('XTRIM', key, 'MAXLEN', ARGV[at + 1])
  end
end
return gone
`)
