import { expect, test } from 'bun:test'
import { retryAfterMs } from '../../../../src/server/acme/authority/response.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const SENT = 'Mon, 30 Nov 2026 00:00:00 GMT'

test.each([
  ['seconds', '90', 90_000],
  ['a week, as authorities limit', '604800', 7 * DAY_MS],
  ['more seconds than a week has', '9999999', 8 * DAY_MS],
  ['a date', 'Tue, 01 Dec 2026 00:00:00 GMT', DAY_MS],
  ['a date that is over', 'Sun, 29 Nov 2026 00:00:00 GMT', 0],
  ['a date in ten years', 'Mon, 30 Nov 2036 00:00:00 GMT', 8 * DAY_MS],
  ['neither', 'soon', null],
])('an authority may have others wait, eight days at most: %s', (_, text, waitMs) => {
  expect(retryAfterMs(new Headers({ date: SENT, 'retry-after': text }))).toBe(waitMs)
})
