import { duration } from '../values/duration.ts'
import { choice, either, type Type } from '../values/value.ts'
import { defaulted, type Keys } from './table.ts'

const KEEP: Type<number | 'off'> = either(
  raw => raw.kind === 'text' && raw.text === 'off',
  choice(['off']),
  duration('1h', '3650d'),
)

/** `[audit]`: what is kept of who did what. */
export const AUDIT = {
  keep: defaulted(
    KEEP,
    'off',
    '90d',
    'How long the session store keeps a row of each event of [the trail](operations.md#audit-trail); `"off"`: none, and those that are there are removed. The log has a line of each all the same.',
  ),
} as const satisfies Keys
