import { Database } from 'bun:sqlite'
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { sha256 } from '../../../src/base/bytes.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { quietPorts } from '../clock.ts'

export interface ManySessions {
  readonly count: number
  readonly host: string
  readonly nowMs: number
}

/** What stands for the sealed tokens of a session: as long as those of a real provider are. */
const SECRETS = 'x'.repeat(1400)

/** The cookie's value of one of the many: 43 characters of base64url, as real ones are. */
export function cookieOf(index: number): string {
  return sha256(`cookie ${index}`)
}

/**
 * Fills the session database at a path, made where it is not there, with live sessions of the portal "home": three to a
 * person, each with a cookie for one host, signed in and used one after the other until now.
 *
 * It writes the rows itself, in large transactions, since to sign a million in would take an hour.
 */
export function fillSessions(path: string, { count, host, nowMs }: ManySessions): void {
  void openSqliteStore(path, quietPorts({ now: () => nowMs })).close()
  const database = new Database(path, { strict: true })
  database.run('PRAGMA synchronous = OFF')
  database.run('PRAGMA cache_size = -500000')
  const session = database.query(
    `INSERT INTO sessions (id, portal, issuer, subject, sid, identity, secrets, agent, client, is_remembered, created_ms,
       expires_ms, seen_ms, checked_ms, is_refreshable) VALUES (?, 'home', ?, ?, ?, ?, ?, 'Firefox on Linux', '192.0.2.1', 0, ?, ?, ?, ?, 0)`,
  )
  const handle = database.query('INSERT INTO handles (hash, session_id, host) VALUES (?, ?, ?)')
  const issuer = 'http://127.0.0.1:9'
  // In the order in which the table keeps them: pages are written once.
  const ids = Array.from({ length: count }, (_, index) => [sha256(`session ${index}`), index] as const)
  ids.sort(([one], [other]) => (one < other ? -1 : 1))
  const fill = database.transaction((from: number, to: number) => {
    for (let at = from; at < to; at++) {
      const [id, index] = ids[at] ?? ['', 0]
      const { subject, claims } = userOf(index)
      const identity = JSON.stringify(makeIdentity('id', issuer, subject, claims))
      const atMs = nowMs - (count - index)
      session.run(id, issuer, subject, `sid-${index}`, identity, SECRETS, atMs, nowMs + 12 * 3_600_000, atMs, atMs)
      handle.run(sha256(cookieOf(index)), id, host)
    }
  })
  for (let from = 0; from < count; from += 20_000) fill(from, Math.min(from + 20_000, count))
  database.close()
  // What the system has yet to write of it would otherwise hold up the first who waits for a write of their own.
  const file = openSync(path, 'r+')
  fsyncSync(file)
  closeSync(file)
}

/** Whose session one of many is: each user has three. */
export function userOf(index: number) {
  const subject = `person-${Math.floor(index / 3)}`
  const claims = { sub: subject, name: 'Somebody of these many', email: `${subject}@example.com`, groups: ['users'] }
  return { subject, claims }
}
