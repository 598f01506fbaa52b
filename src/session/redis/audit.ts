import type { AuditRow, AuditStore } from '../../audit/store.ts'
import type { RedisLink } from './connection.ts'
import { ANNOUNCE_KEEP, APPEND_AUDIT, TRIM_AUDIT } from './scripts/shared.ts'

const STREAMS = { others: 'sallyport:1:audit', frequent: 'sallyport:1:audit-frequent' } as const

type Kind = keyof typeof STREAMS

/** A row and where it stands in its stream: `MILLISECONDS-NUMBER`, as the server numbers them. */
interface Entry extends AuditRow {
  readonly kind: Kind
  readonly place: string
}

/** The audit trail on a server: a stream for each kind, so that many of the one push out none of the other. */
export function auditOver(link: RedisLink): AuditStore {
  async function latest(kind: Kind, before: string, limit: number): Promise<readonly Entry[]> {
    const from = before === START ? '+' : `(${before}`
    const rows = await link.send('XREVRANGE', [STREAMS[kind], from, '-', 'COUNT', `${limit}`])
    if (!Array.isArray(rows)) return []
    return rows.map(([place, [, record]]) => ({ kind, place, id: `${kind} ${place}`, record: String(record) }))
  }

  return {
    async appendAudit(rows, keepMs) {
      const args = rows.flatMap(({ isFrequent, record }) => [isFrequent ? 'audit-frequent' : 'audit', record])
      await link.run(APPEND_AUDIT, [keepMs, ...args])
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
        if (places.length > 0) await link.send('XDEL', [STREAMS[kind], ...places])
      }
    },
    async announceKeep(processId, keepMs, _nowMs, heardMs) {
      return Number(await link.run(ANNOUNCE_KEEP, [processId, keepMs, heardMs]))
    },
    async trimAudit(keepMs, _nowMs, { others, frequent }) {
      return Number(await link.run(TRIM_AUDIT, [keepMs, others, frequent]))
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
