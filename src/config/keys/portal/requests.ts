import { parseWebhook } from '../../values/address.ts'
import { boolean, list, parsed, type Type, text } from '../../values/value.ts'
import { type Keys, optional, type Table, table } from '../table.ts'

/** `requests` of a portal, written as a table. */
export const REQUESTS = {
  roles: optional(
    list(text(), { single: true }),
    ['family'],
    'every role that lets somebody in at a route, but not `admin_role`',
    'The roles that may be asked for, as far as a route of this portal lets them in; `admin_role` only where it is named here.',
  ),
  webhook: optional(
    parsed({ label: 'address', expected: 'an https:// address', isSecret: true }, parseWebhook),
    'https://ntfy.example.com/access',
    'nobody is told',
    'Where each new request is told of, as JSON by POST: `https://`, or `http://` on this machine. What it says lets nobody in; redirects are not followed.',
  ),
} as const satisfies Keys

export type RequestsTable = Table<typeof REQUESTS>

const whole = table(REQUESTS, { title: '[portals.NAME.requests]' })

/** `true`, or a table that says more; null: nobody asks. */
export const requests: Type<RequestsTable | null> = {
  label: `${boolean.label}, or table`,
  expected: `${boolean.expected}, or a table`,
  get schema() {
    return { anyOf: [boolean.schema, whole.schema] }
  },
  read(raw, report) {
    if (raw.kind !== 'boolean') return whole.read(raw, report)
    return raw.value ? whole.read({ kind: 'table', at: raw.at, entries: new Map() }, report) : null
  },
}
