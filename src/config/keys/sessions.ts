import { duration } from '../values/duration.ts'
import { choice, either, type Type } from '../values/value.ts'
import { type Key, optional } from './table.ts'

/** Bounds and meaning of the four lifetimes, the same in `[sessions]` and in a portal. */
export const LIFETIME = duration('1m', '365d')

export const REFRESH: Type<number | 'off'> = either(
  raw => raw.kind === 'text' && raw.text === 'off',
  choice(['off']),
  duration('10s', '30d'),
)

export const REFRESH_LIMIT = duration('10s', '90d')

/** What a portal may say otherwise than `[sessions]`, and what only a portal says. */
export const PORTAL_SESSIONS = {
  lifetime: ofSessions(LIFETIME, '7d', 'lifetime', 'How long a sign-in at this portal lasts, from its start.'),
  idle: ofSessions(LIFETIME, '30m', 'idle', 'How long a sign-in at this portal lasts without a request.'),
  refresh: ofSessions(REFRESH, '5m', 'refresh', 'How often the provider is asked again about people of this portal.'),
  refresh_limit: ofSessions(
    REFRESH_LIMIT,
    '20m',
    'refresh_limit',
    'How long old answers count at this portal while the provider cannot be asked.',
  ),
  remember: optional(
    LIFETIME,
    '30d',
    'no such choice',
    'Lets people choose to stay signed in on a device for this long, idle or not. Who does not choose it is signed out with the browser.',
  ),
} as const

function ofSessions<T>(type: Type<T>, example: string, key: string, doc: string): Key<T | null> {
  return optional(type, example, `what \`[sessions]\` says: \`${key}\``, doc)
}
