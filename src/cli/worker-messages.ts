/** What the supervisor may ask a worker; each is a method of the worker's AdminSources. */
export type Question = 'unready' | 'config' | 'metrics'

/** From the supervisor to a worker. */
export type Order =
  | { readonly kind: 'ask'; readonly id: number; readonly what: Question }
  | { readonly kind: 'reload' }
  | { readonly kind: 'stop' }

/** From a worker to the supervisor. */
export type Report =
  | { readonly kind: 'listening' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }

/** A message as an Order, or null for anything else: whoever holds the channel is us, but perhaps of another version. */
export function parseOrder(raw: unknown): Order | null {
  if (typeof raw !== 'object' || raw === null || !('kind' in raw)) return null
  switch (raw.kind) {
    case 'reload':
      return { kind: 'reload' }
    case 'stop':
      return { kind: 'stop' }
    case 'ask':
      return 'id' in raw && typeof raw.id === 'number' && 'what' in raw && isQuestion(raw.what)
        ? { kind: 'ask', id: raw.id, what: raw.what }
        : null
    default:
      return null
  }
}

/** A message as a Report, or null for anything else. */
export function parseReport(raw: unknown): Report | null {
  if (typeof raw !== 'object' || raw === null || !('kind' in raw)) return null
  if (raw.kind === 'listening') return { kind: 'listening' }
  if (raw.kind === 'answer' && 'id' in raw && typeof raw.id === 'number') {
    return { kind: 'answer', id: raw.id, value: 'value' in raw ? raw.value : undefined }
  }
  return null
}

function isQuestion(raw: unknown): raw is Question {
  return raw === 'unready' || raw === 'config' || raw === 'metrics'
}
