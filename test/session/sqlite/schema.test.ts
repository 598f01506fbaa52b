import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { migrate } from '../../../src/session/sqlite/schema.ts'
import { auditOn } from '../../../src/session/sqlite/tables/audit.ts'
import { recordsOn } from '../../../src/session/sqlite/tables/records.ts'
import { sessionsOn } from '../../../src/session/sqlite/tables/sessions.ts'

/** A database that notes every statement that is prepared on it. */
class NotingDatabase extends Database {
  readonly statements: string[] = []

  override query(sql: string): never {
    this.statements.push(sql)
    return super.query(sql) as never
  }
}

/** Steps of a plan that look at all of a table or an index of it; a list that is given has to be read. */
function scansOf(database: Database, sql: string): readonly string[] {
  const plan = database.prepare<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`).all()
  return plan.map(({ detail }) => detail).filter(detail => /^SCAN (?!CONSTANT ROW|json_each)/.test(detail))
}

const NO_CHANGES = {
  tellRemoved: () => undefined,
  tellUpdated: () => undefined,
  tellEnded: () => undefined,
  since: () => ({ removed: [], updated: [] }),
  sinceBeginning: () => ({ removed: [], updated: [] }),
  purge: () => false,
}

test.each([
  [
    'the audit trail',
    (database: Database) =>
      auditOn(
        database,
        call => call as never,
        () => false,
      ),
  ],
  ['sign-ins', (database: Database) => sessionsOn(database, call => call as never, NO_CHANGES)],
  ['records', (database: Database) => recordsOn(database, call => call as never, NO_CHANGES)],
])('no statement of %s looks at every row, however many there are', (_, open) => {
  using database = new NotingDatabase(':memory:')
  migrate(database)
  open(database)
  expect(database.statements.length).toBeGreaterThan(5)
  const scans = database.statements.flatMap(sql => scansOf(database, sql).map(step => `${step}: ${sql}`))
  expect(scans).toEqual([])
})

test('what a process of the first layout writes while it drains has what its columns lack', () => {
  using database = new Database(':memory:')
  migrate(database)
  database.run(
    "INSERT INTO sessions (id, portal, identity, secrets, created_ms, expires_ms, seen_ms) VALUES ('a', 'home', '{}', 's', 1, 2, 3)",
  )
  database.run("INSERT INTO removed (session_id, at_ms) VALUES ('a', 1)")
  expect(database.query('SELECT * FROM sessions').get()).toEqual({
    ...{ id: 'a', portal: 'home', identity: '{}', secrets: 's', created_ms: 1, expires_ms: 2, seen_ms: 3 },
    ...{ issuer: '', subject: '', sid: null, agent: '', client: '', bound: null },
    // Nobody has asked the provider about it, and nobody does.
    ...{ is_remembered: 0, checked_ms: 0, is_refreshable: 0, lease_ms: 0 },
  })
  expect(database.query('SELECT is_update FROM removed').get()).toEqual({ is_update: 0 })
})
