/** `[[expect]]`, as the program takes it. */

import type { ExpectedVerdict, ExpectTable } from '../keys/expect.ts'
import { known } from '../keys/table.ts'
import { showRaw } from '../text/raw.ts'
import { momentMs } from '../values/times.ts'

/** Whom an expectation is about. */
export interface ExpectedPerson {
  /** Null: the first provider of the portal of the route that is asked for. */
  readonly provider: string | null
  /** Null: anyone. */
  readonly subject: string | null
  /** Verified by the provider. */
  readonly email: string | null
  readonly groups: readonly string[]
  readonly claims: ReadonlyMap<string, readonly (string | number | boolean)[]>
  /** Roles that they have, however they came by them. */
  readonly roles: readonly string[]
}

/** What a file says that a request has to come to. */
export interface Expectation {
  /** `href` as the server reads it; `authority` and `path` as they are sent. */
  readonly address: { readonly href: string; readonly authority: string; readonly path: string }
  /** The same as the file has it: what is filled in is not shown. */
  readonly shownAs: string
  readonly method: string
  /** Null: no user is signed in. */
  readonly who: ExpectedPerson | null
  /** The client's address; null: not known. */
  readonly ip: string | null
  /** Fields of the request by their names in small letters. */
  readonly sent: Readonly<Record<string, string>>
  /** Null: no matter when. */
  readonly atMs: number | null
  /** How long before that they signed in. */
  readonly signedInMs: number
  readonly verdict: ExpectedVerdict
}

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
