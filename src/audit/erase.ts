import { type AuditRecord, parseRecord } from './record.ts'
import type { AuditPage, AuditStore } from './store.ts'

const PAGE = 500

/**
 * Removes every row that is about somebody or tells of what they did, by their subject; of one provider alone, where one is named.
 * Answers how many.
 */
export async function eraseFromAudit(
  store: Pick<AuditStore, 'listAudit' | 'removeAudit'>,
  { user, provider }: { readonly user: string; readonly provider: string | null },
): Promise<number> {
  const isTheirs = ({ facts }: AuditRecord) =>
    (facts.user === user && (provider === null || (facts.provider ?? provider) === provider)) || facts.by === user
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
