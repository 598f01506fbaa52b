import type { ExpectTable } from '../keys/expect.ts'
import { known } from '../keys/table.ts'
import { showRaw } from '../text/raw.ts'
import type { Expectation } from '../types/expectations.ts'
import { momentMs } from '../values/times.ts'

/** An expectation of a file without mistakes. Throws TypeError where a value is missing. */
export function buildExpectation(table: ExpectTable): Expectation {
  const { address, method, as, ip, at, headers, signed_in: signedInMs, verdict } = known(table)
  const who = as === null ? null : known(as)
  return {
    address,
    shownAs: showRaw(table.raw.entries.get('address')),
    method,
    who:
      who === null
        ? null
        : { ...who, groups: who.groups ?? [], claims: who.claims ?? new Map(), roles: who.roles ?? [] },
    ip,
    sent: Object.fromEntries(headers ?? []),
    atMs: at === null ? null : momentMs(at, 'UTC', 'start'),
    signedInMs,
    verdict,
  }
}
