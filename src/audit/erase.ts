import { type AuditRecord, parseRecord } from './record.ts'
import type { AuditPage, AuditStore } from './store.ts'

const PAGE = 500

/**
 * Removes every row about a subject, and every row about what that user did to others. With a provider it removes only
 * rows about that provider's user, since rows about actions do not name the provider. Returns how many.
 */
export async function eraseFromAudit(
  store: Pick<AuditStore, 'listAudit' | 'removeAudit'>,
  { user, provider }: { readonly user: string; readonly provider: string | null },
): Promise<number> {
  const isTheirs = ({ facts }: AuditRecord) =>
    provider === null
      ? facts.user === user || facts.by === user
      : facts.user === user && (facts.provider ?? provider) === provider
  let erased = 0
  for (let after: string | null = null; ; ) {
    const page: AuditPage = await store.listAudit({ after, limit: PAGE })
    const theirs = page.rows.filter(({ record }) => {
      const parsed = parseRecord(record)
      return parsed !== null && isTheirs(parsed)
    })
    if (theirs.length > 0) await store.removeAudit(theirs.map(({ id }) => id))
    erased += theirs.length
    after = page.next
    if (after === null) return erased
  }
}
